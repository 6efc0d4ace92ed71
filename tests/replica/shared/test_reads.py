"""Single situations of reads that random runs seldom meet."""

from __future__ import annotations

import pytest

from tierstore.errors import OutcomeUnknownError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.testing import FaultPlan, FaultyRegion, ManualRuntime, MemoryRegion, MemoryShared

POLICY = {
    "version": 1,
    "rules": [
        {"match": "reg/*", "durability": "regional"},
        {"match": "big/*", "edge": {"max_value": "16B"}},
        {"match": "age/*", "read": {"max_age": "2s", "stale_if_error": "5s"}},
    ],
}
BIG = "x" * 30


class Overtaken(MemoryShared):
    """An edge where another worker writes while copies are on their way."""

    meanwhile = None

    def read(self, keys, timeout_s):
        reply = super().read(keys, timeout_s)
        if self.meanwhile is not None:
            act, self.meanwhile = self.meanwhile, None
            act()
        return reply


@pytest.fixture
def runtime():
    return ManualRuntime()


@pytest.fixture
def region(runtime):
    return MemoryRegion(runtime)


@pytest.fixture
def make_worker(runtime, region):
    made = []

    def make(edge, plan=None):
        tier = region if plan is None else FaultyRegion(region, plan)
        made.append(wire(load(POLICY), runtime, region=tier, edge=edge))
        return made[-1]

    yield make
    for store in made:
        store.close()


def let_hear(edge, store):
    """Let a worker hear of changes, as its listener would."""
    shared = store._core.replica.shared
    edge._listeners.append(shared.forget_near)
    shared.is_listening = True
    return shared


def near(store):
    return set(store._core.replica.state.edge.resident)


def test_a_copy_is_kept_near_by_a_worker_that_hears(make_worker, runtime):
    edge = MemoryShared(runtime)
    store, other = make_worker(edge), make_worker(edge)
    store.put("key", 1)
    assert store.get("key") == 1
    assert near(store) == set()
    let_hear(edge, store)
    assert store.get("key") == 1
    assert near(store) == {"key"}
    other.put("key", 2)
    assert near(store) == set()
    assert store.get("key") == 2


def test_an_own_write_waits_for_no_word_of_it(make_worker, runtime):
    edge = MemoryShared(runtime)
    store = make_worker(edge)
    store.put("key", 1)
    let_hear(edge, store)
    assert store.get("key") == 1
    edge._listeners.clear()  # the word is on its way
    store.put("key", 2)
    assert store.get("key") == 2
    store.touch("key", 60)
    assert store.read("key").expires_at is not None


def test_what_was_overtaken_on_its_way_is_not_kept_near(make_worker, runtime):
    edge = Overtaken(runtime)
    store, other = make_worker(edge), make_worker(edge)
    store.put("key", 1)
    let_hear(edge, store)
    edge.meanwhile = lambda: other.put("key", 2)
    assert store.get("key") == 1
    assert near(store) == set()
    assert store.get("key") == 2


def test_nothing_is_near_once_nobody_listens(make_worker, runtime):
    edge = MemoryShared(runtime)
    store = make_worker(edge)
    store.put("key", 1)
    let_hear(edge, store)
    assert store.get("key") == 1
    store._core.replica._near_ear._hush()
    assert near(store) == set()
    assert store.get("key") == 1
    assert near(store) == set()


def test_an_own_regional_write_hides_an_older_copy(make_worker, runtime):
    edge, plan = MemoryShared(runtime), FaultPlan()
    store, other = make_worker(edge, plan), make_worker(edge)
    other.put("reg/key", 1)
    assert store.get("reg/key") == 1
    plan.is_region_down = True
    with pytest.raises(OutcomeUnknownError):
        store.put("reg/key", 2)
    assert store.get("reg/key") == 2
    assert other.get("reg/key") == 1
    plan.is_region_down = False
    assert store.get("reg/key", max_age=0) == 2
    runtime.advance(10)
    store.flush()
    assert (store.get("reg/key"), other.get("reg/key")) == (2, 2)


def test_a_touch_of_what_is_too_large_for_the_edge_shows(make_worker, runtime):
    store = make_worker(MemoryShared(runtime))
    store.put("big/key", BIG)
    store.flush()
    assert store.touch("big/key", 60)
    assert store.read("big/key").expires_at is not None
    store.flush()
    assert store.read("big/key").expires_at is not None


def test_a_row_too_large_for_the_edge_outdates_a_copy(make_worker, runtime):
    here, there = make_worker(MemoryShared(runtime)), make_worker(MemoryShared(runtime))
    here.put("big/key", 1)
    here.flush()
    assert here.get("big/key") == 1
    runtime.advance(0.01)
    there.put("big/key", BIG)
    there.flush()
    assert here.get("big/key", max_age=0) == BIG
    assert here.get("big/key") == BIG


def test_a_pull_of_several_pages_misses_nothing(make_worker, runtime):
    here, there = make_worker(MemoryShared(runtime)), make_worker(MemoryShared(runtime))
    names = [f"key/{number:04}" for number in range(1_200)]
    here._core.replica.pull()  # the edge meets its region, which empties it
    here.put_many(dict.fromkeys(names, 1))
    here.flush()
    runtime.advance(0.01)
    there.put_many(dict.fromkeys(names, 2))
    there.flush()
    here._core.replica.pull()
    assert set(here.get_many(names).values()) == {2}


def test_a_scan_leaves_what_waits_dirty(make_worker, runtime):
    edge = MemoryShared(runtime)
    store = make_worker(edge)
    store.put("key", 1)
    assert [entry.value for entry in store.scan()] == [1]
    assert edge.copies["key"].number == 1
    store.flush()
    assert edge.copies["key"].number == 0


def test_a_pull_that_ends_meanwhile_makes_no_stale_answer_younger(
    make_worker, runtime, region, monkeypatch
):
    """It may have replaced the copy that was read before."""
    edge = MemoryShared(runtime)
    worker, other = make_worker(edge), make_worker(edge)
    worker.put("age/k", 1)
    worker.flush()
    assert worker.get("age/k") == 1
    runtime.sleep(60)
    read = region.read

    def pull_and_fail(*arguments):
        monkeypatch.setattr(region, "read", read)
        other._core.replica.pull()
        shared = worker._core.replica.shared
        with worker._core.replica.state.lock:
            shared.heard(edge.standing(1.0), runtime.monotonic())
        raise UnavailableError("the region is away")

    monkeypatch.setattr(region, "read", pull_and_fail)
    with pytest.raises(UnavailableError):
        worker.get("age/k")
