"""The fixtures of the edge's suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.testing.conformance.edge.harness import EdgeHarness
from tierstore.testing.conformance.harness import CannotError

if TYPE_CHECKING:
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.store.store import Store
    from tierstore.testing.conformance.edge.observed import ObservedRegion


class EdgeBench:
    """A store over the edge, another one beside it, and their region."""

    @pytest.fixture
    def harness(self) -> EdgeHarness:
        """The edge under test: override this fixture. It closes what it yields."""
        raise CannotError("override the fixture `harness` and yield an EdgeHarness")

    @pytest.fixture
    def clock(self, harness: EdgeHarness) -> ManualRuntime:
        """The time of the edge and of its region."""
        return harness.clock

    @pytest.fixture
    def region(self, harness: EdgeHarness) -> ObservedRegion:
        """The region behind the edge."""
        return harness.region

    @pytest.fixture
    def store(self, harness: EdgeHarness) -> Store:
        """A store over the edge."""
        return harness.open()

    @pytest.fixture
    def other(self, harness: EdgeHarness) -> Store:
        """Another process, at another edge of the same region."""
        return harness.open_elsewhere()
