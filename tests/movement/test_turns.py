"""The background and `maintain` share one mover: under every schedule they take turns."""

from __future__ import annotations

import pytest

from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.apply import Limits
from tierstore.testing import MemoryObjects, MemoryRegion, World, explore

KEYS = ["small", "large"]
LARGE_BYTES = 140_000
RULE = {
    "match": "**",
    "durability": "memory",
    "hotness": {"cold": "60/s"},
    "min_residency": {"regional": "0s"},
}
POLICY = {
    "version": 1,
    "tiers": {"edge": {"journal": "none"}},
    "timeouts": {"regional": "3d", "cold": "3d"},
    "cold": {"retain": "0s"},
    "rules": [RULE],
}


class OneStore(World):
    """A store whose two keys are due to go cold, each in an object of its own."""

    def __init__(self):
        super().__init__()
        self.region = MemoryRegion(self.runtime, Limits(is_tiered=True))
        self.objects = MemoryObjects()
        tiers = {
            "region": self.wrap(self.region, "region"),
            "objects": self.wrap(self.objects, "objects"),
        }
        self.store = wire(load(POLICY), self.runtime, **tiers)
        self.store.put_many({"small": 1, "large": "x" * LARGE_BYTES})
        self.store.flush()
        self.runtime.sleep(60)
        self.failures = []

    @property
    def moving(self):
        return self.store._core.replica.moving

    def close(self):
        self.store.close()


def step(world):
    world.moving.step()


def maintain(world):
    world.failures += world.store.maintain().failures


def check(world):
    assert world.failures == []
    assert all(world.region.rows[key].cold is not None for key in KEYS)
    tally = world.moving.tally
    assert (tally["demoted"], tally["raced"], tally["failed"]) == (2, 0, 0)
    assert sorted(item.live for item in world.region.stored.values()) == [1, 1], "moved twice"
    assert set(world.objects.blobs) == {*world.region.stored, world.region.mark}


@pytest.mark.parametrize("other", [step, maintain])
def test_nothing_is_moved_twice_by_steps_at_the_same_time(other):
    found = explore(OneStore, {"background": step, "user": other}, check, preemptions_max=1)
    assert found.is_complete
    assert found.schedules > 20
