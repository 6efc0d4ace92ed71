"""What became of writes whose answer was lost between a worker and its edge."""

from __future__ import annotations

from itertools import count

import pytest

from tierstore.errors import OutcomeUnknownError, OverloadedError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.testing import FaultPlan, FaultyShared, ManualRuntime, MemoryRegion, MemoryShared


@pytest.fixture
def runtime():
    return ManualRuntime()


@pytest.fixture
def plan():
    return FaultPlan()


@pytest.fixture
def edge(runtime):
    return MemoryShared(runtime)


@pytest.fixture
def store(runtime, edge, plan):
    region = MemoryRegion(runtime)
    store = wire(load({"version": 1}), runtime, region=region, edge=FaultyShared(edge, plan))
    store.put("key", 0)
    yield store
    plan.arm(0, "error")
    store.close()


class Unheard(FaultyShared):
    """An edge whose answers to writes say nothing, whether these happened or not."""

    happens = True

    def write(self, *arguments):
        if self.happens:
            self._inner.write(*arguments)
        raise OutcomeUnknownError("nobody heard")


def written(store, plan, edge, *, happens):
    """The operation id of a write whose answer was lost."""
    link = store._core.replica.shared.link
    kept, link.made = link.made, Unheard(edge, plan)
    link.made.happens = happens
    with pytest.raises(OutcomeUnknownError) as caught:
        store.put("key", 1)
    link.made = kept
    return caught.value.operation_id


def test_what_waits_is_pending_and_then_applied(store, plan, edge):
    operation_id = written(store, plan, edge, happens=True)
    assert store.outcome(operation_id) == "pending"
    assert store.get("key") == 1
    store.flush()
    assert store.outcome(operation_id) == "applied"


def test_what_never_happened_is_not_called_applied(store, plan, edge):
    operation_id = written(store, plan, edge, happens=False)
    assert store.outcome(operation_id) == "unknown"
    store.flush()
    assert store.outcome(operation_id) == "unknown"
    assert store.get("key") == 0


def test_what_a_later_write_beat_cannot_be_told(store, plan, edge):
    operation_id = written(store, plan, edge, happens=True)
    store.put("key", 2)
    store.flush()
    assert store.outcome(operation_id) == "unknown"


def test_a_touch_is_told_by_its_own_stamp(store, plan, edge):
    store.put("key", 1)
    link = store._core.replica.shared.link
    kept, link.made = link.made, Unheard(edge, plan)
    with pytest.raises(OutcomeUnknownError) as caught:
        store.touch("key", 60)
    link.made = kept
    assert store.outcome(caught.value.operation_id) == "pending"
    store.flush()
    assert store.outcome(caught.value.operation_id) == "applied"


KEYS = [f"key/{number}" for number in range(6)]


@pytest.mark.parametrize("kind", ["error", "lost"])
def test_of_writes_to_several_tags_unavailable_means_none_and_unknown_names_all(
    store, plan, edge, kind
):
    """Whichever request of the call fails, first, last or in the middle."""
    for n in count(1):
        before = {key: store.get(key) for key in KEYS}
        plan.arm(n, kind)
        try:
            store.put_many(dict.fromkeys(KEYS, n))
        except UnavailableError:
            plan.arm(0, "error")
            assert {key: store.get(key) for key in KEYS} == before
        except OutcomeUnknownError as unknown:
            plan.arm(0, "error")
            shown = {store.get(key) for key in KEYS}
            store.flush()
            outcome = store.outcome(unknown.operation_id)
            assert (outcome == "applied") is (shown == {n}), (outcome, shown)
        else:
            assert plan.fired is None
            assert n > 3
            return
        store.flush()


def test_what_the_private_replica_refuses_after_the_edge_took_its_part_is_unknown(
    runtime, edge, plan, monkeypatch
):
    policy = load({"version": 1, "rules": [{"match": "reg/*", "durability": "regional"}]})
    store = wire(policy, runtime, region=MemoryRegion(runtime), edge=FaultyShared(edge, plan))
    store.put_many({"key": 0, "reg/1": 0})  # what is there was made by another call

    def refuse(writes):
        raise UnavailableError("just now")

    monkeypatch.setattr(store._core.replica.writer, "_write_privately", refuse)
    with pytest.raises(UnavailableError):
        store.put_many({"reg/1": 1})
    with pytest.raises(OutcomeUnknownError) as caught:
        store.put_many({"key": 1, "reg/1": 1})
    store.flush()
    assert store.outcome(caught.value.operation_id) == "unknown"
    store.close()


REGIONAL = {"match": "reg/*", "durability": "regional"}
APART = {"match": "apart/*", "durability": "regional", "place": {"never": ["edge"]}}


def away(*_):
    raise UnavailableError("the region is away")


@pytest.fixture
def region(runtime):
    return MemoryRegion(runtime)


@pytest.fixture
def full_worker(runtime, region, edge, monkeypatch):
    """A worker whose own outbox is full: `reg/full` waits in it for a region that is away."""
    limits = {"value": "1024B", "unflushed": "1070B"}
    policy = load({"version": 1, "limits": limits, "rules": [REGIONAL, APART]})
    store = wire(policy, runtime, region=region, edge=edge)
    store.put_many({"key": 0, "reg/1": 0, "apart/1": 0})
    store.flush()
    with monkeypatch.context() as patch:
        patch.setattr(region, "apply", away)
        with pytest.raises((UnavailableError, OutcomeUnknownError)):
            store.put("reg/full", b"x" * 1_000)
        yield store
    store.close()


@pytest.mark.parametrize("verb", ["put", "touch"])
def test_a_write_that_was_refused_is_not_owed(full_worker, verb):
    write = getattr(full_worker, verb)
    with pytest.raises(OverloadedError):
        write("reg/1", 60)
    assert full_worker._core.replica.shared.owed == {"reg/full"}


def test_a_touch_of_what_may_not_be_at_the_edge_tells_that_nothing(
    runtime, region, edge, monkeypatch
):
    told = []
    monkeypatch.setattr(edge, "withdraw", lambda keys, _: told.extend(keys))
    policy = load({"version": 1, "rules": [APART], "replication": {"flush": "1h"}})
    with wire(policy, runtime, region=region, edge=edge) as store:
        store.put("apart/1", 0)
        assert store.touch("apart/1", 60)
    assert told == []


def test_a_touch_that_goes_to_the_edge_needs_no_room_elsewhere(full_worker):
    assert full_worker.touch("key", 60)
