"""Harnesses of the tiers in memory: the models that every adapter is compared with.

They also show how a harness is written. A region in memory is one object, so its handles are one
and the same and an I/O is a whole call of it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.apply import Limits
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing.conformance.edge.harness import EdgeHarness
from tierstore.testing.conformance.edge.observed import ObservedRegion
from tierstore.testing.conformance.object.harness import ObjectHarness
from tierstore.testing.conformance.region.harness import RegionHarness
from tierstore.testing.conformance.shared.harness import SharedHarness
from tierstore.testing.conformance.together import Waiting
from tierstore.testing.faults import FaultyJournalDirectory, FaultyRegion
from tierstore.testing.memory_objects import FaultyObjects, MemoryObjects
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.memory_shared import MemoryShared
from tierstore.testing.plan import FaultPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from tierstore.region.objects import ObjectTier
    from tierstore.region.protocol import Region
    from tierstore.region.shared import SharedEdge
    from tierstore.runtime import Runtime
    from tierstore.store.store import Store


class MemoryRegionHarness(RegionHarness):
    """A `MemoryRegion`, or whatever `make` returns for a runtime."""

    cannot: Mapping[str, str] = {
        "blocked": "no other client can lock a dict",
        "closing": "the region outlives its handles, which stores share",
        "corrupt": "its rows are objects, which have no checksum",
        "corrupt_version": "its rows are objects, which have no checksum",
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


class MemorySharedHarness(SharedHarness):
    """A `MemoryShared`, or whatever `make` returns for a runtime."""

    cannot: Mapping[str, str] = {
        "corrupt": "its copies are objects, which have no checksum",
        "full": "memory has no bound of its own",
        "open_resources": "it opens nothing",
        "open_secret": "it has no url",
    }

    def __init__(self) -> None:
        self.clock = ManualRuntime(seed=5)
        self.inner, self.other = (self.make(Waiting(self.clock)) for _ in range(2))

    def make(self, runtime: Runtime) -> MemoryShared:
        """The edge itself."""
        return MemoryShared(runtime)

    def open(self) -> SharedEdge:
        """The edge."""
        return self.inner

    def open_other(self) -> SharedEdge:
        """Another object."""
        return self.other

    def restart(self) -> None:
        """Another life of the same dict."""
        self.inner.restart()

    def lose(self, count: int) -> None:
        """Entries are deleted."""
        self.inner.restart(losing=count)

    def spoil(self, tag: int, replica: int, at: int) -> None:
        """It is declared unreadable."""
        (life,) = self.inner._lives(tag, replica)
        self.inner.unreadable.add((replica, sorted(life.queue)[at]))

    @contextmanager
    def evicting(self) -> Iterator[None]:
        """It says so; a dict evicts nothing."""
        self.inner.is_durable = False
        try:
            yield
        finally:
            self.inner.is_durable = True

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Every call fails."""
        self.inner.is_away = True
        try:
            yield
        finally:
            self.inner.is_away = False


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


class MemoryEdgeHarness(EdgeHarness):
    """The memory of a process as edge, with a journal below `folder`, or without one."""

    def __init__(self, folder: str | os.PathLike[str], *, has_journal: bool = True) -> None:
        self.folder = Path(folder)
        self.clock = ManualRuntime(seed=5)
        self.region = ObservedRegion(self.clock)
        self.plan = self.region.plan
        self.cannot = {"open_secret": "memory:// takes no secret"}
        if not has_journal:
            self.cannot |= {"journal": "none is declared", "faults": "only a journal does I/O"}
        self._opened: list[tuple[Store, FaultyJournalDirectory | None]] = []
        self._elsewhere = 0

    def policy(self, **fields: Any) -> dict[str, Any]:
        """What the suite declares, of an edge in memory."""
        journal = "none" if "journal" in self.cannot else "journal"
        policy = super().policy()
        policy["tiers"]["edge"] = {"url": "memory://", "journal": journal}
        return policy | fields

    def open(self, runtime: Runtime | None = None, **fields: Any) -> Store:
        """A store of this process's own memory, over the shared journal folder."""
        return self._open(self.folder / "here", runtime or self.clock, fields)

    def open_elsewhere(self, **fields: Any) -> Store:
        """A store with a journal folder of its own."""
        self._elsewhere += 1
        return self._open(self.folder / f"elsewhere-{self._elsewhere}", self.clock, fields)

    def _open(self, folder: Path, runtime: Runtime, fields: dict[str, Any]) -> Store:
        policy = load(self.policy(**fields), folder)
        journals = None
        if policy.edge.journal is not None:
            journals = FaultyJournalDirectory(str(folder / policy.edge.journal), self.plan)
        store = wire(policy, runtime, region=self.region, journals=journals)
        self._opened.append((store, journals))
        return store

    def kill(self, store: Store) -> None:
        """Stop its background, close its files from outside, and forget its memory."""
        replica = store._core.replica
        replica.state.closed = True
        driver, replica._driver = replica._driver, None
        if driver is not None:
            driver.stop(0.0)
        for opened, journals in self._opened:
            if opened is store and journals is not None:
                journals.abandon()

    def open_resources(self) -> int:
        """Open files below the folder."""
        links = Path("/proc/self/fd").iterdir()
        return sum(str(self.folder) in os.path.realpath(link) for link in links)

    def close(self) -> None:
        """Kill what is open."""
        self.plan.arm(0, "error")
        for store, _ in self._opened:
            with suppress(Exception):
                self.kill(store)
