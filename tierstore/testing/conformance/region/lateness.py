"""Peers that were away for too long: what they tell may have been deleted here and forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tierstore.region.peers import Peer, PeerPage
from tierstore.region.rows import RegionInfo
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.region.bench import DAY_S
from tierstore.testing.conformance.region.link import Link
from tierstore.testing.conformance.region.peered import PeeringBench, told

if TYPE_CHECKING:
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.harness import RegionHarness
    from tierstore.testing.conformance.region.sender import Sender

FAR = RegionInfo("far", 3)
FIRST, SECOND = 41, 42


def _far(link: Link) -> Peer:
    return next(peer for peer in link.target.peers(TIMEOUT_S) if peer.region == FAR.region)


def _join(link: Link, *rows: object, before: Peer | None = None) -> Peer:
    known = before or _far(link)
    reply = link.target.join(PeerPage(known, known, rows), TIMEOUT_S)  # type: ignore[arg-type]
    assert reply.is_joined
    assert reply.peer is not None
    return reply.peer


class Lateness(PeeringBench):
    """A region waits with its garbage for peers, for as long as the horizon."""

    @pytest.fixture
    def late(self, link: Link) -> Link:
        """A link whose source is late in the tested region."""
        link.join()
        for reader in (FIRST, SECOND):
            link.target.introduce(link.info, reader, TIMEOUT_S)
        assert link.peer.is_late
        return link

    def test_a_peer_is_introduced_once(self, link: Link, sender: Sender) -> None:
        """It waits as a replica that knows nothing older than now; again it is only looked up."""
        sender.write("k")
        first = link.target.introduce(FAR, FIRST, TIMEOUT_S)
        again = link.target.introduce(FAR, FIRST, TIMEOUT_S)
        assert first.info == again.info == link.target.connect(TIMEOUT_S)
        assert first.state.registered_ms == again.state.registered_ms
        assert (first.state.replica, first.state.retired, first.forgotten) == (FIRST, False, False)
        assert first.state.acknowledged == sender.changes(0).position
        assert _far(link) == Peer(FAR.region, FAR.incarnation, 0, reader=FIRST)
        assert FIRST in {state.replica for state in link.target.replicas(TIMEOUT_S)}

    def test_what_a_peer_was_read_stays_when_it_is_introduced(self, link: Link) -> None:
        """Whichever of the two links comes first."""
        known = link.join(cursor=7, resumes_at=None).peer
        link.target.introduce(link.info, FIRST, TIMEOUT_S)
        assert known is not None
        assert link.peer == replace(known, reader=FIRST)

    def test_garbage_waits_for_a_peer(
        self, link: Link, sender: Sender, clock: ManualRuntime
    ) -> None:
        """As for any replica, until it has acknowledged the tombstone."""
        link.target.introduce(FAR, FIRST, TIMEOUT_S)
        sender.send(sender.put("k", None))
        for _ in range(8):
            clock.advance(2 * DAY_S)
            link.target.acknowledge(FIRST, 0, TIMEOUT_S)
            sender.acknowledge(sender.changes(0).position)
            assert not link.target.maintain(100, TIMEOUT_S).collected
        link.target.acknowledge(FIRST, sender.changes(0).position, TIMEOUT_S)
        assert link.target.maintain(100, TIMEOUT_S).collected == 1

    def test_another_reader_makes_a_peer_late(self, link: Link) -> None:
        """It lost its way: what it has heard of is not known any more."""
        link.target.introduce(FAR, FIRST, TIMEOUT_S)
        link.target.introduce(FAR, SECOND, TIMEOUT_S)
        assert (_far(link).reader, _far(link).is_late) == (SECOND, True)
        link.target.introduce(FAR, SECOND, TIMEOUT_S)
        assert _far(link).is_late

    def test_a_retired_reader_is_not_entered_again(self, link: Link) -> None:
        """It is told so, and has to take another id."""
        link.target.introduce(FAR, FIRST, TIMEOUT_S)
        link.target.retire(FIRST, TIMEOUT_S)
        assert link.target.introduce(FAR, FIRST, TIMEOUT_S).state.retired
        assert not link.target.introduce(FAR, SECOND, TIMEOUT_S).state.retired
        assert _far(link).is_late

    def test_a_region_that_begins_another_life_is_read_anew_and_nobody_is_late(
        self, link: Link, sender: Sender, clock: ManualRuntime
    ) -> None:
        """It forgets as whom it reads its peers, and whom they read it as; all replicas retire."""
        link.target.introduce(FAR, FIRST, TIMEOUT_S)
        link.join(cursor=7, resumes_at=None)
        sender.write("k")
        old = link.target.connect(TIMEOUT_S)
        clock.advance(1)
        new = link.target.reincarnate(TIMEOUT_S)
        assert new == link.target.connect(TIMEOUT_S)
        assert (new.region, new.incarnation > old.incarnation) == (old.region, True)
        assert sender.read("k").incarnation == new.incarnation
        assert sender.sent(sender.batch(sender.put("k", b"2"))).verdict == "retired"
        assert (link.peer.progress, _far(link).reader) == (None, 0)
        assert link.target.introduce(FAR, FIRST, TIMEOUT_S).state.retired
        assert not link.target.introduce(FAR, SECOND, TIMEOUT_S).state.retired
        assert (_far(link).reader, _far(link).is_late) == (SECOND, False)
        assert sender.payloads("k") == {"k": b"k"}

    @pytest.mark.parametrize("how", ["retired", "forgotten"])
    def test_a_peer_that_is_not_waited_for_is_late_from_the_next_page_on(
        self, link: Link, sender: Sender, clock: ManualRuntime, how: str
    ) -> None:
        """With this very page, and for good."""
        link.target.introduce(FAR, FIRST, TIMEOUT_S)
        assert not _join(link).is_late
        old = told("k", b"1", sender.stamp())
        clock.advance(8 * DAY_S)
        if how == "retired":
            link.target.retire(FIRST, TIMEOUT_S)
        else:
            link.target.leave(FIRST, TIMEOUT_S)
        assert _join(link, old).is_late
        assert not sender.rows("k")
        assert _far(link).is_late
        assert link.target.introduce(FAR, FIRST, TIMEOUT_S).forgotten == (how == "forgotten")

    def test_a_link_that_forgets_that_a_peer_is_late_changes_nothing(
        self, late: Link, sender: Sender
    ) -> None:
        """Only an operator says otherwise."""
        assert late.join(is_late=False).is_joined
        assert late.peer.is_late

    def test_what_is_old_and_unknown_of_the_late_waits_for_an_operator(
        self, late: Link, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Once, however often it is told: it may have been deleted and forgotten."""
        old = told("k", b"1", sender.stamp(), position=5)
        clock.advance(8 * DAY_S)
        for number in range(2):
            reply = late.join(old, told("l", b"%d" % number, sender.stamp()))
            assert (reply.is_joined, reply.changed, reply.aside) == (True, 1, 1)
        assert not sender.rows("k")
        (entry,) = late.target.aside(10, TIMEOUT_S)
        assert (entry.kind, entry.key, entry.number) == ("late", "k", 5)

    def test_what_is_recent_or_touched_lately_is_joined(
        self, late: Link, sender: Sender, clock: ManualRuntime
    ) -> None:
        """No tombstone of within the horizon was forgotten."""
        old = sender.stamp()
        clock.advance(8 * DAY_S)
        new = sender.stamp(-6 * DAY_S)
        reply = late.join(told("new", b"1", new), told("touched", b"1", old, touch=new))
        assert (reply.changed, reply.aside) == (2, 0)

    def test_what_is_known_is_joined(
        self, late: Link, sender: Sender, clock: ManualRuntime
    ) -> None:
        """The row, or its tombstone, says what is older."""
        stamp = sender.stamp()
        sender.send(sender.put("older", b"2"), sender.put("deleted", None))
        sender.send(sender.put("newer", b"1", stamp=stamp))
        rows = [told(key, b"told", stamp, 9) for key in ("older", "deleted", "newer")]
        clock.advance(8 * DAY_S)
        reply = late.join(*rows)
        assert (reply.changed, reply.aside) == (1, 0)
        expected = {"older": b"2", "deleted": None, "newer": b"told"}
        assert sender.payloads(*expected) == expected

    def test_what_is_old_and_unknown_of_others_is_joined(
        self, link: Link, sender: Sender, clock: ManualRuntime
    ) -> None:
        """A new region takes over all there is, however old."""
        old = told("k", b"1", sender.stamp())
        clock.advance(800 * DAY_S)
        assert link.join(old).changed == 1
        assert sender.payloads("k") == {"k": b"1"}

    def test_the_long_dead_do_not_come_to_be(
        self, link: Link, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Nobody waits for them; else regions would hand them round for ever."""
        stamp, expires_ms = sender.stamp(), 1
        dead = told("deleted", None, stamp), told("expired", b"1", stamp, expires_at_ms=expires_ms)
        clock.advance(6 * DAY_S)
        assert link.join(*dead).changed == 2
        clock.advance(2 * DAY_S)
        others = [replace(row, key=f"{row.key}/2") for row in dead]
        reply = link.join(*dead, *others)
        assert (reply.changed, reply.aside) == (0, 0)
        assert sender.rows(*[row.key for row in others]) == {}

    def test_an_operator_trusts_a_peer_again(
        self, late: Link, sender: Sender, clock: ManualRuntime, harness: RegionHarness
    ) -> None:
        """Then it is as any other; of who is not late there is nothing to say."""
        old = told("k", b"1", sender.stamp())
        clock.advance(8 * DAY_S)
        assert late.target.trust(late.info.region, TIMEOUT_S)
        assert not Link(late.source, harness.open()).peer.is_late
        assert not late.target.trust(late.info.region, TIMEOUT_S)
        assert not late.target.trust("unheard of", TIMEOUT_S)
        assert late.join(old).changed == 1
