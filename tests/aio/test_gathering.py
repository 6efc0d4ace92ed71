"""Reads of one turn of a loop are one request, and each gets its own answer or error."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from dataclasses import replace

import pytest

from tierstore.aio.store import AsyncStore
from tierstore.aio.workers import Workers
from tierstore.errors import InvalidKeyError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.shared import tag_of
from tierstore.runtime import Runtime
from tierstore.testing import MemoryRegion, MemoryShared

APART = {"match": "apart/*", "durability": "regional", "place": {"never": ["edge"]}}
POLICY = {"version": 1, "rules": [APART]}
PATIENCE_S = 5


class CountingEdge(MemoryShared):
    """Counts requests for copies, and may be several servers, one of which is away."""

    def __init__(self, runtime):
        super().__init__(runtime)
        self.reads = []
        self.lost_tag = None

    def connect(self, timeout_s):
        return replace(super().connect(timeout_s), is_spread=True)

    def read(self, keys, timeout_s):
        self.reads.append(list(keys))
        if self.lost_tag in map(tag_of, keys):
            raise UnavailableError("one of its servers does not answer")
        return super().read(keys, timeout_s)


def unavailable(*_):
    raise UnavailableError("the region does not answer")


@pytest.fixture
def edge():
    return CountingEdge(Runtime())


@pytest.fixture
def region():
    return MemoryRegion(Runtime())


@pytest.fixture
def store(edge, region):
    runtime = Runtime()
    plain = wire(load(POLICY), runtime, region=region, edge=edge)
    plain.put_many({f"key/{number}": number for number in range(50)})
    store = AsyncStore(plain, Workers(runtime, 4))
    yield store
    asyncio.run(store.close())  # ends its threads, too


async def test_reads_of_one_turn_are_one_request(store, edge):
    await store.get("key/0")
    edge.reads.clear()
    found = await asyncio.gather(*(store.get(f"key/{number}") for number in range(50)))
    assert found == list(range(50))
    assert len(edge.reads) == 1


async def test_the_same_key_twice_is_asked_for_once(store, edge):
    assert await asyncio.gather(store.get("key/1"), store.get("key/1")) == [1, 1]
    assert sum(keys.count("key/1") for keys in edge.reads) == 1


async def test_absent_keys_get_their_default(store):
    assert await asyncio.gather(store.get("key/2"), store.get("none", 7)) == [2, 7]


async def test_an_invalid_key_fails_alone(store):
    results = await asyncio.gather(store.get("key/3"), store.get(""), return_exceptions=True)
    assert results[0] == 3
    assert isinstance(results[1], InvalidKeyError)


async def test_who_stops_waiting_leaves_the_others_their_answer(store):
    first, second = (asyncio.ensure_future(store.get(f"key/{n}")) for n in (4, 5))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 5
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_all_hear_that_the_edge_is_away(store, edge):
    edge.is_away = True
    results = await asyncio.gather(
        *(store.get(f"key/{n}") for n in range(3)), return_exceptions=True
    )
    edge.is_away = False
    assert [type(result) for result in results] == [UnavailableError] * 3


async def test_a_failure_of_the_region_is_not_shared(store, edge, region, monkeypatch):
    await store.get("key/6")
    monkeypatch.setattr(region, "read", unavailable)
    results = await asyncio.gather(store.get("key/6"), store.get("none"), return_exceptions=True)
    assert results[0] == 6
    assert isinstance(results[1], UnavailableError)


async def test_what_the_edge_has_does_not_wait_for_the_region(store, region, monkeypatch):
    ends, read = threading.Event(), region.read

    def wait_and_read(*arguments):
        assert ends.wait(PATIENCE_S)
        return read(*arguments)

    monkeypatch.setattr(region, "read", wait_and_read)
    slow = asyncio.ensure_future(store.get("none", 7))
    assert await asyncio.wait_for(store.get("key/7"), PATIENCE_S) == 7
    assert not slow.done()
    ends.set()
    assert await slow == 7


async def test_what_may_not_be_at_the_edge_is_answered_while_that_is_away(store, edge):
    await asyncio.to_thread(store._store.put, "apart/1", 1)
    edge.is_away = True
    results = await asyncio.gather(store.get("key/8"), store.get("apart/1"), return_exceptions=True)
    edge.is_away = False
    assert isinstance(results[0], UnavailableError)
    assert results[1] == 1


async def test_a_server_of_several_that_is_away_is_missed_by_its_own_keys_only(store, edge):
    edge.lost_tag = tag_of("key/9")
    keys = [f"key/{number}" for number in range(50)]
    results = await asyncio.gather(*map(store.get, keys), return_exceptions=True)
    for number, (key, result) in enumerate(zip(keys, results, strict=True)):
        if tag_of(key) == edge.lost_tag:
            assert isinstance(result, UnavailableError)
        else:
            assert result == number


async def test_a_turn_that_is_cancelled_before_it_departs_leaves_nobody_waiting(store):
    before = asyncio.all_tasks()
    reading = asyncio.ensure_future(store.get("key/10"))
    while len(store._gatherer._turns) == 0:
        await asyncio.sleep(0)
    (turn,) = asyncio.all_tasks() - before - {reading}
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await store.get("key/10") == 10


def test_a_loop_that_ended_is_forgotten(store):
    loops, left = [], []

    async def read():
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await store.get("key/11")
        left.append(asyncio.ensure_future(store.get("key/12")))  # the loop ends before it departs

    asyncio.run(read())
    left.clear()
    deadline = time.monotonic() + PATIENCE_S
    while loops[0]() is not None:  # a thread may be reading for it
        assert time.monotonic() < deadline
        gc.collect()
