"""Which entries expire next: a heap of buckets about a second wide.

An entry is discarded from the bucket of its present expiry. If that changed in place, a stray
item stays behind, is skipped when its time comes, and vanishes when the owner rebuilds the index.
"""

from __future__ import annotations

from heapq import heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Generic, Protocol, TypeVar

    class Expiring(Protocol):
        """An entry that may expire; it takes part while `where` is positive."""

        where: int

        @property
        def expires_at(self) -> int | None: ...

    ExpiringT = TypeVar("ExpiringT", bound=Expiring)
else:  # `typing` costs more to import than the edge may spend on this module
    ExpiringT = None
    Generic = {ExpiringT: object}

BUCKET_MS = 1024


class ExpiryIndex(Generic[ExpiringT]):
    """Entries (hashable by identity) in the order of expiry; up to 1,024 ms late, never early."""

    __slots__ = ("_buckets", "_ends", "_items")

    def __init__(self) -> None:
        self._buckets: dict[int, dict[ExpiringT, None]] = {}  # dicts as sets with a stable order
        self._ends: list[int] = []
        self._items = 0

    def __len__(self) -> int:
        """How much is held, strays and emptied buckets included: the larger of items, buckets."""
        return max(self._items, len(self._ends))

    def add(self, entry: ExpiringT) -> None:
        """Take note of the expiry of `entry`, if it has one."""
        if entry.expires_at is None:
            return
        end = entry.expires_at // BUCKET_MS + 1
        bucket = self._buckets.get(end)
        if bucket is None:
            bucket = self._buckets[end] = {}
            heappush(self._ends, end)
        if entry not in bucket:
            bucket[entry] = None
            self._items += 1

    def discard(self, entry: ExpiringT) -> None:
        """Forget `entry`, as far as it stands where its present expiry says."""
        if entry.expires_at is None:
            return
        bucket = self._buckets.get(entry.expires_at // BUCKET_MS + 1)
        if bucket and entry in bucket:
            del bucket[entry]
            self._items -= 1

    def may_pop(self, now_ms: int) -> bool:
        """Whether `pop_expired` has anything to look at."""
        return bool(self._ends) and self._ends[0] * BUCKET_MS <= now_ms

    def pop_expired(self, now_ms: int) -> ExpiringT | None:
        """An entry with positive `where` that expired by `now_ms`, or None."""
        while self.may_pop(now_ms):
            bucket = self._buckets[self._ends[0]]
            while bucket:
                entry = bucket.popitem()[0]
                self._items -= 1
                if _has_expired(entry, now_ms):
                    return entry
            del self._buckets[heappop(self._ends)]
        return None

    def rebuild(self, entries: Iterable[ExpiringT]) -> None:
        """Hold exactly one item for each of `entries` that can expire."""
        self._buckets.clear()
        self._ends.clear()
        self._items = 0
        for entry in entries:
            self.add(entry)


def _has_expired(entry: Expiring, now_ms: int) -> bool:
    expires_at = entry.expires_at
    return entry.where > 0 and expires_at is not None and expires_at <= now_ms
