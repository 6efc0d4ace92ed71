"""What the journal is told of batches: whose it is, what is held or refused, what it may forget."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

import pytest

import tierstore.tiers.journal.file
from tierstore.errors import CorruptionError, UnavailableError
from tierstore.record import COUNTER
from tierstore.values import encode

KEY = "jrn/k"
DAY_S = 86_400.0


def rows(node, statement):
    """What a statement finds in the only journal file of a process that ended."""
    (path,) = (node.folder / "journal").glob("*.journal")
    connection = sqlite3.connect(path)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


@pytest.fixture
def two_minutes_ahead(region, runtime):
    """Shifts the region's clock, and back when called."""
    real = region._now_ms
    region._now_ms = lambda: runtime.time_ns() // 1_000_000 - 120_000
    return lambda: setattr(region, "_now_ms", real)


# Whose it is


def test_a_journal_that_began_while_another_thread_registered_is_bound(node, make_region):
    node.store.get(KEY)
    link = node.state.link
    registered, link.registration = link.registration, None
    node.store.put(KEY, 1)
    link.registration = registered
    node.store.flush()
    node.crash()
    node.region = make_region()
    node.open()
    node.store.put(KEY, 2)
    with pytest.raises(UnavailableError, match="the journal belongs to region"):
        node.store.flush()


# What must not touch the disk


def on_disk(node, content):
    return [p.name for p in (node.folder / "journal").iterdir() if content in p.read_bytes()]


def test_a_refused_value_that_may_not_be_at_the_edge_is_not_journaled(node, region):
    node.store.put("far/k", "first")
    region.rows["far/k"].record.type = COUNTER
    with suppress(Exception):
        node.store.put("far/k", "far and secret")
    stamp = node.state.outbox.quarantined["far/k"]
    node.crash()
    assert on_disk(node, b"far and secret") == []
    node.open()
    node.store.get("jrn/other")
    assert node.state.outbox.quarantined == {"far/k": stamp}


def test_a_held_value_that_may_not_be_at_the_edge_is_not_journaled(
    node, region, runtime, two_minutes_ahead
):
    node.store.put("far/k", "far and secret")
    assert node.store.get("far/k") == "far and secret"
    (held,) = node.state.outbox.held.values()
    node.crash()
    assert on_disk(node, b"far and secret") == []
    node.open()
    assert node.store.get("far/k") is None
    assert node.state.outbox.is_pending("far/k", held.record.stamp)
    runtime.sleep(120)
    two_minutes_ahead()
    region.maintain(10, 1.0)
    assert node.store.get("far/k") == "far and secret"
    assert not node.state.outbox.is_pending("far/k", held.record.stamp)


# What it could not take


@pytest.fixture
def break_acknowledging(monkeypatch):
    """Lets acknowledgements fail, until its result is called."""

    def break_it(node, error):
        def failing(*_, **__):
            raise error

        monkeypatch.setattr(node.state.journal, "acknowledge", failing)
        return monkeypatch.undo

    return break_it


@pytest.mark.parametrize("error", [UnavailableError("full"), CorruptionError("damaged")])
def test_the_next_acknowledgement_tells_what_one_that_failed_could_not(
    node, region, runtime, break_acknowledging, error
):
    node.store.put("jrn/refused", 1)
    node.store.flush()
    region.rows["jrn/refused"].record.type = COUNTER
    repair = break_acknowledging(node, error)
    runtime.jump(120)
    region._now_ms = lambda: runtime.time_ns() // 1_000_000 - 120_000
    node.store.put_many({"jrn/held": "held", "jrn/refused": 2})
    node.store.flush()
    repair()
    region._now_ms = lambda: runtime.time_ns() // 1_000_000 - 59_000
    node.store._core.replica.upkeep()
    node.store.put("jrn/last", 1)
    node.store.flush()
    node.crash()
    assert rows(node, "SELECT key FROM held") == [("jrn/held",)]
    assert [key for (key,) in rows(node, "SELECT key FROM quarantine")] == ["jrn/refused"]
    assert rows(node, "SELECT count(*) FROM batches WHERE acknowledged_ms IS NULL") == [(0,)]


def test_what_was_held_and_settled_meanwhile_is_not_held_after_a_restart(
    node, region, runtime, two_minutes_ahead, break_acknowledging
):
    node.store.put(KEY, "ahead")
    node.store.flush()
    runtime.sleep(120)
    two_minutes_ahead()
    region.maintain(10, 1.0)
    node.pull()
    repair = break_acknowledging(node, UnavailableError("full"))
    node.store.put("jrn/1", 1)
    node.store.flush()
    repair()
    node.store.put("jrn/2", 2)
    node.store.flush()
    node.crash()
    assert rows(node, "SELECT key FROM held") == []


# What it may forget


def test_an_idle_journal_forgets_what_is_a_day_old(node, runtime):
    node.store.put(KEY, "x")
    node.store.flush()
    assert node.state.journal.reach()[0] == 1
    runtime.sleep(DAY_S + 1)
    assert node.store.maintain().ok
    assert node.state.journal.reach() == (0, None)


@pytest.mark.parametrize("unflushed", [False, True])
def test_so_does_the_journal_of_a_dead_process(make_node, runtime, unflushed):
    dead, heir = make_node("shared"), make_node("shared")
    dead.store.put(KEY, "x")
    heir.store.put("jrn/heir", "x")
    dead.store.flush()
    if unflushed:
        dead.store.put(KEY, "y")
    runtime.sleep(DAY_S + 1)
    path = dead.state.journal.path
    dead.crash()
    assert heir.adopt() == unflushed
    connection = sqlite3.connect(path)
    try:
        (kept,) = connection.execute("SELECT min(number) FROM batches").fetchone()
    finally:
        connection.close()
    assert kept == (2 if unflushed else None)


def test_what_is_retained_stays_within_its_limit(make_node):
    node = make_node(limits={"retained": "64KiB"})
    for number in range(60):
        node.store.put(KEY, bytes([number]) * 8_000)
        node.store.flush()
        node.state.journal.close_connection()
        ((size,),) = rows(node, "SELECT coalesce(sum(length(body)), 0) FROM batches")
        assert size <= 64 * 1024 + 2 * 8_200
    assert size > 48_000


def test_an_empty_orphan_is_left_alone(node):
    node.store.put(KEY, 1)
    (node.folder / "journal" / "worker-0009.journal").touch()
    assert node.adopt() == 0


def test_the_list_of_refused_writes_is_bounded(node, region, monkeypatch):
    monkeypatch.setattr(tierstore.tiers.journal.file, "QUARANTINE_ROWS_MAX", 3)
    keys = [f"jrn/{number}" for number in range(8)]
    node.store.put_many(dict.fromkeys(keys, 1))
    node.store.flush()
    for key in keys:
        region.rows[key].record.type = COUNTER
    node.store.put_many(dict.fromkeys(keys, "refused"))
    node.store.flush()
    node.crash()
    assert [key for (key,) in rows(node, "SELECT key FROM quarantine ORDER BY id")] == keys[-3:]
    assert all(
        encode("refused") not in raw for (raw,) in rows(node, "SELECT delta FROM quarantine")
    )
