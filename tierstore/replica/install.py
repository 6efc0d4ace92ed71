"""Showing what a reply of the region said: the only way into the table of resident copies."""

from __future__ import annotations

from tierstore.edge.entry import CHANGED, CLEAN, PUT_DIRTY, REWRITTEN, key_size
from tierstore.edge.making import make_entry
from tierstore.record import TYPE_CODES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.edge.entry import Entry
    from tierstore.policy.model import Rule
    from tierstore.record import Record
    from tierstore.replica.state import ReplicaState


def install(
    state: ReplicaState, key: str, rule: Rule, shown: Record | None, fetched_at_s: float
) -> Entry | None:
    """Make `shown`, a row plus this replica's later writes, what reads of `key` find.

    Returns the resident entry, if there is one now. Needs the lock, and the caller to evict
    afterwards. A key without a row becomes a negative entry; a copy that may not be at the edge
    is dropped.
    """
    entry = state.edge.resident.get(key) or state.outbox.dirty.get(key)
    if shown is None:
        if entry is not None:
            state.edge.drop(entry)
        _note_absent(state, key, rule, fetched_at_s)
        return None
    if state.negatives is not None:
        state.negatives.discard(key)
    if shown.type != TYPE_CODES[rule.type]:  # the policy has changed: verbs will say so
        if entry is not None:
            state.edge.drop(entry)
        return None
    if entry is None:
        return _install_new(state, key, rule, shown, fetched_at_s)
    if entry.dirty != CLEAN and not _is_same_version(entry, shown):
        state.outbox.give_up(entry)  # the region has a newer version: ours has lost already
    if not state.is_edge_allowed(rule, key_size(key) + len(shown.payload or b"")):
        if entry.dirty in (CLEAN, CHANGED):  # changes wait in the outbox all the same
            state.edge.drop(entry)
        return None
    if entry.dirty == CHANGED and 0 < entry.generation < shown.generation:  # type: ignore[attr-defined]
        state.runtime.sometimes("key begun anew while changes waited")
    _show(state, entry, shown)
    entry.fetched_at = fetched_at_s
    state.edge.add(entry)
    return entry


def refresh(
    state: ReplicaState, key: str, shown: Record, fetched_at_s: float, *, is_current: bool
) -> None:
    """Let no later read of `key` find something older than `shown`, which a reader was told.

    For what was not read in order to be kept. A copy that is here is brought up to date, or
    dropped where the feed has passed the reply that `shown` is from; a write of this replica that
    waits and has lost to `shown` is forgotten; what is on its way may be older and is not kept.
    Needs the lock, and the caller to evict afterwards.
    """
    outbox = state.outbox
    if state.fills.flights:
        state.fills.void(key)
    if state.negatives is not None:
        state.negatives.discard(key)
    if outbox.frozen:
        outbox.note_shown(key, shown)
    entry = state.edge.resident.get(key)
    if entry is not None and is_current and _is_newer(shown, entry):
        install(state, key, entry.rule, shown, fetched_at_s)
        return
    entry = entry or outbox.dirty.get(key)
    if entry is not None and _is_newer(shown, entry):
        outbox.give_up(entry)
        state.edge.drop(entry)


def _is_newer(shown: Record, entry: Entry) -> bool:
    known = (entry.stamp, entry.replica, entry.touch)
    return (shown.stamp, shown.replica, shown.touch) > known


def _install_new(
    state: ReplicaState, key: str, rule: Rule, shown: Record, fetched_at_s: float
) -> Entry | None:
    entry = make_entry(key, rule)
    entry.show(shown)
    if not state.is_edge_allowed(rule, entry.size):
        return None
    heat = state.heat
    if heat is not None and heat.is_curious:
        if not heat.admits(key, rule, entry.size):
            return None
        heat.enter(entry)
    entry.fetched_at = fetched_at_s
    state.edge.add(entry)
    return entry


def _note_absent(state: ReplicaState, key: str, rule: Rule, fetched_at_s: float) -> None:
    if state.negatives is None:  # made here, so that misses that find something look in no cache
        from tierstore.replica.negatives import Negatives

        state.negatives = Negatives(state.runtime)
    state.negatives.add(key, rule, fetched_at_s)


def _show(state: ReplicaState, entry: Entry, shown: Record) -> None:
    old_size = entry.size
    entry.show(shown)
    if entry.dirty == REWRITTEN:
        entry.dirty = PUT_DIRTY
    if entry.dirty == CHANGED:
        return  # what waits is as large as it was
    if entry.dirty != CLEAN:
        state.outbox.dirty_bytes += entry.size - old_size
    else:
        state.edge.resized(entry, old_size)


def _is_same_version(entry: Entry, shown: Record) -> bool:
    return (entry.stamp, entry.replica) == (shown.stamp, shown.replica)
