"""Stores with strong keys over a region in memory, on virtual time."""

from __future__ import annotations

import pytest

from tierstore.testing import FaultPlan, FaultyRegion, ManualRuntime, MemoryRegion, memory_store

POLICY = {"rules": [{"match": ["s/**", "account/**"], "consistency": "strong"}]}


@pytest.fixture
def runtime():
    return ManualRuntime(seed=7)


@pytest.fixture
def region(runtime):
    return MemoryRegion(runtime)


@pytest.fixture
def plan():
    return FaultPlan()


@pytest.fixture
def open_store(runtime, region, plan):
    """A function that opens another store over the region."""
    opened = []

    def open_one(**fields):
        made = memory_store(POLICY | fields, region=FaultyRegion(region, plan), runtime=runtime)
        opened.append(made)
        return made

    yield open_one
    plan.arm(0, "error")
    for one in opened:
        one.close()


@pytest.fixture
def store(open_store):
    return open_store()


@pytest.fixture
def other(open_store):
    return open_store()
