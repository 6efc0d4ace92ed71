"""What the handle of a lease asks of its store."""

from __future__ import annotations

from tierstore.coordinator.leases import TTL_S_MIN
from tierstore.errors import InvalidArgumentError, TransactionError
from tierstore.region.deadline import Deadline
from tierstore.units import shown, ttl_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.coordinator.leases import Hold
    from tierstore.store.arguments import TTL
    from tierstore.store.core import Core


class Keeping:
    """Takes one lease and gives it back; see `tierstore.handles.lease.Keeper`."""

    __slots__ = ("_core", "_full", "_timeout_s", "_ttl_s", "_wait_s")

    def __init__(
        self, core: Core, full: str, ttl_s: float, wait_s: float, timeout_s: float | None
    ) -> None:
        self._core = core
        self._full = full
        self._ttl_s = ttl_s
        self._wait_s = wait_s
        self._timeout_s = timeout_s

    def refuse(self) -> None:
        """Raise TransactionError within a transaction, StoreClosedError after `close`."""
        from tierstore.store.transactions import is_inside

        self._core.refuse_closed()
        if is_inside(self._core):
            raise TransactionError("a lease is taken before the transaction that requires it")

    def patience(self) -> Deadline:
        """Until when to wait for it."""
        return Deadline(self._core.runtime, self._wait_s)

    def attempt(self, patience: Deadline) -> tuple[Hold | None, float]:
        """The lease, or for how long to pause; see `Leases.attempt`."""
        deadline = self._core._begin(self._timeout_s)
        self._core.ensure_open()
        return self._core.strong.leases.attempt(self._full, self._ttl_s, patience, deadline)

    def pause(self, pause_s: float) -> None:
        """Return later."""
        self._core.runtime.sleep(pause_s)

    def give_back(self, hold: Hold) -> None:
        """Let others have it, unless the store was closed, which did."""
        self._core.strong.leases.give_back(hold, self._core._begin(self._timeout_s))

    def renew(self, hold: Hold, timeout: float | None) -> None:
        """Let it last for its whole time from now on."""
        self._core.strong.leases.renew(hold, self._core.deadline(timeout))

    def is_lost(self, hold: Hold) -> bool:
        """Whether it is over, or may be."""
        return self._core.strong.leases.is_lost(hold)


def lease_ttl_s(ttl: TTL) -> float:
    """The seconds that a lease lasts. Raises InvalidArgumentError."""
    if ttl is None:
        raise InvalidArgumentError("ttl: a lease that never ends would outlive who died with it")
    ttl_s = ttl_seconds(ttl)
    if ttl_s < TTL_S_MIN:
        raise InvalidArgumentError(f"ttl: a lease lasts {TTL_S_MIN:g} s at least, got {shown(ttl)}")
    return ttl_s
