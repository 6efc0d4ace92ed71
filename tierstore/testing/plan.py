"""When which I/O goes wrong, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tierstore.errors import CorruptionError, TierStoreError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from tierstore.tiers.journal.escrow import Note

    T = TypeVar("T")

Kind = Literal["error", "lost", "crash", "crash after", "corrupt"]
"""What happens at an I/O: UnavailableError and nothing else; the I/O, but an error instead of its
answer; the end of the process before it, or after it; CorruptionError and nothing else."""
KINDS: tuple[Kind, ...] = ("error", "lost", "crash", "crash after")
"""What may happen to any tier, whatever lies there."""


class Crash(BaseException):
    """The process ended here. No code of it may run on: drop its objects, then reopen."""


class FaultPlan:
    """Which I/O goes wrong, and how. Shared by the wrappers of one simulated process."""

    def __init__(self) -> None:
        self.count = 0
        """I/Os since the plan was armed."""
        self.fired: str | None = None
        """The name of the I/O that went wrong, None while none did."""
        self.crashed = False
        self.is_region_down = False
        """Whether every call of the region fails, until set to False."""
        self.is_cold_down = False
        """Whether every call of the cold tier fails, until set to False."""
        self.is_edge_down = False
        """Whether every call of a shared edge fails, until set to False."""
        self._n = 0
        self._kind: Kind = "error"

    def arm(self, n: int, kind: Kind) -> None:
        """Let the `n`-th I/O from now on, counted from 1, go wrong; 0 for none."""
        self.count, self.fired, self.crashed = 0, None, False
        self._n, self._kind = n, kind

    def note(self, path: str, notes: Sequence[Note], gone: Sequence[str]) -> None:
        """A file of rights has these notes from now on, and none of the keys that are gone."""

    def run(self, name: str, call: Callable[[], T], lost: type[TierStoreError] | None) -> T:
        """What `call` returns, unless the plan says otherwise.

        For a lost reply `lost` is raised; None where done always means answered.
        """
        if self.crashed:
            raise Crash(name)
        if self.is_region_down and name.startswith("region."):
            raise UnavailableError(f"{name}: the region was made unreachable")
        if self.is_cold_down and name.startswith("objects."):
            raise UnavailableError(f"{name}: the cold tier was made unreachable")
        if self.is_edge_down and name.startswith("edge."):
            raise UnavailableError(f"{name}: the edge server was made unreachable")
        self.count += 1
        if self.count != self._n:
            return call()
        self.fired = name
        if self._kind == "error" or (self._kind == "lost" and lost is None):
            raise UnavailableError(f"{name}: made to fail")
        if self._kind == "corrupt":
            raise CorruptionError(f"{name}: made to find damage")
        if self._kind == "crash":
            self.crashed = True
            raise Crash(name)
        call()
        if self._kind == "lost" and lost is not None:
            raise lost(f"{name}: its reply was made to get lost")
        self.crashed = True
        raise Crash(name)
