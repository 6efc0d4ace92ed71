"""The region in memory keeps the promises of a region."""

from __future__ import annotations

import pytest

from tierstore.testing.conformance import RegionConformance
from tierstore.testing.conformance.models import MemoryRegionHarness


class TestMemoryRegion(RegionConformance):
    @pytest.fixture
    def harness(self):
        return MemoryRegionHarness()
