"""Strong keys go cold and come back under the rules of all, and commits ask for no object."""

from __future__ import annotations

import pytest

from tierstore.errors import ConflictError, CorruptionError
from tierstore.region.apply import Limits
from tierstore.testing import ManualRuntime, MemoryObjects, MemoryRegion, memory_store

POLICY = {
    "rules": [
        {
            "match": "s/**",
            "consistency": "strong",
            "hotness": {"cold": "1/d"},
            "min_residency": {"regional": "0s"},
        }
    ],
    "replication": {"flush": "1h", "pull": "1h"},
}
DAY_S = 86_400


@pytest.fixture
def world():
    runtime = ManualRuntime(seed=5)
    region, objects = MemoryRegion(runtime, Limits(is_tiered=True)), MemoryObjects()
    store = memory_store(POLICY, region=region, objects=objects, runtime=runtime)
    yield store, runtime, objects
    store.close()


def go_cold(store, runtime):
    runtime.sleep(40 * DAY_S)
    assert store.maintain().ok
    assert store.explain("s/a").home == "cold"


def test_a_strong_key_goes_cold_and_is_the_same(world):
    store, runtime, _ = world
    version = store.compare_and_set("s/a", {"n": 1}, expected=None)
    go_cold(store, runtime)
    reading = store.read("s/a")
    assert (reading.value, reading.version, reading.tier) == ({"n": 1}, version, "cold")
    assert store.get_many(["s/a"]) == {"s/a": {"n": 1}}
    assert [entry.value for entry in store.scan("s/")] == [{"n": 1}]
    with pytest.raises(ConflictError):
        store.compare_and_set("s/a", 2, expected=None)
    assert store.touch("s/a", ttl="90d")
    assert store.read("s/a").version == version
    with store.transaction() as tx:
        tx.put("s/a", {"n": tx.get("s/a")["n"] + 1})
    assert (store.get("s/a"), store.explain("s/a").home) == ({"n": 2}, "regional")


def test_a_commit_asks_for_no_object(world):
    store, runtime, objects = world
    version = store.compare_and_set("s/a", 1, expected=None)
    go_cold(store, runtime)
    objects.read = objects.stream = None  # whoever asks breaks
    new = store.compare_and_set("s/a", 2, expected=version)
    assert new != version
    store.delete("s/a")
    assert store.get("s/a") is None


def test_damage_names_the_object(world):
    store, runtime, objects = world
    store.put("s/a", 1)
    go_cold(store, runtime)
    name = store.explain("s/a").object
    objects.blobs.clear()
    with pytest.raises(CorruptionError) as caught:
        store.get("s/a")
    assert (caught.value.key, caught.value.tier, caught.value.object) == ("s/a", "cold", name)
    with pytest.raises(CorruptionError) as caught, store.transaction() as tx:
        tx.get("s/a")
    assert (caught.value.key, caught.value.tier, caught.value.object) == ("s/a", "cold", name)
    store.put("s/a", 2)
    assert store.get("s/a") == 2
