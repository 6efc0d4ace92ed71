"""What the suite for regions asks for besides the adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.testing.conformance.harness import CannotError, Harness

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from tierstore.region.protocol import Region
    from tierstore.runtime import Runtime


class RegionHarness(Harness):
    """A regional tier, empty and not yet connected to."""

    ABILITIES: Mapping[str, str] = {
        "blocked": "another client holds the lock that writes need",
        "closing": "a handle that was closed can be told from one that was not",
        "corrupt": "a stored payload is damaged by the driver",
        "corrupt_version": "what a stored row says of its version is damaged by the driver",
        "faults": "every I/O of the handles asks `plan` whether it goes wrong",
        "fork": "a handle may be used in a forked child",
        "open_resources": "what handles hold open is counted",
        "open_secret": "a handle is opened whose url has a secret",
        "restart": "all processes and the backend end and come back",
        "unreachable": "the backend answers nothing",
    }

    def open(self, runtime: Runtime | None = None) -> Region:
        """A handle of the region, on `runtime` or on `clock`.

        Handles of a region that is not `shared` may be one and the same. Limits are the defaults
        of `tierstore.region.apply.Limits`, with `is_tiered`.
        """
        raise CannotError("open")

    def raw_payload(self, key: bytes) -> bytes | None:
        """The stored payload of the row of exactly this key, by the driver; None for no row.

        Raises KeyError if there is no row.
        """
        raise CannotError("raw_payload")

    def raw_keys(self) -> list[bytes]:
        """The keys of all rows, by the driver, in any order."""
        raise CannotError("raw_keys")

    def corrupt(self, key: bytes) -> None:
        """Change a byte of the stored payload of `key`, by the driver."""
        raise CannotError("corrupt")

    def corrupt_version(self, key: bytes) -> None:
        """Change a byte of what the row of `key` says of its version, by the driver."""
        raise CannotError("corrupt_version")

    def blocked(self) -> AbstractContextManager[None]:
        """While entered, another client holds a lock that every write has to wait for."""
        raise CannotError("blocked")
