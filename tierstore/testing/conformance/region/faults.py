"""The n-th I/O fails, loses its reply or ends the process: a call happened whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from tierstore.errors import (
    DeadlineExceededError,
    UnavailableError,
)
from tierstore.region.peers import Peer, PeerPage
from tierstore.region.rows import RegionInfo
from tierstore.testing.conformance.harness import TIMEOUT_S, need
from tierstore.testing.conformance.region.bench import DAY_S, RegionBench
from tierstore.testing.conformance.region.committer import Committer, put
from tierstore.testing.conformance.region.link import Link
from tierstore.testing.conformance.region.mover import Mover
from tierstore.testing.conformance.region.peered import told
from tierstore.testing.conformance.region.sender import Sender
from tierstore.testing.conformance.wrecking import IOS_MAX, wrecked
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.plan import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.region.peers import PeeredRegion
    from tierstore.testing.conformance.region.harness import RegionHarness
    from tierstore.testing.plan import Kind


class Faults(RegionBench):
    """Whatever fails in the middle, nothing is half done, and the call can be repeated."""

    @pytest.fixture(params=KINDS)
    def kind(self, request: pytest.FixtureRequest) -> Kind:
        """What happens at the I/O that goes wrong."""
        return cast("Kind", request.param)

    @pytest.fixture
    def frail(self, harness: RegionHarness, kind: Kind) -> RegionHarness:
        """The harness, if it can do faults, and the region survives those of this kind."""
        need(harness, "faults")
        if kind.startswith("crash"):
            _need_durable(harness)
        return harness

    def test_a_batch_is_applied_whole_or_not_at_all(self, frail: RegionHarness, kind: Kind) -> None:
        """At every I/O of `apply`; an error that says "nothing happened" is right."""
        sender = Sender(frail.open(), 7, frail.clock)
        keys = ["a", "b", "c"]
        batch = sender.batch()

        def apply() -> None:
            nonlocal batch
            batch = sender.batch(*[sender.put(key, b"%d" % sender.number) for key in keys])
            sender.region = frail.open()
            sender.region.connect(TIMEOUT_S)
            sender.region.apply(batch, TIMEOUT_S)

        for error in wrecked(frail, kind, apply):
            sender.region = frail.open()
            found = sender.read(*keys)
            has_happened = found.applied == batch.number
            payloads = {row.record.payload for row in found.rows.values()}
            assert len(payloads) <= 1
            assert (b"%d" % sender.number in payloads) == has_happened
            assert not (has_happened and isinstance(error, UnavailableError))
            reply = sender.sent(batch)
            assert (reply.verdict, reply.repeated) == ("applied", has_happened)

    def test_a_repetition_is_answered_or_not(self, frail: RegionHarness, kind: Kind) -> None:
        """A batch that is repeated changes nothing, wherever it fails."""
        sender = Sender(frail.open(), 7, frail.clock)
        batch = sender.batch(sender.put("k", b"1"))
        sender.sent(batch)
        rows = sender.rows("k")
        for _ in wrecked(frail, kind, lambda: frail.open().apply(batch, TIMEOUT_S)):
            sender.region = frail.open()
            assert (sender.rows("k"), sender.read("k").applied) == (rows, 1)

    def test_a_registration_happens_or_not(self, frail: RegionHarness, kind: Kind) -> None:
        """And can be repeated."""
        replicas = iter(range(1, IOS_MAX))
        replica = 0

        def register() -> None:
            nonlocal replica
            replica = next(replicas)
            frail.open().register(replica, TIMEOUT_S)

        for error in wrecked(frail, kind, register):
            region = frail.open()
            known = {state.replica for state in region.replicas(TIMEOUT_S)}
            assert not (replica in known and isinstance(error, UnavailableError))
            assert region.register(replica, TIMEOUT_S).state.applied == 0

    def test_a_region_is_created_whole_or_not_at_all(
        self, frail: RegionHarness, kind: Kind
    ) -> None:
        """Whoever comes next can connect, and everybody meets the same region."""
        first = None
        for _ in wrecked(frail, kind, lambda: frail.open().connect(TIMEOUT_S)):
            info = frail.open().connect(TIMEOUT_S)
            assert first in (None, info)
            first = info

    def test_a_switch_happens_whole_or_not_at_all(self, frail: RegionHarness, kind: Kind) -> None:
        """Rows, intent and object change together."""
        sender = Sender(frail.open(), 7, frail.clock)
        mover = Mover(sender.region, frail.clock)
        keys = ["a", "b"]
        name = ""

        def switch() -> None:
            mover.region = frail.open()  # type: ignore[assignment]
            mover.demote(*keys, name=name)

        def prepared() -> None:
            nonlocal name
            sender.region = mover.region = frail.open()  # type: ignore[assignment]
            sender.write(*keys)
            name = mover.begin()

        for error in wrecked(frail, kind, switch, prepared):
            mover.region = frail.open()  # type: ignore[assignment]
            moved = {mover.row(key).cold is not None for key in keys}
            assert len(moved) == 1
            has_happened = moved == {True}
            assert (name in mover.objects()) == has_happened
            assert not (has_happened and isinstance(error, UnavailableError))

    def test_a_page_is_joined_whole_or_not_at_all(self, frail: RegionHarness, kind: Kind) -> None:
        """Rows, what is kept back, and how far the peer was read: told again, it is joined once."""
        sender = Sender(frail.open(), 7, frail.clock)
        link = Link(MemoryRegion(frail.clock), sender.region)
        page = link.page()

        def prepared() -> None:
            nonlocal page
            link.target = cast("PeeredRegion", frail.open())
            payload, cursor = b"%d" % sender.stamp(), sender.stamp()
            rows = [told(key, payload, sender.stamp()) for key in ("a", "b")]
            ahead = told("h", payload, sender.stamp(3600), position=cursor)
            page = link.page(*rows, ahead, told("", payload, 1, position=cursor), cursor=cursor)

        for error in wrecked(
            frail, kind, lambda: cast("PeeredRegion", frail.open()).join(page, TIMEOUT_S), prepared
        ):
            sender.region = frail.open()
            link.target = cast("PeeredRegion", sender.region)
            cursor, payload = page.after.cursor, page.rows[0].record.payload
            has_happened = link.known is not None and link.peer.cursor == cursor
            payloads = sender.payloads("a", "b").values()
            assert len({*payloads}) <= 1
            assert (payload in payloads) == has_happened
            waiting = [e for e in link.target.aside(1000, TIMEOUT_S) if e.number == cursor]
            assert {entry.kind for entry in waiting} == (
                {"held", "quarantined"} if has_happened else set()
            )
            assert not (has_happened and isinstance(error, UnavailableError))
            assert link.target.join(page, TIMEOUT_S).is_joined is not has_happened
            assert set(sender.payloads("a", "b").values()) == {payload}

    def test_a_commit_happens_whole_or_not_at_all(self, frail: RegionHarness, kind: Kind) -> None:
        """At every I/O; sent again under its id, it has happened once."""
        if not frail.open().capabilities.cas:
            pytest.skip("the adapter declares no `cas`")
        committer, name, payload = Committer(frail.open(), frail.clock), "", b""
        count = 0

        def commit() -> None:
            nonlocal name, payload, count
            count += 1
            name, payload = committer.operation(), b"%d" % count
            handle = Committer(frail.open(), frail.clock)
            handle.commit(put("a", payload), put(":b", payload), put("c"), operation_id=name)

        for error in wrecked(frail, kind, commit):
            fresh = Committer(frail.open(), frail.clock)
            found = {fresh.payload("a") == payload, fresh.records("b") == {"b": payload}}
            assert len(found) == 1
            has_happened = True in found
            assert not (has_happened and isinstance(error, UnavailableError))
            items = put("a", payload), put(":b", payload), put("c")
            reply = fresh.commit(*items, operation_id=name)
            assert (reply.verdict, reply.repeated) == ("committed", has_happened)

    def test_upkeep_happens_whole_or_not_at_all(self, frail: RegionHarness, kind: Kind) -> None:
        """What is held is let in, or still held: never neither, never both."""
        sender = Sender(frail.open(), 7, frail.clock)
        sender.send(*[sender.put(key, b"1", stamp=sender.stamp(600)) for key in ("a", "b")])
        frail.clock.advance(700)
        for _ in wrecked(frail, kind, lambda: frail.open().maintain(100, TIMEOUT_S)):
            sender.region = frail.open()
            rows, waiting = sender.read("a", "b").rows, sender.region.aside(10, TIMEOUT_S)
            assert (len(rows), len(waiting)) in ((0, 2), (2, 0))

    def test_a_read_that_fails_is_a_typed_error(self, frail: RegionHarness, kind: Kind) -> None:
        """Reads, scans and the feed raise "unavailable", and change nothing."""
        sender = Sender(frail.open(), 7, frail.clock)
        sender.write("a", "b")
        calls: list[Callable[[], object]] = [
            lambda: sender.read("a"), lambda: sender.read("a", "b"), lambda: sender.scan(),
            lambda: sender.changes(0), lambda: cast("PeeredRegion", sender.region).peers(TIMEOUT_S),
            lambda: cast("PeeredRegion", sender.region).versions(["a", "b"], TIMEOUT_S),
            lambda: cast("PeeredRegion", sender.region).fingerprint("", None, 9, TIMEOUT_S),
        ]  # fmt: skip

        def reopened(call: Callable[[], object]) -> Callable[[], object]:
            def run() -> object:
                sender.region = frail.open()
                return call()

            return run

        for call in calls:
            for error in wrecked(frail, kind, reopened(call)):
                assert error is None or isinstance(error, UnavailableError)
                sender.region = frail.open()
                assert sender.payloads("a", "b") == {"a": b"a", "b": b"b"}

    def test_a_region_that_does_not_answer_is_unavailable(self, harness: RegionHarness) -> None:
        """Every call says so with one typed error, and all goes on afterwards."""
        need(harness, "unreachable")
        sender = Sender(harness.open(), 7, harness.clock)
        sender.write("k")
        info, page = RegionInfo("far", 1), PeerPage(None, Peer("far", 1, 9))
        with harness.unreachable():
            sender.region = harness.open()
            calls: list[Callable[[], object]] = [
                lambda: sender.region.connect(TIMEOUT_S),
                lambda: sender.region.register(7, TIMEOUT_S),
                lambda: sender.region.apply(sender.batch(), TIMEOUT_S),
                lambda: sender.read("k"),
                lambda: sender.changes(0),
                lambda: sender.scan(),
                lambda: sender.acknowledge(0),
                lambda: sender.region.maintain(10, TIMEOUT_S),
                lambda: sender.region.aside(10, TIMEOUT_S),
                lambda: sender.region.replicas(TIMEOUT_S),
                lambda: sender.region.leave(7, TIMEOUT_S),
                lambda: cast("PeeredRegion", sender.region).peers(TIMEOUT_S),
                lambda: cast("PeeredRegion", sender.region).join(page, TIMEOUT_S),
                lambda: cast("PeeredRegion", sender.region).introduce(info, 8, TIMEOUT_S),
                lambda: cast("PeeredRegion", sender.region).versions(["k"], TIMEOUT_S),
                lambda: cast("PeeredRegion", sender.region).fingerprint("", None, 9, TIMEOUT_S),
                lambda: cast("PeeredRegion", sender.region).trust("far", TIMEOUT_S),
            ]
            for call in calls:
                with pytest.raises(UnavailableError):
                    call()
        sender.region = harness.open()
        assert sender.payloads("k") == {"k": b"k"}

    def test_a_lock_that_is_held_too_long_is_a_deadline(self, harness: RegionHarness) -> None:
        """Nothing happened, within the timeout, and reads go on meanwhile."""
        need(harness, "blocked")
        sender = Sender(harness.open(), 7, harness.clock)
        sender.write("k")
        batch = sender.batch(sender.put("k", b"2"))
        with harness.blocked():
            with pytest.raises(DeadlineExceededError) as caught:
                sender.region.apply(batch, 0.2)
            assert (caught.value.outcome, caught.value.retry) == ("none", "later")
            assert sender.payloads("k") == {"k": b"k"}
        assert not sender.sent(batch).repeated

    def test_a_crash_keeps_every_batch_that_was_answered(self, harness: RegionHarness) -> None:
        """And goes on with the next one, time after time."""
        _need_durable(harness)
        sender = Sender(harness.open(), 7, harness.clock)
        for number in range(5):
            sender.region = harness.open()
            sender.send(sender.put("k", b"%d" % number))
            harness.clock.advance(DAY_S / 10)
            harness.restart()
        sender.region = harness.open()
        reply = sender.read("k")
        assert (reply.applied, reply.rows["k"].record.payload) == (5, b"4")


def _need_durable(harness: RegionHarness) -> None:
    need(harness, "restart")
    if not harness.open().capabilities.durable:
        pytest.skip("the region declares that it is not durable: nothing survives a crash")
