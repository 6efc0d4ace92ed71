"""Every failure of the driver becomes one error of tierstore, and nothing happened."""

from __future__ import annotations

import sqlite3

import pytest

from tierstore.errors import (
    CorruptionError,
    DeadlineExceededError,
    InvalidArgumentError,
    InvalidKeyError,
    OutcomeUnknownError,
    UnavailableError,
    ValueTooLargeError,
)
from tierstore_sql.errors import translate

TIMEOUT_S = 5.0

TABLE = [
    ("SQLITE_BUSY", DeadlineExceededError), ("SQLITE_BUSY_SNAPSHOT", DeadlineExceededError),
    ("SQLITE_LOCKED", DeadlineExceededError), ("SQLITE_CORRUPT", CorruptionError),
    ("SQLITE_CORRUPT_INDEX", CorruptionError), ("SQLITE_NOTADB", CorruptionError),
    ("SQLITE_ERROR", CorruptionError), ("SQLITE_CONSTRAINT_UNIQUE", CorruptionError),
    ("SQLITE_FULL", UnavailableError), ("SQLITE_IOERR_FSYNC", UnavailableError),
    ("SQLITE_CANTOPEN", UnavailableError), ("SQLITE_READONLY_DBMOVED", UnavailableError),
    ("SQLITE_NOMEM", UnavailableError), ("SQLITE_TOOBIG", ValueTooLargeError),
]  # fmt: skip


def driver_error(name):
    error = sqlite3.OperationalError(name)
    error.sqlite_errorcode = getattr(sqlite3, name)
    return error


@pytest.mark.parametrize(("name", "kind"), TABLE)
def test_codes_translate(name, kind):
    error = translate(driver_error(name), "here")
    assert type(error) is kind
    assert "here" in str(error)
    assert name in str(error)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("SQLITE_BUSY", "none"), ("SQLITE_FULL", "none"), ("SQLITE_IOERR_FSYNC", "unknown")],
)
def test_only_a_commit_that_cannot_be_known_is_unknown(name, outcome):
    assert translate(driver_error(name), "here", committing=True).outcome == outcome


class Refusing:
    """A connection of which one statement fails."""

    def __init__(self, connection, statement, error):
        self._connection, self._statement, self._error = connection, statement, error

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def execute(self, statement, *parameters):
        if statement.startswith(self._statement):
            raise self._error
        return self._connection.execute(statement, *parameters)


@pytest.mark.parametrize(
    ("statement", "name", "kind"),
    [
        ("BEGIN", "SQLITE_IOERR_READ", UnavailableError),
        ("UPDATE ts_region", "SQLITE_FULL", UnavailableError),
        ("COMMIT", "SQLITE_FULL", UnavailableError),
        ("COMMIT", "SQLITE_IOERR_FSYNC", OutcomeUnknownError),
        ("COMMIT", "SQLITE_BUSY", DeadlineExceededError),
    ],
)
def test_a_failed_write_changes_nothing_and_can_be_repeated(sender, statement, name, kind):
    idle = sender.region._session.connections.idle
    (real,) = idle
    idle[:] = [Refusing(real, statement, driver_error(name))]
    batch = sender.batch(sender.put("k", b"1"))
    with pytest.raises(kind):
        sender.sent(batch)
    idle[:] = [real]
    assert sender.read("k").rows == {}
    assert sender.sent(batch).verdict == "applied"
    assert sender.payloads("k") == {"k": b"1"}


def test_a_full_disk_is_unavailable_and_nothing_happened(sender):
    sender.send(sender.put("k", b"1"))
    (connection,) = sender.region._session.connections.idle
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(UnavailableError, match="no room"):
        sender.send(sender.put("k", b"2" * 100_000))
    assert sender.payloads("k") == {"k": b"1"}
    connection.execute("PRAGMA max_page_count = 1000000")
    assert sender.send(sender.put("k", b"3")).verdict == "applied"


def test_a_database_that_cannot_be_written_still_reads(sender):
    sender.send(sender.put("k", b"1"))
    (connection,) = sender.region._session.connections.idle
    connection.execute("PRAGMA query_only = 1")
    with pytest.raises(UnavailableError, match="cannot be written"):
        sender.send(sender.put("k", b"2"))
    assert sender.payloads("k") == {"k": b"1"}


def test_a_lock_held_too_long_is_a_deadline_in_virtual_time(sender, runtime, path):
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    start = runtime.monotonic()
    with pytest.raises(DeadlineExceededError):
        sender.send(sender.put("k", b"1"))
    assert runtime.monotonic() - start == pytest.approx(TIMEOUT_S)
    assert sender.read("k").rows == {}
    other.execute("ROLLBACK")
    other.close()
    assert sender.send(sender.put("k", b"1")).verdict == "applied"


def test_a_lock_that_is_released_meanwhile_is_waited_for(sender, runtime, path, monkeypatch):
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(runtime, "sleep", lambda delay_s: other.close())
    assert sender.send(sender.put("k", b"1")).verdict == "applied"


def test_numbers_and_keys_out_of_range_are_refused(sender):
    with pytest.raises(InvalidArgumentError):
        sender.region.read(["k", "j"], 1 << 70, TIMEOUT_S)
    with pytest.raises(InvalidArgumentError):
        sender.region.read(["k"], 1 << 70, TIMEOUT_S)
    for key in ("\ud800", "\udc80"):
        assert sender.read(key).rows == {}


def test_a_lone_surrogate_error_names_its_place():
    error = UnicodeEncodeError("utf-8", "a\ud800", 1, 2, "surrogates not allowed")
    assert type(translate(error, "here")) is InvalidKeyError
