"""The shared edge in memory keeps the promises of a shared edge."""

from __future__ import annotations

import pytest

from tierstore.testing.conformance import SharedConformance
from tierstore.testing.conformance.models import MemorySharedHarness


class TestMemoryShared(SharedConformance):
    @pytest.fixture
    def harness(self):
        return MemorySharedHarness()
