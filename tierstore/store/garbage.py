"""What a store's region can forget: dead rows, and what sets and documents need not keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.frozen import frozen

if TYPE_CHECKING:
    from tierstore.region.protocol import Compaction
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
    sets: int
    """Sets that know of adds whose they were, of replicas that are gone. As the next two: how many
    there are, or those that this call made lighter."""
    documents: int
    """Documents that are mostly history: they are made compact, and remember it for the horizon."""
    pasts: int
    """Documents that were made compact, and need not remember that any more."""
    freed_bytes: int
    """By how much less these take; negative where documents still remember their past."""


def look(core: Core, timeout: float | None) -> Garbage:
    """What could be forgotten now, and what could not. Changes nothing.

    Raises UnavailableError.
    """
    return _look(core, core.deadline(timeout), 0, is_dry=True)


def collect(core: Core, timeout: float | None) -> Garbage:
    """Forget all that can be, as the upkeep of stores does bit by bit; and what is left then.

    Raises UnavailableError; what was forgotten until then stays so.
    """
    deadline, collected = core.deadline(timeout), 0
    link = core.replica.state.link
    while True:
        upkeep = link.call(lambda timeout_s: link.region.maintain(ROWS_A_STEP, timeout_s), deadline)
        collected += upkeep.collected
        deadline = deadline.again()
        if upkeep.collected < ROWS_A_STEP:
            return _look(core, deadline, collected, is_dry=False)


def _look(core: Core, deadline: Deadline, collected: int, *, is_dry: bool) -> Garbage:
    link = core.replica.state.link
    walked = _walk(core, deadline, is_dry=is_dry)
    deadline = deadline.again()
    found = link.call(lambda timeout_s: link.region.dead_rows(timeout_s), deadline)
    return Garbage(
        dead=found.count,
        young=found.young,
        waiting=found.waiting,
        collectable=found.collectable,
        collected=collected,
        floor=found.floor,
        held_by=_holder(core, deadline) if found.waiting else None,
        sets=walked.sets,
        documents=walked.documents,
        pasts=walked.pasts,
        freed_bytes=walked.freed_bytes,
    )


def _walk(core: Core, deadline: Deadline, *, is_dry: bool) -> Compaction:
    """What all steps through the sets and documents found together."""
    from tierstore.replica.compacting import count

    link, at = core.replica.state.link, ""
    whole: Compaction | None = None
    while True:
        done = link.call(
            lambda timeout_s: link.region.compact(at, ROWS_A_STEP, timeout_s, is_dry),  # noqa: B023
            deadline,
        )
        if not is_dry:
            count(core.replica.state, done)
        if whole is None:
            whole = done
        else:
            _add(whole, done)
        if done.next_key is None:
            return whole
        at, deadline = done.next_key, deadline.again()


def _add(whole: Compaction, done: Compaction) -> None:
    whole.sets += done.sets
    whole.documents += done.documents
    whole.pasts += done.pasts
    whole.freed_bytes += done.freed_bytes


def _holder(core: Core, deadline: Deadline) -> str | None:
    link = core.replica.state.link
    states = link.observed(lambda: link.region.replicas(deadline.remaining_s()))
    live = [state for state in states if not state.retired]
    slowest = min(live, key=lambda state: state.acknowledged, default=None)
    return None if slowest is None else f"{slowest.replica:x}"
