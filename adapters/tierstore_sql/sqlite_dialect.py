"""What is SQLite's own: its connections, transactions, rows, errors and damage.

What every database understands is in `statements`; `postgres_dialect` is the twin of this.
"""

# The parts joined here are constants and validated names; everything else is a parameter.

from __future__ import annotations

import os
import sqlite3

from tierstore.errors import UnavailableError
from tierstore_sql import statements
from tierstore_sql.digests import Digest, digest_rows
from tierstore_sql.errors import DRIVER_ERRORS, is_busy, translate
from tierstore_sql.paths import path_of
from tierstore_sql.rows import EVENTUAL_BYTE, encode_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from sqlalchemy.engine import Dialect as Compiler

    from tierstore.errors import TierStoreError
    from tierstore.region.rows import Row

_STATEMENTS_CACHED = 256
_CHECKED_BYTES_MAX = 4 << 20  # about 5 ms a MiB
_DAMAGE_LINES_MAX = 100
# Damage within a row's columns, which its own checksum finds when it is read.
_OF_A_ROW = ("NULL value in ", "NUMERIC value in ", "TEXT value in ", "non-")


class Sqlite:
    """SQLite by the driver of the standard library, in WAL mode with full synchronisation."""

    errors: tuple[type[Exception], ...] = DRIVER_ERRORS
    connections_max = 1_000_000  # as many as are in use at once
    keys_max = 512  # below 999, the limit on parameters that old builds have
    locking = ""  # there is one writer
    version = "SELECT 'SQLite ' || sqlite_version()"
    counts_in_region = True
    additions: Sequence[str] = ()
    completions: Sequence[str] = ()
    begin_commit = ""
    few_max = 0
    scan_page: Mapping[tuple[bool, bool, bool], str] = statements.SCAN_PAGE

    def __init__(self, url: str, base_dir: str) -> None:
        self.path = os.path.join(base_dir, path_of(url))
        self.place = f"the regional tier at {self.path!r}"

    def open(self, timeout_s: float) -> sqlite3.Connection:
        """A connection in autocommit mode that never waits for a lock by itself."""
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        connection = sqlite3.connect(
            self.path,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS_CACHED,
        )
        try:
            self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def fetch_point(
        self,
        connection: sqlite3.Connection,
        statement: str,
        parameters: tuple[bytearray, int],
        timeout_s: float,
    ) -> Any:
        """The row that a statement with a key and a number as parameters selects."""
        return connection.execute(statement, parameters).fetchone()

    def fetch_few(
        self, connection: Any, names: Collection[bytes], replica: int, timeout_s: float
    ) -> Any:
        """Nothing: a transaction costs no round trips."""
        return []

    def begin_read(self, connection: sqlite3.Connection, timeout_s: float) -> None:
        """Begin a transaction that reads one snapshot."""
        connection.execute("BEGIN")

    def begin_write(self, connection: sqlite3.Connection, timeout_s: float) -> None:
        """Begin a transaction beside which no other writes.

        So feed positions, drawn from the row of the region, commit in the order of their numbers.
        """
        connection.execute("BEGIN IMMEDIATE")

    begin_alone = begin_write

    def begin_locking(
        self, connection: sqlite3.Connection, numbers: Sequence[int], timeout_s: float
    ) -> None:
        """Begin a transaction beside which no other writes, whatever is to be locked."""
        self.begin_write(connection, timeout_s)

    def begin_creating(self, connection: sqlite3.Connection) -> None:
        """Begin a transaction beside which no other writes."""
        connection.execute("BEGIN IMMEDIATE")

    def put_rows(
        self,
        connection: sqlite3.Connection,
        rows: Collection[Row],
        position: int,
        kept: Sequence[Any] | None = None,
    ) -> None:
        """Write rows at consecutive feed positions from `position` on; keep an operation."""
        encoded = encode_rows(rows, position)
        for statement, stored in (
            (statements.PUT_PLAIN_ROW, encoded.plain),
            (statements.PUT_TIERED_ROW, encoded.tiered),
            (statements.PUT_ROW, encoded.full),
        ):
            if stored:
                connection.executemany(statement, stored)
        if kept is not None:
            connection.execute(statements.PUT_OPERATION, kept)

    def digest_page(
        self, connection: sqlite3.Connection, bounds: Sequence[bytes], limit: int
    ) -> Digest:
        """Of up to `limit` eventual rows from the first of `bounds` to below the second, if any."""
        statement = statements.HEADERS[len(bounds) > 1]
        found = connection.execute(statement, (*bounds, EVENTUAL_BYTE, limit + 1))
        return digest_rows(found, limit)

    def is_busy(self, error: BaseException) -> bool:
        """Whether nothing happened because of another's lock, so trying again may help."""
        return is_busy(error)

    def is_lost(self, error: BaseException) -> bool:
        """Whether the connection is gone: there is none to a file."""
        return False

    def translate(self, error: BaseException, *, committing: bool = False) -> TierStoreError:
        """The error of tierstore that one of the driver means."""
        return translate(error, self.place, committing=committing)

    def continue_feed(self, connection: sqlite3.Connection) -> None:
        """Nothing: the last position lies in the database."""

    def list_tables(self, connection: sqlite3.Connection) -> set[str]:
        """The names of the tables that the database has."""
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {bytes(name).decode() for (name,) in rows}

    def find_damage(self, connection: sqlite3.Connection) -> str | None:
        """What is wrong with a small file that would hide rows, such as a key lost by its index.

        Damage within a row is left to that row's checksum. None also for a file that is too large
        to be read through when it is opened.
        """
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        if pages * page_bytes > _CHECKED_BYTES_MAX:
            return None
        found = connection.execute(f"PRAGMA integrity_check({_DAMAGE_LINES_MAX})").fetchall()
        lines = [bytes(line).decode("utf-8", "replace") for (line,) in found]
        hiding = [line for line in lines if line != "ok" and not line.startswith(_OF_A_ROW)]
        return hiding[0] if hiding else None

    def compiler(self) -> Compiler:
        """The SQLAlchemy dialect that writes data definitions for this database."""
        from sqlalchemy.dialects import sqlite

        return sqlite.dialect()

    def select_keys(self, names: Collection[bytes]) -> tuple[str, list[Any]]:
        """(A condition that is true of these keys, its parameters).

        The last name stands again until the condition's width is full, so that few statements
        exist and stay prepared.
        """
        parameters = [*map(bytearray, names)]
        width = 1 << max(len(names) - 1, 0).bit_length()
        condition = f"key IN ({', '.join('?' * width)})"
        return condition, parameters + parameters[-1:] * (width - len(parameters))

    def _set_up(self, connection: sqlite3.Connection) -> None:
        # A damaged database may hold TEXT where BLOB is declared; bytes never fail to decode.
        connection.text_factory = bytes
        execute = connection.execute
        if bytes(execute("PRAGMA journal_mode").fetchone()[0]) != b"wal":
            (mode,) = execute("PRAGMA journal_mode = WAL").fetchone()
            if bytes(mode) != b"wal":
                raise UnavailableError(f"{self.place}: its file system cannot share a WAL")
        execute("PRAGMA synchronous = FULL")
        execute("PRAGMA foreign_keys = OFF")
        execute("PRAGMA cell_size_check = ON")
        execute("PRAGMA cache_size = -65536")
        execute("PRAGMA wal_autocheckpoint = 4000")
        execute("PRAGMA journal_size_limit = 16777216")
        execute("PRAGMA temp_store = MEMORY")
