"""The handle of a counter."""

from __future__ import annotations

from tierstore.crdt import counter
from tierstore.errors import InvalidArgumentError
from tierstore.units import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.handles.engine import CounterEngine

NUMBER_MAX = (1 << 63) - 1


class Counter:
    """A number that many add to at once, none of whose increments is lost or counted twice.

    Made by `store.counter(key)`. A key that nobody has added to is 0.
    """

    __slots__ = ("_bump", "_engine")

    def __init__(self, engine: CounterEngine) -> None:
        self._engine = engine
        self._bump = engine.bump

    def add(self, number: int = 1, *, timeout: float | None = None) -> None:
        """Add `number`, which may be negative. Needs no copy and no region to do so.

        Raises InvalidArgumentError unless it is a whole number of 64 bits, and what `put` raises.
        """
        if number.__class__ is not int or not -NUMBER_MAX <= number <= NUMBER_MAX:
            check_number(number)
        if not self._bump(number):
            self._engine.change(counter.add(number), timeout=timeout)

    def get(self, *, timeout: float | None = None) -> int:
        """The sum, own increments included; 0 if the key is absent.

        Raises UnavailableError when the region is needed and does not answer.
        """
        return self._engine.observe(counter.value, timeout)[0]

    def __repr__(self) -> str:
        return f"<tierstore.Counter {self._engine.key!r}>"


def check_number(number: Any) -> int:
    """`number`. Raises InvalidArgumentError unless it is a whole one of 64 bits."""
    if type(number) is not int or not -NUMBER_MAX <= number <= NUMBER_MAX:
        raise InvalidArgumentError(
            f"number: expected a whole number of 64 bits, got {shown(number)}"
        )
    return number
