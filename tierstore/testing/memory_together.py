"""What workers know together, of a shared edge in a dict; see `memory_shared`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tierstore.testing.memory_lives import atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.region.shared import Standing
    from tierstore.runtime import Lock


class Together:
    """Part of `MemoryShared`."""

    lock: Lock
    untold: list[list[str]]
    leases: dict[str, tuple[int, int]]
    answer: Callable[[], None]
    tell: Callable[[Sequence[str] | None], None]
    _standing: Standing
    _now_ms: Callable[[], int]

    @atomic
    def lead(self, work: str, holder: int, ttl_ms: int, timeout_s: float) -> bool:
        """A lease by this object's clock."""
        held_by, ends_ms = self.leases.get(work, (holder, 0))
        if held_by != holder and ends_ms > self._now_ms():
            return False
        self.leases[work] = (holder, self._now_ms() + ttl_ms)
        return ttl_ms > 0

    @atomic
    def standing(self, timeout_s: float) -> Standing:
        """A copy of it, and the time."""
        return replace(self._standing, now_ms=self._now_ms())

    @atomic
    def advance(self, standing: Standing, was_cursor: int, timeout_s: float) -> bool:
        """Compare and set by the cursor."""
        if self._standing.cursor != was_cursor:
            return False
        self._standing = replace(standing)
        return True
