"""Joins of another region's rows: once for each page, in any order, and without an echo."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from tierstore.crdt import counter
from tierstore.errors import InvalidArgumentError
from tierstore.record import COUNTER, ELSEWHERE, Record
from tierstore.region.batch import JOIN, Delta
from tierstore.region.outcomes import QUARANTINED
from tierstore.region.peers import Peer, PeerPage
from tierstore.region.rows import STRONG
from tierstore.runtime import now_ms
from tierstore.testing.conformance.harness import TIMEOUT_S, need
from tierstore.testing.conformance.region.changing import add, total
from tierstore.testing.conformance.region.link import Link
from tierstore.testing.conformance.region.peered import PeeringBench, told
from tierstore.testing.conformance.region.sender import Sender
from tierstore.testing.memory_region import MemoryRegion

if TYPE_CHECKING:
    from typing import Any

    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.harness import RegionHarness
    from tierstore.testing.conformance.region.mover import Mover

BOUNDS = (None, "", "b", "\0", "ключ/😀", "\udcff")


class Peering(PeeringBench):
    """What a page brings is joined whole, once, and only where the link stands."""

    def test_a_page_is_joined_once(self, link: Link, far: Sender, sender: Sender) -> None:
        """The second time another link has been faster, and is told of."""
        far.write("a", "b")
        page = link.page(*link.rows("a", "b"), cursor=2, resumes_at=None)
        reply = link.target.join(page, TIMEOUT_S)
        assert (reply.is_joined, reply.changed, reply.aside) == (True, 2, 0)
        assert reply.peer == link.peer
        position = sender.changes(0).position
        again = link.target.join(page, TIMEOUT_S)
        assert (again.is_joined, again.peer, again.changed) == (False, link.peer, 0)
        assert sender.payloads("a", "b") == {"a": b"a", "b": b"b"}
        assert sender.changes(0).position == position == reply.position

    @pytest.mark.parametrize("changed", ["cursor", "resumes_at", "incarnation", "replica"])
    def test_nothing_happens_unless_the_peer_is_as_the_link_knows_it(
        self, link: Link, far: Sender, sender: Sender, changed: str
    ) -> None:
        """Whatever it is that the link has wrong."""
        far.write("a")
        link.join(cursor=5)
        page = link.page(*link.rows("a"), cursor=9)
        others: dict[str, Any] = {"cursor": 4, "resumes_at": "x", "incarnation": 7, "replica": 9}
        assert page.before is not None
        page = replace(page, before=replace(page.before, **{changed: others[changed]}))
        reply = link.target.join(page, TIMEOUT_S)
        assert (reply.is_joined, reply.peer) == (False, link.peer)
        assert link.peer.cursor == 5
        assert not sender.rows("a")

    def test_what_does_not_tell_of_progress_is_not_compared(self, link: Link, far: Sender) -> None:
        """A link need not know what the region notes of the peer by itself."""
        far.write("a")
        link.join(cursor=5)
        page = link.page(*link.rows("a"), cursor=9)
        link.target.introduce(link.info, link.reader + 1, TIMEOUT_S)
        assert link.target.claim(link.info.region, 1, 1000, TIMEOUT_S)
        known = link.peer
        reply = link.target.join(page, TIMEOUT_S)
        assert reply.is_joined
        assert reply.peer == replace(known, cursor=9)

    def test_of_two_linkers_one_has_the_claim(self, link: Link, clock: ManualRuntime) -> None:
        """Until it ends, or gives it back; a peer need not be known for it."""
        region, claim = link.info.region, link.target.claim
        assert claim(region, 1, 10_000, TIMEOUT_S)
        assert not claim(region, 2, 10_000, TIMEOUT_S)
        clock.advance(6)
        assert claim(region, 1, 10_000, TIMEOUT_S)
        clock.advance(6)
        assert not claim(region, 2, 10_000, TIMEOUT_S)
        assert claim("another region", 2, 10_000, TIMEOUT_S)
        clock.advance(5)
        assert claim(region, 2, 10_000, TIMEOUT_S)
        assert not claim(region, 1, 10_000, TIMEOUT_S)
        assert claim(region, 2, 0, TIMEOUT_S)
        assert claim(region, 1, 10_000, TIMEOUT_S)

    def test_a_peer_that_is_thought_known_or_unknown_is_told(
        self, link: Link, sender: Sender
    ) -> None:
        """Who comes first enters it; who believes that another was first is told that none was."""
        page = link.page(cursor=1)
        thought = PeerPage(page.after, page.after)
        reply = link.target.join(thought, TIMEOUT_S)
        assert (reply.is_joined, reply.peer) == (False, None)
        assert link.target.join(page, TIMEOUT_S).is_joined
        assert not link.target.join(page, TIMEOUT_S).is_joined

    @pytest.mark.parametrize("bound", BOUNDS, ids=ascii)
    def test_how_far_a_peer_was_read_is_kept(
        self, link: Link, harness: RegionHarness, clock: ManualRuntime, bound: str | None
    ) -> None:
        """Every field, by whatever handle asks, and each page anew."""
        clock.advance(1)
        link.join(cursor=3, resumes_at=bound)
        first = link.peer
        expected = Peer(link.info.region, link.info.incarnation, link.reader, 3, bound)
        assert first == replace(expected, joined_ms=now_ms(clock))
        assert Link(link.source, harness.open()).peer == first
        clock.advance(1)
        moved = {"incarnation": 1 << 50, "replica": (1 << 53) - 1, "cursor": 1 << 60}
        link.join(**moved)
        expected = replace(first, joined_ms=now_ms(clock), **moved)  # type: ignore[arg-type]
        assert Link(link.source, harness.open()).peer == expected

    def test_peers_are_apart(self, link: Link, clock: ManualRuntime) -> None:
        """What is known of one says nothing of another."""
        other = Link(MemoryRegion(clock), link.target)
        link.join(cursor=3)
        other.join(cursor=4)
        assert (link.peer.cursor, other.peer.cursor) == (3, 4)
        assert len(link.target.peers(TIMEOUT_S)) == 2

    def test_what_changes_nothing_takes_no_place_in_the_feed(
        self, link: Link, far: Sender, sender: Sender
    ) -> None:
        """Known rows, older rows, known states of counters: told again they are no news."""
        far.send(far.put("a", b"1"), far.put("b", None), add(far, "n", 5))
        assert link.tell("a", "b", "n").changed == 3
        old = told("a", b"0", 1)
        position = sender.changes(0).position
        for _ in range(2):
            reply = link.join(old, *link.rows("a", "b", "n"))
            assert (reply.is_joined, reply.changed, reply.aside) == (True, 0, 0)
        assert sender.changes(0).position == position
        assert not sender.changes(position).changes

    def test_a_row_that_changes_is_in_the_feed(
        self, link: Link, far: Sender, sender: Sender
    ) -> None:
        """So the edges of this region hear of it; its version is the one that it has there."""
        far.write("a")
        reply = link.tell("a")
        (change,) = sender.changes(0).changes
        record = far.row("a").record
        assert (change.key, change.stamp, change.replica) == ("a", record.stamp, record.replica)
        assert change.position <= reply.position
        assert sender.row("a").record == record

    def test_the_last_writer_wins_however_pages_come(self, link: Link, sender: Sender) -> None:
        """Of equal stamps the higher replica; deletions are writes."""
        stamp = sender.stamp()
        states = [(b"1", stamp, 70), (b"2", stamp + 2, 70), (None, stamp + 2, 71)]
        for number, order in enumerate(permutations(states)):
            for payload, at, replica in order:
                link.join(told(f"k{number}", payload, at, replica))
        found = sender.rows(*[f"k{number}" for number in range(6)])
        assert {(r.record.stamp, r.record.replica, r.record.payload) for r in found.values()} == {
            (stamp + 2, 71, None)
        }
        assert len(found) == 6

    def test_a_tombstone_is_stored_where_nothing_was(
        self, link: Link, far: Sender, sender: Sender
    ) -> None:
        """An older put of whatever replica comes too late then."""
        early = sender.put("k", b"early")
        far.send(far.put("k", None))
        assert link.tell("k").changed == 1
        sender.send(early)
        assert sender.payloads("k") == {"k": None}

    def test_a_touch_is_joined(self, link: Link, far: Sender, sender: Sender) -> None:
        """The version stays, the expiry moves, and metadata come along."""
        first = far.put("k", b"1", metadata={"m": "x"})
        far.send(first)
        link.tell("k")
        far.send(far.touch(first, 1 << 45))
        assert link.tell("k").changed == 1
        assert sender.row("k").record == far.row("k").record
        assert sender.row("k").record.expires_at_ms == 1 << 45

    def test_a_register_ahead_of_the_clock_waits_for_it(
        self, link: Link, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Once, however often it is told; then it comes in."""
        row = told("k", b"ahead", sender.stamp(3600))
        for _ in range(3):
            reply = link.join(row, told("l", b"now", sender.stamp()))
            assert (reply.is_joined, reply.changed, reply.aside) == (True, 1, 1)
        assert not sender.rows("k")
        (entry,) = link.target.aside(10, TIMEOUT_S)
        assert (entry.kind, entry.key, entry.replica) == ("held", "k", link.reader)
        clock.advance(3601)
        assert link.target.maintain(100, TIMEOUT_S).released == 1
        assert sender.payloads("k") == {"k": b"ahead"}
        assert link.join(row).changed == 0

    @pytest.mark.parametrize(
        "fault",
        [
            {"payload": b"\xc1", "type": COUNTER},
            {"payload": b"\x91\x01", "type": 5},
            {"payload": b"\x91\x01", "type": 99},
            {"payload": b"\x91\x01", "type": COUNTER, "generation": -1},
            {"payload": b"\x91\x01", "type": COUNTER, "stamp": (1 << 63) - 1},
            {"payload": b"1", "stamp": 1 << 63},
            {"payload": b"1", "key": ""},
            {"payload": b"1", "key": "k" * 2000},
            {"payload": b"1", "key": "\udcff"},
            {"payload": b"1", "consistency": STRONG},
            {"payload": counter.encode({5: (1, 0)}), "type": COUNTER, "key": "register"},
        ],
        ids=str,
    )
    def test_what_can_never_be_joined_is_kept_aside_alone(
        self, link: Link, sender: Sender, fault: dict[str, Any]
    ) -> None:
        """Once, however often it is told; the others of its page are joined."""
        sender.write("register")
        before = sender.row("register")
        usual: dict[str, Any] = {"key": "k", "stamp": sender.stamp(), "position": 33}
        row = told(**usual | fault)
        for number in range(2):
            reply = link.join(row, told("l", b"%d" % number, sender.stamp()))
            assert (reply.is_joined, reply.changed, reply.aside) == (True, 1, 1)
        (entry,) = link.target.aside(10, TIMEOUT_S)
        assert (entry.kind, entry.key, entry.number) == ("quarantined", row.key, 33)
        assert sender.rows("l", "register").keys() == {"l", "register"}
        assert sender.row("register") == before

    def test_states_that_contradict_each_other_are_kept_aside(
        self, link: Link, sender: Sender
    ) -> None:
        """A register is no counter: the row stays what it is, whatever is newer."""
        sender.send(add(sender, "n", 5))
        reply = link.join(told("n", b"1", sender.stamp()), told("n2", b"1", sender.stamp()))
        assert (reply.changed, reply.aside) == (1, 1)
        assert total(sender, "n") == 5

    def test_a_damaged_row_is_not_overwritten(
        self, harness: RegionHarness, link: Link, sender: Sender
    ) -> None:
        """It is repaired first; what was told waits for an operator meanwhile."""
        need(harness, "corrupt")
        sender.write("k")
        harness.corrupt(b"k")
        reply = link.join(told("k", b"new", sender.stamp()), told("l", b"1", sender.stamp()))
        assert (reply.is_joined, reply.changed, reply.aside) == (True, 1, 1)
        assert "k" in sender.read("k").corrupt
        assert [entry.kind for entry in link.target.aside(10, TIMEOUT_S)] == ["quarantined"]

    def test_a_page_without_payloads_is_refused_whole(self, link: Link, sender: Sender) -> None:
        """Who tells a row has to bring what lies elsewhere; nothing has happened."""
        link.join(cursor=1)
        before = link.peer
        rows = told("a", b"1", sender.stamp()), told("b", ELSEWHERE, sender.stamp())
        with pytest.raises(InvalidArgumentError):
            link.join(*rows, cursor=2)
        assert link.peer == before
        assert not sender.rows("a", "b")

    def test_a_cold_key_comes_back_with_a_newer_value_only(
        self, link: Link, sender: Sender, mover: Mover
    ) -> None:
        """What is older or known leaves it where it is; its object is garbage afterwards."""
        sender.write("k")
        row = sender.row("k")
        name, _ = mover.demote("k")
        assert link.join(row).changed == 0
        assert link.join(told("k", b"old", row.record.stamp - 1)).changed == 0
        assert mover.row("k").record.payload == ELSEWHERE
        assert link.join(told("k", b"new", sender.stamp())).changed == 1
        assert (mover.row("k").record.payload, mover.row("k").cold) == (b"new", None)
        assert mover.garbage() == [name]

    def test_what_came_by_a_join_may_go_cold(self, link: Link, far: Sender, mover: Mover) -> None:
        """A mover has to look at it, as at what was written here."""
        far.write("k")
        link.tell("k")
        assert "k" in mover.due()
        assert mover.demote("k")[1] == ["k"]

    def test_a_whole_state_does_not_come_from_a_replica(self, sender: Sender) -> None:
        """Only a peer tells those; in a batch one is quarantined."""
        record = Record(sender.stamp(), 7, counter.encode({5: (1, 0)}), type=COUNTER, generation=1)
        reply = sender.send(Delta("n", JOIN, record), sender.put("k", b"1"))
        assert reply.outcomes[0] == QUARANTINED
        assert not sender.rows("n")
        assert sender.rows("k")
