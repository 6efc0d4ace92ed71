"""Whatever call of the edge or the region fails, a session's write has happened, or says not."""

from __future__ import annotations

import itertools

import pytest

from tierstore.errors import OutcomeUnknownError, StaleReplicaError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.testing import FaultPlan, FaultyRegion, ManualRuntime, MemoryRegion, MemoryShared
from tierstore.testing.faulty_shared import FaultyShared

POLICY = {
    "version": 1,
    "rules": [
        {"match": "n/*", "type": "counter"},
        {"match": "reg/*", "type": "counter", "durability": "regional"},
        {"match": "s/*", "consistency": "strong"},
    ],
    "replication": {"flush": "1h", "pull": "1h"},
}


@pytest.fixture
def plan():
    return FaultPlan()


@pytest.fixture
def open_worker(plan):
    """A function that opens a worker; its `elsewhere` does so at another edge."""
    runtime = ManualRuntime(seed=3)
    region, edge, opened = MemoryRegion(runtime), MemoryShared(runtime), []

    def open_one(edge_of_other=None):
        shared = edge_of_other or FaultyShared(edge, plan)
        opened.append(wire(load(POLICY), runtime, region=FaultyRegion(region, plan), edge=shared))
        return opened[-1]

    open_one.elsewhere = lambda: open_one(MemoryShared(runtime))
    yield open_one
    plan.arm(0, "error")
    plan.is_edge_down = False
    for one in opened:
        one.close()


@pytest.mark.parametrize("kind", ["error", "lost"])
@pytest.mark.parametrize("key", ["n/1", "reg/1"])
def test_at_every_failure_an_increment_happens_once_or_says_not(open_worker, plan, key, kind):
    store, other = open_worker(), open_worker()
    session = store.session(other.session().session_token)
    done = doubtful = undone = 0
    for n in itertools.count(1):
        plan.arm(n, kind)
        try:
            session.counter(key).add(1)
            done += 1
        except OutcomeUnknownError:
            doubtful += 1
        except UnavailableError:
            undone += 1
        fired, _ = plan.fired, plan.arm(0, "error")
        session.counter(key).add(1)
        done += 1
        store.flush()
        assert done <= other.counter(key).get() <= done + doubtful
        if fired is None:
            break
    assert n > 1
    assert undone or doubtful


def test_what_was_noted_without_the_edge_is_waited_for(open_worker, plan):
    store, other = open_worker(), open_worker.elsewhere()
    session = store.session()
    store.counter("n/1").add(1)
    for n in itertools.count(1):
        plan.arm(n, "error")
        try:
            session.counter("n/1").add(1)
        except UnavailableError:
            continue
        if plan.fired == "edge.identities":
            break
        assert plan.fired is not None, "nobody asked for identities"
    plan.arm(0, "error")
    there = other.session(session.session_token)
    with pytest.raises(StaleReplicaError):
        there.counter("n/1").get(timeout=0.1)
    store.flush()
    assert there.counter("n/1").get() == store.counter("n/1").get()


def test_strong_keys_of_a_session_need_no_edge(open_worker, plan):
    session = open_worker().session()
    session.put("s/1", 0)
    plan.is_edge_down = True
    session.put("s/1", 1)
    assert session.get("s/1") == 1
    assert session.get_many(["s/1"]) == {"s/1": 1}
    assert session.touch("s/1", ttl=60)
