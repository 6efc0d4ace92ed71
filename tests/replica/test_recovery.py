"""A region restored from a backup gets back from its replicas what it lacks, each write once."""

from __future__ import annotations

import random

import pytest
from restored import Model, back_up, restore

from tierstore.errors import TierStoreError
from tierstore.region.lives import BATCHES
from tierstore.testing.plan import Crash

RULES = {
    "rules": [
        {"match": "n/*", "type": "counter"},
        {"match": "s/*", "type": "set"},
        {"match": "far/*", "durability": "regional", "place": {"never": ["edge"]}},
    ],
    "replication": {"flush": "1h", "pull": "1h", "batch": 2},
}
STEPS = 60


def begin(region, runtime, backup, regains=BATCHES):
    restore(region, backup)
    runtime.advance(1)
    region.reincarnate(2.0, regains)
    runtime.advance(1)


def settle(*nodes):
    """Let all hear of another life, flush, and drain whatever dead processes left."""
    for _ in range(3):
        for node in nodes:
            node.runtime.advance(0.1)
            node.store.maintain()


def reopened(node):
    """The node as a new process, without copies."""
    node.crash()
    node.open()
    return node.store


class World:
    """Replicas that write and die, and a region that is restored from any backup."""

    def __init__(self, make_node, region, runtime, seed):
        self.chance = random.Random(seed)
        self.region, self.runtime, self.model = region, runtime, Model()
        self.nodes = [make_node(name, **RULES) for name in "abb"]
        self.backups = [back_up(region)]

    def step(self):
        self.runtime.advance(0.01)
        node = self.chance.choice(self.nodes)
        kind = self.chance.choice(
            ["write"] * 5 + ["flush"] * 4 + ["die", "adopt", "back up", "restore"]
        )
        if kind == "write":
            self.write(node)
        elif kind == "die":
            reopened(node)
        elif kind == "back up":
            self.backups.append(back_up(self.region))
        elif kind == "restore":
            self.restore()
        else:
            self.attempt(node, node.store.flush if kind == "flush" else node.adopt)

    def write(self, node):
        name, number = self.chance.choice("12"), self.chance.randrange(1, 100)
        verb = self.chance.choice([self.model.add, self.model.put, self.model.include])
        kind = {self.model.add: "n", self.model.put: "k", self.model.include: "s"}[verb]
        verb(node.store, f"{kind}/{name}", number)

    def restore(self):
        backup = self.chance.choice(self.backups)
        restore(self.region, backup)
        for node in self.chance.sample(self.nodes, self.chance.randrange(3)):
            if node.state.outbox.acknowledged:  # others cannot know that the region was restored
                self.attempt(node, node.store.flush)
        self.runtime.advance(1)
        self.region.reincarnate(2.0, BATCHES)
        self.runtime.advance(1)
        for node in self.nodes:
            if node.store._core.replica.flusher.fenced:
                reopened(node)

    def attempt(self, node, act):
        node.plan.arm(self.chance.choice([0, 0, self.chance.randrange(1, 8)]), self.fault())
        try:
            act()
        except TierStoreError:
            pass
        except Crash:
            reopened(node)
        node.plan.arm(0, "error")

    def fault(self):
        return self.chance.choice(["error", "lost", "crash", "crash after"])

    def end(self):
        self.nodes[1].crash()  # of two in one folder, the other drains its journal
        settle(self.nodes[0], self.nodes[2])
        self.nodes[1].open()
        settle(*self.nodes)
        self.model.check(reopened(self.nodes[0]))


@pytest.mark.parametrize("seed", range(40))
def test_all_is_there_once_however_often_and_from_whatever_backup(make_node, region, runtime, seed):
    world = World(make_node, region, runtime, seed)
    for _ in range(STEPS):
        world.step()
    world.end()
    assert not [entry for entry in region.aside(10, 2.0) if entry.kind != "held"]
