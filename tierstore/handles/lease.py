"""The handle of a lease: a block in which this process, and no other, may do something."""

from __future__ import annotations

from tierstore.errors import LeaseLostError, TransactionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, Self

    from tierstore.coordinator.leases import Hold
    from tierstore.region.commits import Cell, Version
    from tierstore.region.deadline import Deadline

    class Keeper(Protocol):
        """What a handle asks for its lease."""

        def refuse(self) -> None: ...
        def patience(self) -> Deadline: ...
        def attempt(self, patience: Deadline) -> tuple[Hold | None, float]: ...
        def pause(self, pause_s: float) -> None: ...
        def give_back(self, hold: Hold) -> None: ...
        def renew(self, hold: Hold, timeout: float | None) -> None: ...
        def is_lost(self, hold: Hold) -> bool: ...


class Lease:
    """A lease, taken when its block begins and given back when that ends.

    A watchdog renews it meanwhile. It protects strong writes of transactions that `require` it, and
    whatever compares its `token`; nothing else.
    """

    __slots__ = ("_hold", "_is_left", "_keeper", "key", "ttl_s")

    def __init__(self, key: str, ttl_s: float, keeper: Keeper) -> None:
        self.key = key
        self.ttl_s = ttl_s
        self._keeper = keeper
        self._hold: Hold | None = None
        self._is_left = False

    def __enter__(self) -> Self:
        self.claim()
        self.take()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.give_back()

    def claim(self) -> None:
        """Raise TransactionError if it was taken before, or may not be taken here."""
        if self._hold is not None or self._is_left:
            raise TransactionError("a lease is taken once: ask the store for it again")
        self._keeper.refuse()

    def take(self) -> None:
        """Take it. Raises LeaseHeldError, UnavailableError, OutcomeUnknownError."""
        patience = self.patience()
        while (pause_s := self.attempt(patience)) is not None:
            self._keeper.pause(pause_s)

    def patience(self) -> Deadline:
        """Until when `attempt` says to wait for it, from now on."""
        return self._keeper.patience()

    def attempt(self, patience: Deadline) -> float | None:
        """Take it, or return for how many seconds to pause before another attempt."""
        self._hold, pause_s = self._keeper.attempt(patience)
        if self._hold is None:
            return pause_s
        if self._is_left:
            self.give_back()
        return None

    def leave(self) -> bool:
        """Let an attempt that is under way give back what it gets; whether one has got it."""
        self._is_left = True
        return self._hold is not None

    def give_back(self) -> None:
        """Let others have it at once. Idempotent."""
        self._keeper.give_back(self._taken())

    @property
    def token(self) -> int:
        """A number of 63 bits, higher than that of every earlier holder: fence others by it."""
        return self._taken().token

    @property
    def lost(self) -> bool:
        """Whether it is over, or may be: by this machine's clock, without asking anybody."""
        return self._keeper.is_lost(self._taken())

    def check(self) -> None:
        """Raise LeaseLostError if it is lost. Before something that takes long, `renew`."""
        if self.lost:
            raise LeaseLostError(
                f"the lease {self.key!r} is over, or may be: somebody else may have it"
            )

    def renew(self, *, timeout: float | None = None) -> None:
        """Have the coordinator confirm it now, for the whole of its time from now on.

        Raises LeaseLostError if it is over; UnavailableError; OutcomeUnknownError.
        """
        self._keeper.renew(self._taken(), timeout)

    def held(self) -> tuple[Cell, Version]:
        """What a commit has to find, for `Transaction.require`. Raises LeaseLostError."""
        self.check()
        hold = self._taken()
        return hold.cell, hold.version

    def _taken(self) -> Hold:
        if self._hold is None:
            raise TransactionError("a lease is used within its block: `with store.lease(…) as l:`")
        return self._hold

    def __repr__(self) -> str:
        state = "not taken" if self._hold is None else "lost" if self.lost else "held"
        return f"<tierstore.Lease {self.key!r}, {state}>"
