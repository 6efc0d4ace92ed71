"""Strong keys live by the coordinator's clock, whatever that of the machine here shows."""

from __future__ import annotations

import pytest

from tierstore.errors import ConflictError
from tierstore.testing import ManualRuntime, MemoryRegion, memory_store

START_S = 1_800_000_000
POLICY = {
    "rules": [{"match": "s/**", "consistency": "strong"}],
    "replication": {"flush": "1h", "pull": "1h"},
}


@pytest.fixture(params=[-200, 200])
def world(request):
    """A store whose clock is wrong, and a function that lets time pass for it and its region."""
    here = ManualRuntime(seed=1, start_s=START_S + request.param)
    there = ManualRuntime(seed=2, start_s=START_S)
    store = memory_store(POLICY, region=MemoryRegion(there), runtime=here)

    def advance(seconds):
        there.advance(seconds)
        here.advance(seconds)

    yield store, advance
    store.close()


def test_what_lives_at_the_coordinator_is_read(world):
    store, advance = world
    store.put("s/a", 1, ttl=60)
    advance(59)
    assert store.get("s/a") == 1
    assert store.get_many(["s/a"]) == {"s/a": 1}
    assert store.exists("s/a")
    reading = store.read("s/a")
    assert (reading.value, reading.found, reading.expires_at) == (1, True, START_S + 60)
    assert store.session().get("s/a") == 1
    assert store.explain("s/a").found
    with pytest.raises(ConflictError):
        store.compare_and_set("s/a", 2, expected=None)
    assert store.touch("s/a", ttl=60)
    advance(59)
    assert store.compare_and_set("s/a", 2, expected=store.read("s/a").version)


def test_what_is_over_at_the_coordinator_is_not_read(world):
    store, advance = world
    store.put("s/a", 1, ttl=60)
    advance(1)
    assert store.get("s/a", max_age=1000) == 1
    advance(58)
    assert store.read("s/a", max_age=1000).tier == "edge"
    advance(1)
    assert store.get("s/a", max_age=1000) is None
    assert store.get("s/a") is None
    assert not store.exists("s/a")
    assert not store.explain("s/a").found
    assert not store.touch("s/a", ttl=60)
    assert store.compare_and_set("s/a", 2, expected=None)


def test_a_scan_shows_what_lives_at_the_coordinator(world):
    store, advance = world
    store.put("s/a", 1, ttl=60)
    advance(59)
    assert [entry.key for entry in store.scan("s/")] == ["s/a"]
    advance(1)
    assert list(store.scan("s/")) == []
