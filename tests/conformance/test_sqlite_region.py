"""The region on SQLite keeps the promises of a region."""

from __future__ import annotations

import pytest

from tierstore.testing.conformance import RegionConformance
from tierstore.testing.conformance.sqlite import SqliteHarness


@pytest.mark.filterwarnings("ignore::ResourceWarning")
class TestSqliteRegion(RegionConformance):
    @pytest.fixture
    def harness(self, folder):
        with SqliteHarness(folder).entered() as harness:
            yield harness
