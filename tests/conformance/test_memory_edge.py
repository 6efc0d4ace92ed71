"""The memory of a process keeps the promises of an edge, with a journal and without."""

from __future__ import annotations

import pytest

from tierstore.testing.conformance import EdgeConformance
from tierstore.testing.conformance.models import MemoryEdgeHarness


class TestJournaledEdge(EdgeConformance):
    @pytest.fixture
    def harness(self, folder):
        harness = MemoryEdgeHarness(folder)
        yield harness
        harness.close()


class TestUnjournaledEdge(EdgeConformance):
    @pytest.fixture
    def harness(self, folder):
        harness = MemoryEdgeHarness(folder, has_journal=False)
        yield harness
        harness.close()
