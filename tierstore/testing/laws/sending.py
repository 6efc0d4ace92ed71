"""Laws of changes: those sent as one do what each would, and what a replica showed meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.crdt import changes
from tierstore.record import Record
from tierstore.testing.laws import life as lives

if TYPE_CHECKING:
    from tierstore.crdt.pending import Change
    from tierstore.testing.laws.life import Applied, Life

OTHERS_MAX = 4


def composed_is_one_by_one(life: Life) -> None:
    """Changes that are sent as one do what they do one by one: now, and after what comes later."""
    for applied in life.applied:
        if len(applied.parts) < 2:
            continue
        single = applied.before
        for part in applied.parts:
            single = _apply(life, applied, single, part)
        if _is_over(single, applied.after, applied.now_ms):
            continue
        _look_alike(life, "one by one", applied, single, applied.after)
        for operation in life.under_test.alphabet:
            then = [_after(life, operation, record) for record in (single, applied.after)]
            _look_alike(life, f"one by one, then {operation.name}", applied, *then)
        for other in _older(life, applied):
            joined = [_joined(record, other) for record in (single, applied.after)]
            _look_alike(life, f"one by one, joined with {other!r}", applied, *joined)


def _is_over(one: Record | None, two: Record | None, now_ms: int) -> bool:
    """Whether what came of changes has expired, or was deleted more often one by one."""
    if one is None or two is None:
        return False
    if lives.has_expired(one, now_ms) or lives.has_expired(two, now_ms):
        return True
    return one.generation != two.generation


def shown_is_what_comes(life: Life) -> None:
    """A replica shows what its region will have, if nobody else writes."""
    for applied in life.applied:
        if applied.base is applied.before:
            _look_alike(life, "shown before", applied, applied.shown, applied.after)


def value_of(life: Life, record: Record | None) -> Any:
    """What `record` holds by its type, alive or not; None if it was deleted or never was."""
    if record is None or record.payload is None:
        return None
    return life.under_test.type.value(life.under_test.type.decode(record.payload))


def _look_alike(
    life: Life, how: str, applied: Applied, one: Record | None, two: Record | None
) -> None:
    first, second = value_of(life, one), value_of(life, two)
    assert first == second, f"{how} it is {first!r}, else {second!r}: {applied}"


def _apply(life: Life, applied: Applied, record: Record | None, change: Change) -> Record | None:
    return lives.apply(
        life, record, change, applied.origin, actor=applied.actor, now_ms=applied.now_ms
    )


def _after(life: Life, operation: Any, record: Record | None) -> Record | None:
    """`record` after `operation` of a replica that has seen it and comes from far away."""
    if record is None or record.payload is None:
        return record
    type_ = life.under_test.type
    state = type_.decode(record.payload)
    delta = operation.delta(type_.decode(record.payload))
    state = type_.apply(state, delta, origin=1, actor=1, is_same_life=True)
    return Record(0, 0, type_.encode(state), type=type_.CODE, generation=record.generation)


def _older(life: Life, applied: Applied) -> list[Record]:
    """States of before the change, which know nothing of it."""
    others = [earlier.after for earlier in life.applied[: life.applied.index(applied)]]
    return [other for other in others if other is not None][-OTHERS_MAX:]


def _joined(record: Record | None, other: Record) -> Record:
    return changes.join(record, other)
