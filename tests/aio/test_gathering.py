"""Reads of one turn of a loop are one request, and each gets its own answer or error."""

from __future__ import annotations

import asyncio

import pytest

from tierstore.aio.store import AsyncStore
from tierstore.aio.workers import Workers
from tierstore.errors import InvalidKeyError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.runtime import Runtime
from tierstore.testing import MemoryRegion, MemoryShared


class CountingEdge(MemoryShared):
    """Counts requests for copies."""

    def __init__(self, runtime):
        super().__init__(runtime)
        self.reads = []

    def read(self, keys, timeout_s):
        self.reads.append(list(keys))
        return super().read(keys, timeout_s)


@pytest.fixture
def edge():
    return CountingEdge(Runtime())


@pytest.fixture
def store(edge):
    runtime = Runtime()
    region = MemoryRegion(runtime)
    plain = wire(load({"version": 1}), runtime, region=region, edge=edge)
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
