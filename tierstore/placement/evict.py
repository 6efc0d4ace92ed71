"""Which resident entries make room: S3-FIFO over bytes.

Source: Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache eviction", SOSP'23,
section 4. A small FIFO (10 % of the bytes) filters what is read once; what was read twice or more
there moves to the main FIFO, where each lap costs one read of credit; keys that left the small
queue are remembered in a ghost and enter main directly when they come back.

What differs from the paper, and why (figures: docs/decisions/0002-eviction.md):

* A read only increments `entry.reads`. The frequency is `reads - mark`, capped, so a reader writes
  one integer, takes no lock, and the count stays exact for the heat of the key.
* Entries leave and come back: a written entry is dirty and lives outside until it is flushed. Its
  queue slot stays, and coming back revives it, so that write-back costs no standing, and an entry
  never has two slots.
* The ghost is two sets of hashes, the older dropped when the younger is full: no queue of its own.

An entry costs eight bytes of queue here and some 35 more if it can expire; a key in the ghost, of
which there are up to 1.5 per entry of main, some 80. Calls need the owner's lock.
"""

from __future__ import annotations

from tierstore.placement.expiry import ExpiryIndex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterator
    from typing import Generic, Protocol, TypeVar

    class Entry(Protocol):
        """What the policy needs of a resident entry; the entry belongs to the edge table."""

        mark: int  # `reads` when last examined; equal to `reads` in a new entry
        where: int  # > 0: managed here; 0 in a new entry; written by S3Fifo only

        @property
        def key(self) -> str: ...
        @property
        def size(self) -> int: ...  # bytes, at least 1; announced by `resized` while managed
        @property
        def reads(self) -> int: ...  # incremented by readers at any time, without a lock
        @property
        def expires_at(self) -> int | None: ...  # ms

    EntryT = TypeVar("EntryT", bound=Entry)
else:  # `typing` and `collections` cost more to import than the edge may spend on this module
    from _collections import deque

    EntryT = None
    Generic = {EntryT: object}

UNMANAGED = 0
IN_SMALL = 1
IN_MAIN = 2
# Removed, as the negative of the queue that still holds the slot; or the slot is gone as well.
_LEFT_MAIN = -IN_MAIN
_LEFT_MAIN_NO_SLOT = -3

_READS_TO_MAIN = 2
_FREQUENCY_MAX = 3
_SLACK = 64  # so that structures of a few entries are not rebuilt at every step


