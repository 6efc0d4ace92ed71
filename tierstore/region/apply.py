"""How a region changes: pure functions from rows and a batch to rows and outcomes.

An adapter reads the replica's state and the rows of the batch's keys, calls these functions and
writes what they return, in one transaction. All decisions are here, once, for every adapter.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tierstore.crdt import register
from tierstore.crdt.changes import change, is_gap
from tierstore.crdt.types import is_typed
from tierstore.errors import DecodingError, EncodingError, InvalidKeyError, ValueTooLargeError
from tierstore.keys import check_key
from tierstore.record import ELSEWHERE, REGISTER, Record, with_payload
from tierstore.region.batch import CHANGE, JOIN, PUT, RESET, Delta, Poisoned
from tierstore.region.outcomes import APPLIED, ASIDE, HELD, QUARANTINED, SUPERSEDED
from tierstore.region.pointer import decode_pointer
from tierstore.region.rows import EVENTUAL, MOVABLE_TYPES, ReplicaState, Row
from tierstore.region.waiting import STATE_BYTES_MAX, changed
from tierstore.stamp import at_ms, physical_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierstore.region.batch import Batch, Heat

MS_PER_S = 1000
HALVINGS_MAX = 1000  # after which nothing is left, and the power would only underflow


@dataclass(frozen=True, slots=True)
class Limits:
    """What a policy says of time in a region."""

    max_drift_ms: int = 60_000
    horizon_ms: int = 7 * 86_400_000
    is_tiered: bool = False
    """Whether keys may go cold, so that a mover has to look at what was written."""

    def at(self, now_ms: int, *, has_mover: bool = False, actor: int = 1) -> Terms:
        """The terms at a moment of the region's clock; `actor` is that of its `RegionInfo`.

        What a region `has_mover` for is reviewed, whatever the policy of the process that wrote it.
        """
        is_tiered = self.is_tiered or has_mover
        return Terms(now_ms, self.max_drift_ms, self.horizon_ms, is_tiered, actor)


@dataclass(frozen=True, slots=True)
class Terms:
    """The region's clock and the limits by which arriving deltas are judged."""

    now_ms: int
    max_drift_ms: int = 60_000
    horizon_ms: int = 7 * 86_400_000
    is_tiered: bool = False
    actor: int = 1
    """Who the region is in counters and sets."""
    stamp_max: int = field(init=False, repr=False)
    """The highest stamp that may be in a row now."""

    def __post_init__(self) -> None:
        highest = at_ms(self.now_ms + self.max_drift_ms + 1) - 1
        object.__setattr__(self, "stamp_max", highest)


@dataclass(slots=True)
class Plan:
    """What one batch does to the directory."""

    writes: dict[str, Row] = field(default_factory=dict)
    """Rows to store, each at a new feed position, in this order."""
    heated: dict[str, Row] = field(default_factory=dict)
    """Rows of which only the heat changed, to be stored where they are."""
    released: list[str] = field(default_factory=list)
    """The object of each pointer that was given up, once a pointer."""
    outcomes: bytearray = field(default_factory=bytearray)
    """One outcome code per delta."""
    held: list[Delta] = field(default_factory=list)
    """Deltas to keep until the region's clock gets to their stamp, or what they need has come."""
    aside: list[tuple[int, str, str]] = field(default_factory=list)
    """(index of the delta, its outcome's name, why) of those kept for an operator."""


def admit(state: ReplicaState | None, batch: Batch) -> tuple[str, str]:
    """Whether to "apply" or "repeat" a batch, or that it is "fenced" or "retired"; and why."""
    if state is None:
        return "fenced", "the region does not know this replica"
    if state.retired:
        return "retired", "the replica was silent for longer than the horizon"
    if batch.number > state.applied:
        if batch.predecessor == state.digest:
            return "apply", ""
        return "fenced", "the predecessor is not the batch that was applied last"
    if batch.number == state.applied and batch.digest == state.digest:
        return "repeat", ""
    return "fenced", f"batch {batch.number} does not follow batch {state.applied}"


def plan_apply(rows: Mapping[str, Row], batch: Batch, terms: Terms) -> Plan:
    """What applying `batch` to `rows` (those of its keys that exist) writes and answers."""
    plan = Plan()
    oldest = _oldest(terms)
    for index, delta in enumerate(batch.deltas):
        row = rows.get(delta.key)
        reason = find_poison(row, delta)
        if reason is not None or isinstance(delta, Poisoned):
            plan.aside.append((index, "quarantined", reason or "it is not a delta"))
            outcome = QUARANTINED
        elif _is_ahead(delta, terms):
            plan.held.append(delta)
            outcome = HELD
        elif delta.record.stamp < oldest and delta.record.touch < oldest:
            plan.aside.append((index, "aside", "written longer ago than the horizon"))
            outcome = ASIDE
        else:
            outcome = _merge(plan, index, row, delta, terms)
        plan.outcomes.append(outcome)
    for heat in batch.heat:
        _warm(plan, rows, heat, terms.now_ms)
    return plan


