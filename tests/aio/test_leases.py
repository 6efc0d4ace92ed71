"""Leases of event loops: waiting for one holds up nothing, and who is cancelled leaves none."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tierstore.aio.store import AsyncStore
from tierstore.aio.workers import Workers
from tierstore.errors import LeaseHeldError, StoreClosedError, TransactionError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.runtime import Runtime
from tierstore.testing import MemoryRegion

POLICY = {
    "version": 1,
    "tiers": {"edge": {"journal": "none"}},
    "rules": [{"match": "**", "durability": "memory"}],
}
PATIENCE_S = 30


class SlowRegion(MemoryRegion):
    """A region in memory whose answers to commits can be held up."""

    def __init__(self):
        super().__init__(Runtime())
        self.gate = threading.Event()
        self.gate.set()
        self.committed = threading.Event()

    def commit(self, commit, timeout_s):
        reply = super().commit(commit, timeout_s)
        self.committed.set()
        assert self.gate.wait(PATIENCE_S)
        return reply


@pytest.fixture
def region():
    return SlowRegion()


@pytest.fixture
async def store(region):
    runtime = Runtime()
    plain = wire(load(POLICY), runtime, region=region)
    async with AsyncStore(plain, Workers(runtime, 2)) as made:
        yield made
        region.gate.set()


async def test_who_waits_for_a_lease_holds_up_nobody(store):
    """More wait than there are workers, and each has to be given its turn."""
    turns = []

    async def take_turn(n):
        async with store.lease("l", ttl=30, wait=PATIENCE_S):
            await store.put("k", n, timeout=PATIENCE_S)
            turns.append(n)

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(take_turn(n) for n in range(5)))
    assert sorted(turns) == [0, 1, 2, 3, 4]


async def test_who_is_cancelled_while_waiting_gets_no_lease(store):
    async with store.lease("l", ttl=30):
        waiting = asyncio.create_task(store.lease("l", ttl=30, wait=PATIENCE_S).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with store.lease("l", ttl=30, wait=0.0):
        pass


async def test_who_is_cancelled_while_it_is_given_a_lease_gives_it_back(store, region):
    async with store.lease("warm"):
        pass
    region.gate.clear()
    region.committed.clear()
    lease = store.lease("l", ttl=3600)
    taking = asyncio.create_task(lease.__aenter__())
    assert await asyncio.to_thread(region.committed.wait, PATIENCE_S)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    region.gate.set()
    with pytest.raises(TransactionError):
        await lease.__aenter__()
    async with store.lease("l", ttl=30, wait=PATIENCE_S):
        pass


async def test_who_was_refused_may_ask_again(store):
    lease = store.lease("l")
    async with store.lease("l"):
        with pytest.raises(LeaseHeldError):
            await lease.__aenter__()
    async with lease:
        assert not lease.lost
        with pytest.raises(LeaseHeldError):
            await store.lease("l").__aenter__()


async def test_closing_ends_the_wait_for_a_lease(region, store):
    runtime = Runtime()
    other = AsyncStore(wire(load(POLICY), runtime, region=region), Workers(runtime, 2))
    async with store.lease("l", ttl=3600):
        with pytest.raises(LeaseHeldError):
            await other.lease("l").__aenter__()
        waiting = asyncio.create_task(other.lease("l", wait=3600).__aenter__())
        await asyncio.sleep(0)
        await other.close()
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(StoreClosedError):
                await waiting
