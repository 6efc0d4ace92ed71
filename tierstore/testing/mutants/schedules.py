"""Races of a few actors of which every order is tried."""

from __future__ import annotations

from tierstore.testing.explorer import World as Explored
from tierstore.testing.explorer import explore
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.mutants.mutant import Schedules
from tierstore.testing.stores import memory_store

KEY = "k"
POLICY = {"rules": [{"match": "**", "durability": "memory"}]}


class Filling(Explored):
    """A key that `writer` has written twice by the end, and that `reader` has no copy of yet."""

    def __init__(self) -> None:
        super().__init__()
        region = self.wrap(MemoryRegion(self.runtime), "region")
        self.reader = memory_store(POLICY, region=region, runtime=self.runtime)
        self.writer = memory_store(POLICY, region=region, runtime=self.runtime)
        self.reader.get("another")
        self.writer.put(KEY, "first")
        self.writer.flush()
        self.pull()

    def close(self) -> None:
        """End both."""
        self.reader.close()
        self.writer.close()

    def pull(self) -> None:
        """Bring the reader up with the feed."""
        self.reader._core.replica.pull()

    def fill(self) -> None:
        """Read the key, which makes a copy."""
        self.reader.get(KEY)

    def write(self) -> None:
        """Write the key again; the reader is told."""
        self.writer.put(KEY, "second")
        self.writer.flush()
        self.pull()

    def check(self) -> None:
        """Raise unless the reader, up with the feed, has what is in the region."""
        self.pull()
        found = self.reader.get(KEY)
        assert found == "second", f"a copy of {found!r} was installed that the feed had passed"


def _explore_fills() -> None:
    explore(Filling, {"reader": Filling.fill, "writer": Filling.write}, Filling.check)


FILLS = Schedules("a fill and a write, all schedules", _explore_fills)
