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


@pytest.fixture(params=["regional", "elsewhere"])
def world(request):
    runtime = ManualRuntime(seed=5)
    regions = [MemoryRegion(runtime, Limits(is_tiered=True)) for _ in range(2)]
    tiers = {"region": regions[0], "objects": MemoryObjects()}
    if request.param == "elsewhere":
        tiers["coordinator"] = regions[1]
    store = memory_store(POLICY, **tiers, runtime=runtime)
    yield store, runtime, tiers["objects"]
    store.close()


def go_cold(store, runtime):
    for _ in range(10):  # who is silent for longer than the horizon is forgotten
        runtime.sleep(4 * DAY_S)
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


READS = {
    "get": lambda store: store.get("s/a"),
    "a copy": lambda store: store.get("s/a", max_age=1e6),
    "get_many": lambda store: store.get_many(["s/a"]),
    "transaction": lambda store: store.transact(lambda tx: tx.get("s/a")),
}


@pytest.mark.parametrize("verb", READS)
def test_a_key_that_is_read_comes_home(world, verb):
    store, runtime, _ = world
    store.put("s/a", 1)
    go_cold(store, runtime)
    for _ in range(20):
        READS[verb](store)
    assert store.maintain().ok  # tells of the reads, and then moves
    assert store.maintain().ok
    explained = store.explain("s/a")
    assert (explained.home, explained.version) == ("regional", store.read("s/a").version)


def test_a_key_that_is_only_looked_at_stays_cold(world):
    store, runtime, _ = world
    store.put("s/a", 1)
    go_cold(store, runtime)
    for _ in range(20):
        assert store.exists("s/a")
        assert list(store.scan("s/"))
    assert store.maintain().ok
    assert store.maintain().ok
    assert store.explain("s/a").home == "cold"


def test_reads_cost_no_more_requests(world):
    """The database is told of many reads at once, when the background comes to it."""
    store, runtime, _ = world
    store.put("s/a", 1)
    region = store._core.homes.coordinator.region
    asked = []
    store.get("s/a")
    for name in ("apply", "read", "commit"):
        call = getattr(region, name)
        setattr(region, name, lambda *args, _n=name, _c=call: (asked.append(_n), _c(*args))[1])
    for _ in range(20):
        store.get("s/a")
    assert asked == ["read"] * 20
    runtime.sleep(DAY_S)
    assert store.maintain().ok
    assert asked.count("apply") == 1


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
