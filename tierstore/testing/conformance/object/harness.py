"""What the suite for cold tiers asks for besides the adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.testing.conformance.harness import CannotError, Harness

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from tierstore.region.objects import ObjectTier
    from tierstore.runtime import Runtime


class ObjectHarness(Harness):
    """A cold tier, empty."""

    ABILITIES: Mapping[str, str] = {
        "cut": "a stored object is shortened by the driver",
        "faults": "every I/O of the handles asks `plan` whether it goes wrong",
        "fork": "a handle may be used in a forked child",
        "full": "there is no room for another object",
        "open_resources": "what handles hold open is counted",
        "open_secret": "a handle is opened whose url has a secret",
        "plant": "any bytes are stored under any name by the driver",
        "plant_leftover": "what a put that was cut off leaves is left",
        "restart": "all processes and the backend end and come back",
        "unreachable": "the backend answers nothing",
    }

    def open(self, runtime: Runtime | None = None) -> ObjectTier:
        """A handle of the tier, on `runtime` or on `clock`.

        Handles of a tier that is not `shared` may be one and the same.
        """
        raise CannotError("open")

    def raw_object(self, name: str) -> bytes | None:
        """The stored bytes under exactly this name, by the driver; None if there is nothing."""
        raise CannotError("raw_object")

    def raw_names(self) -> set[str]:
        """Every name that is there, by the driver, however it looks."""
        raise CannotError("raw_names")

    def plant(self, name: str, content: bytes) -> None:
        """Store any bytes under any name that the backend takes, by the driver."""
        raise CannotError("plant")

    def plant_leftover(self, name: str) -> str:
        """Leave what a put of `name` that was cut off leaves; the name by which it is listed."""
        raise CannotError("plant_leftover")

    def cut(self, name: str, size_bytes: int) -> None:
        """Shorten a stored object to its first `size_bytes`, by the driver."""
        raise CannotError("cut")

    def full(self) -> AbstractContextManager[None]:
        """While entered, the backend has no room for another object."""
        raise CannotError("full")
