"""Suites over tiers in memory with one thing changed, each to be caught by what it names."""

from __future__ import annotations

import pytest

from tierstore.testing import MemoryRegion
from tierstore.testing.conformance import RegionConformance, SharedConformance
from tierstore.testing.conformance.models import MemoryRegionHarness, MemorySharedHarness
from tierstore.testing.conformance.shared import ear
from tierstore.testing.memory_shared import MemoryShared


class BrokenRegion(RegionConformance):
    """A suite over a region in memory with one thing changed."""

    region_class = MemoryRegion
    caught_by: tuple[str, ...] = ()

    @pytest.fixture
    def harness(self):
        harness = MemoryRegionHarness()
        harness.make = lambda runtime: self.region_class(runtime, harness.inner._limits)
        harness.inner = harness.make(harness.clock)
        return harness


class BrokenShared(SharedConformance):
    """A suite over the shared edge in memory with one thing changed."""

    edge_class = MemoryShared
    caught_by: tuple[str, ...] = ()

    @pytest.fixture
    def harness(self, monkeypatch):
        monkeypatch.setattr(ear, "WITHIN_S", 1.0)  # what is never said is not waited for
        harness = MemorySharedHarness()
        harness.inner, harness.other = (
            self.edge_class(edge._runtime) for edge in (harness.inner, harness.other)
        )
        return harness
