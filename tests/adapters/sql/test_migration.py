"""A database of an older schema opens, keeps all it had, and becomes one of this schema at once.

The scripts in `golden` are what `sqlite3.Connection.iterdump` wrote of databases that the released
versions made.
"""

from __future__ import annotations

import sqlite3
from functools import reduce
from operator import xor
from pathlib import Path

import pytest

from tierstore.errors import UnavailableError
from tierstore.region.fingerprints import hash_version, version_bytes
from tierstore.region.peers import Peer, PeerPage
from tierstore_sql.creation import SCHEMA_VERSION
from tierstore_sql.schema import MIGRATIONS

TIMEOUT_S = 5.0
REPLICA = 8644552152520434
GOLDEN = Path(__file__).parent / "golden"
PAYLOADS = {
    "a": b"\x81\xa1n\x02",
    "b/with ttl": b"\xa3two",
    "c": b"\xc4\x03\x00\x01\x02",
    "gone": None,
    "ключ": b"\x94\x01\xcb@\x04\x00\x00\x00\x00\x00\x00\xc0\xc3",
}
POSITIONS = {"b/with ttl": 2, "c": 3, "ключ": 4, "gone": 6, "a": 7}


@pytest.fixture(params=[1, 2, 3, 4])
def version(request):
    """The schema of the old database."""
    return request.param


@pytest.fixture
def old(path, version):
    """The path of a database of that schema; the later one is the earlier one, used further."""
    path.parent.mkdir()
    script = (GOLDEN / f"region-{version}.sql").read_text(encoding="utf-8")
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.executescript(script)
    connection.close()
    return path


def dump(path):
    """Every row of every table, and the statements that made it."""
    with sqlite3.connect(path) as connection:
        lines = [" ".join(line.split()) for line in connection.iterdump()]
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
    state = {state.replica: state for state in region.replicas(TIMEOUT_S)}[REPLICA]
    assert (state.replica, state.applied, state.acknowledged) == (REPLICA, 2, 7)


def test_a_mover_looks_at_every_key_of_an_old_database(old, open_region):
    """Nobody wrote down when: the note of the lease, which is nobody's, tells the first mover."""
    region = open_region()
    assert region.due(10, TIMEOUT_S) == []
    lease = region.lease(1, 60_000, None, TIMEOUT_S)
    assert lease.note == ""
    assert region.review_all(lease.epoch, 0, 100, TIMEOUT_S) is None
    assert {row.key for row in region.due(10, TIMEOUT_S)} == set(PAYLOADS)


@pytest.mark.parametrize("version", [2], indirect=True)
def test_what_waited_waits_on(old, open_region, runtime):
    """For the clock, or for an operator; and it comes in when its time has come."""
    region = open_region()
    waiting = {(entry.kind, entry.key) for entry in region.aside(10, TIMEOUT_S)}
    assert waiting == {("held", "held"), ("quarantined", "a")}
    runtime.advance(3601)
    assert region.maintain(10, TIMEOUT_S).released == 1
    assert region.read(["held"], 7, TIMEOUT_S).rows["held"].record.payload == b"\xa4late"


def test_it_knows_no_peers_yet_and_can(old, open_region):
    """Its rows are told by their fingerprint, as written by whatever version."""
    region = open_region()
    assert region.peers(TIMEOUT_S) == []
    page = PeerPage(None, Peer("b", 1, 9, 5, None))
    assert region.join(page, TIMEOUT_S).is_joined
    assert open_region().peers(TIMEOUT_S) == region.peers(TIMEOUT_S) != []
    found = region.fingerprint("", None, 100, TIMEOUT_S)
    rows = region.read(list(PAYLOADS), REPLICA, TIMEOUT_S).rows.values()
    hashes = [hash_version(row.key.encode(), version_bytes(row)) for row in rows]
    assert (found.count, found.digest) == (len(PAYLOADS), reduce(xor, hashes))


@pytest.mark.parametrize("version", [3, 4], indirect=True)
def test_peers_are_known_on(old, open_region):
    """But not up to where all of their feeds was taken over, until a link is at their end."""
    with sqlite3.connect(old) as raw:
        raw.execute(
            "INSERT INTO ts_peer (region, incarnation, replica, cursor, resumes_at, reader,"
            " is_late, joined_ms, linker, linker_until_ms)"
            " VALUES ('b', 1, 9, 5, NULL, 8, 1, 7, 6, 4)"
        )
    raw.close()
    assert open_region().peers(TIMEOUT_S) == [Peer("b", 1, 9, 5, None, 8, True, 7, 6, 4, 0)]


def test_it_is_migrated_once_and_equals_a_new_one(old, open_region, tmp_path):
    open_region().connect(TIMEOUT_S)
    migrated = dump(old)
    open_region().connect(TIMEOUT_S)
    assert dump(old) == migrated
    open_region("sqlite:///data/new.db").connect(TIMEOUT_S)
    made = [line for line in dump(tmp_path / "data" / "new.db") if not line.startswith("INSERT")]
    assert sorted(line for line in migrated if not line.startswith("INSERT")) == sorted(made)
    assert f'INSERT INTO "ts_region" VALUES(1,{SCHEMA_VERSION},' in "\n".join(migrated)


STEPS = {1: 11, 2: 2, 3: 1, 4: 10}
"""How many statements lead from a schema to the next one."""


@pytest.mark.parametrize(
    ("version", "at"),
    [(version, at) for version, steps in STEPS.items() for at in range(steps + 1)],
    indirect=["version"],
)
def test_a_failure_in_the_middle_leaves_the_old_version(old, open_region, monkeypatch, version, at):
    before, migrate = dump(old), MIGRATIONS[version]

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
        if at == STEPS[version]:
            raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setitem(MIGRATIONS, version, fails)
    with pytest.raises(UnavailableError):
        open_region().connect(TIMEOUT_S)
    assert dump(old) == before
    monkeypatch.setitem(MIGRATIONS, version, migrate)
    region = open_region()
    assert len(region.read(list(PAYLOADS), REPLICA, TIMEOUT_S).rows) == len(PAYLOADS)


@pytest.mark.parametrize("version", [1], indirect=True)
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
