"""Results that come from nowhere: no sequence of the operations leads to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from tierstore.testing.history import Operation
    from tierstore.testing.models import Model

_STEPS_MAX = 300_000
"""Enough for some 500 writes of one register: their number squared."""


def unexplained(operations: Sequence[Operation], model: Model) -> set[int] | None:
    """Where those were invoked that fit no state which the others can lead to, in whatever order.

    None where the states are too many to list.
    """
    left = [operation for operation in operations if operation.outcome == "ok"]
    changing = [o for o in operations if o.outcome != "fail" and not model.is_read(o)]
    seen: set[Hashable] = {model.initial}
    waiting, steps = [model.initial], 0
    while waiting and left:
        state = waiting.pop()
        left = [operation for operation in left if not model.step(state, operation)]
        after = {new for operation in changing for new in model.step(state, operation)} - seen
        waiting += after
        seen |= after
        steps += len(left) + len(changing)
        if steps > _STEPS_MAX:
            return None
    return {operation.invoked for operation in left}
