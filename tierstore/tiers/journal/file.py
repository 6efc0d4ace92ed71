"""One journal file: unflushed deltas and frozen batches of one replica, in SQLite.

Appends commit in WAL mode without a sync (they survive the process, not a power cut, unless
`sync_always`); a freeze syncs, since the region must never know of a batch that the journal can
forget.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tierstore.errors import CorruptionError, UnavailableError
from tierstore.tiers.journal import retention
from tierstore.tiers.journal.content import (
    DAMAGED,
    EMPTY_HEADER,
    FrozenBatch,
    JournalState,
    damaged,
    load_content,
    load_header,
    seal,
)
from tierstore.tiers.journal.errors import translated
from tierstore.tiers.journal.escrow import EscrowFile
from tierstore.tiers.journal.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tierstore.region.batch import Batch, Delta
    from tierstore.tiers.journal.lock import FileLock

JOURNAL_FORMAT = 1
PAGE_BYTES = 1024  # a commit writes whole pages, and a delta is small
WAL_PAGES = 32_768  # 32 MiB
QUARANTINE_ROWS_MAX = 10_000

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE deltas (seq INTEGER PRIMARY KEY, key TEXT NOT NULL, delta BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE batches (number INTEGER PRIMARY KEY, digest BLOB NOT NULL, body BLOB, size INTEGER NOT NULL, acknowledged_ms INTEGER);
CREATE TABLE held (key TEXT PRIMARY KEY, delta BLOB NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE quarantine (id INTEGER PRIMARY KEY, key TEXT NOT NULL, delta BLOB NOT NULL, reason TEXT NOT NULL);
"""  # noqa: E501

_APPEND = "INSERT INTO deltas (seq, key, delta, checksum) VALUES (?, ?, ?, ?)"
_SET_ASIDE = "INSERT INTO quarantine (key, delta, reason) VALUES (?, ?, ?)"
_BOUND_QUARANTINE = (
    "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ? AND reason <> ?"
)
_ACKNOWLEDGE = (  # what was acknowledged before is not looked at: it may be a day's batches
    "UPDATE batches SET acknowledged_ms = ? WHERE number <= ? AND number > ("
    "SELECT value FROM meta WHERE name = 'acknowledged')"
)
_FREEZE = "INSERT OR REPLACE INTO batches (number, digest, body, size) VALUES (?, ?, ?, ?)"


