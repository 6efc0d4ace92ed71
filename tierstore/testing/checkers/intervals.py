"""Between which numbers a sum lies, when it is not known which amounts have arrived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierstore.testing.checkers.shrink import shrink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tierstore.testing.history import Operation


@dataclass(frozen=True, slots=True)
class Interval:
    """All numbers from `low` to `high`, both included."""

    low: int
    high: int

    def off_by(self, number: int) -> int:
        """How far `number` is above the interval; negative if below, 0 if inside."""
        return max(number - self.high, 0) + min(number - self.low, 0)

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"between {self.low} and {self.high}"


def settled(
    operations: Iterable[Operation], base: int, change_of: Callable[[Operation], int]
) -> Interval:
    """What `base` has come to when all is over: each change made, or if unanswered perhaps made."""
    low = high = base
    for operation in operations:
        change, is_certain = change_of(operation), operation.outcome == "ok"
        low += change if is_certain else min(change, 0)
        high += change if is_certain else max(change, 0)
    return Interval(low, high)


def narrow(
    operations: Sequence[Operation],
    interval_of: Callable[[Sequence[Operation]], Interval],
    number: int,
) -> list[Operation]:
    """The operations that show `number` to be off: those that brought it nearer, and just enough
    of those that moved it away for it to stay off.

    A sum is not told by leaving out what it is made of, so nothing that brought it nearer is.
    `interval_of` must add up what each operation does.
    """
    is_below, nothing = interval_of(operations).off_by(number) < 0, interval_of(())

    def moves_away(operation: Operation) -> bool:
        moved = interval_of((operation,))
        return moved.low >= nothing.low if is_below else moved.high <= nothing.high

    def is_off(part: Sequence[Operation]) -> bool:
        off_by = interval_of([*nearer, *part]).off_by(number)
        return off_by < 0 if is_below else off_by > 0

    nearer = [operation for operation in operations if not moves_away(operation)]
    away = [operation for operation in operations if moves_away(operation)]
    return sorted([*nearer, *shrink(away, is_off)], key=lambda operation: operation.invoked)
