"""Queues: one that stands still stops no other, and silence of an edge costs nothing new."""

from __future__ import annotations

from itertools import count, islice

import pytest

from tierstore.errors import CorruptionError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.apply import Limits
from tierstore.region.shared import Queued, tag_of
from tierstore.replica.shared.draining import KEPT_S
from tierstore.testing import ManualRuntime, MemoryRegion, MemoryShared

HORIZON_S = 300
POLICY = {"version": 1, "replication": {"horizon": f"{HORIZON_S}s"}}
FIRST, SECOND = "a", next(c for c in "bcdefgh" if tag_of(c) > tag_of("a"))


class Spoilt(MemoryShared):
    """One in which the queue of a tag cannot be understood, but for the first entries."""

    tag = None
    good = 0

    def queue(self, tag, *rest):
        entries = super().queue(tag, *rest)
        if tag != self.tag:
            return entries
        return [e if e.number <= self.good else Queued(e.number, None, b"?") for e in entries]


@pytest.fixture
def runtime():
    return ManualRuntime()


@pytest.fixture
def region(runtime):
    return MemoryRegion(runtime, Limits(horizon_ms=HORIZON_S * 1000))


@pytest.fixture
def edge(runtime):
    return Spoilt(runtime)


@pytest.fixture
def make_worker(runtime, region, edge):
    made = []

    def make():
        made.append(wire(load(POLICY), runtime, region=region, edge=edge))
        return made[-1]

    yield make
    for store in made:
        store.close()


def away(*_):
    raise UnavailableError("the region is away")


def row_of(region, key):
    return region.read([key], 0, 1.0).rows.get(key)


def end(runtime, store):
    """End a worker as the system does, without a word."""
    runtime.drop(store._core.replica._driver)
    store._core.replica.state.closed = True


def retired(region):
    return {state.replica for state in region.replicas(1.0) if state.retired}


def test_a_queue_that_stands_still_stops_no_other(make_worker, region, edge):
    store = make_worker()
    store.put_many({FIRST: 1, SECOND: 2})
    edge.tag = tag_of(FIRST)
    with pytest.raises(CorruptionError):
        store.flush()
    assert row_of(region, FIRST) is None
    assert row_of(region, SECOND) is not None
    edge.tag = None
    store.flush()
    assert row_of(region, FIRST) is not None


def test_what_is_written_after_a_long_silence_is_merged(make_worker, runtime, region, edge):
    first = make_worker()
    first.put("key", 1)
    first.flush()
    (before,) = edge.identities(tag_of("key"), 1.0)
    end(runtime, first)
    runtime.advance(1.5 * HORIZON_S)
    region.maintain(1000, 1.0)
    assert before.replica in retired(region)
    second = make_worker()
    second.put("key", 2)
    second.flush()
    assert row_of(region, "key").record.replica == second._core.replica.state.replica
    assert region.aside(10, 1.0) == []
    assert second.get("key") == 2
    second.put("key", 3)
    second.flush()
    assert second.read("key").value == 3


def test_what_waited_for_longer_than_the_horizon_is_kept_aside(
    make_worker, runtime, region, monkeypatch
):
    def away(*_):
        raise UnavailableError("the region is away")

    first = make_worker()
    first.put("key", 0)
    first.flush()
    with monkeypatch.context() as patch:
        patch.setattr(region, "apply", away)
        first.put("key", 1)
        end(runtime, first)
        runtime.advance(3 * HORIZON_S)
    region.maintain(1000, 1.0)
    second = make_worker()
    second.flush()
    (kept,) = region.aside(10, 1.0)
    assert kept.key == "key"
    assert second.get("key") == 0


def test_a_worker_that_lives_keeps_idle_queues_alive(make_worker, runtime, region, edge):
    first = make_worker()
    first.put("key", 1)
    first.flush()
    end(runtime, first)
    second = make_worker()
    assert second.get("key") == 1  # which starts its background
    runtime.advance(3 * HORIZON_S)
    region.maintain(1000, 1.0)
    (identity,) = edge.identities(tag_of("key"), 1.0)
    known = {state.replica for state in region.replicas(1.0)}
    assert identity.replica in known - retired(region)


