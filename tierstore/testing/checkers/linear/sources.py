"""Results that come from nowhere: no sequence of the operations leads to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from tierstore.testing.history import Operation
    from tierstore.testing.models import Model

_STEPS_MAX = 300_000
"""Enough for some 500 writes of one register: their number squared."""

_REPEATED_MAX = 16
"""How many changes more than there are may lead to a state: those of some models grow for ever."""


def unexplained(operations: Sequence[Operation], model: Model) -> set[int] | None:
    """Where those were invoked that fit no state which the others can lead to, in whatever order.

    None where the states are too many to list.
    """
    left = [operation for operation in operations if operation.outcome == "ok"]
    changing = [o for o in operations if o.outcome != "fail" and not model.is_read(o)]
    seen: set[Hashable] = {model.initial}
    newest, steps = {model.initial}, 0
    for _ in range(len(changing) + _REPEATED_MAX):
        steps += len(newest) * (len(left) + len(changing))
        if steps > _STEPS_MAX:
            return None
        left = [o for o in left if not any(model.step(state, o) for state in newest)]
        after = {new for state in newest for o in changing for new in model.step(state, o)}
        newest = after - seen
        seen |= newest
        if not (newest and left):
            break
    return {operation.invoked for operation in left}
