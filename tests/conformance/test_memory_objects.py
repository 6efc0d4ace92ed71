"""Objects in memory keep the promises of a cold tier."""

from __future__ import annotations

import pytest

from tierstore.testing.conformance import ObjectConformance
from tierstore.testing.conformance.models import MemoryObjectsHarness


class TestMemoryObjects(ObjectConformance):
    @pytest.fixture
    def harness(self):
        return MemoryObjectsHarness()