class S3Fifo(Generic[EntryT]):
    """Orders clean resident entries, and names those that must go when their bytes exceed a bound.

    `used_bytes` is the sum of the sizes of the managed entries. A queue slot may keep a removed
    entry alive for a while: at most one for every four managed ones, plus 64.
    """

    __slots__ = (
        "_expiry",
        "_ghost_old",
        "_ghost_young",
        "_live",
        "_main",
        "_oversize",
        "_small",
        "_small_bytes",
        "_small_bytes_max",
        "_stale",
        "capacity_bytes",
        "used_bytes",
    )

    def __init__(self, capacity_bytes: int, *, small_share: float = 0.1) -> None:
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self._small_bytes_max = int(capacity_bytes * small_share)
        self._small_bytes = 0
        self._small: deque[EntryT] = deque()
        self._main: deque[EntryT] = deque()
        self._live = 0
        self._stale = 0
        self._ghost_young: set[int] = set()
        self._ghost_old: set[int] = set()
        self._expiry: ExpiryIndex[EntryT] = ExpiryIndex()
        self._oversize: list[EntryT] = []

    def __len__(self) -> int:
        """How many entries are managed."""
        return self._live

    def admit(self, entry: EntryT) -> None:
        """Manage a clean `entry`: where it stood before, else in main if the ghost knows its key.

        Without effect on an entry that is managed. Makes no room: `evict` does, and refuses an
        entry larger than the capacity.
        """
        where = entry.where
        if where > 0:
            return
        size = entry.size
        if where == UNMANAGED and not self._in_ghost(entry):
            entry.where = IN_SMALL
            self._small.append(entry)
        else:
            self._restore(entry)
        self._live += 1
        self.used_bytes += size
        if entry.where == IN_SMALL:
            self._small_bytes += size
        if entry.expires_at is not None or size > self.capacity_bytes:
            self._note(entry)

    def resized(self, entry: EntryT, old_size: int) -> None:
        """Account for a managed `entry` whose size or expiry changed in place."""
        if entry.where <= 0:
            return
        self.used_bytes += entry.size - old_size
        if entry.where == IN_SMALL:
            self._small_bytes += entry.size - old_size
        self._note(entry)

    def remove(self, entry: EntryT) -> None:
        """Manage `entry` no more, in O(1) amortised; without effect if it is not managed."""
        if entry.where <= 0:
            return
        self._live -= 1
        self.used_bytes -= entry.size
        if entry.expires_at is not None:
            self._expiry.discard(entry)
        if entry.where == IN_SMALL:
            self._small_bytes -= entry.size
        entry.where = -entry.where
        self._stale += 1
        if self._stale > self._live // 4 + _SLACK:
            self._compact()

    def evict(self, now_ms: int) -> list[EntryT]:
        """The entries that must go so that `used_bytes` ≤ `capacity_bytes`; no longer managed.

        First those larger than the capacity, then expired ones (a second after their expiry at
        the latest), then by S3-FIFO. Empty while there is room, even if entries have expired.
        """
        evicted: list[EntryT] = []
        capacity_bytes = self.capacity_bytes
        if self.used_bytes <= capacity_bytes:
            return evicted
        if self._oversize:
            self._drop_oversize(evicted)
        if self._expiry.may_pop(now_ms):
            self._drop_expired(evicted, now_ms)
        while self.used_bytes > capacity_bytes:
            if self._small_bytes > self._small_bytes_max or self._small_bytes == self.used_bytes:
                self._step_small(evicted)
            else:
                self._step_main(evicted)
        return evicted

    def _in_ghost(self, entry: EntryT) -> bool:
        key_hash = hash(entry.key)
        return key_hash in self._ghost_young or key_hash in self._ghost_old

    def _restore(self, entry: EntryT) -> None:
        """Give `entry` the slot it left, or one in main."""
        if entry.where in (-IN_SMALL, -IN_MAIN):
            entry.where = -entry.where
            self._stale -= 1
        else:
            entry.where = IN_MAIN
            self._main.append(entry)

    def _note(self, entry: EntryT) -> None:
        if entry.size > self.capacity_bytes:
            self._oversize.append(entry)
        self._expiry.add(entry)
        if len(self._expiry) > self._live * 3 // 2 + _SLACK:
            self._expiry.rebuild(self._managed())

    def _drop_oversize(self, evicted: list[EntryT]) -> None:
        while self._oversize:
            entry = self._oversize.pop()
            if entry.where > 0 and entry.size > self.capacity_bytes:
                self.remove(entry)
                evicted.append(entry)

    def _drop_expired(self, evicted: list[EntryT], now_ms: int) -> None:
        while self.used_bytes > self.capacity_bytes:
            entry = self._expiry.pop_expired(now_ms)
            if entry is None:
                return
            self.remove(entry)
            evicted.append(entry)

    def _step_small(self, evicted: list[EntryT]) -> None:
        """Promote or let go the oldest entry of the small queue."""
        entry = self._small.popleft()
        if entry.where < 0:
            self._forget_slot(entry)
            return
        self._small_bytes -= entry.size
        if entry.reads - entry.mark >= _READS_TO_MAIN:
            entry.mark = entry.reads
            entry.where = IN_MAIN
            self._main.append(entry)
            return
        self._let_go(entry, evicted)
        self._ghost_young.add(hash(entry.key))
        if len(self._ghost_young) > len(self._main) * 3 // 4 + _SLACK:
            self._ghost_old = self._ghost_young
            self._ghost_young = set()

    def _step_main(self, evicted: list[EntryT]) -> None:
        """Let go the first entry of main without credit; each one passed pays one read."""
        main = self._main
        while True:
            entry = main.popleft()
            if entry.where < 0:
                self._forget_slot(entry)
                continue
            reads = entry.reads
            frequency = reads - entry.mark
            if frequency <= 0:
                break
            # The rest of the credit, which a burst of reads cannot stretch.
            entry.mark = reads - min(frequency, _FREQUENCY_MAX) + 1
            main.append(entry)
        self._let_go(entry, evicted)

    def _let_go(self, entry: EntryT, evicted: list[EntryT]) -> None:
        self._live -= 1
        self.used_bytes -= entry.size
        if entry.expires_at is not None:
            self._expiry.discard(entry)
        entry.where = UNMANAGED
        evicted.append(entry)

    def _forget_slot(self, entry: EntryT) -> None:
        entry.where = _LEFT_MAIN_NO_SLOT if entry.where == _LEFT_MAIN else UNMANAGED
        self._stale -= 1

    def _compact(self) -> None:
        for queue in (self._small, self._main):
            for _ in range(len(queue)):
                entry = queue.popleft()
                if entry.where > 0:
                    queue.append(entry)
                else:
                    self._forget_slot(entry)

    def _managed(self) -> Iterator[EntryT]:
        for queue in (self._small, self._main):
            yield from (entry for entry in queue if entry.where > 0)
