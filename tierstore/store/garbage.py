"""Dead rows of a store's region: how many, what keeps them, and forgetting them now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.frozen import frozen

if TYPE_CHECKING:
    from tierstore.replica.deadline import Deadline
    from tierstore.store.core import Core

ROWS_A_STEP = 1000


@frozen
class Garbage:
    """Rows without a value. Those that are neither young nor waiting can be forgotten."""

    dead: int
    """Tombstones and expired rows."""
    young: int
    """Of them, those dead for no longer than replication.horizon + max_drift."""
    waiting: int
    """Of the others, those of which a replica, or a peer, has yet to hear."""
    collectable: int
    collected: int
    """How many were forgotten by this call."""
    floor: int
    """The position of the feed up to which all have heard of everything."""
    held_by: str | None
    """The replica that has heard of least, if any rows wait."""


def look(core: Core, timeout: float | None) -> Garbage:
    """What could be forgotten now, and what could not. Changes nothing.

    Raises UnavailableError.
    """
    return _look(core, core.deadline(timeout), 0)


def collect(core: Core, timeout: float | None) -> Garbage:
    """Forget all that can be, as the upkeep of stores does bit by bit; and what is left then.

    Raises UnavailableError; what was forgotten until then stays so.
    """
    deadline, collected = core.deadline(timeout), 0
    link = core.replica.state.link
    while True:
        upkeep = link.call(lambda timeout_s: link.region.maintain(ROWS_A_STEP, timeout_s), deadline)
        collected += upkeep.collected
        if upkeep.collected < ROWS_A_STEP:
            return _look(core, deadline, collected)
        deadline = deadline.again()


def _look(core: Core, deadline: Deadline, collected: int) -> Garbage:
    link = core.replica.state.link
    found = link.call(lambda timeout_s: link.region.dead_rows(timeout_s), deadline)
    return Garbage(
        dead=found.count,
        young=found.young,
        waiting=found.waiting,
        collectable=found.collectable,
        collected=collected,
        floor=found.floor,
        held_by=_holder(core, deadline) if found.waiting else None,
    )


def _holder(core: Core, deadline: Deadline) -> str | None:
    link = core.replica.state.link
    states = link.observed(lambda: link.region.replicas(deadline.remaining_s()))
    live = [state for state in states if not state.retired]
    slowest = min(live, key=lambda state: state.acknowledged, default=None)
    return None if slowest is None else f"{slowest.replica:x}"