class JournalFile:
    """An open journal file. Its owner serialises calls; every call either commits or raises."""

    def __init__(self, path: str, lock: FileLock, *, sync_always: bool = False) -> None:
        self.path = path
        self._lock = lock
        self._sync_always = sync_always
        self._connection: sqlite3.Connection | None = None
        self._is_closed = False
        self._seq = -1  # of the last delta; negative where only the file knows
        self._damaged: set[str] = set()
        self.escrow = EscrowFile(path, lock)
        self.region: str | None = None
        """The only region that may get these deltas; None before first contact."""

    def begin(self) -> None:
        """Forget what a file of this name held that was moved away."""
        self._lock.begin_mark(0)

    def load(self, new_replica: int) -> JournalState:
        """What the file holds; an empty file becomes the journal of `new_replica`, unless 0.

        Raises CorruptionError if the file as a whole is damaged, incomplete or of an unknown
        format.
        """
        with translated(self.path):
            connection = self._connect()
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                if self._lock.read_mark():
                    raise damaged(self.path, "it is empty")
                if not new_replica:
                    return JournalState(0, None, 0, 0, b"")
                self._create(connection, new_replica)
            self._check_format(connection)
            state = load_content(connection, self.path)
            if state.last_seq < self._lock.read_mark():
                raise damaged(self.path, "its end is missing, with acknowledged writes")
            self._seq = state.last_seq
            self.region = state.region
            self._lock.begin_mark(state.last_seq, durable=self._sync_always)
            self._keep_damaged(connection, state)
        return state

    def append(self, key: str, delta: bytes, stamp: int = 0) -> int:
        """Commit one delta, made at `stamp`; returns its sequence number."""
        try:
            connection = self._connection
            if connection is None or connection.in_transaction:
                connection = self._connect()
            seq = self._seq + 1 or self._next()
            # A bytearray is bound as it is; for bytes sqlite3 would look for an adapter first.
            connection.execute(_APPEND, (seq, key, bytearray(delta), zlib.crc32(delta)))
            self._seq = seq
        except BaseException:  # also Ctrl-C: it may be there, and its number taken
            self._seq = -1
            with translated(self.path):
                raise
        self._lock.move_mark(seq, stamp)
        if self._damaged:
            self._heal([key])
        return seq

    def append_many(self, deltas: Iterable[tuple[str, bytes]], stamp: int = 0) -> int:
        """Commit several deltas at once, the last made at `stamp`; returns the last number."""
        with translated(self.path):
            connection = self._connect()
            seq = self._next()
            rows = [(at, key, raw, zlib.crc32(raw)) for at, (key, raw) in enumerate(deltas, seq)]
            self._seq = -1
            with Transaction(connection):
                connection.executemany(_APPEND, rows)
            self._seq = seq + len(rows) - 1
        self._lock.move_mark(self._seq, stamp)
        if self._damaged:
            self._heal([key for _, key, _, _ in rows])
        return self._seq

    def freeze(self, batches: Sequence[FrozenBatch], last_seq: int, stamp: int) -> None:
        """Replace the deltas up to `last_seq` by the batches they went into, and sync."""
        rows = [_batch_row(frozen) for frozen in batches]
        with translated(self.path), self._synced() as connection:
            connection.executemany(_FREEZE, rows)
            connection.execute("DELETE FROM deltas WHERE seq <= ?", (last_seq,))
            _set(connection, stamp=stamp, seq=last_seq, **_last_number(connection, rows))
        if self._seq >= 0:
            self._lock.move_mark(self._seq, stamp)

    def bind(self, region: str) -> None:
        """Note the region that these deltas belong to, for ever, and sync."""
        with translated(self.path), self._synced() as connection:
            _set(connection, region=region)
        self.region = region

    def kept(self, after: int, last: int) -> Batch | None:
        """The first batch above `after`, up to number `last`, whose content is here, and sound.

        Whether its acknowledgement was noted or not.
        """
        with translated(self.path):
            return retention.read_kept(self._connect(), after, last, self.path)

    def renew(self, replica: int, batches: Sequence[FrozenBatch] = ()) -> None:
        """Belong to a new replica, which has sent nothing yet, but has `batches` to send.

        Those are numbered from 1 on. Unflushed deltas stay.
        """
        rows = [_batch_row(frozen) for frozen in batches]
        with translated(self.path), self._synced() as connection:
            connection.execute("DELETE FROM batches")
            connection.execute("DELETE FROM held")
            connection.executemany(_FREEZE, rows)
            _set(connection, replica=replica, acknowledged=0, digest=b"", frozen=len(rows))

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
        """Note that the region has batch `number`, which is retained from now on.

        `held` deltas stay unflushed in the region's care until named in `settled`.
        """
        from tierstore.region.batch import encode_delta

        with translated(self.path), Transaction(connection := self._connect()):
            connection.execute(_ACKNOWLEDGE, (now_ms, number))
            _set(connection, acknowledged=number, digest=digest)
            connection.executemany("DELETE FROM held WHERE key = ?", [(key,) for key in settled])
            for delta in held:
                raw = encode_delta(delta, 0)
                connection.execute(
                    "INSERT OR REPLACE INTO held VALUES (?, ?, ?)",
                    (delta.key, raw, zlib.crc32(raw)),
                )
            connection.executemany(_SET_ASIDE, quarantined)
            connection.execute(_BOUND_QUARANTINE, (QUARANTINE_ROWS_MAX, DAMAGED))

    def trim(self, oldest_ms: int, retained_bytes_max: int) -> None:
        """Drop acknowledged batches from before `oldest_ms` or beyond the size bound."""
        with translated(self.path), Transaction(connection := self._connect()):
            retention.trim(connection, oldest_ms, retained_bytes_max, self.path)

    def reach(self) -> tuple[int, int | None]:
        """How many acknowledged batches are retained, and when the oldest was acknowledged."""
        with translated(self.path):
            return retention.read_reach(self._connect())

    def last_acknowledged_ms(self) -> int | None:
        """When the last batch was acknowledged that is still retained."""
        with translated(self.path):
            return retention.read_last_acknowledged(self._connect())

    def close_connection(self) -> None:
        """Close the connection; the next call opens another. The lock stays."""
        connection, self._connection = self._connection, None
        self.escrow.close_connection()
        if connection is not None:
            connection.close()

    def close(self, stamp: int = 0) -> None:
        """Close the file and give up its lock, noting the last `stamp` reached. Idempotent."""
        self._is_closed = True
        try:
            with translated(self.path):
                self.escrow.close()
                self.close_connection()
                if self._seq >= 0:
                    self._lock.begin_mark(self._seq, stamp, durable=True)
        finally:
            self._lock.release()

    def discard(self) -> None:
        """Remove a new file that could not be made use of, so that nobody takes its identity."""
        try:
            with translated(self.path):
                self.close_connection()
                parts = [self.path + suffix for suffix in ("-wal", "-shm", "")]
                for part in filter(os.path.exists, parts):
                    os.remove(part)
        finally:
            self._lock.release()

    def abandon_inherited(self) -> None:
        """In a forked child: drop the parent's lock descriptor without unlocking."""
        self._lock.close_inherited()

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            if self._is_closed:  # a flush that took longer than closing waits for it comes here
                raise UnavailableError(f"journal {self.path} was closed")
            connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, timeout=1.0
            )
            try:
                # The side file's lock keeps others out, so SQLite need not share an index of the
                # WAL with them; and a longer WAL moves its content less often. Both are measured
                # in benchmarks/journal.py.
                connection.execute(f"PRAGMA page_size={PAGE_BYTES}")  # takes effect in a new file
                connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchone()
                connection.execute("PRAGMA journal_mode=WAL").fetchone()
                connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}").fetchone()
                self._set_sync(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        elif self._connection.in_transaction:  # Ctrl-C kept an earlier call from ending it
            self._connection.rollback()
        return self._connection

    @contextmanager
    def _synced(self) -> Iterator[sqlite3.Connection]:
        """A transaction that survives a power cut."""
        (connection := self._connect()).execute("PRAGMA synchronous=FULL")
        try:
            with Transaction(connection):
                yield connection
        finally:
            self._set_sync(self._connect())

    def _set_sync(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA synchronous={'FULL' if self._sync_always else 'NORMAL'}")

    def _create(self, connection: sqlite3.Connection, replica: int) -> None:
        with Transaction(connection):
            for statement in _SCHEMA.strip().split("\n"):
                connection.execute(statement)
            _set(connection, **EMPTY_HEADER | {"replica": replica})
            connection.execute(f"PRAGMA user_version={JOURNAL_FORMAT}")

    def _next(self) -> int:
        """The number of the next delta, asked of the file where an append failed half-way."""
        if self._seq < 0:
            connection = self._connect()
            (last,) = connection.execute("SELECT max(seq) FROM deltas").fetchone()
            self._seq = last or load_header(connection, self.path)["seq"]
        return self._seq + 1

    def _keep_damaged(self, connection: sqlite3.Connection, state: JournalState) -> None:
        """Note damaged keys where the next freeze does not remove them."""
        self._damaged = set(state.corrupt)
        if self._damaged:
            with Transaction(connection):
                connection.execute("DELETE FROM quarantine WHERE reason = ?", (DAMAGED,))
                connection.executemany(_SET_ASIDE, [(key, b"", DAMAGED) for key in state.corrupt])

    def _heal(self, keys: list[str]) -> None:
        """Forget that earlier writes of `keys` are damaged: newer ones are in their place."""
        healed = self._damaged.intersection(keys)
        with translated(self.path), Transaction(connection := self._connect()):
            connection.executemany(
                "DELETE FROM quarantine WHERE key = ? AND reason = ?",
                [(key, DAMAGED) for key in healed],
            )
        self._damaged -= healed

    def _check_format(self, connection: sqlite3.Connection) -> None:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found != JOURNAL_FORMAT:
            raise CorruptionError(
                f"journal {self.path} has format {found}, this version of tierstore reads"
                f" {JOURNAL_FORMAT}: open it with the version that wrote it, and flush",
                tier="edge",
                object=self.path,
            )


def _batch_row(frozen: FrozenBatch) -> tuple[int, bytes, bytes | None, int]:
    body = None if frozen.batch is None else frozen.batch.body
    return frozen.number, frozen.digest, body, len(body or b"")


def _last_number(
    connection: sqlite3.Connection, rows: Sequence[tuple[int, bytes, bytes | None, int]]
) -> dict[str, int]:
    """The number of the last batch that was ever frozen; batches may be built anew before it."""
    if not rows:
        return {}
    (before,) = connection.execute("SELECT value FROM meta WHERE name = 'frozen'").fetchone()
    return {"frozen": max(before, rows[-1][0])}


def _set(connection: sqlite3.Connection, **values: object) -> None:
    """Change the header and its checksum."""
    put = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
    connection.executemany(put, list(values.items()))
    header = dict(connection.execute("SELECT name, value FROM meta WHERE name <> 'seal'"))
    connection.execute(put, ("seal", seal(header)))
