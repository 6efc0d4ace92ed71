"""What a replica notes of its rights: per key, which grant it has and how much it sold of that.

The notes lie in a file of their own beside the journal, under the journal's lock, because each
commit of them is synced (`synchronous=FULL`) and nobody who only writes should wait for that. A
note has a checksum. Notes are numbered, and the number of the last one stands in the lock's file,
too, so that a WAL which was cut off is not taken for one that ends there: its sales would be sold
again.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierstore.errors import CorruptionError, DecodingError, StoreClosedError
from tierstore.tiers.journal.errors import translated
from tierstore.tiers.journal.transaction import Transaction
from tierstore.values.msgpack import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierstore.tiers.journal.lock import FileLock

SUFFIX = "-escrow"
ESCROW_FORMAT = 1
PAGE_BYTES = 1024
WAL_PAGES = 128  # a WAL that is written over syncs faster than one that grows

_SCHEMA = (
    "CREATE TABLE notes (key TEXT PRIMARY KEY, body BLOB NOT NULL, checksum INTEGER NOT NULL)"
    " WITHOUT ROWID",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
)
_PUT = "INSERT OR REPLACE INTO notes (key, body, checksum) VALUES (?, ?, ?)"
_REMOVE = "DELETE FROM notes WHERE key = ?"
_COUNT = "INSERT OR REPLACE INTO meta (name, value) VALUES ('last', ?)"
_NOTES = "SELECT CAST(key AS BLOB), body, checksum FROM notes"


@dataclass(frozen=True, slots=True)
class Note:
    """What one process knows of its grant of one key."""

    key: str
    holder: int
    """Under which id the coordinator keeps the grant."""
    region: str
    """The coordinator that granted it."""
    incarnation: int
    """In which life of that coordinator."""
    epoch: int = 0
    """The last one that was confirmed and sold of; 0 before the first."""
    intents: tuple[int, ...] = ()
    """Those that were asked for since, of which any may be the grant's."""
    spent: int = 0
    ends: bool = False
    """It was going to be given up: nothing may be sold of it."""
    born: int = 0
    """The epoch in which the grant began; 0: it is not known, or nothing was sold of it."""


class EscrowFile:
    """The notes of one journal. Its owner serialises calls; each either commits or raises."""

    def __init__(self, journal_path: str, lock: FileLock) -> None:
        self.path = journal_path + SUFFIX
        self._lock = lock
        self._connection: sqlite3.Connection | None = None
        self._last = -1  # the number of the last note; negative where only the file knows
        self._is_closed = False

    def exists(self) -> bool:
        """Whether anything was ever noted."""
        return os.path.exists(self.path) or bool(self._lock.read_spent())

    def load(self) -> dict[str, Note]:
        """Every note. Raises CorruptionError if one is damaged, or some are missing."""
        if not self.exists():
            return {}
        with translated(self.path):
            connection = self._connect()
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise self._damaged(found)
            self._last, notes = self._read(connection)
        return notes

    def put(self, notes: Sequence[Note]) -> None:
        """Keep these notes, each instead of the one of its key, and sync."""
        number = self._next()
        rows = [_row(note, number) for note in notes]
        self._last = -1
        with translated(self.path):
            connection = self._connect()
            if len(rows) == 1:
                connection.execute(_PUT, rows[0])
            else:
                with Transaction(connection):
                    connection.executemany(_PUT, rows)
        self._commit(number)

    def remove(self, keys: Iterable[str]) -> None:
        """Forget the notes of these keys, and sync."""
        number = self._next()
        self._last = -1
        with translated(self.path), Transaction(connection := self._connect()):
            connection.executemany(_REMOVE, [(key,) for key in keys])
            connection.execute(_COUNT, (number,))
        self._commit(number)

    def close_connection(self) -> None:
        """Close the connection; the next call opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Close for good. Idempotent."""
        self._is_closed = True
        self.close_connection()

    def _commit(self, number: int) -> None:
        self._last = number
        self._lock.move_spent(number)

    def _next(self) -> int:
        """The number of the next note, asked of the file where a commit failed half-way."""
        if self._last < 0:
            with translated(self.path):
                self._last, _ = self._read(self._connect())
        return self._last + 1

    def _read(self, connection: sqlite3.Connection) -> tuple[int, dict[str, Note]]:
        last = dict(connection.execute("SELECT name, value FROM meta")).get("last", 0)
        notes = {}
        for raw_key, body, checksum in connection.execute(_NOTES):
            if type(body) is not bytes or checksum != zlib.crc32(raw_key + body):
                raise self._damaged("a note fails its checksum")
            number, note = self._decode(body)
            last, notes[note.key] = max(last, number), note
        if last < self._lock.read_spent():
            raise self._damaged("its end is missing, with units that were sold")
        return last, notes

    def _decode(self, body: bytes) -> tuple[int, Note]:
        try:
            number, key, holder, region, incarnation, epoch, intents, *rest = unpack(body)
            return number, Note(key, holder, region, incarnation, epoch, tuple(intents), *rest)
        except (DecodingError, TypeError, ValueError) as exc:
            raise self._damaged("a note is not readable") from exc

    def _connect(self) -> sqlite3.Connection:
        if self._is_closed:
            raise StoreClosedError("the store is closed")
        if self._connection is None:
            connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, timeout=1.0
            )
            try:
                connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
                connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchone()
                connection.execute("PRAGMA journal_mode=WAL").fetchone()
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}").fetchone()
                self._check_format(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            if self._is_closed:  # meanwhile, by another thread, which found none to close
                self.close_connection()
                raise StoreClosedError("the store is closed")
        elif self._connection.in_transaction:  # Ctrl-C kept an earlier call from ending it
            self._connection.rollback()
        return self._connection

    def _check_format(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found == ESCROW_FORMAT:
            return
        if found:
            raise CorruptionError(
                f"{self.path} has format {found}, this version of tierstore reads {ESCROW_FORMAT}:"
                " open it with the version that wrote it, and close that",
                tier="edge",
                object=self.path,
            )
        with Transaction(connection):
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={ESCROW_FORMAT}")

    def _damaged(self, how: str) -> CorruptionError:
        return CorruptionError(
            f"{self.path} is damaged: {how}. Nothing is sold from it. Move all files of this worker"
            " away to begin anew, then tell by `tierstore escrow reclaim` what it had sold",
            tier="edge",
            object=self.path,
        )


def _row(note: Note, number: int) -> tuple[str, bytes, int]:
    body = pack(
        [
            number, note.key, note.holder, note.region, note.incarnation, note.epoch,
            list(note.intents), note.spent, note.ends, note.born,
        ]
    )  # fmt: skip
    return note.key, body, zlib.crc32(note.key.encode() + body)
