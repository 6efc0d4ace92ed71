"""Whole stores: two edges over one region on PostgreSQL, and files as the cold tier."""

from __future__ import annotations

import threading
import time
from itertools import count

import pytest

import tierstore
from tierstore.errors import DeadlineExceededError, TierStoreError, UnavailableError
from tierstore.testing.conformance.together import together

SCHEMAS = (f"stores_{number}" for number in count())
KEYS = [f"product/{number}" for number in range(20)]
READS_A_PASS = 400
PASSES_MAX = 10


@pytest.fixture
def open_store(postgres_server, tmp_path):
    """Opens a store over an edge of its own."""
    pytest.importorskip("psycopg")
    schema = next(SCHEMAS)
    raw = postgres_server.connect_url(postgres_server.url)
    raw.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    raw.close()
    opened = []

    def open_one(name, flush="1h", pull="1h"):
        policy = {
            "tiers": {
                "edge": {"journal": f"journal-{name}"},
                "regional": {"url": f"{postgres_server.url}?schema={schema}"},
                "cold": {"url": "file:cold"},
            },
            "replication": {"flush": flush, "pull": pull},
            "movement": {"interval": "1h"},
            "timeouts": {"regional": "30s"},
            "rules": [
                {
                    "match": "product/**",
                    "hotness": {"hot": "100/s", "cold": "10/s", "half_life": "10s"},
                    "min_residency": {"edge": "0s", "regional": "0s"},
                },
                {"match": "sure/**", "durability": "regional"},
            ],
        }
        opened.append(tierstore.open(policy, base_dir=tmp_path))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close(0)


@pytest.fixture
def stores(open_store):
    return open_store("a"), open_store("b")


@pytest.fixture
def own(postgres_server):
    """The server, if it is ours to harm."""
    if postgres_server.kill is None:
        pytest.skip("the server is not ours to stop")
    return postgres_server


def homes(store):
    return {store.explain(key).home for key in KEYS}


def bring_back(key, reader, mover):
    """Read a key until the mover has brought it back to the region."""
    for _ in range(PASSES_MAX):
        for _ in range(READS_A_PASS):
            reader.get(key, max_age=0)
        reader.maintain()  # tells the region of the reads
        assert mover.maintain().ok
        if reader.explain(key).home == "regional":
            return
    raise AssertionError("nothing came back")


def test_what_one_edge_writes_the_other_reads(stores):
    first, second = stores
    first.put_many({key: {"by": "first"} for key in KEYS})
    first.flush()
    assert second.get_many(KEYS) == {key: {"by": "first"} for key in KEYS}
    second.put(KEYS[0], {"by": "second"})
    second.delete(KEYS[1])
    second.flush()
    first.maintain()
    assert first.get(KEYS[0]) == {"by": "second"}
    assert not first.exists(KEYS[1])
    assert [entry.key for entry in first.scan("product/")] == sorted({*KEYS} - {KEYS[1]})


def test_keys_go_cold_and_come_back(stores):
    first, second = stores
    first.put_many(dict.fromkeys(KEYS, "x" * 1000))
    first.flush()
    assert first.maintain().ok
    assert homes(second) == {"cold"}
    assert second.get_many(KEYS) == dict.fromkeys(KEYS, "x" * 1000)
    second.put(KEYS[0], "new")
    second.flush()
    assert first.get(KEYS[0], max_age=0) == "new"
    bring_back(KEYS[-1], second, first)
    assert second.get(KEYS[-1], max_age=0) == "x" * 1000


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(own, stores, open_store):
    first, second = stores
    first.put_many(dict.fromkeys(KEYS, "before"))
    first.flush()
    assert first.maintain().ok
    own.kill()
    try:
        first.put_many(dict.fromkeys(KEYS[:5], "meanwhile"))  # the journal has them
        with pytest.raises(UnavailableError) as flushed:
            first.flush(1)
        with pytest.raises(TierStoreError) as confirmed:
            first.put("sure/1", "unsure", timeout=1)
        with pytest.raises(UnavailableError):
            second.get(KEYS[7], max_age=0, timeout=1)
        assert flushed.value.outcome == "none"
        assert confirmed.value.outcome == "unknown"
    finally:
        own.start()
    first.flush()
    assert first.outcome(confirmed.value.operation_id) == "applied"
    assert second.get("sure/1", max_age=0) == "unsure"
    expected = dict.fromkeys(KEYS, "before") | dict.fromkeys(KEYS[:5], "meanwhile")
    assert open_store("c").get_many(KEYS) == expected
    assert first.maintain().ok
    assert open_store("d").get_many(KEYS) == expected


def test_writers_lose_nothing_to_restarts_under_way(own, stores):
    acknowledged = [{}, {}]

    def write(store, mine, prefix):
        for number in range(150):
            key = f"sure/{prefix}/{number}"
            try:
                store.put(key, number, timeout=5)
            except (UnavailableError, DeadlineExceededError, tierstore.OutcomeUnknownError):
                continue
            mine[key] = number

    def harm():
        for _ in range(2):
            while len(acknowledged[0]) < 20:
                pass
            own.kill()
            own.start()

    together(
        lambda: write(stores[0], acknowledged[0], "a"),
        lambda: write(stores[1], acknowledged[1], "b"),
        harm,
    )
    written = acknowledged[0] | acknowledged[1]
    assert len(written) > 100
    for store in stores:
        store.flush()
        found = {entry.key: entry.value for entry in store.scan("sure/")}
        assert found.items() >= written.items()


PULL_S = 20.0


def wait_for(condition, timeout_s):
    """Return when `condition()` holds, or after that time."""
    until_s = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < until_s:
        time.sleep(0.005)


@pytest.fixture
def patient_stores(open_store):
    """Two stores whose pulls are far apart, and which flush at once."""
    return tuple(open_store(name, flush="10ms", pull=f"{PULL_S:g}s") for name in ("e", "f"))


def test_a_change_is_heard_of_long_before_the_next_pull(patient_stores):
    reader, writer = patient_stores
    writer.put("copied/1", "old")
    writer.flush()
    assert reader.get("copied/1") == "old"
    began_s = time.monotonic()
    number = 0
    while reader.get("copied/1") != number or not number:
        assert time.monotonic() - began_s < PULL_S / 2, "no sooner than a pull would have been"
        number += 1  # again, as the reader may not have listened yet
        writer.put("copied/1", number)
        writer.flush()
        wait_for(lambda number=number: reader.get("copied/1") == number, 1.0)


def test_nobody_listens_after_the_store_is_closed(postgres_server, patient_stores):
    reader, _ = patient_stores
    reader.put("copied/1", 1)
    reader.flush()
    assert reader.get("copied/1") == 1
    threads = {thread.name for thread in threading.enumerate()}
    assert "tierstore-ear" in threads
    for store in patient_stores:
        store.close()

    def is_silent():  # a thread is gone a moment after it has let go of what closing waits for
        return "tierstore-ear" not in {thread.name for thread in threading.enumerate()}

    wait_for(is_silent, 5.0)
    assert is_silent()
