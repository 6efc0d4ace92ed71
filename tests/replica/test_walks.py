"""Walks over resident copies: no news is lost, none piles up, and nobody waits long for one."""

from __future__ import annotations

import pytest

import tierstore.replica.heat as heat_module
import tierstore.replica.walk as walk_module
from tierstore.errors import UnavailableError
from tierstore.region.apply import Limits
from tierstore.testing import FaultPlan, FaultyRegion, ManualRuntime, MemoryRegion, memory_store

POLICY = {
    "rules": [{"match": "**", "durability": "memory", "hotness": {"cold": "1/d"}}],
    "movement": {"interval": "1h"},
}
KEYS = [f"k/{number:03}" for number in range(50)]


@pytest.fixture
def world():
    """A store whose region can be away, and that region."""
    runtime, plan = ManualRuntime(), FaultPlan()
    region = MemoryRegion(runtime, Limits(is_tiered=True))
    store = memory_store(POLICY, region=FaultyRegion(region, plan), runtime=runtime)
    store.put_many(dict.fromkeys(KEYS, 1))
    store.flush()
    yield store, region, plan
    plan.is_region_down = False
    store.close()


def read_all(store, times):
    for _ in range(times):
        assert len(store.get_many(KEYS)) == len(KEYS)


def test_every_read_is_told_though_there_is_room_for_few(world, monkeypatch):
    monkeypatch.setattr(heat_module, "NEWS_KEYS_MAX", 8)
    monkeypatch.setattr(walk_module, "KEYS_MAX", 4)
    store, region, _ = world
    before = {key: region.rows[key].heat for key in KEYS}
    for _ in range(3):
        read_all(store, 5)
        store._core.replica.walk()
    store._core.replica.walker.finish(store._core.replica.deadline())
    gained = {key: region.rows[key].heat - before[key] for key in KEYS}

    assert set(gained.values()) == {15.0}


def test_heat_that_cannot_be_told_does_not_pile_up(world):
    store, region, plan = world
    replica = store._core.replica
    plan.is_region_down = True
    sizes = []
    for _ in range(4):
        read_all(store, 2)
        replica.runtime.sleep(86_400)
        with pytest.raises(UnavailableError):
            replica.walk()
        sizes.append(len(replica.state.outbox.frozen))
    assert sizes == [1] * 4
    assert replica.state.outbox.unflushed_bytes > 0
    plan.is_region_down = False
    before = region.rows[KEYS[0]].heat
    store.flush()
    replica.walker.finish(replica.deadline())

    assert region.rows[KEYS[0]].heat > before + 4


def test_what_a_short_lived_reader_used_is_told_when_it_closes():
    runtime = ManualRuntime()
    region = MemoryRegion(runtime, Limits(is_tiered=True))
    with memory_store(POLICY, region=region, runtime=runtime) as store:
        store.put("k", 1)
    before = region.rows["k"].heat
    with memory_store(POLICY, region=region, runtime=runtime) as store:
        for _ in range(5):
            store.get("k")

    assert region.rows["k"].heat == pytest.approx(before + 5)
