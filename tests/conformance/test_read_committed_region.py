"""The simulator's model of many writers keeps the promises that PostgreSQL's region keeps."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tierstore.region.apply import Limits
from tierstore.runtime.chance import Chance
from tierstore.testing.conformance import RegionConformance
from tierstore.testing.conformance.models import MemoryRegionHarness
from tierstore.testing.simulation.read_committed import Pace, ReadCommittedRegion


class ReadCommittedHarness(MemoryRegionHarness):
    """The model outside a simulation, where nobody comes between two statements."""

    def make(self, runtime):
        unscheduled = SimpleNamespace(current=None)
        pace = Pace(Chance("pace"), 0)
        return ReadCommittedRegion(runtime, unscheduled, Limits(is_tiered=True), pace)


class TestReadCommittedRegion(RegionConformance):
    @pytest.fixture
    def harness(self):
        return ReadCommittedHarness()
