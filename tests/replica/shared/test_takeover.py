"""Copies that must go: of a server that took over from another, and of rows that are no more."""

from __future__ import annotations

from copy import deepcopy

import pytest

from tierstore.opening import wire
from tierstore.policy import load
from tierstore.testing import ManualRuntime, MemoryRegion, MemoryShared, memory_store

POLICY = {
    "version": 1,
    "rules": [{"match": "age/*", "read": {"max_age": "2s"}}],
    "replication": {"flush": "1h", "pull": "1h"},
}


class World:
    """A worker of an edge, and another replica of the region."""

    def __init__(self):
        self.runtime = ManualRuntime()
        self.region, self.edge = MemoryRegion(self.runtime), MemoryShared(self.runtime)
        self.worker = wire(load(POLICY), self.runtime, region=self.region, edge=self.edge)
        self.other = memory_store(POLICY, region=self.region, runtime=self.runtime)
        self.pull()  # so that the edge has met the region, and keeps copies

    def put(self, key, value):
        self.other.put(key, value)
        self.other.flush()

    def pull(self):
        self.worker._core.replica.pull()

    def close(self):
        self.worker.close()
        self.other.close()


@pytest.fixture
def world():
    made = World()
    yield made
    made.close()


def test_a_server_that_took_over_shows_no_copy_from_before_the_last_pull(world):
    """Its copies and its note of the last pull are older than what the worker remembers."""
    world.put("age/k", 1)
    assert world.worker.get("age/k") == 1
    lagging = deepcopy(world.edge.copies), deepcopy(world.edge._standing)
    world.put("age/k", 2)
    world.runtime.sleep(10)
    world.pull()
    assert world.worker.get("age/k") == 2
    world.edge.copies, world.edge._standing = lagging
    world.edge.restart()
    world.worker._core.replica.shared.link.reconnect()  # as the end of the listener makes it
    assert world.worker.get("age/k") == 2


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_copy_whose_row_cannot_be_shown_any_more_goes(world, monkeypatch, is_damaged):
    world.put("gone", 1)
    world.put("kept", 1)
    assert world.worker.get_many(["gone", "kept"]) == {"gone": 1, "kept": 1}
    assert set(world.edge.copies) == {"gone", "kept"}
    world.put("gone", 2)
    world.put("kept", 2)
    read = world.region.read

    def read_less(*arguments):
        reply = read(*arguments)
        if reply.rows.pop("gone", None) is not None and is_damaged:
            reply.corrupt["gone"] = "it fails its checksum"
        return reply

    monkeypatch.setattr(world.region, "read", read_less)
    world.pull()
    assert set(world.edge.copies) == {"kept"}
    assert world.worker.get("kept") == 2
