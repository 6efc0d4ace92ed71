"""What differs between databases: opening a connection, transactions, lists of keys.

Everything else is in `statements`, in SQL that all of them understand.
"""

from __future__ import annotations

import os
import sqlite3

from tierstore.errors import PolicyError, UnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

_PREFIX = "sqlite:///"
_STATEMENTS_CACHED = 256
_CHECKED_BYTES_MAX = 4 << 20  # about 5 ms a MiB
_DAMAGE_LINES_MAX = 100
# Damage within a row's columns, which its own checksum finds when it is read.
_OF_A_ROW = ("NULL value in ", "NUMERIC value in ", "TEXT value in ", "non-")


class Sqlite:
    """SQLite by the driver of the standard library, in WAL mode with full synchronisation."""

    begin_read = "BEGIN"
    begin_write = "BEGIN IMMEDIATE"
    keys_max = 512  # below 999, the limit on parameters that old builds have

    def __init__(self, url: str, base_dir: str) -> None:
        self.path = os.path.join(base_dir, _path_of(url))
        self.place = f"the regional tier at {self.path!r}"

    def open(self) -> sqlite3.Connection:
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

    def compiler(self) -> Dialect:
        """The SQLAlchemy dialect that writes data definitions for this database."""
        from sqlalchemy.dialects import sqlite

        return sqlite.dialect()

    def in_keys(self, count: int) -> tuple[str, int]:
        """(A condition that is true of the keys given, how many parameters it takes).

        Takes at least `count` parameters and comes in few sizes, so that its statement stays
        prepared: repeat a key to fill it up.
        """
        width = 1 << max(count - 1, 0).bit_length()
        return f"key IN ({', '.join('?' * width)})", width

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


def _path_of(url: str) -> str:
    path = url.removeprefix(_PREFIX)
    if path == url or path in ("", ":memory:") or "\0" in path or "?" in path:
        raise PolicyError(
            f"{mask_url(url)!r} names no database file; "
            "write sqlite:///relative/path.db or sqlite:////absolute/path.db"
        )
    return path


def mask_url(url: str) -> str:
    """`url` with userinfo, query and fragment, which may hold a password, replaced by `***`.

    Errs on the side of hiding: everything up to the last `@` counts as userinfo.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "***"
    if not rest.startswith("/") and "@" in rest:
        rest = f"***@{rest.rpartition('@')[2]}"
    cut = min((rest.find(mark) for mark in "?#" if mark in rest), default=len(rest))
    return f"{scheme}://{rest[:cut]}" + ("" if cut == len(rest) else f"{rest[cut]}***")
