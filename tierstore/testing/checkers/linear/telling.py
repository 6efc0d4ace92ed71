"""In words, why no order explains a few operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.testing.checkers.linear.search import Search

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.testing.history import Operation
    from tierstore.testing.models import Model


def tell(witness: Sequence[Operation], model: Model) -> str:
    """The reason of a refutation: how far an order gets, and what cannot follow."""
    search = Search(witness, model)
    search.advance(10_000)
    key = "" if witness[0].key is None else f"{witness[0].key}: "
    count = "this result" if len(witness) == 1 else f"these {len(witness)} results"
    attempt = search.attempt
    order = ", then ".join(map(_short, attempt.order))
    after = f"after {order} the state is" if order else "it begins with the state"
    blocked = f"and {_short(attempt.blocked)} does not fit"
    return f"{key}no order explains {count}: {after} {attempt.state!r}, {blocked}"


def _short(operation: Operation) -> str:
    argument = "" if operation.argument is None else f" {operation.argument!r}"
    return f"{operation.process}'s {operation.verb}{argument} → {operation.answer}"
