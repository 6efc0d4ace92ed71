"""Copies of strong keys at this edge, for reads that say how old an answer may be.

A copy is as old as the request that brought it. Later versions of a key replace earlier ones, never
the other way round, so a slow read cannot bring back what a commit of this process has replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachetools import LRUCache

from tierstore.region.commits import version_of

if TYPE_CHECKING:
    from tierstore.region.commits import Version
    from tierstore.region.rows import Row
    from tierstore.runtime import Runtime

OVERHEAD_BYTES = 500


class Copy:
    """A row, None if there is none, as it was at a moment of the monotonic clock or later."""

    __slots__ = ("at_s", "row")

    def __init__(self, row: Row | None, at_s: float) -> None:
        self.row = row
        self.at_s = at_s

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return OVERHEAD_BYTES + (0 if self.row is None else self.row.size)


class Near:
    """Copies by key, up to so many bytes; the least recently used go first. Thread-safe."""

    def __init__(self, runtime: Runtime, capacity_bytes: int) -> None:
        self._runtime = runtime
        self._lock = runtime.lock()
        self._copies: LRUCache[str, Copy] = LRUCache(
            capacity_bytes, getsizeof=lambda copy: copy.size_bytes
        )
        self._written: LRUCache[str, Version] = LRUCache(1024)
        """What commits of this process gave keys last, below which no copy is kept."""

    def find(self, key: str, max_age_s: float) -> Copy | None:
        """The copy of `key` that is no older than that, if there is one."""
        with self._lock:
            copy: Copy | None = self._copies.get(key)
            if copy is None or self._runtime.monotonic() - copy.at_s > max_age_s:
                return None
            return copy

    def keep(self, key: str, row: Row | None, at_s: float) -> None:
        """Keep what a read that was sent at that moment has found."""
        copy = Copy(row, at_s)
        with self._lock:
            known, written = self._copies.get(key), self._written.get(key)
            if known is not None and is_older(row, at_s, known):
                return
            if written is not None and (row is None or version_order(row) < order(written)):
                return
            if copy.size_bytes <= self._copies.maxsize:
                self._copies[key] = copy

    def note_written(self, key: str, version: Version) -> None:
        """Forget the copy of a key that was written, and keep no earlier one."""
        with self._lock:
            self._copies.pop(key, None)
            self._written[key] = version

    def forget(self, key: str) -> None:
        """Forget the copy of a key."""
        with self._lock:
            self._copies.pop(key, None)


def is_older(row: Row | None, at_s: float, known: Copy) -> bool:
    """Whether what was asked for at that moment may be from before what is known."""
    if row is None or known.row is None or version_order(row) == version_order(known.row):
        return at_s < known.at_s
    return version_order(row) < version_order(known.row)


def order(version: Version) -> tuple[int, int]:
    """By which versions of one key are ordered."""
    return version.incarnation, version.number


def version_order(row: Row) -> tuple[int, int]:
    """`order` of the version of a row."""
    return order(version_of(row))
