"""A lease: at most one holds it, and fencing tokens ascend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from tierstore.testing.models.protocol import Model, answers, refuse

if TYPE_CHECKING:
    from collections.abc import Hashable

    from tierstore.testing.history import Operation
    from tierstore.testing.models.protocol import States


@dataclass(frozen=True, slots=True)
class Held:
    """Who holds the lease, by token."""

    last: int
    """The highest token known to have been granted."""
    token: int | Literal["?"] | None
    """That of the holder; "?" if its grant was never answered; None if nobody holds it."""

    @property
    def is_unknown(self) -> bool:
        """Whether the holder was never told its token."""
        return isinstance(self.token, str)


@dataclass(frozen=True, slots=True)
class Lease(Model):
    """`acquire` → token, or None if refused; `renew` token → bool; `release` token → bool.

    A refusal means that somebody else holds the lease; tokens ascend. With `may_expire` a holder
    may lose the lease at any time, without it only by `release`.
    """

    may_expire: bool = False
    initial: Held = Held(0, None)

    def step(self, state: Hashable, operation: Operation) -> States:
        """Who may hold it afterwards."""
        held = cast("Held", state)
        match operation.verb:
            case "acquire":
                return self._acquire(held, operation)
            case "renew":
                return self._use(held, operation, Held(operation.argument, operation.argument))
            case "release":
                return self._use(held, operation, Held(operation.argument, None))
        refuse(self, operation, "acquire, renew and release")

    def _acquire(self, held: Held, operation: Operation) -> States:
        is_free = held.token is None or self.may_expire
        if operation.outcome == "info":
            return (Held(held.last, "?"),) if is_free else (held,)
        if operation.result is None:
            return () if held.token is None else (held,)
        granted: int = operation.result
        return (Held(granted, granted),) if is_free and granted > held.last else ()

    def _use(self, held: Held, operation: Operation, after: Held) -> States:
        token = operation.argument
        is_holder = token == held.token or (held.is_unknown and token > held.last)
        if not is_holder:
            return answers(held, operation, False)
        used = answers(held, operation, True, after)
        # A token that may have been granted, or a lease that may have ended, may be refused.
        may_differ = self.may_expire or held.is_unknown
        if operation.outcome == "info" or not may_differ:
            return used
        left = held if held.is_unknown else Held(held.last, None)
        return used or answers(held, operation, False, left)
