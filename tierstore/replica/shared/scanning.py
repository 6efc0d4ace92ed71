"""What a scan has to know of the edge: what waits there, and which copies its rows outdate."""

from __future__ import annotations

from tierstore.crdt import register
from tierstore.region.batch import CHANGE, PUT
from tierstore.region.shared import TAGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tierstore.record import Record
    from tierstore.region.batch import Delta
    from tierstore.region.shared import Identity, Queued
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.shared.state import SharedState


def waiting(shared: SharedState, deadline: Deadline) -> list[Delta]:
    """Everything that waits in the edge's queues, in the order of each queue.

    Read it before the region's page: what is drained in between is then in both, which is harmless.
    """
    found: list[Delta] = []
    for tag in range(TAGS):
        for identity in _identities(shared, tag, deadline):
            entries = _entries(shared, tag, identity, deadline) if identity.waiting else []
            found += [entry.delta for entry in entries if entry.delta is not None]
    return found


def join_waiting(
    merged: dict[str, Record], deltas: Sequence[Delta], is_inside: Callable[[str], bool]
) -> None:
    """Add to the records of a page what waits for keys in its range."""
    for delta in deltas:
        if delta.op < CHANGE and is_inside(delta.key):
            join = register.join if delta.op == PUT else register.touch
            record = join(merged.get(delta.key), delta.record)
            if record is not None:
                merged[delta.key] = record


def join_typed(
    shared: SharedState,
    merged: dict[str, Record],
    deltas: Sequence[Delta],
    is_inside: Callable[[str], bool],
    deadline: Deadline,
) -> None:
    """Put what reads find in the place of each key for which changes wait.

    The page does not say which of them its rows have.
    """
    keys = sorted({d.key for d in deltas if d.op >= CHANGE and is_inside(d.key)})
    for key, record in shared.resolve_typed(keys, deadline).items() if keys else ():
        if record is None:
            merged.pop(key, None)
        else:
            merged[key] = record


def keep_up(
    shared: SharedState,
    records: Mapping[str, Record],
    sent_at_s: float,
    deadline: Deadline,
) -> None:
    """Let no later read at this edge find something older than what a scan shows."""
    shared.outdate(records, shared.link.clock.there_ms(sent_at_s), deadline)


def _identities(shared: SharedState, tag: int, deadline: Deadline) -> list[Identity]:
    return shared.link.work(lambda edge, timeout_s: edge.identities(tag, timeout_s), deadline)


def _entries(shared: SharedState, tag: int, identity: Identity, deadline: Deadline) -> list[Queued]:
    limit = identity.waiting  # all that was acknowledged by then: what comes later may be missed
    return shared.link.work(
        lambda edge, timeout_s: edge.queue(tag, identity.replica, limit, timeout_s), deadline
    )
