"""What the suite for edges that workers share asks for besides the adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.testing.conformance.harness import CannotError, Harness

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from tierstore.region.shared import SharedEdge


class SharedHarness(Harness):
    """One edge, empty and not yet connected to."""

    ABILITIES: Mapping[str, str] = {
        "clock": "the server's time is `clock`; without it, `wait_ms` waits as the system does",
        "corrupt": "a stored copy is damaged by the driver",
        "evicting": "the server may be one that evicts what it acknowledged",
        "full": "the server has no room for anything new",
        "lose": "the server comes back without its latest entries",
        "open_other": "another edge lives on the same server",
        "open_resources": "what handles hold open is counted",
        "open_secret": "a handle is opened whose url has a secret",
        "spoil": "an entry of a queue is damaged by the driver",
        "restart": "the server ends and comes back with all that it acknowledged",
        "unreachable": "the server answers nothing",
    }

    def open(self) -> SharedEdge:
        """A handle of the edge, as another worker has it; it is used by several threads.

        It waits as the system does. Handles may be one and the same.
        """
        raise CannotError("open")

    def open_other(self) -> SharedEdge:
        """A handle of another edge on the same server, always of the same one."""
        raise CannotError("open_other")

    def wait_ms(self, wait_ms: int) -> None:
        """Let time pass at the server. Override it where that is the system's time."""
        self.clock.advance(wait_ms / 1000)

    def lose(self, count: int) -> None:
        """`restart`, but the latest `count` entries of every queue were lost, and what they did.

        So does a failover to a copy of the server that lagged behind. Tests write to one tag only.
        """
        raise CannotError("lose")

    def evicting(self) -> AbstractContextManager[None]:
        """While entered, the server may evict; handles that connect then find that out."""
        raise CannotError("evicting")

    def full(self) -> AbstractContextManager[None]:
        """While entered, the server has no room for anything new."""
        raise CannotError("full")

    def spoil(self, tag: int, replica: int, at: int) -> None:
        """Damage the entry at place `at` of a queue, from 0, but not its number."""
        raise CannotError("spoil")

    def corrupt(self, key: str) -> None:
        """Damage the stored copy of `key`, which there is, by the driver."""
        raise CannotError("corrupt")
