"""A set of items."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tierstore.testing.models.protocol import Model, answers, refuse

if TYPE_CHECKING:
    from collections.abc import Hashable

    from tierstore.testing.history import Operation
    from tierstore.testing.models.protocol import States

_READS = frozenset({"contains", "all"})


class Set(Model):
    """`add` item, `discard` item, `contains` item → bool, `all` → the items in any order.

    `add` and `discard` answer whether they changed the set, or None if the caller was not told.
    """

    initial: frozenset[Hashable] = frozenset()

    def step(self, state: Hashable, operation: Operation) -> States:
        """The items afterwards."""
        items, item = cast("frozenset[Hashable]", state), operation.argument
        match operation.verb:
            case "add":
                return _changed(items, operation, items | {item})
            case "discard":
                return _changed(items, operation, items - {item})
            case "contains":
                return answers(items, operation, item in items)
            case "all":
                return () if operation.outcome == "ok" and _seen(operation) != items else (items,)
        refuse(self, operation, "add, discard, contains and all")

    def is_read(self, operation: Operation) -> bool:
        """Whether it is `contains` or `all`."""
        return operation.verb in _READS


def _changed(
    items: frozenset[Hashable], operation: Operation, after: frozenset[Hashable]
) -> States:
    if operation.result is None:
        return (after,)
    return answers(items, operation, items != after, after)


def _seen(operation: Operation) -> frozenset[Hashable] | None:
    """The items that `all` answered; None if one is repeated, which no set does."""
    items = frozenset(operation.result)
    return items if len(items) == len(operation.result) else None
