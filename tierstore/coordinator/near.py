"""Copies of strong keys at this edge, for reads that say how old an answer may be.

A copy is as old as the request that brought it. It is kept for who names an age; what other reads
find replaces it, so that nobody is shown less than before. What is later of two answers, versions
tell. Where they cannot, because one found no value and both were under way at once, neither is
kept, nor is what was asked for before a write of this process was answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachetools import LRUCache

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tierstore.region.rows import Row
    from tierstore.runtime import Runtime

OVERHEAD_BYTES = 500
NEVER_S = float("-inf")


class Copy:
    """A row, None if there is none, as it was at a moment of the monotonic clock or later."""

    __slots__ = ("at_s", "came_s", "row")

    def __init__(self, row: Row | None, at_s: float, came_s: float) -> None:
        self.row = row
        self.at_s = at_s
        self.came_s = came_s

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return OVERHEAD_BYTES + (0 if self.row is None else self.row.size)

    def is_later(self, known: Copy) -> bool | None:
        """Whether this is a later state than one that came before; None if nobody can tell."""
        if (self.row is None) != (known.row is None):
            return True if self.at_s >= known.came_s else None
        mine, other = order(self.row), order(known.row)
        return mine > other or (mine == other and self.at_s >= known.at_s)


class Near:
    """Copies by key, up to so many bytes; the least recently used go first. Thread-safe."""

    def __init__(self, runtime: Runtime, capacity_bytes: int) -> None:
        self._runtime = runtime
        self._lock = runtime.lock()
        self._copies: LRUCache[str, Copy] = LRUCache(
            capacity_bytes, getsizeof=lambda copy: copy.size_bytes
        )
        self._expected: dict[str, int] = {}
        """How many reads for a copy of a key are under way."""
        self._forgotten_s: LRUCache[str, float] = LRUCache(1024)
        """When: what was asked for until then is not kept."""

    def find(self, key: str, max_age_s: float) -> Copy | None:
        """The copy of `key` that is no older than that, if there is one."""
        with self._lock:
            copy: Copy | None = self._copies.get(key)
            if copy is None or self._runtime.monotonic() - copy.at_s > max_age_s:
                return None
            return copy

    def expect(self, keys: Iterable[str]) -> None:
        """Keep what reads find of `keys` until as many calls of `expect_no_more`."""
        with self._lock:
            for key in keys:
                self._expected[key] = self._expected.get(key, 0) + 1

    def expect_no_more(self, keys: Iterable[str]) -> None:
        """End what `expect` began."""
        with self._lock:
            for key in keys:
                left = self._expected.pop(key, 0) - 1
                if left > 0:
                    self._expected[key] = left

    def note(self, rows: Mapping[str, Row | None], at_s: float) -> None:
        """Keep what a read that was sent at that moment has found, where somebody asks for it."""
        if not self._copies and not self._expected:
            return
        came_s = self._runtime.monotonic()
        with self._lock:
            for key, row in rows.items():
                if key in self._copies or key in self._expected:
                    self._keep(key, Copy(row, at_s, came_s))

    def forget(self, key: str) -> None:
        """Forget the copy of a key, and keep nothing that was asked for until now."""
        with self._lock:
            self._forget(key)

    def _keep(self, key: str, copy: Copy) -> None:
        known = self._copies.get(key)
        is_later = known is None or copy.is_later(known)
        if is_later is False:
            return
        is_kept = is_later and copy.size_bytes <= self._copies.maxsize
        if is_kept and copy.at_s > self._forgotten_s.get(key, NEVER_S):
            self._copies[key] = copy
        else:
            self._forget(key)

    def _forget(self, key: str) -> None:
        self._copies.pop(key, None)
        self._forgotten_s[key] = self._runtime.monotonic()


def order(row: Row | None) -> tuple[int, ...]:
    """By which states of one key are ordered: lives, versions, then changes of the lifetime."""
    return () if row is None else (row.record.replica, row.record.stamp, row.record.touch)
