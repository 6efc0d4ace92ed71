"""One simulated process at an edge: a store whose region and journal go wrong on demand."""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path

import pytest

from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.apply import Limits
from tierstore.testing import (
    FaultPlan,
    FaultyJournalDirectory,
    FaultyRegion,
    ManualRuntime,
    MemoryRegion,
)

RULES = [
    {"match": "mem/*", "durability": "memory"},
    {"match": "reg/*", "durability": "regional"},
    {"match": "far/*", "durability": "regional", "place": {"never": ["edge"]}},
    {"match": "age/*", "read": {"max_age": "2s", "stale_if_error": "5s"}},
]


class RecordingRegion(MemoryRegion):
    """A region in memory that remembers every batch that it applied and row that it stored."""

    def __init__(self, runtime, limits=None):
        super().__init__(runtime, limits)
        self.kept = []
        self.applied = []
        self._sent = None

    def apply(self, batch, timeout_s):
        self._sent = batch.replica, batch.number
        try:
            return super().apply(batch, timeout_s)
        finally:
            self._sent = None

    def _store(self, plan):
        super()._store(plan)
        if self._sent is not None:
            self.applied.append(self._sent)
        for row in plan.writes.values():
            record = row.record
            self.kept.append((row.key, record.stamp, record.replica, record.touch))

    def check_once(self):
        """No batch was applied twice, which joins would hide, nor a version stored twice."""
        assert len(self.applied) == len(set(self.applied)), "a batch was applied twice"
        assert len(self.kept) == len(set(self.kept)), "a write was stored twice"
        states = self.replicas(1.0)
        assert set(self.applied) >= {(s.replica, n + 1) for s in states for n in range(s.applied)}

    def value(self, key):
        """The payload of the row of `key`, None if it has none."""
        row = self.rows.get(key)
        return None if row is None else row.record.payload


@cache
def _load(policy):
    return load(json.loads(policy))


class Node:
    """A process: it can crash, and be opened again from what it left on disk."""

    def __init__(self, folder, runtime, region, policy=None):
        self.folder, self.runtime, self.region = folder, runtime, region
        rules = {"rules": RULES, "replication": {"batch": 2}, **(policy or {})}
        rules.setdefault("tiers", {}).setdefault("edge", {})
        rules["tiers"]["edge"] = {"journal": "journal", **rules["tiers"]["edge"]}
        self.policy = _load(json.dumps({"version": 1, **rules}))
        self.plan = FaultPlan()
        self.open()

    def open(self):
        """A new process over the same files."""
        self.plan.arm(0, "error")
        self.plan.is_region_down = False
        self.journals = FaultyJournalDirectory(str(self.folder / "journal"), self.plan)
        region = FaultyRegion(self.region, self.plan)
        self.store = wire(self.policy, self.runtime, region=region, journals=self.journals)
        return self.store

    def open_again(self):
        """A new process over the same files, with what the plan has in store for it."""
        self.journals.abandon()
        region = FaultyRegion(self.region, self.plan)
        self.store = wire(self.policy, self.runtime, region=region, journals=self.journals)

    def crash(self):
        """End the process without a word."""
        replica = self.store._core.replica
        self.runtime.drop(replica._driver)
        replica.state.closed = True
        self.journals.abandon()

    @property
    def state(self):
        """The replica's state."""
        return self.store._core.replica.state

    def pull(self):
        """Bring the region's changes here."""
        return self.store._core.replica.pull()

    def adopt(self):
        """Drain what dead processes left."""
        return self.store._core.replica.adopt()


@pytest.fixture
def folder():
    """A folder, in memory where the system has that: journals sync much."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="tierstore", dir=memory) as path:
        yield Path(path)


@pytest.fixture
def runtime():
    return ManualRuntime(seed=1)


@pytest.fixture
def make_region(runtime):
    """Makes a region that records what it stores."""
    return lambda **limits: RecordingRegion(runtime, Limits(**limits))


@pytest.fixture
def region(make_region):
    return make_region()


@pytest.fixture
def make_node(folder, runtime, region):
    """Makes processes, each with a folder of its own unless told; closes what is left open."""
    nodes = []

    def make(name="a", *, region=region, **policy):
        nodes.append(Node(folder / name, runtime, region, policy))
        return nodes[-1]

    yield make
    for node in nodes:
        node.plan.arm(0, "error")
        node.crash()


@pytest.fixture
def node(make_node):
    return make_node()


@pytest.fixture
def new_node(folder):
    """Makes a process in a world of its own: folder, runtime, region."""
    nodes = []

    def make(**policy):
        runtime = ManualRuntime(seed=len(nodes))
        world = folder / f"world-{len(nodes)}"
        nodes.append(Node(world, runtime, RecordingRegion(runtime), policy))
        return nodes[-1]

    yield make
    for node in nodes:
        node.plan.arm(0, "error")
        node.crash()


@pytest.fixture
def second_node():
    """Makes another process beside one, in the same folder or in another."""
    nodes = []

    def make(node, name=None):
        folder = node.folder if name is None else node.folder / name
        nodes.append(Node(folder, node.runtime, node.region))
        return nodes[-1]

    yield make
    for node in nodes:
        node.plan.arm(0, "error")
        node.crash()
