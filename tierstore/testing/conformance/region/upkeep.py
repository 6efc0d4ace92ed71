"""What is held is applied when due, the silent retire, the dead are collected behind the floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.region.outcomes import APPLIED, ASIDE, HELD
from tierstore.runtime import now_ms
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.region.bench import DAY_S, RegionBench
from tierstore.testing.conformance.region.changing import add

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.region.protocol import Region, Upkeep
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.sender import Sender


def maintain(sender: Sender, limit: int = 100) -> Upkeep:
    """One step of upkeep."""
    return sender.region.maintain(limit, TIMEOUT_S)


class Keeping(RegionBench):
    """Deltas that are kept back, and what becomes of them."""

    def test_a_delta_from_the_future_is_held_until_its_time(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Stamped more than the drift ahead of the region's clock, it waits for that."""
        reply = sender.send(sender.put("k", b"1", stamp=sender.stamp(3600)), sender.put("j", b"1"))
        assert list(reply.outcomes) == [HELD, APPLIED]
        clock.advance(3599)
        assert maintain(sender).released == 0
        assert sender.read("k").rows == {}
        clock.advance(2)
        assert maintain(sender).released == 1
        assert maintain(sender).released == 0
        assert sender.payloads("k") == {"k": b"1"}

    def test_a_drift_within_the_bound_is_no_drift(self, sender: Sender) -> None:
        """Clocks differ: a minute is let pass."""
        stamp = sender.stamp(59)
        assert list(sender.send(sender.put("k", b"1", stamp=stamp)).outcomes) == [APPLIED]

    def test_a_touch_from_the_future_is_held_too(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Else a clock that is wrong would prolong what nobody could shorten."""
        put = sender.put("k", b"1")
        touch = sender.touch(put, 1 << 45, at=sender.stamp(3600))
        assert list(sender.send(put, touch).outcomes) == [APPLIED, HELD]
        clock.advance(3601)
        assert maintain(sender).released == 1
        assert sender.row("k").record.expires_at_ms == 1 << 45

    def test_a_held_delta_joins_what_came_meanwhile(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """It is ordered by its stamp, not by when it was let in."""
        sender.send(sender.put("k", b"held", stamp=sender.stamp(3600)))
        clock.advance(7200)
        sender.send(sender.put("k", b"newer"))
        assert maintain(sender).released == 1
        assert sender.payloads("k") == {"k": b"newer"}

    def test_what_cannot_be_applied_when_its_time_has_come_is_left_to_an_operator(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """The key may have become one of another type meanwhile."""
        sender.send(sender.put("k", b"1", stamp=sender.stamp(3600)))
        sender.send(add(sender, "k", 1))
        clock.advance(3601)
        maintain(sender)
        told = [(entry.kind, entry.key) for entry in sender.region.aside(9, TIMEOUT_S)]
        assert told == [("quarantined", "k")]

    def test_releases_are_bounded_by_the_limit(self, sender: Sender, clock: ManualRuntime) -> None:
        """A step of upkeep is bounded; the rest waits for the next."""
        sender.send(*[sender.put(key, b"1", stamp=sender.stamp(600)) for key in "abc"])
        clock.advance(700)
        assert [maintain(sender, 2).released for _ in range(3)] == [2, 1, 0]

    def test_what_is_held_is_told_to_an_operator(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Until it is let in."""
        sender.send(sender.put("k", b"1", stamp=sender.stamp(600)))
        (entry,) = sender.region.aside(10, TIMEOUT_S)
        assert (entry.kind, entry.replica, entry.number, entry.key) == ("held", 7, 1, "k")
        clock.advance(700)
        maintain(sender)
        assert sender.region.aside(10, TIMEOUT_S) == []

    def test_a_delta_older_than_the_horizon_is_kept_aside(self, sender: Sender) -> None:
        """It may be older than a tombstone that is forgotten: never merged."""
        stamp = sender.stamp(-8 * DAY_S)
        assert list(sender.send(sender.put("k", b"1", stamp=stamp)).outcomes) == [ASIDE]
        assert sender.read("k").rows == {}
        (entry,) = sender.region.aside(10, TIMEOUT_S)
        assert (entry.kind, entry.replica, entry.key) == ("aside", 7, "k")

    def test_a_batch_set_aside_is_kept_once_and_never_merged(
        self, sender: Sender, region: Region
    ) -> None:
        """However often a retired replica offers it."""
        batch = sender.batch(sender.put("k", b"1"), sender.put("j", b"2"))
        for _ in range(2):
            region.set_aside(batch, "it was retired", TIMEOUT_S)
        entries = region.aside(10, TIMEOUT_S)
        assert [(e.kind, e.key, e.reason) for e in entries] == [
            ("retired", "k", "it was retired"),
            ("retired", "j", "it was retired"),
        ]
        assert sender.read("k", "j").rows == {}

    def test_what_waits_is_told_up_to_a_limit_oldest_first(
        self, sender: Sender, region: Region, clock: ManualRuntime
    ) -> None:
        """An operator sees the first ones first."""
        for number in range(3):
            clock.advance(1)
            batch = sender.batch(sender.put(f"k{number}", b"1"))
            sender.number += 1
            region.set_aside(batch, "retired", TIMEOUT_S)
        assert [entry.key for entry in region.aside(2, TIMEOUT_S)] == ["k0", "k1"]


class Retiring(RegionBench):
    """Replicas that fall silent, and those that leave."""

    def test_a_silent_replica_retires_and_no_longer_holds_the_floor(
        self, sender: Sender, other: Sender, clock: ManualRuntime
    ) -> None:
        """After the horizon, and not before."""
        position = sender.write("k").position
        sender.acknowledge(position)
        assert maintain(sender).floor < position
        clock.advance(6 * DAY_S)
        sender.acknowledge(position)
        assert maintain(sender).retired == 0
        clock.advance(2 * DAY_S)
        done = maintain(sender)
        assert (done.retired, done.floor) == (1, position)
        states = {state.replica: state.retired for state in sender.region.replicas(TIMEOUT_S)}
        assert states == {7: False, 8: True}

    def test_a_replica_is_retired_when_it_is_told(
        self, sender: Sender, other: Sender, clock: ManualRuntime
    ) -> None:
        """It holds no floor, its batches are refused, and telling it again changes nothing."""
        position = sender.write("k").position
        sender.acknowledge(position)
        assert sender.region.retire(other.replica, TIMEOUT_S)
        assert not sender.region.retire(other.replica, TIMEOUT_S)
        assert not sender.region.retire(4711, TIMEOUT_S)
        assert maintain(sender).floor == position
        assert other.write("j").verdict == "retired"
        assert sender.write("k").verdict == "applied"
        states = {state.replica: state.retired for state in sender.region.replicas(TIMEOUT_S)}
        assert states == {sender.replica: False, other.replica: True}

    def test_a_retired_replica_stays_retired(
        self, sender: Sender, other: Sender, clock: ManualRuntime
    ) -> None:
        """Neither registering nor acknowledging brings it back."""
        clock.advance(8 * DAY_S)
        sender.write("k")
        maintain(sender)
        assert other.region.register(8, TIMEOUT_S).state.retired
        other.acknowledge(1)
        assert other.region.register(8, TIMEOUT_S, False).state.retired

    def test_whatever_a_replica_sends_shows_that_it_is_alive(
        self, new_sender: Callable[[int], Sender], clock: ManualRuntime
    ) -> None:
        """Batches, repeated ones too, registrations and acknowledgements."""
        senders = [new_sender(replica) for replica in range(1, 6)]
        repeated = senders[1].batch(senders[1].put("k", b"1"))
        senders[1].sent(repeated)
        clock.advance(5 * DAY_S)
        senders[0].write("a")
        senders[1].region.apply(repeated, TIMEOUT_S)
        senders[2].region.register(3, TIMEOUT_S)
        senders[3].acknowledge(0)
        clock.advance(5 * DAY_S)
        assert maintain(senders[0]).retired == 1
        states = senders[0].region.replicas(TIMEOUT_S)
        assert [state.replica for state in states if state.retired] == [5]

    def test_the_retired_are_forgotten_after_another_horizon(
        self, sender: Sender, new_sender: Callable[[int], Sender], clock: ManualRuntime
    ) -> None:
        """But for those of whom something waits for an operator."""
        new_sender(8)
        waiting = new_sender(9)
        waiting.region.set_aside(waiting.batch(waiting.put("k", b"1")), "retired", TIMEOUT_S)
        held = new_sender(10)
        held.send(held.put("k", b"1", stamp=held.stamp(90 * DAY_S)))
        done = []
        for _ in range(3):
            clock.advance(5 * DAY_S)
            sender.acknowledge(0)
            done.append(maintain(sender))
        assert [(step.retired, step.forgotten) for step in done] == [(0, 0), (3, 0), (0, 1)]
        assert {state.replica for state in sender.region.replicas(TIMEOUT_S)} == {7, 9, 10}

    def test_who_leaves_is_forgotten_and_holds_no_floor(
        self, sender: Sender, other: Sender
    ) -> None:
        """A process without a journal is never heard of again; it says so."""
        position = sender.write("k").position
        sender.acknowledge(position)
        for _ in range(2):
            sender.region.leave(8, TIMEOUT_S)
        assert maintain(sender).floor == position
        assert [state.replica for state in sender.region.replicas(TIMEOUT_S)] == [7]
        assert other.write("k").verdict == "fenced"
        assert sender.region.register(8, TIMEOUT_S, False).forgotten

    def test_who_leaves_something_for_the_operator_is_retired(
        self, sender: Sender, other: Sender
    ) -> None:
        """What waits still says whose it was."""
        other.region.set_aside(other.batch(other.put("k", b"1")), "retired", TIMEOUT_S)
        other.region.leave(8, TIMEOUT_S)
        states = {state.replica: state.retired for state in sender.region.replicas(TIMEOUT_S)}
        assert states == {7: False, 8: True}

    def test_who_is_unknown_may_leave_and_acknowledge(self, sender: Sender) -> None:
        """Nothing happens."""
        sender.region.leave(99, TIMEOUT_S)
        sender.region.acknowledge(99, 1, TIMEOUT_S)
        assert [state.replica for state in sender.region.replicas(TIMEOUT_S)] == [7]


class Collecting(RegionBench):
    """Dead rows go when all have seen them and nobody can send older ones."""

    def test_only_what_all_have_seen_and_none_may_resend_is_collected(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Tombstones and expired rows, older than horizon and drift; a live one never."""
        put = sender.put("expiring", b"1", expires_at_ms=now_ms(clock) + 1000)
        position = sender.send(sender.put("dead", None), put, sender.put("live", b"1")).position
        clock.advance(7 * DAY_S)
        sender.acknowledge(position)
        assert maintain(sender).collected == 0
        clock.advance(120)
        assert [maintain(sender, 1).collected for _ in range(3)] == [1, 1, 0]
        assert list(sender.read("dead", "expiring", "live").rows) == ["live"]

    def test_what_is_collected_is_gone(self, sender: Sender, clock: ManualRuntime) -> None:
        """From reads, scans and the feed; the key can be written again."""
        position = sender.send(sender.put("dead", None)).position
        clock.advance(8 * DAY_S)
        sender.acknowledge(position)
        assert maintain(sender).collected == 1
        assert (sender.read("dead").rows, sender.scan().rows) == ({}, [])
        assert sender.changes(position).changes == []
        sender.write("dead")
        assert sender.payloads("dead") == {"dead": b"dead"}

    def test_a_dead_row_above_the_floor_stays(
        self, sender: Sender, other: Sender, clock: ManualRuntime
    ) -> None:
        """As long as one live replica has not heard of the delete."""
        position = sender.send(sender.put("dead", None)).position
        for _ in range(3):
            clock.advance(5 * DAY_S)
            sender.acknowledge(position)
            other.acknowledge(0)
        assert maintain(sender).collected == 0
        other.acknowledge(position)
        assert maintain(sender).collected == 1

    def test_what_is_dead_is_counted_by_what_keeps_it(
        self, sender: Sender, other: Sender, clock: ManualRuntime
    ) -> None:
        """Young ones, those that somebody has yet to hear of, and those that can go now."""
        self._expect(sender, 0, 0, 0)
        first = sender.send(sender.put("a", None), sender.put("live", b"1")).position
        sender.send(sender.put("b", b"1", expires_at_ms=now_ms(clock) + 1000))
        self._expect(sender, 1, 1, 0)
        for replica in (sender, other):
            replica.acknowledge(first)
        clock.advance(6 * DAY_S)
        for replica in (sender, other):
            replica.acknowledge(first)
        clock.advance(2 * DAY_S)
        last = sender.send(sender.put("c", None)).position
        self._expect(sender, 3, 1, 1)
        assert sender.region.dead_rows(TIMEOUT_S).floor == first
        assert maintain(sender).collected == 1
        self._expect(sender, 2, 1, 1)
        for replica in (sender, other):
            replica.acknowledge(last)
        self._expect(sender, 2, 1, 0)
        assert maintain(sender).collected == 1
        self._expect(sender, 1, 1, 0)

    def _expect(self, sender: Sender, count: int, young: int, waiting: int) -> None:
        found = sender.region.dead_rows(TIMEOUT_S)
        assert (found.count, found.young, found.waiting) == (count, young, waiting)
        assert found.collectable == count - young - waiting

    def test_a_key_that_was_written_again_is_not_collected(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """What counts is the row that is there."""
        sender.send(sender.put("k", None))
        clock.advance(8 * DAY_S)
        sender.acknowledge(sender.write("k").position)
        assert maintain(sender).collected == 0

    def test_the_floor_and_acknowledgements_never_go_back(
        self, sender: Sender, new_sender: Callable[[int], Sender]
    ) -> None:
        """Nor beyond what there is."""
        position = sender.write("k").position
        sender.acknowledge(position + 1_000)
        sender.acknowledge(0)
        assert sender.region.replicas(TIMEOUT_S)[0].acknowledged == position
        assert maintain(sender).floor == position
        new_sender(8)
        assert maintain(sender).floor == position

    def test_seen_times_do_not_go_back_with_the_clock(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """A clock that was wrong for a moment retires nobody."""
        before = sender.region.replicas(TIMEOUT_S)[0].seen_ms
        clock.jump(-DAY_S)
        sender.write("k")
        assert sender.region.replicas(TIMEOUT_S)[0].seen_ms == before

    def test_upkeep_of_a_quiet_region_does_nothing(self, sender: Sender) -> None:
        """However often it is called."""
        position = sender.write("k").position
        for _ in range(3):
            done = maintain(sender)
            assert (done.released, done.retired, done.collected, done.forgotten) == (0, 0, 0, 0)
        assert sender.read("k").position == position
