"""Laws of changes: those sent as one do what each would, and what a replica showed meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.testing.laws.life import has_expired

if TYPE_CHECKING:
    from tierstore.record import Record
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
        if life.has_generations and _is_over(single, applied.after, applied.now_ms):
            continue
        _look_alike(life, "one by one", applied, single, applied.after)
        for operation in life.under_test.alphabet:
            then = [life.after(operation, record) for record in (single, applied.after)]
            _look_alike(life, f"one by one, then {operation.name}", applied, *then)
        for other in _older(life, applied):
            joined = [_joined(life, record, other) for record in (single, applied.after)]
            _look_alike(life, f"one by one, joined with {other!r}", applied, *joined)


def _is_over(one: Record | None, two: Record | None, now_ms: int) -> bool:
    """Whether what came of changes has expired, or was deleted more often one by one."""
    if one is None or two is None:
        return False
    if has_expired(one, now_ms) or has_expired(two, now_ms):
        return True
    return one.generation != two.generation


def shown_is_what_comes(life: Life) -> None:
    """A replica shows what its region will have, if nobody else writes."""
    for applied in life.applied:
        if applied.base is applied.before:
            _look_alike(life, "shown before", applied, applied.shown, applied.after)


def _look_alike(
    life: Life, how: str, applied: Applied, one: Record | None, two: Record | None
) -> None:
    first, second = life.look(one), life.look(two)
    assert first == second, f"{how} it is {first!r}, else {second!r}: {applied}"


def _apply(life: Life, applied: Applied, record: Record | None, change: Any) -> Record | None:
    return life.apply(record, change, applied.origin, actor=applied.actor, now_ms=applied.now_ms)


def _older(life: Life, applied: Applied) -> list[Record]:
    """States of before the change, which know nothing of it."""
    others = [earlier.after for earlier in life.applied[: life.applied.index(applied)]]
    return [other for other in others if other is not None][-OTHERS_MAX:]


def _joined(life: Life, record: Record | None, other: Record) -> Record:
    return life.join(record, other)