def plan_release(rows: Mapping[str, Row], deltas: Sequence[Delta], terms: Terms) -> Plan:
    """What applying deltas that were held until now writes; `held` are those to keep on."""
    plan = Plan()
    for index, delta in enumerate(deltas):
        row = rows.get(delta.key)
        if (reason := find_poison(row, delta)) is not None:
            plan.aside.append((index, "quarantined", reason))
            plan.outcomes.append(QUARANTINED)
        else:
            plan.outcomes.append(_merge(plan, index, row, delta, terms))
    return plan


def is_collectable(row: Row, floor: int, terms: Terms) -> bool:
    """Whether a dead row may be forgotten.

    Every live replica must have seen it (its position is at or below `floor`), and it must have
    been dead for so long that no older write may still wait in an outbox.
    """
    return row.position <= floor and is_long_dead(row.record, terms)


def is_long_dead(record: Record, terms: Terms) -> bool:
    """Whether a record has had no value for longer than horizon + max_drift."""
    if record.is_live(terms.now_ms):
        return False
    return died_ms(record) < terms.now_ms - terms.horizon_ms - terms.max_drift_ms


def died_ms(record: Record) -> int:
    """When a record that is dead lost its value, or later."""
    at_ms = physical_ms(max(record.stamp, record.touch))
    if record.payload is not None and record.expires_at_ms is not None:
        return max(at_ms, record.expires_at_ms)
    return at_ms


def find_poison(
    row: Row | None, delta: Delta | Poisoned, *, is_of_peer: bool = False
) -> str | None:
    """Why a delta can never be applied to the row of its key, or None.

    One that `is_of_peer` may be a whole state of any type.
    """
    if isinstance(delta, Poisoned):
        return delta.reason
    if delta.op == JOIN and not is_of_peer:
        return "a whole state of this type does not come from a replica"
    try:
        check_key(delta.key)
    except InvalidKeyError as exc:
        return str(exc)
    if delta.op >= CHANGE:
        if not is_typed(delta.record.type):
            return f"this version has no changes of type {delta.record.type}"
    elif delta.record.type != REGISTER:
        return f"a whole state of type {delta.record.type} does not come from a replica"
    if row is None:
        return None
    if row.record.type != delta.record.type:
        return f"the key has type {row.record.type}, the delta {delta.record.type}"
    return None if row.consistency == EVENTUAL else "the key is strong"


def _oldest(terms: Terms) -> int:
    """The stamp of what was written a horizon ago."""
    return at_ms(terms.now_ms - terms.horizon_ms)


def _is_ahead(delta: Delta, terms: Terms) -> bool:
    """Whether a delta must wait for the region's clock; no stamp orders changes, they need not."""
    record = delta.record
    return delta.op < CHANGE and max(record.stamp, record.touch) > terms.stamp_max


def _merge(plan: Plan, index: int, row: Row | None, delta: Delta, terms: Terms) -> int:
    if delta.op < CHANGE:
        return join_register(plan, row, delta, terms)
    try:
        return _change(plan, row, delta, terms)
    except (DecodingError, EncodingError, ValueTooLargeError) as exc:
        if is_gap(exc) and delta.record.stamp >= _oldest(terms):
            # A restored region is sent again what another replica saw before that one's changes.
            plan.held.append(delta)
            return APPLIED
        plan.aside.append((index, "quarantined", f"it cannot be applied: {exc}"))
        return QUARANTINED


def _change(plan: Plan, row: Row | None, delta: Delta, terms: Terms) -> int:
    """Apply a change to the row of its key, under a version that no state of it had before."""
    row = plan.writes.get(delta.key, row)
    old = row.record if row is not None else None
    told = delta.record
    if told.touch > terms.stamp_max:
        told = register.with_lifetime(told, terms.stamp_max, told.expires_at_ms)
    cold = _waiting(row, delta, told, terms)
    heard = told if cold is None else with_payload(told, None)
    new = change(old, heard, resets=delta.op == RESET, now_ms=terms.now_ms, actor=terms.actor)
    if new is None or (new is old and cold is None):
        return APPLIED
    if len(new.payload or b"") > STATE_BYTES_MAX:
        raise ValueTooLargeError(f"the state would have more than {STATE_BYTES_MAX} bytes")
    new = Record(
        max(min(told.stamp, terms.stamp_max), 0 if old is None else old.stamp + 1),
        told.replica, new.payload, new.expires_at_ms, new.touch, None, new.type, new.generation,
    )  # fmt: skip
    put(plan, row, with_record(row, delta.key, new, terms, cold))
    return APPLIED


