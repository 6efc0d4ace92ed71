"""What became of writes: waiting until the region has them, and asking later whether it does."""

from __future__ import annotations

from tierstore.errors import FencedError, OutcomeUnknownError, TierStoreError
from tierstore.replica.operation import NEVER_MADE, encode_operation
from tierstore.replica.reads import READ_KEYS_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.policy.model import Rule
    from tierstore.record import Record
    from tierstore.replica.changing import ChangeWrite
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.engine import Replica
    from tierstore.replica.operation import Stamped
    from tierstore.replica.shared.state import SharedState
    from tierstore.replica.write import Write
    from tierstore.store.results import Outcome

    Acknowledged = tuple[int, str, Rule]
    """The stamp, key and rule of a write that this replica has taken."""

KEYS_NAMED_MAX = 3


def confirm(replica: Replica, writes: Sequence[Acknowledged], deadline: Deadline) -> None:
    """Return once the region has those of one call's `writes` whose rule is `regional`.

    Raises OutcomeUnknownError, which names all of `writes`, if that cannot be had by `deadline`;
    FencedError if the region keeps one of them aside.
    """
    state = replica.state
    outbox = state.outbox  # while it flushes, the replica may take another identity and outbox
    awaited = [(stamp, key) for stamp, key, rule in writes if rule.durability == "regional"]
    if not awaited:
        return
    with state.lock:
        if not any(outbox.is_pending(key, stamp) for stamp, key in awaited):
            return
    try:
        replica.flusher.flush(deadline)
    except TierStoreError as exc:
        operation_id = encode_operation(outbox.replica, [(stamp, key) for stamp, key, _ in writes])
        raise OutcomeUnknownError(
            f"the region did not confirm the write of {named([key for _, key, _ in writes])} in"
            f" time ({exc}); {_queued(replica, writes)}: store.outcome(error.operation_id) tells"
            " what became of it",
            operation_id=operation_id,
        ) from exc
    refused = [key for stamp, key in awaited if outbox.quarantined.get(key) == stamp]
    if refused:
        raise FencedError(
            f"the region did not merge the write of {named(refused)} and keeps it for its"
            " operator: see store.check()"
        )


def half_done(
    replica: Replica, undone: Sequence[Write | ChangeWrite], exc: TierStoreError
) -> OutcomeUnknownError:
    """The error for a call whose strong keys were committed before the rest could not be taken."""
    keys = [write.key for write in undone]
    return OutcomeUnknownError(
        f"the strong keys were written, {named(keys)} not ({exc}): write that once more",
        operation_id=encode_operation(replica.state.replica, [(NEVER_MADE, key) for key in keys]),
    )


def _queued(replica: Replica, writes: Sequence[Acknowledged]) -> str:
    if all(replica.writer.needs_journal(rule) for _, _, rule in writes):
        return "it stays queued"
    return "it is queued only while this store is open"


def outcome(replica: Replica, by: int, writes: Sequence[Stamped], deadline: Deadline) -> Outcome:
    """What became of `writes` by the replica `by`: of several, the worst.

    Asks the region only about what this replica cannot tell. Raises UnavailableError if the
    region does not answer by `deadline`.
    """
    state = replica.state
    with state.lock:
        outbox = state.outbox
        if any(outbox.quarantined.get(key) == stamp for stamp, key in writes):
            return "quarantined"
        if by == state.replica and any(outbox.is_pending(key, stamp) for stamp, key in writes):
            return "pending"
    if state.shared is not None and _waits_at_edge(state.shared, by, writes, deadline):
        return "pending"
    if any(stamp == NEVER_MADE for stamp, _ in writes):
        return "unknown"
    doubtful = [write for write in writes if not _was_queued_here(replica, by, *write)]
    for start in range(0, len(doubtful), READ_KEYS_MAX):
        if not _are_shown(replica, by, doubtful[start : start + READ_KEYS_MAX], deadline):
            return "unknown"
    return "applied"


def _waits_at_edge(
    shared: SharedState, by: int, writes: Sequence[Stamped], deadline: Deadline
) -> bool:
    """Whether one of `writes` waits in a queue of the shared edge."""
    wanted = set(writes)
    queued = (delta for delta in shared.waiting(deadline) if delta.record.replica == by)
    return any(
        (stamp, delta.key) in wanted
        for delta in queued
        for stamp in (delta.record.stamp, delta.record.touch)
    )


def _was_queued_here(replica: Replica, by: int, stamp: int, key: str) -> bool:
    """Whether a write that no longer waits here must have reached the region: it was in a queue
    that nothing but the region's answer empties, of this process or in the journal it took over.
    """
    state = replica.state
    if by != state.replica:
        return False
    if state.shared is not None and state.shared.is_queued(replica.rule_for(key)):
        return False  # its queue may never have got it, or lost it with its server
    return stamp > state.restored_stamp or replica.writer.needs_journal(replica.rule_for(key))


def _are_shown(replica: Replica, by: int, writes: Sequence[Stamped], deadline: Deadline) -> bool:
    """Whether the region's rows are these very writes: a later one proves nothing of them."""
    rows = replica.state.link.read([key for _, key in writes], deadline).rows
    return all(key in rows and _is_of(rows[key].record, stamp, by) for stamp, key in writes)


def _is_of(record: Record, stamp: int, by: int) -> bool:
    return (record.stamp, record.replica) == (stamp, by) or record.touch == stamp


def named(keys: Sequence[str]) -> str:
    """The first few of `keys`, and how many more there are."""
    shown = ", ".join(repr(key) for key in keys[:KEYS_NAMED_MAX])
    more = len(keys) - KEYS_NAMED_MAX
    return f"{shown} and {more} more" if more > 0 else shown
