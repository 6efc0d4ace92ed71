"""The handle of a bounded counter."""

from __future__ import annotations

from tierstore.errors import InsufficientRightsError, InvalidArgumentError
from tierstore.units import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class BoundedEngine(Protocol):
        """What a handle needs of the store that made it."""

        @property
        def key(self) -> str: ...
        def give(self, units: int, timeout: float | None, operation_id: str | None) -> None: ...
        def take(self, units: int, timeout: float | None) -> None: ...
        def value(self, timeout: float | None) -> int: ...
        def rights(self) -> int: ...


UNITS_MAX = 1 << 53


class BoundedCounter:
    """A stock of units that many sell at once, and never more than there are.

    Made by `store.bounded_counter(key)`. Each replica sells of the rights that the coordinator has
    granted it; so a sale asks nobody, as long as those suffice.
    """

    __slots__ = ("_engine",)

    def __init__(self, engine: BoundedEngine) -> None:
        self._engine = engine

    def give(
        self, units: int = 1, *, timeout: float | None = None, operation_id: str | None = None
    ) -> None:
        """Let there be `units` more, committed at the coordinator.

        With an `operation_id` of yours, the same call takes effect once within a day.
        Raises InvalidArgumentError unless `units` is a whole number from 1 on; UnavailableError if
        nothing happened, OutcomeUnknownError if it may have.
        """
        self._engine.give(check_units(units), timeout, operation_id)

    def take(self, units: int = 1, *, timeout: float | None = None) -> None:
        """Sell `units`: once this returns they are, on this machine's disk.

        Asks the coordinator only where the rights of this replica do not suffice. Raises
        InsufficientRightsError, whose `available` says how many this replica could have; and
        UnavailableError where the coordinator, or the disk, does not answer: nothing was sold.
        """
        self._engine.take(check_units(units), timeout)

    def try_take(self, units: int = 1, *, timeout: float | None = None) -> bool:
        """`take`, but False where there are not so many. Raises what `take` raises else."""
        try:
            self.take(units, timeout=timeout)
        except InsufficientRightsError:
            return False
        return True

    def get(self, *, timeout: float | None = None) -> int:
        """How much there is at most: the minimum and what was given, less what is known as sold.

        What other replicas sold counts once they have reported it, about a second later. Raises
        UnavailableError when the coordinator does not answer.
        """
        return self._engine.value(timeout)

    def rights(self) -> int:
        """How many units this replica may sell now without asking anybody."""
        return self._engine.rights()

    def __repr__(self) -> str:
        return f"<tierstore.BoundedCounter {self._engine.key!r}>"


def check_units(units: Any) -> int:
    """`units`. Raises InvalidArgumentError unless it is a whole number that can be counted."""
    if type(units) is not int or not 1 <= units <= UNITS_MAX:
        raise InvalidArgumentError(
            f"units: expected a whole number from 1 to 2**53, got {shown(units)}"
        )
    return units
