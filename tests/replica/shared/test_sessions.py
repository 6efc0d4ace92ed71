"""Sessions at edges that workers share see what they wrote and saw, wherever they go on."""

from __future__ import annotations

import pytest

from tierstore.errors import StaleReplicaError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.shared import TAGS, tag_of
from tierstore.replica import seen
from tierstore.testing import FaultPlan, FaultyRegion, ManualRuntime, MemoryRegion, MemoryShared

POLICY = {
    "version": 1,
    "rules": [
        {"match": "n/*", "type": "counter"},
        {"match": "s/*", "type": "set", "durability": "memory"},
        {"match": "d/*", "type": "document"},
        {"match": "reg/*", "durability": "regional"},
    ],
    "replication": {"flush": "1h", "pull": "1h"},
    "security": {"session_key": "a key of sixteen letters or more"},
}
KEYS = ["n/1", "s/1", "d/1", "k/1", "reg/1"]


class World:
    """One region, two edges, two workers at each."""

    def __init__(self):
        self.runtime = ManualRuntime(seed=3)
        self.region = MemoryRegion(self.runtime)
        self.edges = {name: MemoryShared(self.runtime) for name in "AB"}
        self.plans, self.stores = {}, {}
        for name in ("A1", "A2", "B1", "B2"):
            self.plans[name] = FaultPlan()
            region = FaultyRegion(self.region, self.plans[name])
            edge = self.edges[name[0]]
            self.stores[name] = wire(load(POLICY), self.runtime, region=region, edge=edge)
            edge._listeners.append(self.stores[name]._core.replica.shared.forget_near)

    def session(self, name, token=None):
        return self.stores[name].session(token)


@pytest.fixture
def world():
    world = World()
    yield world
    for plan in world.plans.values():
        plan.is_region_down = False
    for store in world.stores.values():
        store.close()


def change(session, key, n=1):
    if key.startswith("n"):
        session.counter(key).add(1)
    elif key.startswith("s"):
        session.members(key).add(n)
    elif key.startswith("d"):
        with session.document(key).edit() as doc:
            doc[str(n)] = n
    else:
        session.put(key, n)


def count(value):
    return value if isinstance(value, int) else len(value or ())


@pytest.mark.parametrize("key", KEYS)
def test_own_writes_show_at_another_worker_of_the_edge(world, key):
    session = world.session("A1")
    world.stores["A2"].get(key)  # which keeps it near, or that it is not there
    change(session, key)
    assert count(world.session("A2", session.session_token).get(key)) == 1


@pytest.mark.parametrize("key", KEYS)
def test_another_edge_waits_until_the_region_has_it(world, key):
    session = world.session("A1")
    change(session, key)
    token, other = session.session_token, world.session("B1", session.session_token)
    if not key.startswith("reg"):
        with pytest.raises(StaleReplicaError) as caught:
            other.get(key, timeout=0.1)
        assert not caught.value.lost
    world.stores["A2"].flush()
    assert count(other.get(key, timeout=1)) == 1
    assert count(world.session("B2", token).get(key)) == 1


@pytest.mark.parametrize("key", ["n/1", "s/1", "d/1", "k/1"])
def test_what_was_seen_of_others_counts(world, key):
    change(world.stores["A1"], key)
    reader = world.session("A2")
    assert count(reader.get(key)) == 1
    with pytest.raises(StaleReplicaError):
        world.session("B1", reader.session_token).get(key, timeout=0.1)
    scanner = world.session("A2")
    assert [entry.key for entry in scanner.scan()] == [key]
    with pytest.raises(StaleReplicaError):
        world.session("B1", scanner.session_token).get(key, timeout=0.1)


@pytest.mark.parametrize("key", ["n/1", "s/1", "d/1", "k/1"])
def test_what_the_region_has_needs_no_waiting(world, key):
    session = world.session("A1")
    change(session, key)
    world.stores["A2"].flush()
    session.get(key)
    assert session._context.seen.pending == {}
    assert count(world.session("B1", session.session_token).get(key, timeout=0.1)) == 1


def test_a_session_goes_on_at_its_edge_while_the_region_is_away(world):
    session = world.session("A1")
    assert session.counter("n/1").get() == 0
    change(session, "n/1")
    world.stores["A1"].flush()
    world.stores["A1"].counter("n/1").get()  # fills the edge
    world.plans["A1"].is_region_down = True
    change(session, "n/1")
    assert session.counter("n/1").get() == 2


def test_what_the_server_lost_is_lost_and_can_be_forgotten(world):
    session = world.session("A1")
    change(session, "n/1")
    token = session.session_token
    world.edges["A"].restart(losing=1)
    other = world.session("A2", token)
    with pytest.raises(StaleReplicaError) as caught:
        other.get("n/1")
    assert caught.value.lost
    other.forget()
    assert other.counter("n/1").get() == 0


def test_what_the_region_had_before_the_server_lost_it_is_not_lost(world):
    session = world.session("A1")
    change(session, "n/1")
    token = session.session_token
    real = world.edges["A"].settle
    world.edges["A"].settle = lambda *args: None
    world.stores["A1"].flush()
    world.edges["A"].settle = real
    world.edges["A"].restart(losing=1)
    assert world.session("A2", token).counter("n/1").get() == 1


def test_a_restart_that_loses_nothing_loses_no_session(world):
    session = world.session("A1")
    change(session, "n/1")
    world.edges["A"].restart()
    other = world.session("A2", session.session_token)
    change(other, "n/1")
    assert other.counter("n/1").get() == 2
    token = other.session_token
    world.stores["A1"].flush()
    assert world.session("B1", token).counter("n/1").get() == 2


def test_tokens_stay_short_however_many_queues_wait(world):
    session = world.session("A1")
    keys = {}
    for n in range(300):
        keys.setdefault(tag_of(f"n/{n}"), f"n/{n}")
    assert len(keys) == TAGS
    for key in keys.values():
        change(session, key)
    token = session.session_token
    assert len(token) < 256
    assert world.session("A2", token).counter(keys[0]).get() == 1
    other = world.session("B1", token)
    with pytest.raises(StaleReplicaError):
        other.get(keys[15], timeout=0.1)
    world.stores["A2"].flush()
    assert [other.counter(key).get() for key in keys.values()] == [1] * TAGS


def test_no_token_is_given_that_does_not_name_what_waits(world, monkeypatch):
    monkeypatch.setattr(seen, "TOKEN_CHARS_MAX", 120)
    session = world.session("A1")
    for n in range(60):
        change(session, f"n/{n}")
    world.plans["A1"].is_region_down = True
    with pytest.raises(UnavailableError):
        session.session_token  # noqa: B018
    world.plans["A1"].is_region_down = False
    world.runtime.advance(10)
    assert len(session.session_token) <= 120
