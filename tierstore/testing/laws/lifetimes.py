"""Laws of generations and lifetimes, which are the same for every type."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tierstore.crdt import changes
from tierstore.testing.laws.life import has_expired

if TYPE_CHECKING:
    from tierstore.record import Record
    from tierstore.testing.laws.life import Life


def deletions_win(life: Life) -> None:
    """A deletion begins a generation that joins with nothing of an older one."""
    for at, applied in enumerate(life.applied):
        before, after = applied.before, applied.after
        if before is None or after is None or not any(part.resets for part in applied.parts):
            continue
        assert after.generation == before.generation + 1, f"{applied} began no generation"
        for earlier in life.applied[:at]:
            older = earlier.after
            if older is not None and older.generation < after.generation:
                assert changes.join(older, after) == after, f"{older!r} survived {applied}"


def touches_mean_a_generation(life: Life) -> None:
    """Who touches a key moves the lifetime that was seen, and none of a later generation."""
    for applied in life.applied:
        before, last = applied.before, applied.parts[-1]
        if before is None or any(part.delta is not None or part.resets for part in applied.parts):
            continue
        is_meant = last.seen in (0, before.generation) and before.payload is not None
        if not is_meant or has_expired(before, applied.now_ms):
            assert applied.after is before, f"a touch of something else was applied: {applied}"
        elif last.touch > before.touch:
            assert applied.after is not None
            found = applied.after.touch, applied.after.expires_at_ms
            assert found == (last.touch, last.expires_at_ms), f"a touch was lost: {applied}"


def the_latest_touch_has_the_lifetime(life: Life) -> None:
    """Of two records of a generation that live, the one that was touched last says how long."""
    for one, two in pairwise(life.records()):
        alive = [_lifetime(side) for side in (one, two) if side.payload is not None]
        if alive and one.generation == two.generation:
            joined = changes.join(one, two)
            assert _lifetime(joined) == max(alive), f"of {one!r} and {two!r} came {joined!r}"


def _lifetime(record: Record) -> tuple[int, float]:
    expiry = record.expires_at_ms
    return record.touch, float("inf") if expiry is None else expiry
