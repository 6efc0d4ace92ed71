"""Fail, lose the reply of, or crash at every single I/O of every verb; then look what is left.

Afterwards the last acknowledged value is everywhere, a write that raised UnavailableError did not
happen, one whose outcome was unknown did or did not, and nothing was stored twice.
"""

from __future__ import annotations

from itertools import count

import pytest

from tierstore.errors import (
    OutcomeUnknownError,
    OverloadedError,
    TierStoreError,
    UnavailableError,
)
from tierstore.testing import Crash
from tierstore.testing.faults import KINDS
from tierstore.values import encode

LOSABLE = ("mem/", "far/")  # not in the journal when acknowledged


class World:
    """A process, the writes that it tried, and which values each key may have at the end."""

    def __init__(self, node, second_node):
        self.node, self.second_node = node, second_node
        self.allowed = {}
        self.losable = {}

    def write(self, changes, call):
        """Try `call`, which should make `changes`; note what may be true from then on."""
        before = {key: self.allowed.get(key, {None}) for key in changes}
        try:
            call()
        except UnavailableError:
            return
        except (OutcomeUnknownError, Crash) as exc:
            for key, value in changes.items():
                self.allowed[key] = before[key] | {value}
            if isinstance(exc, Crash):
                raise
        else:
            for key, value in changes.items():
                self.allowed[key] = {value}
        for key, value in changes.items():
            if key.startswith(LOSABLE):
                self.losable[key] = before[key] | {value}

    def put(self, key, value):
        self.write({key: value}, lambda: self.node.store.put(key, value))

    def put_many(self, items):
        self.write(items, lambda: self.node.store.put_many(items))

    def delete(self, key):
        self.write({key: None}, lambda: self.node.store.delete(key))

    def flush(self):
        self.node.store.flush()
        self.losable.clear()

    def crash(self):
        """The process ends; what only its memory had may be gone."""
        self.node.crash()
        self.allowed.update(self.losable)
        self.node.open()


def no_setup(world):
    pass


def with_values(world):
    for number in range(5):
        world.put(f"jrn/{number}", f"old {number}")
    world.put("mem/0", "old")
    world.flush()


def with_unflushed(world):
    with_values(world)
    for number in range(5):
        world.put(f"jrn/{number}", f"new {number}")
    world.put("mem/0", "new")
    world.put_many({"mem/1": "one", "jrn/9": "nine"})


def with_frozen(world):
    """Batches that the region has not seen, and deltas on top."""
    with_unflushed(world)
    world.node.plan.is_region_down = True
    with pytest.raises(UnavailableError):
        world.node.store.flush()
    world.node.plan.is_region_down = False
    world.losable.clear()  # frozen: the journal has it
    world.put("jrn/0", "newest 0")
    world.put("jrn/8", "eight")


def with_orphan(world):
    """Another process, alive, beside what a dead one left."""
    heir = world.second_node(world.node)
    world.node.store.put("jrn/0", "first")
    heir.store.put("jrn/own", "own")
    world.allowed["jrn/own"] = {"own"}
    with_frozen(world)
    world.node.crash()
    world.node = heir


def with_foreign_changes(world):
    with_values(world)
    other = world.second_node(world.node, "other")
    world.node.runtime.advance(1)
    for number in range(5):
        other.store.put(f"jrn/{number}", f"theirs {number}")
        world.allowed[f"jrn/{number}"] = {f"theirs {number}"}
    other.store.close()


def reopen(world):
    world.node.store.close()
    world.node.open_again()
    world.node.store.get("jrn/0")
    world.put("jrn/0", "after")
    world.flush()


