"""The one place where errors of SQLite and the file system become tierstore's."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tierstore.errors import CorruptionError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_READONLY: "it is read-only: check the permissions of its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check the path and its permissions",
    sqlite3.SQLITE_BUSY: "another process holds it",
    sqlite3.SQLITE_LOCKED: "another process holds it",
    sqlite3.SQLITE_IOERR: "the disk reports an I/O error",
}


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Raise CorruptionError or UnavailableError, naming `path`, for errors below."""
    try:
        yield
    except sqlite3.Error as exc:
        raise _translate(exc, path) from exc
    except UnicodeDecodeError as exc:  # SQLite quotes what is damaged in its message
        raise _translate(sqlite3.DatabaseError(str(exc)), path) from exc
    except OSError as exc:
        raise UnavailableError(f"journal {path}: {exc.strerror or exc}") from exc


def _translate(exc: sqlite3.Error, path: str) -> CorruptionError | UnavailableError:
    code = getattr(exc, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    if primary in _CORRUPT or (primary is None and isinstance(exc, sqlite3.DatabaseError)):
        return CorruptionError(
            f"journal {path} is damaged ({exc}): move it away to go on without its content",
            tier="edge",
            object=path,
        )
    return UnavailableError(f"journal {path}: {_ADVICE.get(primary or -1, str(exc))}")
