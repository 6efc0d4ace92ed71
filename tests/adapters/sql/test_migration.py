"""A database of an older schema opens, keeps all it had, and becomes one of this schema at once.

The scripts in `golden` are what `sqlite3.Connection.iterdump` wrote of databases that the released
versions made.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tierstore.errors import UnavailableError
from tierstore_sql.creation import SCHEMA_VERSION
from tierstore_sql.schema import MIGRATIONS

TIMEOUT_S = 5.0
REPLICA = 8644552152520434
SCRIPT = (Path(__file__).parent / "golden" / "region-1.sql").read_text(encoding="utf-8")
PAYLOADS = {
    "a": b"\x81\xa1n\x02",
    "b/with ttl": b"\xa3two",
    "c": b"\xc4\x03\x00\x01\x02",
    "gone": None,
    "ключ": b"\x94\x01\xcb@\x04\x00\x00\x00\x00\x00\x00\xc0\xc3",
}
POSITIONS = {"b/with ttl": 2, "c": 3, "ключ": 4, "gone": 6, "a": 7}


@pytest.fixture
def old(path):
    """The path of a database of schema 1."""
    path.parent.mkdir()
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.executescript(SCRIPT)
    connection.close()
    return path


def dump(path):
    """Every row of every table, and the statements that made it."""
    with sqlite3.connect(path) as connection:
        lines = list(connection.iterdump())
    connection.close()
    return lines


def test_everything_is_kept(old, open_region):
    region = open_region()
    info = region.connect(TIMEOUT_S)
    assert (info.region, info.incarnation) == ("df6af1d8303e61cdc4bb86c3d1c42710", 1700000000000)
    reply = region.read(list(PAYLOADS), REPLICA, TIMEOUT_S)
    assert not reply.corrupt
    assert {key: row.record.payload for key, row in reply.rows.items()} == PAYLOADS
    assert {key: row.position for key, row in reply.rows.items()} == POSITIONS
    assert reply.rows["b/with ttl"].record.expires_at_ms == 1731536000000
    assert reply.rows["c"].record.metadata == {"kind": "bytes"}
    assert (reply.applied, reply.position) == (2, 7)


def test_the_feed_goes_on_where_it_was(old, open_region):
    region = open_region()
    for cursor in range(8):
        page = region.changes(cursor, 100, REPLICA, TIMEOUT_S)
        assert [c.position for c in page.changes] == [p for p in [2, 3, 4, 6, 7] if p > cursor]
        assert (page.gap, page.position) == (False, 7)
    (state,) = region.replicas(TIMEOUT_S)
    assert (state.replica, state.applied, state.acknowledged) == (REPLICA, 2, 7)


def test_a_mover_looks_at_every_key_of_an_old_database(old, open_region):
    """Nobody wrote down when: the note of the lease, which is nobody's, tells the first mover."""
    region = open_region()
    assert region.due(10, TIMEOUT_S) == []
    lease = region.lease(1, 60_000, None, TIMEOUT_S)
    assert lease.note == ""
    assert region.review_all(lease.epoch, 0, 100, TIMEOUT_S) is None
    assert {row.key for row in region.due(10, TIMEOUT_S)} == set(PAYLOADS)


def test_it_is_migrated_once_and_equals_a_new_one(old, open_region, tmp_path):
    open_region().connect(TIMEOUT_S)
    migrated = dump(old)
    open_region().connect(TIMEOUT_S)
    assert dump(old) == migrated
    open_region("sqlite:///data/new.db").connect(TIMEOUT_S)
    made = [line for line in dump(tmp_path / "data" / "new.db") if not line.startswith("INSERT")]
    assert sorted(line for line in migrated if not line.startswith("INSERT")) == sorted(made)
    assert f'INSERT INTO "ts_region" VALUES(1,{SCHEMA_VERSION},' in "\n".join(migrated)


@pytest.mark.parametrize("at", range(12))
def test_a_failure_in_the_middle_leaves_the_old_version(old, open_region, monkeypatch, at):
    before, migrate = dump(old), MIGRATIONS[1]

    class Failing:
        """A connection whose `at`-th statement fails."""

        def __init__(self, connection):
            self.connection, self.left = connection, at

        def execute(self, *arguments):
            if not self.left:
                raise sqlite3.OperationalError("disk I/O error")
            self.left -= 1
            return self.connection.execute(*arguments)

    def fails(connection, dialect):
        migrate(Failing(connection), dialect)
        if at == 11:
            raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setitem(MIGRATIONS, 1, fails)
    with pytest.raises(UnavailableError):
        open_region().connect(TIMEOUT_S)
    assert dump(old) == before
    monkeypatch.setitem(MIGRATIONS, 1, migrate)
    region = open_region()
    assert len(region.read(list(PAYLOADS), REPLICA, TIMEOUT_S).rows) == len(PAYLOADS)


def test_a_process_that_ends_in_the_middle_leaves_the_old_version(old, open_region):
    """What it wrote lies in the journal of SQLite, and is rolled back by whoever opens it next."""
    before = dump(old)
    connection = sqlite3.connect(old, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DROP INDEX ts_directory_dead")
    connection.execute("ALTER TABLE ts_directory RENAME TO ts_directory_1")
    connection.close()
    assert dump(old) == before
    assert len(open_region().read(list(PAYLOADS), REPLICA, TIMEOUT_S).rows) == len(PAYLOADS)
