"""Harnesses of the tiers in memory: the models that every adapter is compared with.

They also show how a harness is written. A region in memory is one object, so its handles are one
and the same and an I/O is a whole call of it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tierstore.region.apply import Limits
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing.conformance.harness import ObjectHarness, RegionHarness
from tierstore.testing.faults import FaultyRegion
from tierstore.testing.memory_objects import FaultyObjects, MemoryObjects
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.plan import FaultPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tierstore.region.objects import ObjectTier
    from tierstore.region.protocol import Region
    from tierstore.runtime import Runtime


class MemoryRegionHarness(RegionHarness):
    """A `MemoryRegion`, or whatever `make` returns for a runtime."""

    cannot: Mapping[str, str] = {
        "blocked": "no other client can lock a dict",
        "closing": "the region outlives its handles, which stores share",
        "corrupt": "its rows are objects, which have no checksum",
        "fork": "each process has a region of its own",
        "open_resources": "it opens nothing",
        "open_secret": "it has no url",
    }

    def __init__(self) -> None:
        self.clock = ManualRuntime(seed=1)
        self.plan = FaultPlan()
        self.inner = self.make(self.clock)

    def make(self, runtime: Runtime) -> MemoryRegion:
        """The region itself."""
        return MemoryRegion(runtime, Limits(is_tiered=True))

    def open(self, runtime: Runtime | None = None) -> Region:
        """The region, whose calls go wrong as the plan says."""
        return FaultyRegion(self.inner, self.plan)

    def raw_payload(self, key: bytes) -> bytes | None:
        """What the dict has."""
        return self.inner.rows[key.decode()].record.payload

    def raw_keys(self) -> list[bytes]:
        """The dict's keys."""
        return [key.encode() for key in self.inner.rows]

    def restart(self) -> None:
        """Another region, and empty."""
        self.inner = self.make(self.clock)

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Every call fails."""
        self.plan.is_region_down = True
        try:
            yield
        finally:
            self.plan.is_region_down = False


class MemoryObjectsHarness(ObjectHarness):
    """A `MemoryObjects`, or whatever `make` returns."""

    cannot: Mapping[str, str] = {
        "fork": "each process has objects of its own",
        "full": "memory has no bound of its own",
        "open_resources": "it opens nothing",
        "open_secret": "it has no url",
        "plant_leftover": "a put is whole as soon as it begins",
    }

    def __init__(self) -> None:
        self.clock = ManualRuntime(seed=3)
        self.plan = FaultPlan()
        self.inner = self.make()

    def make(self) -> MemoryObjects:
        """The tier itself."""
        return MemoryObjects()

    def open(self, runtime: Runtime | None = None) -> ObjectTier:
        """The tier, whose calls go wrong as the plan says."""
        return FaultyObjects(self.inner, self.plan)

    def raw_object(self, name: str) -> bytes | None:
        """What the dict has."""
        return self.inner.blobs.get(name)

    def raw_names(self) -> set[str]:
        """The dict's keys."""
        return set(self.inner.blobs)

    def plant(self, name: str, content: bytes) -> None:
        """Put it into the dict."""
        self.inner.blobs[name] = content

    def cut(self, name: str, size_bytes: int) -> None:
        """Keep the beginning only."""
        self.inner.blobs[name] = self.inner.blobs[name][:size_bytes]

    def restart(self) -> None:
        """Another tier, and empty."""
        self.inner = self.make()

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Every call fails."""
        self.plan.is_cold_down = True
        try:
            yield
        finally:
            self.plan.is_cold_down = False
