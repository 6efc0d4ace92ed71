"""Faults on purpose: a region and a journal in which the n-th I/O fails or ends the process.

Try n = 1, 2, 3, … until the plan no longer fires, and every place at which a program can fail has
been tried:

>>> from tierstore.testing import ManualRuntime, MemoryRegion, memory_store
>>> runtime, plan = ManualRuntime(), FaultPlan()
>>> store = memory_store(region=FaultyRegion(MemoryRegion(runtime), plan), runtime=runtime)
>>> store.put("key", "value")
>>> plan.arm(3, "lost")  # after connecting and registering: the batch
>>> store.maintain().ok, plan.fired
(False, 'region.apply')
>>> store.flush()  # the region recognises the batch that it has already
>>> store.close()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import UnavailableError
from tierstore.region.lives import PEERS
from tierstore.testing.faulty_commits import FaultyCommits
from tierstore.testing.faulty_moves import FaultyMoves
from tierstore.testing.faulty_peers import FaultyPeers
from tierstore.testing.plan import KINDS, Crash, FaultPlan, Kind
from tierstore.tiers.journal.directory import JournalDirectory
from tierstore.tiers.journal.escrow import EscrowFile
from tierstore.tiers.journal.file import JournalFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    from tierstore.region.batch import Batch, Delta
    from tierstore.region.capabilities import Capabilities
    from tierstore.region.protocol import (
        AsideEntry,
        BatchReply,
        ChangesPage,
        Compaction,
        DeadRows,
        ReadReply,
        Registration,
        ScanPage,
        Upkeep,
    )
    from tierstore.region.rows import RegionInfo, ReplicaState
    from tierstore.tiers.journal.content import FrozenBatch, JournalState
    from tierstore.tiers.journal.escrow import Note
    from tierstore.tiers.journal.lock import FileLock

    T = TypeVar("T")

__all__ = ["KINDS", "Crash", "FaultPlan", "FaultyJournalDirectory", "FaultyRegion", "Kind"]


class FaultyRegion(FaultyMoves, FaultyPeers, FaultyCommits):
    """A region whose calls go wrong as `plan` says; otherwise `inner`, which it never changes."""

    @property
    def capabilities(self) -> Capabilities:
        """Those of the inner region."""
        return self._inner.capabilities

    def connect(self, timeout_s: float) -> RegionInfo:
        """Who this region is."""
        return self._read("connect", lambda: self._inner.connect(timeout_s))

    def register(self, replica: int, timeout_s: float, is_new: bool = True) -> Registration:
        """Enter a replica, or return what is known of it."""
        return self._write("register", lambda: self._inner.register(replica, timeout_s, is_new))

    def apply(self, batch: Batch, timeout_s: float) -> BatchReply:
        """Apply a batch once."""
        return self._write("apply", lambda: self._inner.apply(batch, timeout_s))

    def read(self, keys: Sequence[str], replica: int, timeout_s: float) -> ReadReply:
        """The rows of `keys`."""
        return self._read("read", lambda: self._inner.read(keys, replica, timeout_s))

    def changes(self, cursor: int, limit: int, replica: int, timeout_s: float) -> ChangesPage:
        """Up to `limit` changes after `cursor`."""
        return self._read("changes", lambda: self._inner.changes(cursor, limit, replica, timeout_s))

    def scan(
        self,
        start: str,
        end: str | None,
        limit: int,
        reverse: bool,
        values: bool,
        replica: int,
        timeout_s: float,
    ) -> ScanPage:
        """Up to `limit` rows in [start, end)."""
        return self._read(
            "scan",
            lambda: self._inner.scan(start, end, limit, reverse, values, replica, timeout_s),
        )

    def acknowledge(self, replica: int, position: int, timeout_s: float) -> None:
        """Note that a replica has everything up to `position`."""
        self._write("acknowledge", lambda: self._inner.acknowledge(replica, position, timeout_s))

    def leave(self, replica: int, timeout_s: float) -> None:
        """Forget a replica."""
        self._write("leave", lambda: self._inner.leave(replica, timeout_s))

    def retire(self, replica: int, timeout_s: float) -> bool:
        """Retire a replica now."""
        return self._write("retire", lambda: self._inner.retire(replica, timeout_s))

    def maintain(self, limit: int, timeout_s: float) -> Upkeep:
        """One step of the region's upkeep."""
        return self._write("maintain", lambda: self._inner.maintain(limit, timeout_s))

    def reincarnate(self, timeout_s: float, regains: str = PEERS) -> RegionInfo:
        """Begin another life."""
        return self._write("reincarnate", lambda: self._inner.reincarnate(timeout_s, regains))

    def resume(
        self, replica: int, after: int, number: int, digest: bytes, timeout_s: float
    ) -> Registration:
        """Let a replica go on after a restore."""
        return self._write(
            "resume", lambda: self._inner.resume(replica, after, number, digest, timeout_s)
        )

    def dead_rows(self, timeout_s: float) -> DeadRows:
        """What would be forgotten, and what may not be yet."""
        return self._read("dead_rows", lambda: self._inner.dead_rows(timeout_s))

    def compact(self, start: str, limit: int, timeout_s: float, is_dry: bool = False) -> Compaction:
        """One step through sets and documents."""
        return self._write("compact", lambda: self._inner.compact(start, limit, timeout_s, is_dry))

    def set_aside(self, batch: Batch, reason: str, timeout_s: float) -> None:
        """Keep a retired replica's batch."""
        self._write("set_aside", lambda: self._inner.set_aside(batch, reason, timeout_s))

    def aside(self, limit: int, timeout_s: float) -> list[AsideEntry]:
        """What waits for an operator."""
        return self._read("aside", lambda: self._inner.aside(limit, timeout_s))

    def replicas(self, timeout_s: float) -> list[ReplicaState]:
        """All replicas known."""
        return self._read("replicas", lambda: self._inner.replicas(timeout_s))

    def close(self) -> None:
        """Release connections: never fails."""
        self._inner.close()


