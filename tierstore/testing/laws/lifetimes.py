"""Laws of generations and lifetimes, which are the same for every type but the register."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tierstore.region.batch import TOUCH
from tierstore.testing.laws.life import has_expired

if TYPE_CHECKING:
    from tierstore.record import Record
    from tierstore.testing.laws.life import Applied, Life


def deletions_win(life: Life) -> None:
    """A deletion begins a generation that joins with nothing of an older one."""
    for at, applied in enumerate(life.applied if life.has_generations else ()):
        before, after = applied.before, applied.after
        if before is None or after is None or not any(part.resets for part in applied.parts):
            continue
        assert after.generation == before.generation + 1, f"{applied} began no generation"
        for earlier in life.applied[:at]:
            older = earlier.after
            if older is not None and older.generation < after.generation:
                assert life.join(older, after) == after, f"{older!r} survived {applied}"


def touches_mean_what_was_seen(life: Life) -> None:
    """Who touches a key moves the lifetime that was seen, and none of a later life."""
    for applied in life.applied:
        if applied.before is not None:
            check = _check_touch if life.has_generations else _check_touch_of_register
            check(applied, applied.before)


def _check_touch(applied: Applied, before: Record) -> None:
    last = applied.parts[-1]
    if any(part.delta is not None or part.resets for part in applied.parts):
        return
    is_meant = last.seen in (0, before.generation) and before.payload is not None
    if not is_meant or has_expired(before, applied.now_ms):
        assert applied.after is before, f"a touch of something else was applied: {applied}"
    elif last.touch > before.touch:
        assert applied.after is not None
        found = applied.after.touch, applied.after.expires_at_ms
        assert found == (last.touch, last.expires_at_ms), f"a touch was lost: {applied}"


def _check_touch_of_register(applied: Applied, before: Record) -> None:
    last = applied.parts[-1].record
    if any(part.op != TOUCH for part in applied.parts):
        return
    assert applied.after is not None
    is_meant = (last.stamp, last.replica) == (before.stamp, before.replica)
    if not is_meant or before.payload is None:
        assert applied.after is before, f"a touch of something else was applied: {applied}"
    else:
        told = max(_lifetime(before), _lifetime(last))
        assert _lifetime(applied.after) == told, f"a touch was lost: {applied}"


def the_latest_touch_has_the_lifetime(life: Life) -> None:
    """Of two records of one life that have a value, the one that was touched last says how long."""
    for one, two in pairwise(life.records()):
        alive = [_lifetime(side) for side in (one, two) if side.payload is not None]
        if alive and life.identity(one) == life.identity(two):
            joined = life.join(one, two)
            assert _lifetime(joined) == max(alive), f"of {one!r} and {two!r} came {joined!r}"


def _lifetime(record: Record) -> tuple[int, float]:
    expiry = record.expires_at_ms
    return record.touch, float("inf") if expiry is None else expiry
