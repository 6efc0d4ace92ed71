"""What a shared edge in a dict does for keys that are no registers: rows beside what waits.

And entries of queues that cannot be understood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.region.shared import Copy, Queued, TypedCopy, TypedReply, Waiting, tag_of
from tierstore.testing.memory_lives import atomic, version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tierstore.record import Record
    from tierstore.runtime import Lock
    from tierstore.testing.memory_lives import Life

UNREADABLE = b"?"


class TypedCopies:
    """Part of `MemoryShared`."""

    lock: Lock
    untold: list[list[str]]
    copies: dict[str, Copy]
    placeholders: dict[str, object]
    ends_ms: dict[str, int]
    lives: dict[int, list[Life]]
    bases: dict[str, tuple[int, int]]
    """What the row contains that a copy of another type than the register shows."""
    origins: dict[int, int]
    unreadable: set[tuple[int, int]]
    """Identities and numbers of entries that cannot be understood, as tests wish."""
    answer: Callable[[], None]
    tell: Callable[[Sequence[str] | None], None]
    _lives: Callable[[int, int], list[Life]]
    _lose: Callable[[Life, int, bool], None]
    _has: Callable[[str], bool]
    _drop: Callable[[str], None]
    _is_held_by: Callable[[str, int], bool]
    _now_ms: Callable[[], int]

    @atomic
    def read_typed(self, keys: Sequence[str], timeout_s: float) -> TypedReply:
        """Rows and what waits."""
        return TypedReply({key: self._look(key) for key in keys})

    def _look(self, key: str) -> TypedCopy:
        tag = tag_of(key)
        found = TypedCopy(waiting=self._waiting(key), origin=self.origins.get(tag, 0))
        found.current = self._current(tag)
        if self._has(key) and key in self.bases:
            copy = self.copies[key]
            found.record, found.fetched_ms = copy.record, copy.fetched_ms
            found.base = self.bases[key]
        return found

    @atomic
    def fill_typed(
        self,
        records: Mapping[str, Record],
        base: tuple[int, int],
        token: int,
        fetched_ms: int,
        ttl_ms: int,
        timeout_s: float,
    ) -> set[str]:
        """Under a live placeholder, or over what is not newer."""
        shown = {
            key
            for key, record in records.items()
            if self._is_held_by(key, token) or (self._has(key) and self._is_older(key, record))
            if base[0] == self._current(tag_of(key))
            if all(one.replica == base[0] for one in self._waiting(key))
        }
        for key, record in records.items():
            if self._is_held_by(key, token):
                del self.placeholders[key]
            if key in shown:
                self.copies[key] = Copy(record, 0, max(fetched_ms, self._fetched_ms(key)))
                self.bases[key] = base
                self.ends_ms[key] = self._now_ms() + ttl_ms
                self.untold.append([key])
        return shown

    def _fetched_ms(self, key: str) -> int:
        return self.copies[key].fetched_ms if self._has(key) else 0

    def _is_older(self, key: str, record: Record) -> bool:
        return version(self.copies[key].record) <= version(record)

    def _current(self, tag: int) -> int:
        lives = self.lives[tag]
        return lives[-1].replica if lives else 0

    def _waiting(self, key: str) -> list[Waiting]:
        return [
            Waiting(life.replica, number, life.queue[number])
            for life in self.lives[tag_of(key)]
            for number in sorted(life.queue)
            if life.queue[number].key == key
        ]

    @atomic
    def expel(self, tag: int, replica: int, number: int, timeout_s: float) -> bytes | None:
        """Only what tests have made `unreadable`."""
        for life in self._lives(tag, replica):
            if number == min(life.queue, default=0) and (replica, number) in self.unreadable:
                self._lose(life, number, True)
                return UNREADABLE
        return None

    def _queued(self, life: Life, number: int) -> Queued:
        if (life.replica, number) in self.unreadable:
            return Queued(number, None, UNREADABLE)
        return Queued(number, life.queue[number])
