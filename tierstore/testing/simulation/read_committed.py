"""A model of a region in a database of many writers, at isolation level READ COMMITTED.

What one writer at a time can never show: batches that overlap, commit in another order than they
began, and find rows that appeared since they looked. Rows are locked in the order of their keys,
present or not; feed positions are drawn early and become visible only below the oldest batch still
under way, as PostgreSQL's transaction ids do below `pg_snapshot_xmin`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tierstore.region.commits import DATA
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.simulation.scheduler import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tierstore.region.apply import Limits
    from tierstore.region.batch import Batch
    from tierstore.region.commits import Commit, CommitReply
    from tierstore.region.peers import JoinReply, PeerPage
    from tierstore.region.protocol import BatchReply, Compaction, Upkeep
    from tierstore.region.rows import Row
    from tierstore.runtime import Lock, Runtime
    from tierstore.runtime.chance import Chance
    from tierstore.testing.simulation.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Pace:
    """How long statements take."""

    chance: Chance
    most_ms: int

    def draw_ns(self) -> int:
        """The time of one statement."""
        return int(self.chance.random() * self.most_ms * NS_PER_MS)


class ReadCommittedRegion(MemoryRegion):
    """A region whose batches overlap."""

    def __init__(self, runtime: Runtime, scheduler: Scheduler, limits: Limits, pace: Pace) -> None:
        super().__init__(runtime, limits)
        self._pace = pace
        self._scheduler = scheduler
        self._locks: dict[str, Lock] = {}
        self._drawn = 0
        self._next: dict[int, int] = {}
        """The position last given to a row, by thread."""
        self._top = 0
        """The highest position of a row, seen or not yet."""
        self._under_way: dict[int, int] = {}
        self._of_writer: dict[int | str, Lock] = {}
        """By replica, or by the id of a peer."""
        self._of_operation: dict[str, Lock] = {}

    def apply(self, batch: Batch, timeout_s: float) -> BatchReply:
        """Apply a batch once; others run between any two of its statements."""
        own = self._of_writer.setdefault(batch.replica, self._runtime.lock())
        with self._overlapping(own, [delta.key for delta in batch.deltas]) as drawn:
            reply = super().apply(batch, timeout_s)
            reply.position = self._seen_without(drawn)
            return reply

    def join(self, page: PeerPage, timeout_s: float) -> JoinReply:
        """Join the rows of a page, as batches are applied; of one peer, one page at a time."""
        own = self._of_writer.setdefault(page.after.region, self._runtime.lock())
        with self._overlapping(own, [row.key for row in page.rows]) as drawn:
            reply = super().join(page, timeout_s)
            reply.position = self._seen_without(drawn)
            return reply

    def commit(self, commit: Commit, timeout_s: float) -> CommitReply:
        """Judge and apply a commit, statement by statement; only its locks hold others off."""
        with self._overlapping(self._operation_lock(commit.operation_id), self._locked(commit)):
            with self._lock:
                answer = self._known(commit)
            if answer is not None:
                return answer
            self._statement()
            with self._lock:
                rows = self._cells(commit)
            self._statement()
            with self._lock:
                judged = self._judge(rows, commit)
            self._statement()
            with self._lock:
                return self._write_commit(commit, judged)

    def settle(self, operation_id: str, timeout_s: float) -> CommitReply:
        """What became of an operation, once none of that id is under way."""
        with self._overlapping(self._operation_lock(operation_id), []):
            return super().settle(operation_id, timeout_s)

    def _locked(self, commit: Commit) -> list[str]:
        """What a commit locks: every cell, present or not, as batches lock keys."""
        return [
            cell.key if cell.space == DATA else f"{cell.space}/{cell.key}"
            for cell in commit.cells()
        ]

    def _operation_lock(self, operation_id: str) -> Lock:
        if not operation_id:
            return self._runtime.lock()
        return self._of_operation.setdefault(operation_id, self._runtime.lock())

    def maintain(self, limit: int, timeout_s: float) -> Upkeep:
        """Release held deltas, retire the silent, forget the long retired, collect the dead."""
        drawn = self._begin(len(self._held))
        try:
            self._statement()
            self._next[self._runtime.thread_id()] = drawn
            return super().maintain(limit, timeout_s)
        finally:
            self._end(drawn)

    def compact(self, start: str, limit: int, timeout_s: float, is_dry: bool = False) -> Compaction:
        """Let sets and documents among some keys forget what they can."""
        drawn = self._begin(limit)
        try:
            self._statement()
            self._next[self._runtime.thread_id()] = drawn
            return super().compact(start, limit, timeout_s, is_dry)
        finally:
            self._end(drawn)

    @contextmanager
    def _overlapping(self, own: Lock, keys: Sequence[str]) -> Iterator[int]:
        """Lock the writer and its rows, one statement each; the number below its positions."""
        taken: list[Lock] = []
        drawn = self._begin(len(keys))
        try:
            for lock in (own, *self._row_locks(keys)):
                self._statement()
                lock.acquire()
                taken.append(lock)
            self._statement()
            self._next[self._runtime.thread_id()] = drawn
            yield drawn
        finally:
            self._end(drawn)
            for lock in taken:
                lock.release()

    def _place(self, row: Row) -> Row:
        """`row` with a position that was drawn when its batch began."""
        position = self._next[self._runtime.thread_id()] + 1
        self._next[self._runtime.thread_id()] = position
        self._top = max(self._top, position)
        return replace(row, position=position)

    def _reached(self) -> int:
        return self._top

    def _drawn_last(self) -> int:
        return self._drawn

    def _begin(self, count: int) -> int:
        """Draw `count` positions; the number below the first of them."""
        with self._lock:
            drawn = self._drawn
            self._drawn += count
            self._under_way[drawn] = self._under_way.get(drawn, 0) + 1
            return drawn

    def _end(self, drawn: int) -> None:
        """What was drawn is visible, unless an older batch is still under way."""
        with self._lock:
            self._next.pop(self._runtime.thread_id(), None)
            self._position = self._seen_without(drawn)
            self._under_way[drawn] -= 1
            if not self._under_way[drawn]:
                del self._under_way[drawn]

    def _seen_without(self, drawn: int) -> int:
        """How far the feed has got once one that drew here has ended: to the last row, at most.

        Places that were drawn for nothing do not count, so what changes nothing takes none.
        """
        others = [at for at, count in self._under_way.items() if count > (at == drawn)]
        return max(self._position, min(self._top, min(others, default=self._drawn)))

    def _row_locks(self, keys: Sequence[str]) -> list[Lock]:
        return [self._locks.setdefault(key, self._runtime.lock()) for key in sorted(set(keys))]

    def _statement(self) -> None:
        if self._scheduler.current is not None:
            self._scheduler.sleep(self._pace.draw_ns())