SCENARIOS = {
    "put memory": (with_values, lambda world: world.put("mem/0", "x"), 0),
    "first put": (no_setup, lambda world: world.put("jrn/0", "x"), 2),
    "put journal": (with_values, lambda world: world.put("jrn/0", "x"), 1),
    "put regional": (with_values, lambda world: world.put("reg/0", "x"), 4),
    "put far": (with_unflushed, lambda world: world.put("far/0", "x"), 8),
    "put many": (
        with_values,
        lambda world: world.put_many({f"jrn/{n}": "x" for n in range(5)} | {"reg/0": "y"}),
        8,
    ),
    "delete": (with_values, lambda world: (world.delete("jrn/0"), world.delete("reg/0")), 5),
    "flush": (with_unflushed, World.flush, 9),
    "flush of frozen": (with_frozen, World.flush, 10),
    "pull": (with_foreign_changes, lambda world: world.node.pull(), 3),
    "maintain": (with_frozen, lambda world: world.node.store.maintain(), 10),
    "adopt": (with_orphan, lambda world: world.node.adopt(), 12),
    "close": (with_unflushed, lambda world: world.node.store.close(), 9),
    "reopen": (with_frozen, reopen, 14),
}


def check(world):
    """Everything acknowledged is everywhere, and nothing more."""
    node = world.node
    reader = world.second_node(node, "reader")
    for key, allowed in world.allowed.items():
        values = {node.store.get(key), reader.store.get(key)}
        assert len(values) == 1, f"{key} differs: {values}"
        value = values.pop()
        assert value in allowed, f"{key} is {value!r}, not one of {allowed}"
        assert node.region.value(key) == (None if value is None else encode(value))
    node.region.check_once()
    assert node.store.check().ok
    for replica in node.region.replicas(1.0):
        assert not replica.retired


def heal(world):
    """Bring everything to the region, with every process that was left."""
    world.node.plan.arm(0, "error")
    world.node.store.flush()
    world.node.adopt()
    position = len(world.node.region.kept)
    world.node.store.flush()
    world.node.pull()
    assert len(world.node.region.kept) == position


def strike(world, scenario, n, kind, aftermath):
    """Run a scenario with its n-th I/O going wrong; True if it got as far as that."""
    setup, act, _ = scenario
    setup(world)
    plan = world.node.plan
    plan.arm(n, kind)
    try:
        act(world)
    except Crash:
        pass
    except TierStoreError:
        if plan.fired is None:
            raise
    has_struck = plan.fired is not None
    if plan.crashed or aftermath == "crash" or world.node.state.closed:
        world.crash()
    heal(world)
    check(world)
    return has_struck


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_io_may_fail(new_node, second_node, name, kind):
    aftermaths = ("go on", "crash") if kind in ("error", "lost") else ("crash",)
    for aftermath in aftermaths:
        points = 0
        for n in count(1):
            world = World(new_node(), second_node)
            if not strike(world, SCENARIOS[name], n, kind, aftermath):
                break
            points += 1
        assert points >= SCENARIOS[name][2], f"{points} places to fail"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", ["jrn/0", "reg/0"])
def test_every_io_of_a_touch_may_fail(new_node, second_node, key, kind):
    points = 0
    for n in count(1):
        node = new_node()
        node.store.put(key, "x", ttl=10)
        node.store.flush()
        short = node.store.read(key).expires_at
        node.plan.arm(n, kind)
        possible = {short + 90}
        try:
            node.store.touch(key, ttl=100)
        except UnavailableError:
            possible = {short}
        except (OutcomeUnknownError, Crash):
            possible = {short, short + 90}
        if node.plan.fired is None:
            break
        points += 1
        if node.plan.crashed:
            node.crash()
            node.open()
        node.plan.arm(0, "error")
        node.store.flush()
        readings = [one.store.read(key) for one in (node, second_node(node, "reader"))]
        assert {reading.expires_at for reading in readings} <= possible
        assert readings[0].expires_at == readings[1].expires_at
        node.region.check_once()
    assert points >= (1 if key == "jrn/0" else 4)


def test_a_write_waiting_for_room_knows_that_it_did_not_happen(new_node):
    node = new_node(limits={"unflushed": "150B", "value": "100B"})
    node.store.put("jrn/0", "x" * 60)
    node.store.flush()
    node.store.put("jrn/1", "x" * 60)
    node.plan.arm(2, "lost")  # the batch that would make room
    with pytest.raises(OverloadedError):
        node.store.put("jrn/2", "x" * 60, timeout=0.5)
    assert node.plan.fired == "region.apply"
    assert node.store.get("jrn/2") is None
    node.store.put("jrn/2", "y")
    assert node.region.value("jrn/1") is not None
