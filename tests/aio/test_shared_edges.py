"""Async stores at an edge that workers share: strong keys and sessions read as elsewhere."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tierstore.aio.store import AsyncStore
from tierstore.aio.workers import Workers
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.runtime import Runtime
from tierstore.testing import MemoryRegion, MemoryShared

POLICY = {
    "version": 1,
    "rules": [
        {"match": "s/*", "consistency": "strong"},
        {"match": "n/*", "type": "counter"},
        {"match": "tags/*", "type": "set"},
        {"match": "d/*", "type": "document"},
    ],
    "replication": {"flush": "1h", "pull": "1h"},
}
WHERE = ["s/a", "k", "n/1", "tags/1", "d/1"]


@pytest.fixture
async def open_worker():
    """A function that opens a worker, at an edge of its own or at that of another."""
    runtime = Runtime()
    region = MemoryRegion(runtime)
    async with contextlib.AsyncExitStack() as opened:

        async def open_one(edge=None):
            edge = edge or MemoryShared(runtime)
            plain = wire(load(POLICY), runtime, region=region, edge=edge)
            made = await opened.enter_async_context(AsyncStore(plain, Workers(runtime, 4)))
            return made, edge

        yield open_one


async def write(store, key, n):
    if key.startswith("n/"):
        await store.counter(key).add(1)
    elif key.startswith("tags/"):
        await store.members(key).add(n)
    elif key.startswith("d/"):
        async with store.document(key).edit() as doc:
            doc[str(n)] = n
    else:
        await store.put(key, n)


async def look(store, key):
    if key.startswith("n/"):
        return await store.counter(key).get()
    if key.startswith("tags/"):
        return len(await store.members(key).all())
    if key.startswith("d/"):
        return len(await store.document(key).json())
    return await store.get(key, 0)


async def test_strong_keys_are_read_at_the_coordinator(open_worker):
    (one, edge), (other, _) = await open_worker(), await open_worker()
    (near, _) = await open_worker(edge)
    for n in (1, 2, 3):
        await other.put("s/a", n)
        assert await asyncio.gather(one.get("s/a"), near.get("s/a")) == [n, n]
        assert await one.get_many(["s/a"]) == {"s/a": n}
        assert (await one.read("s/a")).value == n
    await other.delete("s/a")
    assert not await one.exists("s/a")
    assert await one.get("s/a") is None


@pytest.mark.parametrize("key", WHERE)
async def test_sessions_see_what_they_saw_at_another_edge(open_worker, key):
    (one, _), (other, _) = await open_worker(), await open_worker()
    session = one.session()
    for n in (1, 2, 3):
        await write(session, key, n)
        assert await look(session, key) == n
        await one.flush()
        session = other.session(session.session_token)
        assert await look(session, key) == n
        one, other = other, one
