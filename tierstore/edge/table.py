"""The table of resident entries, bounded in bytes.

Only clean entries count towards the capacity and may be evicted: a dirty one is the only copy of
an acknowledged write, lives in the budget of the outbox, and comes (back) under the eviction
policy once it is frozen.
"""

from __future__ import annotations

from tierstore.edge.entry import CHANGED, CLEAN
from tierstore.placement.evict import S3Fifo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tierstore.edge.entry import Entry


class EdgeTable:
    """Resident entries by key. All methods need the replica's lock; `resident.get` does not."""

    __slots__ = ("_order", "evicted", "on_evicted", "pin", "resident")

    def __init__(self, capacity_bytes: int) -> None:
        self.resident: dict[str, Entry] = {}
        self.evicted = 0
        self.on_evicted: Callable[[Entry], None] | None = None
        """Told of every entry that is evicted."""
        self._order: S3Fifo[Entry] = S3Fifo(capacity_bytes)
        self.pin = self._order.remove
        """Take an entry that becomes dirty out of the eviction policy, if it is under it."""

    @property
    def capacity_bytes(self) -> int:
        """The bound on the bytes of clean entries: keys plus encoded values."""
        return self._order.capacity_bytes

    @property
    def used_bytes(self) -> int:
        """The bytes of clean entries."""
        return self._order.used_bytes

    def add(self, entry: Entry) -> None:
        """Make `entry` resident; a clean one comes under the eviction policy."""
        self.resident[entry.key] = entry
        if entry.dirty == CLEAN:
            self._order.admit(entry)

    def admit(self, entry: Entry) -> None:
        """Put an entry that is no longer dirty under the eviction policy, if it is resident."""
        if self.resident.get(entry.key) is entry:
            self._order.admit(entry)

    def resized(self, entry: Entry, old_size: int) -> None:
        """Account for a clean entry whose content changed in place."""
        self._order.resized(entry, old_size)

    def drop(self, entry: Entry) -> None:
        """Make an entry resident no longer."""
        if self.resident.get(entry.key) is entry:
            del self.resident[entry.key]
            self._order.remove(entry)

    def clear_clean(self) -> None:
        """Drop every entry but those that are the only copy of a write."""
        for entry in [e for e in self.resident.values() if e.dirty in (CLEAN, CHANGED)]:
            self.drop(entry)

    def evict(self, now_ms: int) -> None:
        """Drop what must go to keep clean entries within the capacity: expired ones first."""
        if self._order.used_bytes <= self._order.capacity_bytes:
            return
        evicted = self._order.evict(now_ms)
        self.evicted += len(evicted)
        for entry in evicted:
            del self.resident[entry.key]
            if self.on_evicted is not None:
                self.on_evicted(entry)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self.resident.values()))
