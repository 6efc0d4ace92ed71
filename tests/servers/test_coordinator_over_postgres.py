"""Regions on SQLite whose strong keys are decided by one PostgreSQL server."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import tierstore
from tierstore.errors import UnavailableError

SCHEMA = "elsewhere"
TIMEOUT_S = 1.0
PATIENT_S = 30.0
"""Of a machine that does more beside this."""
RULES = [
    {"match": "s/**", "consistency": "strong"},
    {"match": "stock/*", "type": "bounded_counter"},
]
ADDS = 10


@pytest.fixture
def stores(postgres_server, tmp_path, monkeypatch):
    """Two stores, each over a region of its own."""
    pytest.importorskip("psycopg")
    raw = postgres_server.connect_url(postgres_server.url)
    raw.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    raw.close()
    monkeypatch.setenv("COORDINATOR", f"{postgres_server.url}?schema={SCHEMA}")
    policy = {
        "rules": RULES,
        "coordinator": {"url": "${env:COORDINATOR}"},
        "timeouts": {"regional": f"{PATIENT_S:g}s"},
    }
    opened = [tierstore.open(policy, base_dir=tmp_path / name) for name in ("eu", "us")]
    yield opened
    for store in opened:
        store.close()


def add_one(tx):
    tx.put("s/n", tx.get("s/n", 0) + 1)


def test_two_regions_decide_as_one(stores):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: stores[n % 2].transact(add_one, attempts=100), range(ADDS)))
    assert {store.get("s/n") for store in stores} == {ADDS}
    eu, us = stores
    eu.put("a", 1)
    eu.flush()
    assert us.get("a") is None
    assert [entry.key for entry in eu.scan()] == ["a", "s/n"]
    with eu.lease("job"), pytest.raises(tierstore.LeaseHeldError), us.lease("job"):
        pass
    eu.bounded_counter("stock/lamp").give(3)
    us.bounded_counter("stock/lamp").take(2)
    assert us.bounded_counter("stock/lamp").get() == 1
    with us.watch("s/") as watch:
        eu.transact(add_one)
        assert watch.next(PATIENT_S).key == "s/n"
    found = {finding.subject: finding for finding in us.check().findings}
    assert found["coordinator"].ok
    assert "unused" not in str(found)  # the password


def test_eventual_keys_go_on_while_the_server_is_away(stores, postgres_server):
    if postgres_server.kill is None:
        pytest.skip("the server is not ours to stop")
    eu, _ = stores
    eu.put_many({"a": 1, "s/a": 1})
    postgres_server.kill()
    try:
        for verb in (
            lambda: eu.get("s/a", timeout=TIMEOUT_S),
            lambda: eu.put("s/a", 2, timeout=TIMEOUT_S),
            lambda: list(eu.scan(timeout=TIMEOUT_S)),
        ):
            began_s = time.monotonic()
            with pytest.raises(UnavailableError) as caught:
                verb()
            assert time.monotonic() - began_s < PATIENT_S / 2
            assert "unused" not in str(caught.value)
        eu.put("a", 2)
        eu.flush()
        assert eu.get_many(["a", "b"]) == {"a": 2}
        assert [entry.key for entry in eu.scan("a")] == ["a"]
    finally:
        postgres_server.start()
    assert _get_patiently(eu, "s/a") == 1


def _get_patiently(store, key):
    """The value of a key, though reads are refused for a moment after failures."""
    until_s = time.monotonic() + PATIENT_S
    while True:
        try:
            return store.get(key)
        except UnavailableError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.05)
