"""The fixtures of the region's suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.testing.conformance.harness import CannotError
from tierstore.testing.conformance.region.harness import RegionHarness
from tierstore.testing.conformance.region.mover import Mover
from tierstore.testing.conformance.region.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.region.protocol import Region
    from tierstore.runtime.manual import ManualRuntime

DAY_S = 86_400


class RegionBench:
    """A region, two replicas of it and a mover, made when a test asks for them."""

    @pytest.fixture
    def harness(self) -> RegionHarness:
        """The region under test: override this fixture. It closes what it yields."""
        raise CannotError("override the fixture `harness` and yield a RegionHarness")

    @pytest.fixture
    def clock(self, harness: RegionHarness) -> ManualRuntime:
        """The region's time."""
        return harness.clock

    @pytest.fixture
    def region(self, harness: RegionHarness) -> Region:
        """A handle of the region."""
        return harness.open()

    @pytest.fixture
    def new_sender(self, region: Region, clock: ManualRuntime) -> Callable[[int], Sender]:
        """Makes and registers a replica of this id."""
        return lambda replica: Sender(region, replica, clock)

    @pytest.fixture
    def sender(self, new_sender: Callable[[int], Sender]) -> Sender:
        """The replica 7."""
        return new_sender(7)

    @pytest.fixture
    def other(self, new_sender: Callable[[int], Sender]) -> Sender:
        """The replica 8."""
        return new_sender(8)

    @pytest.fixture
    def mover(self, region: Region, clock: ManualRuntime) -> Mover:
        """Who holds the lease."""
        return Mover(region, clock)
