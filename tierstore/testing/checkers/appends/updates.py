"""Lost updates: two that read the same version of a list, and both appended to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tierstore.testing.checkers.appends.orders import Orders
    from tierstore.testing.checkers.appends.transactions import Transaction


class LostUpdate(NamedTuple):
    """One of the two cannot have seen what the other did."""

    key: Any
    version: tuple[Any, ...]
    first: Transaction
    second: Transaction


def lost_update(orders: Orders) -> LostUpdate | None:
    """The first one; whichever of the two came later, it missed what the other had appended."""
    seen: dict[tuple[Any, int], Transaction] = {}
    for one in orders.committed:
        for key, shown in one.reads.items():
            if key not in one.appends:
                continue
            first = seen.setdefault((key, len(shown)), one)
            if first is not one:
                return LostUpdate(key, shown, first, one)
    return None
