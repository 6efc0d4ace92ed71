"""The table of docs/failures.md on edge servers says what happens: each of its cells is tried."""

from __future__ import annotations

import re

import pytest
from failures_table import rows

from tierstore.errors import (
    DeadlineExceededError,
    OverloadedError,
    TierStoreError,
    UnavailableError,
)
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.apply import Limits
from tierstore.region.shared import CopiesReply, Queued
from tierstore.testing import (
    FaultPlan,
    FaultyShared,
    ManualRuntime,
    MemoryRegion,
    MemoryShared,
)
from tierstore.testing.memory_objects import MemoryObjects

HEADING = "## An edge server"
POLICY = {
    "rules": [
        {"match": "regional/*", "durability": "regional"},
        {"match": "never/*", "durability": "regional", "place": {"never": ["edge"]}},
        {"match": "cold/*", "hotness": {"cold": "1/min", "half_life": "1s"},
         "min_residency": {"edge": "0s", "regional": "0s"}},
    ],
}  # fmt: skip
NEEDS_ROOM = ("edge.write", "edge.lease", "edge.fill", "edge.show")


class HarmedEdge(MemoryShared):
    """A server that may damage or lose what it holds."""

    are_copies_damaged = are_queues_damaged = False

    def read(self, keys, timeout_s):
        reply = super().read(keys, timeout_s)
        if not self.are_copies_damaged:
            return reply
        return CopiesReply({}, dict.fromkeys(reply.copies, "its check fails"))

    def withdraw(self, keys, timeout_s):
        if self.are_copies_damaged:
            for key in keys:
                self.copies.pop(key, None)
        super().withdraw(keys, timeout_s)

    def queue(self, *arguments):
        entries = super().queue(*arguments)
        if self.are_queues_damaged:
            return [Queued(entry.number, None, b"?") for entry in entries]
        return entries

    def empty(self):
        """Come back without anything."""
        self.restart()
        self.__init__(self._runtime)
        self.run = "another life"


class EdgePlan(FaultPlan):
    """An edge server that may be slow, full, or do what it is asked and never say so."""

    is_slow = loses = is_full = False

    def run(self, name, call, lost):
        if name.startswith("edge."):
            if self.is_slow:
                raise DeadlineExceededError(f"{name}: no answer within 100 ms")
            if self.is_full and name in NEEDS_ROOM:
                raise OverloadedError(f"{name}: no room")
            if self.loses:
                call()
                raise (lost or UnavailableError)(f"{name}: the answer was lost")
        return super().run(name, call, lost)

    def heal(self):
        """Let everything be well."""
        self.is_slow = self.loses = self.is_full = self.is_edge_down = False


class World:
    """A worker with a key at its edge server, one that is cold, and one that waits there."""

    def __init__(self, folder):
        self.runtime, self.plan = ManualRuntime(seed=1), EdgePlan()
        self.region = MemoryRegion(self.runtime, Limits(is_tiered=True))
        self.edge, self.objects = HarmedEdge(self.runtime), MemoryObjects()
        self.policy = load(POLICY, folder)
        with self._open() as store:
            store.put_many(dict.fromkeys(("a/k", "regional/k", "cold/k"), "value"))
            store.flush()
            self.runtime.advance(120)
            assert store.maintain().ok
        self.edge.withdraw(["cold/k"], 1)
        assert self.region.rows["cold/k"].cold is not None
        self.store = self._open()
        self.store.get("a/k")
        self.store.put("waits/k", "value")

    def heal(self):
        """Let the server be well, and what lies there be right again."""
        self.plan.heal()
        self.edge.are_copies_damaged = self.edge.are_queues_damaged = False

    def damage_queues(self):
        """And let a background step find that."""
        self.edge.are_queues_damaged = True
        self.runtime.advance(1)

    def _open(self):
        edge = FaultyShared(self.edge, self.plan)
        return wire(self.policy, self.runtime, region=self.region, objects=self.objects, edge=edge)


STATES = {
    "does not answer": lambda world: setattr(world.plan, "is_edge_down", True),
    "is too slow": lambda world: setattr(world.plan, "is_slow", True),
    "its answers are lost": lambda world: setattr(world.plan, "loses", True),
    "is full": lambda world: setattr(world.plan, "is_full", True),
    "lost everything": lambda world: world.edge.empty(),
    "copies are damaged": lambda world: setattr(world.edge, "are_copies_damaged", True),
    "queues are damaged": World.damage_queues,
}
ACTS = {
    "`get` of a key that is here": lambda store: store.get("a/k"),
    "`get` of a key that waits here": lambda store: store.get("waits/k"),
    "`get`, `read`, `exists` of a key that is not here": lambda store: store.get("b/k"),
    "`get` of a key that is cold": lambda store: store.get("cold/k"),
    "`get` of a key of a `regional` rule": lambda store: store.get("regional/k"),
    "`get`, `put` of a key that may not be at the edge": lambda store: (
        store.put("never/k", 1), store.get("never/k"),
    ),
    "`get_many` of all of these": lambda store: store.get_many(
        ["a/k", "waits/k", "b/k", "cold/k", "regional/k"]
    ),
    "`scan`": lambda store: [entry.value for entry in store.scan("")],
    "`scan` without values": lambda store: list(store.scan("", values=False)),
    "`put`, `delete`, `put_many` with `memory` or `journal`": lambda store: (
        store.put("a/k", 1), store.put_many({"a/k": 1, "b/k": 2}), store.delete("c/k"),
    ),
    "`put`, `delete` with `regional`": lambda store: store.put("regional/k", 1),
    "`touch` of a key that is here": lambda store: store.touch("a/k", ttl=60),
    "`touch` of a key that is not here": lambda store: store.touch("b/k", ttl=60),
    "`flush`": lambda store: store.flush(),
    "`explain` of a key that is not here": lambda store: store.explain("b/k"),
}  # fmt: skip
FINDINGS = {
    "`maintain`": lambda store: store.maintain().ok,
    "`check`": lambda store: store.check().ok,
}


def outcome(store, verb):
    """What happens, in the words of the table."""
    if verb in FINDINGS:
        return "done" if FINDINGS[verb](store) else "told as a failure"
    try:
        answer = ACTS[verb](store)
    except TierStoreError as error:
        return f"`{type(error).__name__}`"
    if verb == "`get` of a key that waits here" and answer is None:
        return "absent"
    return "done"


@pytest.mark.parametrize(("verb", "state", "said"), list(rows(HEADING)))
def test_what_the_table_says_happens(tmp_path, verb, state, said):
    world = World(tmp_path)
    STATES[state](world)
    assert outcome(world.store, verb) == said
    world.heal()
    world.store.close()


@pytest.mark.parametrize("state", list(STATES))
def test_nothing_has_to_be_restarted_afterwards(tmp_path, state):
    """What was damaged or lost stays so; all else goes on."""
    world = World(tmp_path)
    STATES[state](world)
    for verb in (*ACTS, *FINDINGS):
        outcome(world.store, verb)
    world.heal()
    world.runtime.advance(30)
    for verb in (*ACTS, *FINDINGS):
        assert outcome(world.store, verb) in ("done", "absent")
    world.store.close()


def test_the_table_has_every_verb_and_state():
    cells = list(rows(HEADING))
    assert {verb for verb, _, _ in cells} == {*ACTS, *FINDINGS}
    assert {state for _, state, _ in cells} == {*STATES}
    assert all(
        re.fullmatch(r"done|absent|told as a failure|`\w+Error`", said) for *_, said in cells
    )
