"""Batches are applied exactly once, delta by delta, and everything else is fenced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.record import COUNTER
from tierstore.region.batch import Poisoned, decode_batch, freeze
from tierstore.region.outcomes import APPLIED, ASIDE, HELD, QUARANTINED, SUPERSEDED
from tierstore.testing.conformance.harness import TIMEOUT_S, need
from tierstore.testing.conformance.region.bench import DAY_S, RegionBench
from tierstore.testing.conformance.region.sender import Sender

if TYPE_CHECKING:
    from tierstore.region.protocol import Region
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.harness import RegionHarness


class Applying(RegionBench):
    """A batch is applied once, whatever is sent how often."""

    def test_what_is_put_is_what_the_driver_finds(
        self, sender: Sender, harness: RegionHarness
    ) -> None:
        """The bytes of key and payload are stored as they are; a read does not vouch for them."""
        sender.send(sender.put("k", b"\x00payload\xff"), sender.put("gone", None))
        assert sorted(harness.raw_keys()) == [b"gone", b"k"]
        assert harness.raw_payload(b"k") == b"\x00payload\xff"
        assert harness.raw_payload(b"gone") is None

    def test_a_batch_says_where_the_feed_is_and_what_is_applied(self, sender: Sender) -> None:
        """At the last row that changed if nothing else is under way; and the batch's number."""
        first, second = sender.write("a", "b"), sender.write("c")
        assert (first.applied, second.applied) == (1, 2)
        assert second.position > first.position
        assert not second.repeated

    def test_a_repeated_batch_gets_the_stored_answer_and_changes_nothing(
        self, sender: Sender
    ) -> None:
        """The reply was lost, the batch is sent again: applied once, answered twice."""
        sender.write("k")
        batch = sender.batch(sender.put("k", b"new"), sender.put("j", b"1", stamp=1 << 40))
        first = sender.sent(batch)
        before = sender.rows("k", "j")
        again = sender.region.apply(decode_batch(batch.body), TIMEOUT_S)
        assert (first.verdict, again.verdict) == ("applied", "applied")
        assert (first.repeated, again.repeated) == (False, True)
        assert again.outcomes == first.outcomes
        assert (again.position, again.applied) == (first.position, first.applied)
        assert sender.rows("k", "j") == before

    def test_a_repeated_batch_does_not_undo_what_came_after(
        self, sender: Sender, other: Sender
    ) -> None:
        """A repetition is answered from memory; another's later write stays."""
        batch = sender.batch(sender.put("k", b"mine"))
        sender.sent(batch)
        other.send(other.put("k", b"later", stamp=sender.stamp(1)))
        assert sender.region.apply(batch, TIMEOUT_S).repeated
        assert sender.payloads("k") == {"k": b"later"}

    def test_a_batch_is_recognised_by_another_handle(
        self, sender: Sender, harness: RegionHarness
    ) -> None:
        """What was applied is known to the region, not to the process that sent it."""
        batch = sender.batch(sender.put("k", b"1"))
        sender.sent(batch)
        assert harness.open().apply(batch, TIMEOUT_S).repeated

    def test_a_batch_is_recognised_after_a_restart(self, harness: RegionHarness) -> None:
        """Durable: it is a repetition. Else: the region knows nobody, and fences it."""
        need(harness, "restart")
        sender = Sender(harness.open(), 7, harness.clock)
        batch = sender.batch(sender.put("k", b"1"))
        sender.sent(batch)
        harness.restart()
        region = harness.open()
        reply = region.apply(batch, TIMEOUT_S)
        expected = ("applied", True) if region.capabilities.durable else ("fenced", False)
        assert (reply.verdict, reply.repeated) == expected

    def test_a_batch_that_was_never_seen_is_not_passed_over(self, sender: Sender) -> None:
        """What follows it names it as its predecessor."""
        lost = sender.batch(sender.put("lost", b"1"))
        sender.number, sender.digest = lost.number, lost.digest
        reply = sender.write("k")
        assert (reply.verdict, reply.applied) == ("fenced", 0)
        assert sender.read("k").rows == {}

    def test_numbers_may_skip(self, sender: Sender) -> None:
        """A batch may be numbered by the last of several entries that it brings."""
        sender.write("a")
        sender.number += 4
        reply = sender.write("b")
        assert (reply.verdict, reply.applied) == ("applied", 6)
        sender.write("c")
        assert set(sender.read("a", "b", "c").rows) == {"a", "b", "c"}

    def test_a_number_that_was_skipped_never_comes(self, sender: Sender) -> None:
        """Whoever sends it has not seen what was applied meanwhile."""
        early = freeze(sender.replica, 2, b"", [sender.put("early", b"1")], [])
        sender.number = 4
        sender.write("k")
        assert sender.region.apply(early, TIMEOUT_S).verdict == "fenced"
        assert "early" not in sender.read("early").rows

    def test_a_wrong_predecessor_is_fenced(self, sender: Sender) -> None:
        """Two histories under one identity, such as a clone's, are told by their digests."""
        sender.send(sender.put("k", b"1"))
        sender.digest = bytes(16)
        assert sender.send(sender.put("k", b"2")).verdict == "fenced"
        assert sender.payloads("k") == {"k": b"1"}

    def test_a_first_batch_that_names_a_predecessor_is_fenced(self, sender: Sender) -> None:
        """Number 1 follows nothing."""
        sender.digest = bytes(16)
        assert sender.write("k").verdict == "fenced"

    def test_another_batch_under_an_applied_number_is_fenced(self, sender: Sender) -> None:
        """Equal numbers are a repetition only if the bytes are."""
        sender.send(sender.put("k", b"1"))
        clone = freeze(sender.replica, 1, b"", [sender.put("k", b"2")], [])
        assert sender.region.apply(clone, TIMEOUT_S).verdict == "fenced"
        assert sender.payloads("k") == {"k": b"1"}

    def test_a_batch_from_before_the_last_one_is_fenced(self, sender: Sender) -> None:
        """Only the last answer is kept; older batches are not applied a second time."""
        first = sender.batch(sender.put("k", b"1"))
        sender.sent(first)
        sender.send(sender.put("k", b"2"))
        assert sender.region.apply(first, TIMEOUT_S).verdict == "fenced"
        assert sender.payloads("k") == {"k": b"2"}

    def test_an_unknown_replica_is_fenced(self, sender: Sender) -> None:
        """Nobody writes who did not register, whatever its id."""
        for replica in (9, (1 << 64) - 1):
            stranger = freeze(replica, 1, b"", [sender.put("k", b"1")], [])
            assert sender.region.apply(stranger, TIMEOUT_S).verdict == "fenced"
        assert sender.read("k").rows == {}

    def test_what_is_fenced_leaves_no_trace(self, sender: Sender) -> None:
        """No position, no number, nothing for an operator."""
        position = sender.write("k").position
        sender.digest = bytes(16)
        reply = sender.send(sender.put("x", b"1", stamp=sender.stamp(3600)))
        assert (reply.verdict, reply.position, reply.applied) == ("fenced", position, 1)
        assert reply.reason
        assert reply.outcomes == b""
        assert sender.region.aside(10, TIMEOUT_S) == []

    def test_fencing_one_batch_does_not_stop_the_right_one(self, sender: Sender) -> None:
        """The region stays where it was, and goes on from there."""
        sender.write("a")
        right = sender.batch(sender.put("b", b"b"))
        sender.region.apply(freeze(7, 5, b"", [], []), TIMEOUT_S)
        assert sender.sent(right).verdict == "applied"

    def test_an_empty_batch_advances(self, sender: Sender) -> None:
        """A batch always advances; one without deltas takes no position."""
        position = sender.write("k").position
        reply = sender.send()
        assert (reply.verdict, reply.applied, reply.position) == ("applied", 2, position)
        assert reply.outcomes == b""

    def test_each_delta_has_its_own_outcome_in_order(self, sender: Sender) -> None:
        """One outcome a delta: what happened to the others does not matter."""
        old = sender.stamp()
        sender.write("k")
        reply = sender.send(
            sender.put("new", b"1"),
            sender.put("k", b"0", stamp=old),
            sender.put("ahead", b"1", stamp=sender.stamp(3600)),
            sender.put("odd", b"1", type=COUNTER),
            sender.put("late", b"1", stamp=sender.stamp(-8 * DAY_S)),
        )
        assert list(reply.outcomes) == [APPLIED, SUPERSEDED, HELD, QUARANTINED, ASIDE]
        assert sender.payloads("new", "k", "ahead", "odd", "late") == {"new": b"1", "k": b"k"}

    def test_several_deltas_of_a_key_leave_the_last(self, sender: Sender) -> None:
        """Within a batch, too, the higher stamp wins, and the row takes one position."""
        before = sender.write("other").position
        deltas = [sender.put("k", b"%d" % number) for number in range(5)]
        reply = sender.send(*reversed(deltas))
        assert sender.payloads("k") == {"k": b"4"}
        (change,) = sender.changes(before).changes
        assert change.position == reply.position

    def test_a_batch_of_a_thousand_deltas_is_applied(self, sender: Sender) -> None:
        """As many as a batch may have; no list of parameters is too short for it."""
        keys = [f"key/{number}" for number in range(1_000)]
        assert list(sender.write(*keys).outcomes) == [APPLIED] * 1_000
        assert sender.payloads(*keys) == {key: key.encode() for key in keys}

    def test_a_poisoned_delta_is_quarantined_and_the_batch_goes_on(self, sender: Sender) -> None:
        """One entry that makes no sense never holds up the others."""
        batch = sender.batch(sender.put("k", b"1"), sender.put("j", b"2"))
        batch.deltas[0] = Poisoned("k", b"raw", "it makes no sense")
        assert list(sender.sent(batch).outcomes) == [QUARANTINED, APPLIED]
        assert sender.payloads("k", "j") == {"j": b"2"}
        (entry,) = sender.region.aside(10, TIMEOUT_S)
        assert (entry.kind, entry.key, entry.replica, entry.number) == ("quarantined", "k", 7, 1)
        assert entry.reason

    def test_a_key_that_is_none_is_quarantined(self, sender: Sender) -> None:
        """Empty, too long, or no Unicode: such a delta waits for an operator."""
        keys = ["", "k" * 1025, "\ud800"]
        batch = sender.batch(*[sender.put("k", b"1")] * len(keys))
        batch.deltas[:] = [Poisoned(key, b"raw", "its key is none") for key in keys]
        assert list(sender.sent(batch).outcomes) == [QUARANTINED] * len(keys)
        assert len(sender.region.aside(10, TIMEOUT_S)) == len(keys)

    def test_a_delta_of_a_retired_replica_is_not_applied(
        self, sender: Sender, other: Sender, clock: ManualRuntime
    ) -> None:
        """Who was silent for the horizon is told so, and its write is not merged."""
        clock.advance(8 * DAY_S)
        sender.write("alive")
        sender.region.maintain(10, TIMEOUT_S)
        assert other.write("k").verdict == "retired"
        assert sender.read("k").rows == {}

    def test_replicas_do_not_share_numbers(self, sender: Sender, other: Sender) -> None:
        """Each replica has its own sequence of batches."""
        assert [s.write("k").applied for s in (sender, other, sender)] == [1, 1, 2]

    def test_what_is_applied_is_seen_by_the_next_call(self, sender: Sender, region: Region) -> None:
        """A reply to a write comes after its effect, for every handle and replica."""
        for number in range(10):
            sender.send(sender.put("k", b"%d" % number))
            assert region.read(["k"], 99, TIMEOUT_S).rows["k"].record.payload == b"%d" % number
