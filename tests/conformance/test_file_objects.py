"""Objects as files keep the promises of a cold tier."""

from __future__ import annotations

import pytest

from tierstore.testing.conformance import ObjectConformance
from tierstore.testing.conformance.files import FileHarness


class TestFileObjects(ObjectConformance):
    @pytest.fixture
    def harness(self, folder):
        with FileHarness(folder).entered() as harness:
            yield harness
