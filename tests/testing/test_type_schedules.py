"""Two actors on one counter and one set, at two replicas or at one: every schedule of every pair.

Whatever the order, each increment is in every sum that may know it, once: no reply is shown with an
increment too few or twice; and what one adds while another discards it stays.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest

from tierstore.crdt import counter
from tierstore.crdt import set as sets
from tierstore.errors import UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.apply import Limits
from tierstore.testing import MemoryRegion, World, explore

POLICY = load(
    {
        "version": 1,
        "tiers": {"edge": {"journal": "none"}},
        "rules": [
            {"match": "n", "type": "counter", "durability": "memory"},
            {"match": "s", "type": "set", "durability": "memory"},
            {"match": "**", "durability": "memory"},
        ],
    }
)


class TwoReplicas(World):
    """Replicas `a`, where the keys are resident, and `b`, which never saw them."""

    def __init__(self):
        super().__init__()
        self.region = MemoryRegion(self.runtime, Limits())
        self.stores = {
            name: wire(POLICY, self.runtime, region=self.wrap(self.region, "region"))
            for name in "ab"
        }
        self.acknowledged = {"a": [0], "b": []}  # digits that a replica's sums must contain
        self.begun = [0]
        for name, store in self.stores.items():
            store.put(f"other/{name}", 0)  # so that both are registered
            store.flush()
        a = self.stores["a"]
        a.counter("n").add(1)
        a.members("s").add("x")
        a.flush()
        assert (a.counter("n").get(), a.members("s").all()) == (1, {"x"})
        self.runtime.sleep(1)

    def close(self):
        for store in self.stores.values():
            store.close()

    def pull(self, name):
        self.stores[name]._core.replica.pull()


def add(world, name):
    digit = len(world.begun)
    world.begun.append(digit)
    world.stores[name].counter("n").add(10**digit)
    world.acknowledged[name].append(digit)
    see(world, name)
    world.stores[name].flush()
    see(world, name)


def see(world, name):
    """A sum has each increment once at most, and those that this replica knows of."""
    known = list(world.acknowledged[name])
    total = world.stores[name].counter("n").get()
    digits = [int(digit) for digit in reversed(str(total))]
    assert set(digits) <= {0, 1}, f"{total}: an increment was counted twice"
    shown = [place for place, digit in enumerate(digits) if digit]
    assert set(known) <= set(shown), f"{total}: an increment is missing"
    world.acknowledged[name] = sorted({*world.acknowledged[name], *shown})


def fetch(world, name):
    """A sum that the region was asked for: what only others added cannot be missing either."""
    world.stores[name].get("n", max_age=0)
    see(world, name)


def pull(world, name):
    world.pull(name)
    see(world, name)


def scan(world, name):
    found = {entry.key: entry.value for entry in world.stores[name].scan("n")}
    assert set(str(found["n"])) <= {"0", "1"}
    see(world, name)


def renew(world, name):
    """Add what is there already: whoever discards at the same time has not seen this."""
    world.stores[name].members("s").add("x")
    world.stores[name].flush()


def discard(world, name):
    world.stores[name].members("s").discard("x")
    world.stores[name].flush()


ACTS = {"add": add, "fetch": fetch, "pull": pull, "scan": scan}


def check(world):
    for store in world.stores.values():
        store.flush()
    for name in world.stores:
        world.pull(name)
    whole = sum(10**digit for digit in world.begun)
    state = counter.decode(world.region.rows["n"].record.payload)
    assert counter.value(state) == whole, "the region counted something else"
    for name, store in world.stores.items():
        assert store.counter("n").get() == whole, f"{name} shows something else"


def check_set(world):
    for store in world.stores.values():
        store.flush()
    for name in world.stores:
        world.pull(name)
    state = sets.decode(world.region.rows["s"].record.payload)
    for name, store in world.stores.items():
        assert store.members("s").all() == set(sets.value(state)), f"{name} shows something else"


def acting(act, name):
    """An actor that does `act` once."""

    def run(world):
        try:
            act(world, name)
        except UnavailableError:
            assert world.runtime.monotonic() > 1

    return run


@pytest.mark.parametrize("names", ["aa", "ab", "bb"])
@pytest.mark.parametrize("acts", list(combinations_with_replacement(ACTS, 2)), ids="-".join)
def test_no_schedule_of_two_loses_or_doubles_an_increment(acts, names):
    actors = {
        f"{act} at {name}, {number}": acting(ACTS[act], name)
        for number, (act, name) in enumerate(zip(acts, names, strict=True), 1)
    }
    explore(TwoReplicas, actors, check)


@pytest.mark.parametrize("names", ["aa", "ab", "ba", "bb"])
def test_every_schedule_of_an_add_and_a_discard_converges(names):
    """At two replicas the element is there unless the discard came after the add had arrived."""
    actors = {"renew": acting(renew, names[0]), "discard": acting(discard, names[1])}
    ends = []

    def check_both(world):
        check_set(world)
        ends.append("x" in world.stores["a"].members("s"))

    explore(TwoReplicas, actors, check_both)
    assert True in ends, "no schedule kept what was added at the same time"