def _waiting(row: Row | None, delta: Delta, told: Record, terms: Terms) -> bytes | None:
    """What the row holds in place of its pointer if the change has to wait there, else None.

    It has to if it needs the state, and that lies in an object: not if it begins another one.
    """
    if row is None or row.record.payload != ELSEWHERE or told.payload is None:
        return None
    if delta.op == RESET or not row.record.is_live(terms.now_ms):
        return None
    return changed(row, told, terms.actor)


def put(plan: Plan, row: Row | None, new: Row) -> None:
    """Write `new` in place of `row`, and tell of the object that it gives up."""
    plan.writes[new.key] = new
    if row is not None and row.cold is not None and new.cold is None:
        plan.released.append(decode_pointer(row.cold, key=row.key).name)


def join_register(plan: Plan, row: Row | None, delta: Delta, terms: Terms) -> int:
    row = plan.writes.get(delta.key, row)
    if row is None and delta.op == PUT:
        plan.writes[delta.key] = with_record(None, delta.key, delta.record, terms)
        return APPLIED
    old = row.record if row is not None else None
    new = (register.join if delta.op == PUT else register.touch)(old, delta.record)
    if new is None:
        return SUPERSEDED
    has_won = new is delta.record
    if new is not old and (has_won or new != old):
        put(plan, row, with_record(row, delta.key, new, terms))
    return APPLIED if has_won or _has_won(new, delta.record) else SUPERSEDED


def _has_won(new: Record, record: Record) -> bool:
    """Whether the row now shows the version and the lifetime that `record` brought."""
    if (new.stamp, new.replica) != (record.stamp, record.replica):
        return False
    return (new.touch, new.expires_at_ms) == (record.touch, record.expires_at_ms)


def with_record(
    row: Row | None, key: str, record: Record, terms: Terms, cold: bytes | None = None
) -> Row:
    """`row` with another record; `cold` in place of its pointer if the payload stays there."""
    size = len(key.encode()) + len(record.payload or b"")
    now_ms = terms.now_ms
    is_reviewed = terms.is_tiered or (
        row is not None and (row.due_ms is not None or row.cold is not None)
    )
    due_ms = now_ms if is_reviewed and record.type in MOVABLE_TYPES else None
    if row is None:
        return Row(key, record, EVENTUAL, None, size, 0, 0, now_ms, now_ms, now_ms, 0.0, due_ms)
    entered_ms = row.entered_ms
    if record.payload == ELSEWHERE:
        cold = cold or row.cold
        size = row.size + len(cold or b"") - len(row.cold or b"")
    else:
        cold = None
        if row.cold is not None or row.record.payload is None:
            entered_ms = now_ms
    accessed_ms = row.accessed_ms if row.heat else now_ms  # the moment to which heat is decayed
    return Row(
        key, record, row.consistency, cold, size, row.position, row.epoch, row.created_ms,
        accessed_ms, entered_ms, row.heat, due_ms,
    )  # fmt: skip


def _sooner(due_ms: int | None, now_ms: int) -> int:
    """When a row that was used is due: not after others that were due later than it.

    It is another time than the one that a review has seen, or that would undo this one.
    """
    return now_ms if due_ms is None or due_ms > now_ms else due_ms - 1


def _warm(plan: Plan, rows: Mapping[str, Row], heat: Heat, now_ms: int) -> None:
    """Add accesses to the decayed count of a row, and let a mover look at it if it is cold."""
    row = plan.writes.get(heat.key) or plan.heated.get(heat.key) or rows.get(heat.key)
    if row is None or heat.half_life_s <= 0:
        return
    elapsed_ms = max(0, now_ms - row.accessed_ms)
    kept = row.heat * 0.5 ** min(elapsed_ms / (heat.half_life_s * MS_PER_S), HALVINGS_MAX)
    warmer = replace(
        row,
        heat=kept + heat.reads + heat.writes,
        accessed_ms=max(row.accessed_ms, now_ms),
        due_ms=row.due_ms if row.cold is None else _sooner(row.due_ms, now_ms),
    )
    into = plan.writes if heat.key in plan.writes else plan.heated
    into[heat.key] = warmer
