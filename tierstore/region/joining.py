"""What joining the rows of another region changes: a pure function, once for every adapter.

A row's version, the pair of stamp and replica, must tell its content: copies and other regions ask
for a row only if its version is another. Of registers the join is one of both sides, version and
all. Of other types it may be a third state, which gets a version that no row of any region has: a
stamp above both, and this region's own number in place of a replica's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.crdt import changes, register
from tierstore.crdt.types import is_typed, type_of
from tierstore.errors import (
    DecodingError,
    EncodingError,
    InvalidArgumentError,
    ValueTooLargeError,
)
from tierstore.record import ELSEWHERE, REGISTER, Record, find_fault, with_payload
from tierstore.region.apply import (
    Plan,
    died_ms,
    find_poison,
    is_long_dead,
    join_register,
    put,
    with_record,
)
from tierstore.region.batch import JOIN, PUT, Delta
from tierstore.region.outcomes import APPLIED, ASIDE, HELD, QUARANTINED, SUPERSEDED
from tierstore.region.rows import EVENTUAL
from tierstore.region.waiting import STATE_BYTES_MAX, base_of, encode_base, is_state, joined
from tierstore.stamp import STAMP_MAX, at_ms, physical_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierstore.region.apply import Terms
    from tierstore.region.rows import Row

LATE = "late"
QUARANTINED_STATE = "quarantined"
GENERATION_MAX = STAMP_MAX >> 1
"""Beyond which no key gets by being deleted: after what a peer tells, there have to be numbers."""


def plan_join(rows: Mapping[str, Row], told: Sequence[Row], terms: Terms, *, is_late: bool) -> Plan:
    """What joining the rows `told` by a peer into `rows` (those of their keys) writes.

    Its outcomes are one a row told, and the indices of `aside` are of those. Of a peer that
    `is_late`, what is old and unknown here is not merged.
    """
    plan = Plan()
    for index, state in enumerate(told):
        if state.record.payload == ELSEWHERE:
            raise InvalidArgumentError(f"the row of {state.key!r} was told without its payload")
        plan.outcomes.append(_take(plan, index, rows.get(state.key), state, terms, is_late=is_late))
    return plan


def _take(
    plan: Plan, index: int, row: Row | None, state: Row, terms: Terms, *, is_late: bool
) -> int:
    record = state.record
    delta = Delta(state.key, PUT if record.type == REGISTER else JOIN, record)
    reason = find_poison(row, delta, is_of_peer=True) or _find_fault(state, terms)
    if reason is not None:
        return _refuse(plan, index, reason)
    if delta.op == PUT and max(record.stamp, record.touch) > terms.stamp_max:
        plan.held.append(delta)
        return HELD
    if row is None and is_long_dead(record, terms):
        return SUPERSEDED
    if row is None and is_late and _is_old(record, terms):
        plan.aside.append((index, LATE, "its region was away for longer than the horizon"))
        return ASIDE
    if delta.op == PUT:
        return join_register(plan, row, delta, terms)
    try:
        return _unite(plan, row, state, terms, is_late=is_late)
    except (DecodingError, EncodingError, ValueTooLargeError) as exc:
        return _refuse(plan, index, f"it cannot be joined: {exc}")


def _refuse(plan: Plan, index: int, reason: str) -> int:
    plan.aside.append((index, QUARANTINED_STATE, reason))
    return QUARANTINED


def _find_fault(state: Row, terms: Terms) -> str | None:
    record = state.record
    if state.consistency != EVENTUAL:
        return "the key is strong where it comes from"
    if (fault := find_fault([*record.fields(), record.payload])) is not None:
        return f"its {fault} is out of bounds"
    if not is_typed(record.type):
        return None
    # It does not wait for the clock, as stamps do not order changes; but all later ones go above.
    if max(record.stamp, record.touch) > at_ms(terms.now_ms + terms.horizon_ms):
        return "its stamp is ahead of the clock by more than the horizon"
    if record.generation > GENERATION_MAX:
        return "its generation is out of bounds"
    if record.payload is None:
        return None
    try:
        type_of(record.type).decode(record.payload)
    except DecodingError as exc:
        return f"it is no state of its type: {exc}"
    return None


def _is_old(record: Record, terms: Terms) -> bool:
    return max(record.stamp, record.touch) < at_ms(terms.now_ms - terms.horizon_ms)


def _is_later_life(record: Record, dead: Record, terms: Terms) -> bool:
    """Whether a key began anew, with `record`, where `dead` was forgotten already.

    Regions forget one after the other what is dead; and generations begin at the lowest again,
    where none is known, which must not lose to one that is merely known for longer.
    """
    is_higher = record.generation > dead.generation
    if is_higher or not record.is_live(terms.now_ms) or not is_long_dead(dead, terms):
        return False
    return physical_ms(record.stamp) > died_ms(dead) + terms.horizon_ms


def _unite(plan: Plan, row: Row | None, state: Row, terms: Terms, *, is_late: bool) -> int:
    row = plan.writes.get(state.key, row)
    old = row.record if row is not None else None
    if old is not None and _is_later_life(old, state.record, terms):
        return SUPERSEDED
    if old is not None and not is_late and _is_later_life(state.record, old, terms):
        old = None  # as it is where the new life began
    if row is not None and old is not None and _is_open(old, state.record):
        return _unite_cold(plan, row, state, terms)
    new = unite(old, state.record, terms.actor)
    if len(new.payload or b"") > STATE_BYTES_MAX:
        raise ValueTooLargeError(f"the state would have more than {STATE_BYTES_MAX} bytes")
    if old is None or new != old:
        put(plan, row, with_record(row, state.key, new, terms))
    return APPLIED


def _is_open(old: Record, told: Record) -> bool:
    """Whether the join needs a state that lies in an object."""
    is_one_life = old.generation == told.generation
    return old.payload == ELSEWHERE and told.payload is not None and is_one_life


def _unite_cold(plan: Plan, row: Row, state: Row, terms: Terms) -> int:
    """Join a state into a cold row: it waits there, unless that is known to have it.

    Equal versions have equal content. Else nobody can say here whether both sides are equal. So if
    something is to wait, the version is a third one; and if nothing is, the row keeps its own, even
    when it is the lower of two equal ones: that shows when the key has come home.
    """
    old, told = row.record, state.record
    assert told.payload is not None
    base = base_of(row)
    is_equal = _version(old) == _version(told) or is_state(base, told.payload)
    later = base if is_equal else joined(base, told.type, told.payload)
    new = unite(old, with_payload(told, ELSEWHERE), terms.actor)  # which joins the lifetimes
    if not is_equal:
        third = max(old.stamp, told.stamp) + 1, terms.actor
        new = register.with_lifetime(new, new.touch, new.expires_at_ms)
        new.stamp, new.replica = _version(old) if later is base else third
    if later is not base or new != old:
        put(plan, row, with_record(row, row.key, new, terms, encode_base(later)))
    return APPLIED


def unite(old: Record | None, told: Record, actor: int) -> Record:
    """The join of two records of a type, under a version that tells its content."""
    joined = changes.join(old, told)
    if old is None:
        return joined
    if _content(joined) == _content(old):
        is_same = _content(told) == _content(old)
        stamp, replica = max(_version(old), _version(told)) if is_same else _version(old)
    elif _content(joined) == _content(told) and _version(told) > _version(old):
        stamp, replica = _version(told)
    else:
        stamp, replica = max(old.stamp, told.stamp) + 1, actor
    united = register.with_lifetime(joined, joined.touch, joined.expires_at_ms)
    united.stamp, united.replica = stamp, replica
    return united


def _content(record: Record) -> tuple[int, bytes | None]:
    return record.generation, record.payload


def _version(record: Record) -> tuple[int, int]:
    return record.stamp, record.replica
