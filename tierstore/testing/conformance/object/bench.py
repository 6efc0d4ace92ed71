"""The fixtures of the suite for objects, and what its tests do all the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.region.objects import SEGMENT, ByteRange, mint_name
from tierstore.testing.conformance.harness import TIMEOUT_S, CannotError
from tierstore.testing.conformance.object.harness import ObjectHarness

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tierstore.region.objects import Kind, Listing, ObjectTier
    from tierstore.runtime import Runtime

REGION, OTHER = "00c0ffee00c0ffee", "0ther"
PARTS = (b"abc", b"", b"defgh")
WHOLE = b"".join(PARTS)


class Hand:
    """A handle of a cold tier, with names minted for it."""

    def __init__(self, objects: ObjectTier, clock: Runtime) -> None:
        self.objects, self.clock = objects, clock

    def mint(self, kind: Kind = SEGMENT, region: str = REGION) -> str:
        """A name that no object has."""
        return mint_name(self.clock, region, 1, kind)

    def put(
        self, parts: Iterable[bytes] = PARTS, *, kind: Kind = SEGMENT, region: str = REGION
    ) -> str:
        """The name of a new object of these parts."""
        name = self.mint(kind, region)
        self.objects.put(name, parts, TIMEOUT_S)
        return name

    def read(self, name: str, *ranges: tuple[int, int]) -> list[bytes]:
        """The bytes of each (start, length)."""
        asked = [ByteRange(start, length) for start, length in ranges]
        return self.objects.read(name, asked, TIMEOUT_S)

    def stream(self, name: str) -> list[bytes]:
        """The chunks of an object."""
        return list(self.objects.stream(name, TIMEOUT_S))

    def delete(self, *names: str) -> None:
        """Remove objects."""
        self.objects.delete(names, TIMEOUT_S)

    def page(self, prefix: str = f"{REGION}/", after: str = "", limit: int = 1000) -> Listing:
        """One page of a listing."""
        return self.objects.list(prefix, after, limit, TIMEOUT_S)

    def pages(self, prefix: str = f"{REGION}/", limit: int = 1000) -> Iterator[Listing]:
        """Every page of a listing, each within its limit."""
        after: str | None = ""
        while after is not None:
            page = self.page(prefix, after, limit)
            assert len(page.objects) + len(page.foreign) + len(page.leftovers) <= limit
            yield page
            after = page.next_after

    def names(self, prefix: str = f"{REGION}/", limit: int = 1000) -> list[str]:
        """The objects that a listing finds, in its order."""
        return [info.name for page in self.pages(prefix, limit) for info in page.objects]


class ObjectBench:
    """A cold tier and a hand on it."""

    @pytest.fixture
    def harness(self) -> ObjectHarness:
        """The tier under test: override this fixture. It closes what it yields."""
        raise CannotError("override the fixture `harness` and yield an ObjectHarness")

    @pytest.fixture
    def hand(self, harness: ObjectHarness) -> Hand:
        """A hand on a handle of the tier."""
        return Hand(harness.open(), harness.clock)


def put_many(hand: Hand, harness: ObjectHarness, count: int) -> list[str]:
    """The sorted names of `count` objects, written by the driver where that is possible."""
    names = sorted(hand.mint() for _ in range(count))
    for name in names:
        if "plant" in harness.cannot:
            hand.objects.put(name, [b"x"], TIMEOUT_S)
        else:
            harness.plant(name, b"x")
    return names


def whole_or_nothing(harness: ObjectHarness, names: Sequence[str], whole: bytes) -> set[str]:
    """Those of `names` that there are; each of them is whole."""
    found = {name: harness.raw_object(name) for name in names}
    assert set(found.values()) <= {None, whole}
    return {name for name, content in found.items() if content is not None}