def test_what_waits_before_a_damaged_entry_gets_to_the_region(make_worker, region, edge):
    worker = make_worker()
    keys = [key for key in map(str, range(100)) if tag_of(key) == tag_of(FIRST)][:3]
    for key in keys:
        worker.put(key, 1)
    edge.tag, edge.good = tag_of(FIRST), 2
    with pytest.raises(CorruptionError, match="entry 3 of queue"):
        worker.flush()
    assert [row_of(region, key) is not None for key in keys] == [True, True, False]
    edge.tag = None
    worker.flush()
    assert row_of(region, keys[2])


def test_a_flush_takes_as_long_as_its_queue_is_while_the_region_answers(
    make_worker, runtime, region, monkeypatch
):
    worker, apply = make_worker(), region.apply
    for number in range(6):
        worker.put(FIRST, "x" * 10_000 + str(number))

    def take_time(*arguments):
        runtime.sleep(worker._core.policy.timeouts.regional_s * 0.4)
        return apply(*arguments)

    monkeypatch.setattr(region, "apply", take_time)
    monkeypatch.setattr("tierstore.replica.shared.retiring.BATCH_BYTES_MAX", 10_000)
    worker.flush()
    assert worker._core.replica.shared.touched_tags == set()


def test_a_scan_shows_all_that_waits_however_much(make_worker, monkeypatch, region):
    worker, total = make_worker(), 10_010
    keys = islice((f"key/{n}" for n in count() if tag_of(f"key/{n}") == 3), total)
    with monkeypatch.context() as patch:
        patch.setattr(region, "apply", away)
        worker.put_many(dict.fromkeys(keys, 1))
        assert sum(1 for _ in worker.scan("key/", values=False)) == total


def test_a_worker_does_not_wait_for_the_lease_of_one_that_is_done(make_worker, region):
    first, second = (make_worker() for _ in range(2))
    keys = [key for key in map(str, range(100)) if tag_of(key) == tag_of(FIRST)][:2]
    for worker, key in zip((first, second), keys, strict=True):
        worker.put(key, 1)
        worker._core.replica._drain()
        assert row_of(region, key)


def test_what_one_worker_ended_the_others_forget(make_worker, edge, runtime):
    first, second = (make_worker() for _ in range(2))
    for at, worker in enumerate((first, second)):
        worker.put(FIRST, at)
        worker.flush()
    edge.restart()
    for worker in (first, second):
        worker.put(FIRST, 2)
        worker.flush()
    kept = edge.identities(tag_of(FIRST), 1.0)
    assert [one.waiting for one in kept] == [0, 0], "sessions may still name the first"
    runtime.advance(KEPT_S + 30)
    (left,) = edge.identities(tag_of(FIRST), 1.0)
    for worker in (first, second):
        assert worker._core.replica.drainer.identities == [left.replica]


@pytest.mark.parametrize("is_before", [True, False])
def test_a_drainer_that_stalled_beyond_its_lease_goes_on(
    make_worker, region, edge, runtime, monkeypatch, is_before
):
    """Before its batch got to the region, or before it heard what became of it."""
    first, second = (make_worker() for _ in range(2))
    apply = region.apply

    def stall(*arguments):
        monkeypatch.setattr(region, "apply", apply)
        reply = None if is_before else apply(*arguments)
        runtime.sleep(10)
        second.put(FIRST, 2)
        second.flush()
        second.put(FIRST, 3)
        return reply or apply(*arguments)

    first.put(FIRST, 1)
    monkeypatch.setattr(region, "apply", stall)
    first._core.replica._drain()
    assert first.get(FIRST) == second.get(FIRST) == 3
    first.flush()
    (identity,) = edge.identities(tag_of(FIRST), 1.0)
    assert identity.waiting == 0
    assert first.get(FIRST) == second.get(FIRST) == 3
    assert edge.copies[FIRST].record.payload == row_of(region, FIRST).record.payload
