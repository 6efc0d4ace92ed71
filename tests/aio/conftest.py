"""Async stores over a region in SQLite, or over one in memory that a test can hold up."""

from __future__ import annotations

import asyncio
import threading

import pytest

import tierstore
from tierstore import opening
from tierstore.aio.store import AsyncStore
from tierstore.aio.workers import Workers
from tierstore.policy import load
from tierstore.runtime import Runtime
from tierstore.testing import MemoryRegion

PATIENCE_S = 60  # on a busy machine; nothing waits that long


class GatedRegion(MemoryRegion):
    """A region in memory whose reads and batches wait while its gate is shut."""

    def __init__(self):
        super().__init__(Runtime())
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.on_read = lambda: None

    def shut(self):
        """Let no call through from now on, and count anew who comes to the gate."""
        self.gate.clear()
        self.entered = threading.Semaphore(0)

    def _pass(self):
        self.entered.release()
        assert self.gate.wait(PATIENCE_S)

    def read(self, keys, replica, timeout_s):
        self.on_read()
        self._pass()
        return super().read(keys, replica, timeout_s)

    def apply(self, batch, timeout_s):
        self._pass()
        return super().apply(batch, timeout_s)

    async def has_entered(self):
        """Return once a call has reached the gate since it was shut."""
        assert await asyncio.to_thread(self.entered.acquire, timeout=PATIENCE_S)


@pytest.fixture
def policy():
    """`memory/**` is acknowledged in memory, the rest in the journal; timeouts are long."""
    return {
        "rules": [{"match": "memory/**", "durability": "memory"}],
        "timeouts": {"regional": f"{PATIENCE_S}s"},
    }


@pytest.fixture
def own_threads():
    """A function that lists the threads of tierstore that are alive."""
    return lambda: [t.name for t in threading.enumerate() if t.name.startswith("tierstore-aio")]


@pytest.fixture
async def astore(policy, tmp_path):
    async with tierstore.open_async(policy, base_dir=tmp_path) as astore:
        yield astore


@pytest.fixture
def region():
    region = GatedRegion()
    yield region
    region.gate.set()


@pytest.fixture
def gated(policy, region, tmp_path):
    """A function that makes an async store over `region` with so many workers."""

    def make(workers=2, **fields):
        runtime = Runtime()
        store = opening.wire(load(policy | fields, tmp_path), runtime, region=region)
        return AsyncStore(store, Workers(runtime, workers))

    return make
