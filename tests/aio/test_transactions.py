"""Transactions of event loops."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tierstore.aio.store import AsyncStore
from tierstore.aio.workers import Workers
from tierstore.errors import AlreadyCommittedError, ConflictError, DeadlineExceededError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.runtime import Runtime
from tierstore.testing import MemoryRegion

POLICY = {
    "version": 1,
    "tiers": {"edge": {"journal": "none"}},
    "rules": [
        {"match": "s/*", "consistency": "strong"},
        {"match": "**", "durability": "memory"},
    ],
}


class GatedRegion(MemoryRegion):
    """A region in memory that answers each read only when it is let."""

    def __init__(self):
        super().__init__(Runtime())
        self.is_gated = False
        self.waiting = []

    def read(self, keys, replica, timeout_s):
        reply = super().read(keys, replica, timeout_s)
        if self.is_gated:
            gate = threading.Event()
            self.waiting.append(gate)
            gate.wait(timeout_s)
        return reply


@pytest.fixture
def region():
    return GatedRegion()


@pytest.fixture
async def store(region):
    runtime = Runtime()
    plain = wire(load(POLICY), runtime, region=region)
    async with AsyncStore(plain, Workers(runtime, 2)) as made:
        yield made


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


async def test_reads_of_one_block_at_once_show_one_moment(store, region):
    """What one task reads is written between its read and its answer; another reads then."""
    await store.put_many({"s/a": 1, "s/b": 1})
    read, has_read_b = region.read, threading.Event()

    def interleaved(keys, replica, timeout_s):
        reply = read(keys, replica, timeout_s)
        if keys == ["s/a"] and not region.waiting:
            region.waiting.append(None)
            writer.put_many({"s/a": 2, "s/b": 2})
            has_read_b.wait(0.2)  # no longer, as it may have to wait for this
        elif "s/b" in keys:
            has_read_b.set()
        return reply

    writer = wire(load(POLICY), Runtime(), region=region)
    writer.get("s/a")
    try:
        async with store.transaction() as tx:
            region.read = interleaved
            try:
                assert len(set(await asyncio.gather(tx.get("s/a"), tx.get("s/b")))) == 1
            except ConflictError:
                return
    finally:
        writer.close()


async def test_what_another_operation_says_is_not_what_this_one_returned(store):
    await store.transact(lambda tx: tx.put("s/step", 1), operation_id="step/1")

    async def run(tx):
        await tx.put("s/a", 1)
        raise AlreadyCommittedError("a step of it", version="v", result=7)

    with pytest.raises(AlreadyCommittedError):
        await store.transact(run)
    with pytest.raises(AlreadyCommittedError):
        await store.transact(run, operation_id="whole/1")
    assert await store.get("s/a") is None


async def test_a_timeout_of_compare_and_set_bounds_waiting_for_a_worker(store, region):
    await store.put("s/a", 1)
    region.is_gated = True
    busy = [asyncio.create_task(store.get("s/a", timeout=30)) for _ in range(2)]
    await until(lambda: len(region.waiting) == 2)
    with pytest.raises(DeadlineExceededError):
        await store.compare_and_set("s/b", 1, expected=None, timeout=0.05)
    for gate in region.waiting:
        gate.set()
    assert await asyncio.gather(*busy) == [1, 1]
    region.is_gated = False
    assert await store.get("s/b") is None
