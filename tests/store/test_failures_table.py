"""The table of docs/failures.md says what happens: each of its cells is tried."""

from __future__ import annotations

import re

import pytest
from failures_table import rows

from tierstore.errors import DeadlineExceededError, TierStoreError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.apply import Limits
from tierstore.testing import FaultPlan, FaultyRegion, ManualRuntime, MemoryRegion, MemoryShared
from tierstore.testing.memory_objects import FaultyObjects, MemoryObjects

POLICY = {
    "tiers": {"edge": {"journal": "journal"}},
    "rules": [
        {"match": "memory/*", "durability": "memory"},
        {"match": "regional/*", "durability": "regional"},
        {"match": "age/*", "read": {"max_age": "10s", "stale_if_error": "1min"}},
        {"match": "cold/*", "hotness": {"cold": "1/min", "half_life": "1s"},
         "min_residency": {"edge": "0s", "regional": "0s"}},
    ],
}  # fmt: skip


class StrangeRegion(FaultyRegion):
    """A region that may be slow, or do what it is asked and never say so."""

    def __init__(self, inner, plan, runtime):
        super().__init__(inner, plan)
        self._runtime, self.is_slow, self.loses = runtime, False, False

    def _read(self, name, call):
        return self._strange(name, lambda: super(StrangeRegion, self)._read(name, call))

    def _write(self, name, call):
        return self._strange(name, lambda: super(StrangeRegion, self)._write(name, call))

    def _strange(self, name, call):
        if self.is_slow:
            raise DeadlineExceededError(f"{name}: no answer within 2 s")
        answer = call()
        if self.loses:
            from tierstore.errors import OutcomeUnknownError

            raise OutcomeUnknownError(f"{name}: the answer was lost")
        return answer


class World:
    """A store with a resident key, one that is cold, and tiers that go wrong on demand."""

    def __init__(self, folder, *, is_shared=False):
        self.runtime = ManualRuntime(seed=1)
        self.edge = MemoryShared(self.runtime) if is_shared else None
        self.plan, self.objects = FaultPlan(), MemoryObjects()
        inner = MemoryRegion(self.runtime, Limits(is_tiered=True))
        self.region = StrangeRegion(inner, self.plan, self.runtime)
        self.policy = load(POLICY, folder)
        with self._open() as store:
            store.put_many(dict.fromkeys(("a/k", "age/k", "cold/k"), "value"))
            store.flush()
            self.runtime.advance(120)
            assert store.maintain().ok
        assert inner.rows["cold/k"].cold is not None
        self.store = self._open()
        self.store.get_many(["a/k", "age/k"])
        self.store._core.replica.state.cold._reader = None

    def _open(self):
        return wire(
            self.policy,
            self.runtime,
            region=self.region,
            objects=FaultyObjects(self.objects, self.plan),
            edge=self.edge,
        )

    def damage(self):
        for name, blob in self.objects.blobs.items():
            self.objects.blobs[name] = bytes(255 - byte for byte in blob)


STATES = {
    "region does not answer": lambda world: setattr(world.plan, "is_region_down", True),
    "region is too slow": lambda world: setattr(world.region, "is_slow", True),
    "region's answers are lost": lambda world: setattr(world.region, "loses", True),
    "cold tier does not answer": lambda world: setattr(world.plan, "is_cold_down", True),
    "objects are damaged": World.damage,
}
ACTS = {
    "`get` of a key that is here": lambda store: store.get("a/k"),
    "`get` beyond `max_age`, within `stale_if_error`": lambda store: store.get("age/k"),
    "`get`, `read`, `exists` of a key that is not here": lambda store: store.get("b/k"),
    "`get` of a key that is cold": lambda store: store.get("cold/k"),
    "`get_many` of all of these": lambda store: store.get_many(["a/k", "age/k", "b/k", "cold/k"]),
    "`scan`": lambda store: [entry.value for entry in store.scan("")],
    "`scan` without values": lambda store: list(store.scan("", values=False)),
    "`put`, `delete`, `put_many` with `memory` or `journal`": lambda store: (
        store.put("memory/k", 1), store.put_many({"a/k": 1, "b/k": 2}), store.delete("c/k"),
    ),
    "`put`, `delete` with `regional`": lambda store: store.put("regional/k", 1),
    "`touch` of a key that is here": lambda store: store.touch("a/k", ttl=60),
    "`touch` of a key that is not here": lambda store: store.touch("b/k", ttl=60),
    "`flush`": lambda store: (store.put("a/k", 2), store.flush()),
    "`explain` of a key that is not here": lambda store: store.explain("b/k"),
}  # fmt: skip
FINDINGS = {
    "`maintain`": lambda store: (store.put("a/k", 2), store.maintain().ok)[1],
    "`check`": lambda store: store.check().ok,
}


def outcome(store, verb):
    """What happens, in the words of the table."""
    if verb in FINDINGS:
        return "done" if FINDINGS[verb](store) else "told as a failure"
    if "beyond" in verb:
        store._core.runtime.advance(11)  # pulls kept the copy young as long as there were any
    try:
        answer = ACTS[verb](store)
    except TierStoreError as error:
        return f"`{type(error).__name__}`"
    if "`get` beyond" in verb and store.read("age/k").stale:
        assert answer == "value"
        return "the copy, `stale`"
    return "done"


@pytest.mark.parametrize("is_shared", [False, True], ids=["own edge", "shared edge"])
@pytest.mark.parametrize(("verb", "state", "said"), list(rows()))
def test_what_the_table_says_happens(tmp_path, verb, state, said, is_shared):
    world = World(tmp_path, is_shared=is_shared)
    STATES[state](world)
    assert outcome(world.store, verb) == said
    world.region.is_slow = world.region.loses = False
    world.plan.is_region_down = world.plan.is_cold_down = False
    world.store.close()


def test_the_table_has_every_verb_and_state():
    cells = list(rows())
    assert {verb for verb, _, _ in cells} == {*ACTS, *FINDINGS}
    assert {state for _, state, _ in cells} == {*STATES}
    assert all(
        re.fullmatch(r"done|told as a failure|the copy, `stale`|`\w+Error`", said)
        for *_, said in cells
    )
