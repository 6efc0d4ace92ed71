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


def the_living_side_has_the_lifetime(life: Life) -> None:
    """Joined with a deleted record of its generation, one that lives goes on as long as before."""
    for one, two in pairwise(life.records()):
        for living, dead in ((one, two), (two, one)):
            if living.payload is None or dead.payload is not None:
                continue
            if living.generation == dead.generation:
                joined = changes.join(living, dead)
                assert _lifetime(joined) == _lifetime(living), f"{living!r} and {dead!r}: {joined!r}"


def _lifetime(record: Record) -> tuple[int, int | None]:
    return record.touch, record.expires_at_ms
