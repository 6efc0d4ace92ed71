"""What packing returns: the bytes of an object to be, and where in it each key will lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.region.objects import ObjectTier
    from tierstore.region.pointer import Pointer


class Parts(Protocol):
    """The bytes of an object in order. Iterated again, they are the same bytes."""

    @property
    def size_bytes(self) -> int:
        """All of them together."""

    def __iter__(self) -> Iterator[bytes]: ...

    def check(self, objects: ObjectTier, name: str, timeout_s: float) -> None:
        """Compare with the object `name`. Raises DamagedError on any difference."""


@dataclass(frozen=True, slots=True)
class Packed:
    """An object to be put under `name`."""

    name: str
    parts: Parts
    """What to put. Those of a large value are compressed while they are taken."""
    pointers: dict[str, Pointer]
    """Where each key lies."""
    raw_bytes: int
    """Keys and envelopes (of a large value, its payload) before compression."""

    @property
    def stored_bytes(self) -> int:
        """The size of the object. Of a large value that was not put yet, compresses it for that."""
        return self.parts.size_bytes
