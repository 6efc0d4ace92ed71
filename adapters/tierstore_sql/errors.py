"""Errors of the drivers, translated in one place.

`TABLE` says what each primary result code of SQLite means to a caller
(https://sqlite.org/rescode.html), `STATES` what the SQLSTATE of a PostgreSQL server does
(https://www.postgresql.org/docs/current/errcodes-appendix.html); the message has the details.
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
DRIVER_ERRORS: tuple[type[Exception], ...] = (sqlite3.Error, OSError, OverflowError, UnicodeError)

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


class RaceLostError(Exception):
    """Another transaction has written first what this one was about to write: begin again."""


STATES_BUSY = frozenset({"40001", "40P01"})
"""Nothing happened, as the transaction was in the way of another."""
_LOST = "the connection was lost"
_FOREIGN_TABLES = (CorruptionError, "its tables are not as tierstore leaves them; restore a backup")
STATES: dict[str, tuple[type[TierStoreError], str]] = {
    "40": (DeadlineExceededError, "others were in the way for too long"),
    "55P03": (DeadlineExceededError, "another held a lock for too long"),
    "57014": (DeadlineExceededError, "the time for the statement was up"),
    "25P03": (UnavailableError, "the transaction was idle for too long"),
    "25006": (UnavailableError, "it takes no writes; is it a standby?"),
    "08": (UnavailableError, _LOST),
    "57P": (UnavailableError, "the server is stopping or starting"),
    "28": (UnavailableError, "it refuses this user or password"),
    "3D000": (UnavailableError, "there is no such database"),
    "42501": (UnavailableError, "the user lacks a privilege; see docs/operations.md"),
    "53": (UnavailableError, "the server lacks room, memory or connections"),
    "58": (UnavailableError, "the server's system reports an error"),
    "42": _FOREIGN_TABLES,
    "23": _FOREIGN_TABLES,
    "XX001": (CorruptionError, "its data is damaged; restore a backup"),
    "XX002": (CorruptionError, "an index is damaged; REINDEX it"),
    "54": (ValueTooLargeError, "a value is larger than the database can hold"),
    "22": (InvalidArgumentError, "a value is out of range"),
}
"""By SQLSTATE or a beginning of it; the longest that fits counts."""
_STATES_UNSURE = ("08", "57P", "58", "XX")  # of a COMMIT that may have happened


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE of a driver error, "" if the server did not say one."""
    return getattr(error, "sqlstate", None) or ""


def is_connection_lost(error: BaseException) -> bool:
    """Whether a driver error says that the connection is gone."""
    state = sqlstate(error)
    if not state:
        return type(error).__name__ == "OperationalError"
    return state.startswith(("08", "57P"))


def translate_state(
    error: BaseException, place: str, *, committing: bool = False
) -> TierStoreError:
    """The error of tierstore that a driver error of PostgreSQL at `place` means."""
    if isinstance(error, OverflowError):
        return InvalidArgumentError(f"{place}: a number is out of range")
    if isinstance(error, UnicodeEncodeError):
        return InvalidKeyError(f"key: lone surrogate at character {error.start}")
    state, said = sqlstate(error), str(error).strip().partition("\n")[0]
    if isinstance(error, RaceLostError):
        state = "40001"
    if committing and (not state or state.startswith(_STATES_UNSURE)):
        return OutcomeUnknownError(f"{place}: the commit failed in mid-air ({said})")
    kind, meaning = _find_state(state)
    message = f"{place}: {meaning} ({said})"
    return kind(message, tier=TIER) if kind is CorruptionError else kind(message)


def _find_state(state: str) -> tuple[type[TierStoreError], str]:
    for length in (5, 3, 2):
        if state[:length] in STATES:
            return STATES[state[:length]]
    return UnavailableError, "it does not answer" if not state else _OTHERWISE[1]
