"""Stores over a region in memory that counts its calls and can be out, on virtual time."""

from __future__ import annotations

import contextlib

import pytest

from tierstore.errors import TierStoreError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing import MemoryRegion

POLICY = {
    "tiers": {"edge": {"url": "memory://", "journal": "journal"}},
    "limits": {"value": "1KiB"},
    "rules": [
        {"match": "memory/**", "durability": "memory"},
        {"match": "regional/**", "durability": "regional"},
    ],
}


class CountingRegion(MemoryRegion):
    """A region in memory that counts its calls, and answers none of them while it is out."""

    def __init__(self, runtime):
        super().__init__(runtime)
        self.calls = 0
        self.is_out = False

    def _count(self):
        self.calls += 1
        if self.is_out:
            raise UnavailableError("the region is out of order")


def _counted(name):
    def call(self, *arguments):
        self._count()
        return getattr(MemoryRegion, name)(self, *arguments)

    return call


_VERBS = (
    "connect register apply read changes scan acknowledge leave maintain set_aside aside replicas"
    " objects commit peek"
)
for _name in _VERBS.split():
    setattr(CountingRegion, _name, _counted(_name))


@pytest.fixture
def runtime():
    return ManualRuntime(seed=1)


@pytest.fixture
def region(runtime):
    return CountingRegion(runtime)


@pytest.fixture
def open_store(tmp_path, runtime, region):
    """A function that opens a store over `region`; more fields of the policy may be given."""
    opened = []

    def open_one(**fields):
        opened.append(wire(load(POLICY | fields, tmp_path), runtime, region=region))
        return opened[-1]

    yield open_one
    for store in opened:
        with contextlib.suppress(TierStoreError):
            store.close(0)


@pytest.fixture
def store(open_store):
    return open_store()
