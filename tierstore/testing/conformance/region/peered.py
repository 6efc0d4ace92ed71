"""The fixtures of the suite for links between regions, and rows as a peer tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.record import Record
from tierstore.region.apply import Limits
from tierstore.region.rows import Row
from tierstore.testing.conformance.region.bench import RegionBench
from tierstore.testing.conformance.region.link import Link
from tierstore.testing.conformance.region.sender import Sender
from tierstore.testing.memory_region import MemoryRegion

if TYPE_CHECKING:
    from typing import Any

    from tierstore.region.protocol import Region
    from tierstore.runtime.manual import ManualRuntime


class PeeringBench(RegionBench):
    """The region under test and one in memory, with links both ways."""

    @pytest.fixture
    def far_region(self, clock: ManualRuntime) -> Region:
        """The other region."""
        return MemoryRegion(clock, Limits(is_tiered=True))

    @pytest.fixture
    def far(self, far_region: Region, clock: ManualRuntime) -> Sender:
        """A replica of the other region."""
        return Sender(far_region, 70, clock)

    @pytest.fixture
    def link(self, far_region: Region, region: Region) -> Link:
        """Takes over the other region's rows."""
        return Link(far_region, region)

    @pytest.fixture
    def back(self, far_region: Region, region: Region) -> Link:
        """Takes over the tested region's rows."""
        return Link(region, far_region)


def told(key: str, payload: bytes | None, stamp: int, replica: int = 70, **fields: Any) -> Row:
    """A row as a peer tells it."""
    position, consistency = fields.pop("position", 1), fields.pop("consistency", 0)
    record = Record(stamp, replica, payload, **fields)
    return Row(key, record, consistency, position=position)
