"""Copies that must go: of a server that took over from another, and of rows that are no more."""

from __future__ import annotations

from copy import deepcopy

import pytest

from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.shared import ReplacedError
from tierstore.testing import ManualRuntime, MemoryRegion, MemoryShared, memory_store

POLICY = {
    "version": 1,
    "rules": [{"match": "age/*", "read": {"max_age": "2s"}}],
    "replication": {"flush": "1h", "pull": "1h"},
}


class Wary(MemoryShared):
    """One that refuses to be asked in another life than it was connected to in."""

    met = ""

    def connect(self, timeout_s):
        info = super().connect(timeout_s)
        self.met = info.run
        return info

    def read(self, keys, timeout_s):
        if self.met != self.run:
            raise ReplacedError("another took over")
        return super().read(keys, timeout_s)


class World:
    """A worker of an edge, and another replica of the region."""

    def __init__(self):
        self.runtime = ManualRuntime()
        self.region, self.edge = MemoryRegion(self.runtime), Wary(self.runtime)
        self.worker = wire(load(POLICY), self.runtime, region=self.region, edge=self.edge)
        self.other = memory_store(POLICY, region=self.region, runtime=self.runtime)
        self.pull()  # so that the edge has met the region, and keeps copies

    def put(self, key, value):
        self.other.put(key, value)
        self.other.flush()

    def pull(self):
        self.worker._core.replica.pull()

    @property
    def link(self):
        return self.worker._core.replica.shared.link

    def lag(self):
        """Change `age/k` and pull that; what brings a server that lacks both in its place."""
        self.put("age/k", 1)
        assert self.worker.get("age/k") == 1
        lagging = deepcopy(self.edge.copies), deepcopy(self.edge._standing)
        self.put("age/k", 2)
        self.runtime.sleep(10)

        def take_over():
            self.edge.copies, self.edge._standing = lagging
            self.edge.restart()

        return take_over

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
    take_over = world.lag()
    world.pull()
    assert world.worker.get("age/k") == 2
    take_over()
    world.link.reconnect()  # as the end of the listener makes it
    assert world.worker.get("age/k") == 2


def test_who_meets_another_server_unawares_believes_nothing_of_the_first(world):
    take_over = world.lag()
    world.pull()
    take_over()
    assert world.worker.get("age/k") == 2


def test_a_late_answer_of_the_first_server_says_nothing_of_the_second(world, monkeypatch):
    take_over, standing, calls = world.lag(), world.edge.standing, []

    def answer_late(timeout_s):
        answer = standing(timeout_s)
        calls.append(answer.pulled_ms)
        if len(calls) == 2:  # after the pull has ended
            world.runtime.sleep(0.01)
            take_over()
            world.link.reconnect()
            world.link.connect(world.worker._core.deadline(None))
        return answer

    monkeypatch.setattr(world.edge, "standing", answer_late)
    world.pull()
    assert calls[1] > calls[0]
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