class FaultyJournalDirectory(JournalDirectory):
    """A journal directory whose files go wrong as `plan` says."""

    def __init__(self, path: str, plan: FaultPlan, *, sync_always: bool = False) -> None:
        super().__init__(path, sync_always=sync_always)
        self._plan = plan
        self._opened: list[FaultyJournalFile] = []

    def abandon(self) -> None:
        """What the end of a process does to its files: unlock them, roll back, write nothing."""
        for journal in self._opened:
            journal.abandon()
        self._opened.clear()

    def _try_open(self, path: str) -> JournalFile | None:
        journal = super()._try_open(path)
        if journal is None:
            return None
        faulty = FaultyJournalFile(path, journal._lock, self._plan, sync_always=self._sync_always)
        self._opened.append(faulty)
        return faulty


class FaultyEscrowFile(EscrowFile):
    """Notes of rights whose commits go wrong as `plan` says."""

    def __init__(self, journal_path: str, lock: FileLock, plan: FaultPlan) -> None:
        super().__init__(journal_path, lock)
        self._plan = plan

    def put(self, notes: Sequence[Note]) -> None:
        """Keep these notes."""
        put = super().put

        def keep() -> None:
            put(notes)
            self._plan.note(self.path, notes, ())

        self._plan.run("notes.put", keep, UnavailableError)

    def remove(self, keys: Iterable[str]) -> None:
        """Forget the notes of these keys."""
        remove, gone = super().remove, list(keys)

        def forget() -> None:
            remove(gone)
            self._plan.note(self.path, (), gone)

        self._plan.run("notes.remove", forget, UnavailableError)


class FaultyJournalFile(JournalFile):
    """A journal file whose calls go wrong as `plan` says.

    An append either commits or raises, so for it a lost reply is a failure before the write.
    """

    def __init__(
        self, path: str, lock: FileLock, plan: FaultPlan, *, sync_always: bool = False
    ) -> None:
        super().__init__(path, lock, sync_always=sync_always)
        self._plan = plan
        self.escrow = FaultyEscrowFile(path, lock, plan)

    def load(self, new_replica: int) -> JournalState:
        """What the file holds."""
        return self._io("load", lambda: JournalFile.load(self, new_replica))

    def append(self, key: str, delta: bytes, stamp: int = 0) -> int:
        """Commit one delta."""
        return self._commit("append", lambda: JournalFile.append(self, key, delta, stamp))

    def append_many(self, deltas: Iterable[tuple[str, bytes]], stamp: int = 0) -> int:
        """Commit several deltas at once."""
        rows = list(deltas)
        return self._commit("append_many", lambda: JournalFile.append_many(self, rows, stamp))

    def freeze(self, batches: Sequence[FrozenBatch], last_seq: int, stamp: int) -> None:
        """Replace deltas by the batches they went into."""
        self._io("freeze", lambda: JournalFile.freeze(self, batches, last_seq, stamp))

    def bind(self, region: str) -> None:
        """Note the region that these deltas belong to."""
        self._io("bind", lambda: JournalFile.bind(self, region))

    def renew(self, replica: int, batches: Sequence[FrozenBatch] = ()) -> None:
        """Belong to a new replica."""
        self._io("renew", lambda: JournalFile.renew(self, replica, batches))

    def acknowledge(
        self,
        number: int,
        digest: bytes,
        now_ms: int,
        *,
        held: Sequence[Delta] = (),
        settled: Sequence[str] = (),
        quarantined: Sequence[tuple[str, bytes, str]] = (),
    ) -> None:
        """Note that the region has batch `number`."""
        self._io(
            "acknowledge",
            lambda: JournalFile.acknowledge(
                self, number, digest, now_ms, held=held, settled=settled, quarantined=quarantined
            ),
        )

    def close(self, stamp: int = 0) -> None:
        """Close the file and give up its lock, even if that is made to fail."""
        if self._plan.crashed:
            return  # a process that ended runs no `finally`: see `abandon`
        try:
            self._io("close", lambda: None)
        finally:
            if not self._plan.crashed:
                JournalFile.close(self, stamp)

    def discard(self) -> None:
        """Remove a new file that could not be made use of."""
        if not self._plan.crashed:
            JournalFile.discard(self)

    def abandon(self) -> None:
        """End with the process that had it open."""
        self.escrow.close()
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._lock.release()

    def _commit(self, name: str, call: Callable[[], T]) -> T:
        return self._plan.run(f"journal.{name}", call, None)

    def _io(self, name: str, call: Callable[[], T]) -> T:
        return self._plan.run(f"journal.{name}", call, UnavailableError)
