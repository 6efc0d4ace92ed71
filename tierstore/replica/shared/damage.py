"""Entries of the edge's queues that cannot be understood: finding them, and going on without them.

What waits behind such an entry waits until somebody has looked: only an operator can say that what
the entry was may be lost to the region. Its bytes are told first, then it is expelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.frozen import frozen
from tierstore.region.shared import TAGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.replica.deadline import Deadline
    from tierstore.replica.shared.state import SharedState


@frozen
class DamagedEntry:
    """The first entry of a queue, where that cannot be understood."""

    queue: int
    replica: int
    """The identity under which it waits."""
    number: int
    raw: bytes
    """What is stored of it."""
    behind: int
    """How many entries wait behind it."""


def damaged(shared: SharedState, deadline: Deadline) -> Iterator[DamagedEntry]:
    """The entries at which queues of the edge stand still. Raises UnavailableError."""
    for tag in range(TAGS):
        if (found := damaged_of(shared, tag, deadline)) is not None:
            yield found


def damaged_of(shared: SharedState, tag: int, deadline: Deadline) -> DamagedEntry | None:
    """`damaged` of one queue."""
    link = shared.link
    for one in link.work(lambda edge, left_s: edge.identities(tag, left_s), deadline.renewed()):
        if not one.waiting:
            continue
        entries = link.work(
            lambda edge, left_s: edge.queue(tag, one.replica, 1, left_s),  # noqa: B023
            deadline.renewed(),
        )
        for entry in entries:
            if entry.delta is None:
                behind = one.waiting - 1
                return DamagedEntry(tag, one.replica, entry.number, entry.raw, behind)
    return None


def expel(shared: SharedState, found: DamagedEntry, deadline: Deadline) -> bool:
    """Remove an entry, and what shows it; False if it is not there as it was.

    Raises UnavailableError, and OutcomeUnknownError if the edge did not confirm it.
    """
    was = shared.link.call(
        lambda edge, timeout_s: edge.expel(found.queue, found.replica, found.number, timeout_s),
        deadline,
    )
    shared.stopped.pop(found.queue, None)
    shared.forget_near(None)
    return was is not None
