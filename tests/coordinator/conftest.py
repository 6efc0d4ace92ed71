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
    """The database in which strong keys are decided."""
    return MemoryRegion(runtime)


@pytest.fixture(params=["regional", "elsewhere"])
def eventual_region(request, runtime, region):
    """The database of eventual keys: the same, or another one."""
    return region if request.param == "regional" else MemoryRegion(runtime)


@pytest.fixture
def plan():
    return FaultPlan()


@pytest.fixture
def open_store(runtime, region, eventual_region, plan):
    """A function that opens another store over the region. Faults are those of the coordinator."""
    opened = []

    def open_one(**fields):
        tiers = {"region": FaultyRegion(region, plan)}
        if eventual_region is not region:
            tiers = {"region": eventual_region, "coordinator": FaultyRegion(region, plan)}
        made = memory_store(POLICY | fields, **tiers, runtime=runtime)
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
