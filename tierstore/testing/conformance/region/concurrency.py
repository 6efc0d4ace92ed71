"""Several threads at once: what each saw is recorded, and checked afterwards."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import pytest

from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.region.bench import RegionBench
from tierstore.testing.conformance.region.changing import add, total
from tierstore.testing.conformance.region.link import Link
from tierstore.testing.conformance.region.mover import TTL_MS
from tierstore.testing.conformance.region.peered import told
from tierstore.testing.conformance.region.sender import Sender
from tierstore.testing.conformance.together import Waiting, outcomes_of, together
from tierstore.testing.memory_region import MemoryRegion

if TYPE_CHECKING:
    from tierstore.region.moves import Directory, Lease
    from tierstore.region.peers import JoinReply
    from tierstore.region.protocol import BatchReply, Change, Region, Registration, Upkeep
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.harness import RegionHarness

WRITERS, BATCHES = 4, 12


class Concurrency(RegionBench):
    """Nothing is lost, torn or seen in another order by whoever works at the same time."""

    @pytest.fixture
    def shared(self, harness: RegionHarness) -> Region:
        """A handle that threads share; it waits as the system does."""
        return harness.open(Waiting(harness.clock))

    @pytest.fixture
    def senders(self, shared: Region, clock: ManualRuntime) -> list[Sender]:
        """As many replicas as there are writers."""
        return [Sender(shared, replica, clock) for replica in range(1, WRITERS + 1)]

    def test_threads_that_write_lose_nothing(self, senders: list[Sender]) -> None:
        """Each batch is applied, and its row is there when the reply is."""

        def work(sender: Sender) -> None:
            for number in range(BATCHES):
                key = f"{sender.replica}/{number}"
                assert sender.write(key).verdict == "applied"
                assert sender.payloads(key) == {key: key.encode()}

        together(*[partial(work, sender) for sender in senders])
        keys = [row.key for row in senders[0].scan().rows]
        assert sorted(keys) == sorted(f"{s.replica}/{n}" for s in senders for n in range(BATCHES))
        assert [sender.read().applied for sender in senders] == [BATCHES] * WRITERS

    def test_positions_are_drawn_once(self, senders: list[Sender]) -> None:
        """No two rows have one place in the feed, and none lies beyond its end."""
        together(*[partial(_write_many, sender) for sender in senders])
        page = senders[0].changes(0)
        positions = [change.position for change in page.changes]
        assert positions == sorted(set(positions))
        assert len(positions) == WRITERS * BATCHES
        assert positions[-1] <= page.position

    def test_nothing_appears_behind_a_cursor(self, senders: list[Sender]) -> None:
        """Whoever follows the feed while others write has heard of all when they have ended.

        What can be seen before its turn comes does not count here, as if it were never told.
        """
        heard: dict[str, Change] = {}
        done: list[int] = []

        def write(sender: Sender) -> None:
            _write_many(sender)
            done.append(sender.replica)

        def follow() -> None:
            cursor, is_last = 0, False
            while True:
                page = senders[0].region.changes(cursor, 3, 0, TIMEOUT_S)
                assert not page.gap
                settled = [c for c in page.changes if c.position <= page.position]
                assert all(cursor < change.position <= page.cursor for change in settled)
                heard.update({change.key: change for change in settled})
                cursor = page.cursor
                if is_last and cursor == page.position:
                    return
                is_last = len(done) == len(senders)

        together(follow, *[partial(write, sender) for sender in senders])
        rows = {row.key: (row.record.stamp, row.position) for row in senders[0].scan().rows}
        assert {key: (change.stamp, change.position) for key, change in heard.items()} == rows

    def test_a_read_never_sees_half_a_batch(self, senders: list[Sender]) -> None:
        """All keys of a batch change at once, for reads and scans."""
        keys, writer = [f"torn/{number}" for number in range(5)], senders[0]
        done = list[bool]()

        def write() -> None:
            for number in range(BATCHES * 2):
                writer.send(*[writer.put(key, b"%d" % number) for key in keys])
            done.append(True)

        def read(sender: Sender) -> None:
            while not done:
                reply = sender.read(*keys)
                assert len({row.record.payload for row in reply.rows.values()}) <= 1
                assert len(reply.rows) in (0, len(keys))
                page = sender.scan("torn/", "torn0")
                assert len({row.record.payload for row in page.rows}) <= 1

        together(write, partial(read, senders[1]), partial(read, senders[2]))

    def test_a_reply_contains_what_it_says_is_applied(self, senders: list[Sender]) -> None:
        """`applied` and the rows are of one snapshot: never one without the other."""
        writer, done = senders[0], list[bool]()

        def write() -> None:
            for number in range(1, BATCHES * 2):
                writer.send(writer.put("k", b"%d" % number))
            done.append(True)

        def read() -> None:
            while not done:
                reply = writer.region.read(["k"], writer.replica, TIMEOUT_S)
                shown = reply.rows["k"].record.payload if reply.rows else b"0"
                assert shown == b"%d" % reply.applied

        together(write, read, read)

    def test_one_batch_sent_by_several_at_once_is_applied_once(self, senders: list[Sender]) -> None:
        """All are told that it is applied, and all but one that it was before."""
        sender = senders[0]
        batch = sender.batch(sender.put("k", b"1"), sender.put("l", b"1"))
        sent = outcomes_of([partial(sender.region.apply, batch, TIMEOUT_S)] * 4)
        replies = [cast("BatchReply", found) for found in sent]
        assert {reply.verdict for reply in replies} == {"applied"}
        assert [reply.repeated for reply in replies].count(False) == 1
        assert {reply.outcomes for reply in replies} == {replies[0].outcomes}
        page = sender.changes(0)
        assert ([change.key for change in page.changes], page.cursor) == (["k", "l"], page.position)

    def test_of_two_batches_under_one_number_one_is_applied(self, senders: list[Sender]) -> None:
        """The clone's is fenced, whichever came first."""
        sender = senders[0]
        batches = [sender.batch(sender.put("k", b"%d" % number)) for number in range(4)]
        sent = outcomes_of([partial(sender.region.apply, b, TIMEOUT_S) for b in batches])
        verdicts = [cast("BatchReply", found).verdict for found in sent]
        assert sorted(verdicts) == ["applied", "fenced", "fenced", "fenced"]
        assert sender.payloads("k") == {"k": b"%d" % verdicts.index("applied")}

    def test_writers_of_one_key_agree_on_the_last(self, senders: list[Sender]) -> None:
        """The row holds the highest stamp that anybody wrote."""

        def work(sender: Sender) -> None:
            for number in range(BATCHES):
                sender.send(sender.put("k", b"%d" % number))

        together(*[partial(work, sender) for sender in senders])
        last = senders[0].row("k").record
        highest = max((s.stamp() - 1, s.replica) for s in senders)
        assert (last.stamp, last.replica) == highest

    def test_registering_at_once_enters_one_replica(self, harness: RegionHarness) -> None:
        """Idempotent, also before anybody knows of the other; and one region is made."""
        handles = [harness.open(Waiting(harness.clock)) for _ in range(4)]
        told = outcomes_of([partial(handle.register, 5, TIMEOUT_S) for handle in handles])
        assert len({cast("Registration", found).info for found in told}) == 1
        assert [state.replica for state in handles[0].replicas(TIMEOUT_S)] == [5]

    def test_of_several_movers_one_gets_the_lease(self, shared: Region) -> None:
        """The others are told who has it."""
        moves = cast("Directory", shared)
        calls = [partial(moves.lease, n, TTL_MS, None, TIMEOUT_S) for n in range(1, 5)]
        leases = [cast("Lease", found) for found in outcomes_of(calls)]
        assert [lease.is_held for lease in leases].count(True) == 1
        assert len({lease.epoch for lease in leases}) == 1

    def test_upkeep_at_once_releases_and_collects_once(
        self, senders: list[Sender], clock: ManualRuntime
    ) -> None:
        """What two steps of upkeep find, one of them does."""
        sender = senders[0]
        sender.send(*[sender.put(f"h{n}", b"1", stamp=sender.stamp(600)) for n in range(5)])
        clock.advance(700)
        done = outcomes_of([partial(sender.region.maintain, 100, TIMEOUT_S)] * 4)
        assert sum(cast("Upkeep", found).released for found in done) == 5
        assert [change.key for change in sender.changes(0).changes] == [f"h{n}" for n in range(5)]

    def test_of_two_links_one_joins_a_page(self, shared: Region, clock: ManualRuntime) -> None:
        """The others are told how far that one has got, first page or later one."""
        link = Link(MemoryRegion(clock), shared)
        for cursor in range(1, 6):
            page = link.page(told(f"k{cursor}", b"1", cursor), cursor=cursor)
            calls = [partial(link.target.join, page, TIMEOUT_S)] * 3
            replies = [cast("JoinReply", found) for found in outcomes_of(calls)]
            assert sorted(reply.is_joined for reply in replies) == [False, False, True]
            assert {reply.peer for reply in replies} == {link.peer}
            assert link.peer.cursor == cursor

    def test_joins_beside_batches_lose_nothing(
        self, senders: list[Sender], shared: Region, clock: ManualRuntime
    ) -> None:
        """Whoever comes first to a row that both change; and each has its place in the feed."""
        far = Sender(MemoryRegion(clock), 70, clock)
        link = Link(far.region, shared)

        def add_up(sender: Sender) -> None:
            for number in range(BATCHES):
                sender.send(add(sender, "n", 1), sender.put(f"{sender.replica}/{number}", b"1"))

        def take_over() -> None:
            for number in range(BATCHES):
                far.send(add(far, "n", 100), far.put(f"far/{number}", b"1"))
                assert link.pull().is_joined

        together(take_over, *[partial(add_up, sender) for sender in senders])
        assert total(senders[0], "n") == BATCHES * (WRITERS + 100)
        keys = {change.key for change in senders[0].changes(0).changes}
        replicas = [*range(1, WRITERS + 1), "far"]
        assert keys == {"n", *(f"{name}/{n}" for name in replicas for n in range(BATCHES))}

    def test_joins_of_several_peers_lose_nothing(
        self, shared: Region, clock: ManualRuntime
    ) -> None:
        """Pages that have the same keys, in whatever order."""
        fars = [Sender(MemoryRegion(clock), 70 + n, clock) for n in range(WRITERS)]
        links = [Link(far.region, shared) for far in fars]

        def take_over(far: Sender, link: Link) -> None:
            for _ in range(BATCHES):
                far.send(add(far, "n", 1), add(far, "m", 2))
                order = ("n", "m") if far.replica % 2 else ("m", "n")
                assert link.tell(*order).is_joined

        together(*[partial(take_over, *pair) for pair in zip(fars, links, strict=True)])
        seen = Sender(shared, 7, clock)
        assert (total(seen, "n"), total(seen, "m")) == (BATCHES * WRITERS, 2 * BATCHES * WRITERS)


def _write_many(sender: Sender) -> None:
    for number in range(BATCHES):
        sender.write(f"{sender.replica}/{number}")
