"""Errors of the driver, translated in one place.

`TABLE` says what each primary result code of SQLite means to a caller
(https://sqlite.org/rescode.html); the extended code is in the message.
"""

from __future__ import annotations

import sqlite3

from tierstore.errors import (
    CorruptionError,
    DeadlineExceededError,
    InvalidArgumentError,
    InvalidKeyError,
    OutcomeUnknownError,
    TierStoreError,
    UnavailableError,
    ValueTooLargeError,
)

TIER = "regional"
DRIVER_ERRORS = (sqlite3.Error, OSError, OverflowError, UnicodeError)

_PRIMARY = 0xFF
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_NOTHING_COMMITTED = _BUSY | {sqlite3.SQLITE_FULL}

_FOREIGN = (CorruptionError, "its tables are not as tierstore leaves them; restore a backup")

TABLE: dict[int, tuple[type[TierStoreError], str]] = {
    sqlite3.SQLITE_BUSY: (DeadlineExceededError, "another process held its lock for too long"),
    sqlite3.SQLITE_LOCKED: (DeadlineExceededError, "another connection held its lock for too long"),
    sqlite3.SQLITE_CORRUPT: (CorruptionError, "the file is damaged; restore it from a backup"),
    sqlite3.SQLITE_NOTADB: (CorruptionError, "the file is not a database; move it out of the way"),
    sqlite3.SQLITE_ERROR: _FOREIGN,
    sqlite3.SQLITE_SCHEMA: _FOREIGN,
    sqlite3.SQLITE_CONSTRAINT: _FOREIGN,
    sqlite3.SQLITE_MISMATCH: _FOREIGN,
    sqlite3.SQLITE_FULL: (UnavailableError, "no room is left; free some on its disk"),
    sqlite3.SQLITE_IOERR: (UnavailableError, "its disk reports an error"),
    sqlite3.SQLITE_CANTOPEN: (UnavailableError, "the file cannot be opened or created"),
    sqlite3.SQLITE_READONLY: (UnavailableError, "the file or its folder cannot be written"),
    sqlite3.SQLITE_PERM: (UnavailableError, "access to the file is denied"),
    sqlite3.SQLITE_AUTH: (UnavailableError, "access to the file is denied"),
    sqlite3.SQLITE_NOMEM: (UnavailableError, "memory ran out"),
    sqlite3.SQLITE_PROTOCOL: (UnavailableError, "its lock could not be taken"),
    sqlite3.SQLITE_INTERRUPT: (UnavailableError, "the statement was interrupted"),
    sqlite3.SQLITE_TOOBIG: (ValueTooLargeError, "a value is larger than the database can hold"),
}
_OTHERWISE = (UnavailableError, "the database refused the statement")


def primary_code(error: BaseException) -> int:
    """The primary result code of a driver error, 0 if it has none."""
    return (getattr(error, "sqlite_errorcode", 0) or 0) & _PRIMARY


def is_busy(error: BaseException) -> bool:
    """Whether nothing happened because of another's lock, so trying again may help."""
    return primary_code(error) in _BUSY


def is_commit_unknown(error: BaseException) -> bool:
    """Whether a COMMIT that failed so may still turn out to be durable after a crash."""
    return primary_code(error) not in _NOTHING_COMMITTED


def translate(error: BaseException, place: str, *, committing: bool = False) -> TierStoreError:
    """The error of tierstore that a driver error at `place` means."""
    if isinstance(error, OverflowError):
        return InvalidArgumentError(f"{place}: a number is out of range")
    if isinstance(error, UnicodeEncodeError):
        return InvalidKeyError(f"key: lone surrogate at character {error.start}")
    if isinstance(error, UnicodeDecodeError):  # of a message that quotes a damaged file
        return CorruptionError(f"{place}: {TABLE[sqlite3.SQLITE_CORRUPT][1]}", tier=TIER)
    if committing and is_commit_unknown(error):
        return OutcomeUnknownError(f"{place}: the commit failed in mid-air ({error})")
    kind, meaning = TABLE.get(primary_code(error), _OTHERWISE)
    if isinstance(error, OSError):
        meaning = "its folder cannot be used"
    message = f"{place}: {meaning} ({error})"
    return kind(message, tier=TIER) if kind is CorruptionError else kind(message)
