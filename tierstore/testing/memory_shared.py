"""A shared edge in a dict: its protocol without a server, for tests and simulation.

It is also the shortest statement of what each call of `region.shared` does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tierstore.crdt.register import touch
from tierstore.errors import UnavailableError
from tierstore.region.batch import CHANGE, PUT
from tierstore.region.capabilities import Capabilities
from tierstore.region.shared import (
    PLACEHOLDER_MS,
    TAGS,
    CopiesReply,
    Copy,
    EdgeInfo,
    Identity,
    Queued,
    Standing,
    WriteReply,
    tag_of,
)
from tierstore.runtime import now_ms
from tierstore.testing.memory_lives import Life, Placeholder, atomic, size, version
from tierstore.testing.memory_together import Together
from tierstore.testing.memory_typed import TypedCopies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tierstore.record import Record
    from tierstore.region.batch import Delta
    from tierstore.region.shared import Settled
    from tierstore.runtime import Runtime
    from tierstore.testing.memory_lives import Version


class MemoryShared(TypedCopies, Together):
    """An edge that lives as long as this object; its handles are the object itself."""

    capabilities = Capabilities(durable=False, shared=True, ttl=True, feed_notify=True)

    def __init__(self, runtime: Runtime, *, is_durable: bool = True) -> None:
        self._runtime, self.lock = runtime, runtime.lock()
        self.is_durable = is_durable
        self.run = "run-1"
        self.copies: dict[str, Copy] = {}
        self.dirtied_by: dict[str, Life] = {}
        self.ends_ms: dict[str, int] = {}
        self.bases: dict[str, tuple[int, int]] = {}
        self.origins: dict[int, int] = {}
        self.placeholders: dict[str, Placeholder] = {}  # type: ignore[assignment]
        self.lives: dict[int, list[Life]] = {tag: [] for tag in range(TAGS)}
        self.leases: dict[str, tuple[int, int]] = {}
        self._standing = Standing(0)
        self._listeners: list[Callable[[Sequence[str] | None], None]] = []
        self.untold: list[list[str]] = []
        self.unreadable: set[tuple[int, int]] = set()
        self.is_away = False
        self.closed = 0

    # Connecting

    @atomic
    def connect(self, timeout_s: float) -> EdgeInfo:
        """Its run and durability."""
        return EdgeInfo(self.run, self._now_ms(), self.is_durable, "it was made so", "memory 1")

    def restart(self, *, losing: int = 0) -> None:
        """End this life of the server, losing the latest entries of every queue if it may."""
        with self.lock:
            self.run = f"run-{int(self.run[4:]) + 1}"
            for life in [lives[-1] for lives in self.lives.values() if lives]:
                for number in sorted(life.queue)[::-1][:losing]:
                    self._lose(life, number)
        self.tell(None)

    # Copies

    @atomic
    def read(self, keys: Sequence[str], timeout_s: float) -> CopiesReply:
        """What is here and did not go by itself."""
        return CopiesReply({key: replace(self.copies[key]) for key in keys if self._has(key)})

    @atomic
    def lease(self, keys: Sequence[str], token: int, timeout_s: float) -> int:
        """Placeholders where no copy is."""
        now = self._now_ms()
        for key in keys:
            if not self._has(key):
                self.placeholders[key] = Placeholder(token, now + PLACEHOLDER_MS)
        return now

    @atomic
    def fill(
        self,
        records: Mapping[str, Record],
        token: int,
        fetched_ms: int,
        ttl_ms: int,
        timeout_s: float,
    ) -> set[str]:
        """Under a live placeholder, or over what is not newer."""
        shown = {
            key
            for key, record in records.items()
            if self._is_held_by(key, token) or self._has(key)
            if self._place(key, record, fetched_ms, ttl_ms)
        }
        for key in records:
            if self._is_held_by(key, token):
                del self.placeholders[key]
        return shown

    @atomic
    def show(
        self, records: Mapping[str, Record], fetched_ms: int, ttl_ms: int, timeout_s: float
    ) -> set[str]:
        """Over what is not newer."""
        for key in records:
            self.placeholders.pop(key, None)
        return {
            key
            for key, record in records.items()
            if self._has(key) and self._place(key, record, fetched_ms, ttl_ms)
        }

    @atomic
    def withdraw(self, keys: Sequence[str], timeout_s: float) -> None:
        """Drop what is clean."""
        for key in keys:
            self.placeholders.pop(key, None)
            if self._has(key) and not self.copies[key].number:
                self._drop(key)

    @atomic
    def notice(self, changes: Mapping[str, Version], timeout_s: float) -> set[str]:
        """Compare versions."""
        older = set()
        for key, changed in changes.items():
            if self.placeholders.pop(key, None) is not None:
                self.untold.append([key])  # who was told that it is absent may keep that near
            if self._has(key):
                copy = self.copies[key]
                if version(copy.record) < changed:
                    older.add(key)
                if version(copy.record) <= changed:
                    self._clean(key)
        return older

    @atomic
    def clear_clean(self, timeout_s: float) -> None:
        """Drop all that is clean."""
        self.placeholders.clear()
        for key in [key for key, copy in self.copies.items() if not copy.number]:
            self._drop(key)

    # Writes

    @atomic
    def write(
        self, deltas: Sequence[Delta], run: str, bytes_max: int, timeout_s: float
    ) -> WriteReply:
        """All of `deltas`, or none."""
        (tag,) = {tag_of(delta.key) for delta in deltas}
        lives = self.lives[tag]
        if not lives or not lives[-1].run == run == self.run:
            return WriteReply("unbound")
        fresh = [delta for delta in deltas if not self._was_written(delta)]
        met = [self._met(delta) for delta in fresh]
        if any(met):
            return WriteReply("behind", max(met))
        waiting = sum(size(d) for life in lives for d in life.queue.values())
        added = sum(map(size, fresh))
        if waiting + added > bytes_max:
            return WriteReply("full", queued_bytes=waiting)
        first = lives[-1].last + 1
        for delta in fresh:
            self._write(lives[-1], delta)
        numbers = first, lives[-1].last
        return WriteReply("written", 0, numbers, waiting + added, lives[-1].replica)

    @atomic
    def bind(self, tag: int, run: str, replica: int, timeout_s: float, instead_of: int = 0) -> int:
        """The identity of this run."""
        lives = self.lives[tag]
        self.origins.setdefault(tag, replica)
        if not lives or lives[-1].run != run or lives[-1].replica == instead_of:
            lives.append(Life(replica, run))
        return lives[-1].replica

    @atomic
    def identities(self, tag: int, timeout_s: float) -> list[Identity]:
        """Oldest first."""
        return [
            Identity(
                life.replica,
                life.run,
                life.is_new,
                len(life.queue),
                sum(map(size, life.queue.values())),
                life.last,
                self.origins[tag],
            )
            for life in self.lives[tag]
        ]

    @atomic
    def introduce(self, tag: int, replica: int, timeout_s: float) -> None:
        """New no longer."""
        for life in self._lives(tag, replica):
            life.is_new = False

    @atomic
    def queue(self, tag: int, replica: int, limit: int, timeout_s: float) -> list[Queued]:
        """In the order of their numbers."""
        return [
            self._queued(life, number)
            for life in self._lives(tag, replica)
            for number in sorted(life.queue)[:limit]
        ]

    @atomic
    def settle(
        self,
        tag: int,
        replica: int,
        number: int,
        settled: Sequence[Settled],
        fetched_ms: int,
        ttl_ms: int,
        timeout_s: float,
    ) -> None:
        """Forget entries; copies become clean, or go."""
        lives = self._lives(tag, replica)
        for life in lives:
            for done in [n for n in life.queue if n <= number]:
                del life.queue[done], life.before[done]
        for item in settled if lives else ():
            if item.is_typed:
                self._drop(item.key)
                self.placeholders.pop(item.key, None)
                continue
            copy = self.copies.get(item.key)
            if copy is None or copy.number > item.number or not copy.number:
                continue
            if self.dirtied_by[item.key] not in lives:
                continue  # a number of another identity says nothing about this one
            if not item.keep:
                self._drop(item.key)
                continue
            self._clean(item.key)
            copy.fetched_ms = max(copy.fetched_ms, fetched_ms)
            self.ends_ms[item.key] = self._now_ms() + ttl_ms

    @atomic
    def dismiss(self, tag: int, replica: int, timeout_s: float) -> None:
        """Forget one life; the copies that it dirtied go with it."""
        for life in self._lives(tag, replica):
            for key in [key for key, by in self.dirtied_by.items() if by is life]:
                self._drop(key)
            self.lives[tag].remove(life)

    # Listening

    def listen(
        self,
        on_ready: Callable[[], None],
        on_gone: Callable[[Sequence[str] | None], None],
        wait_s: float,
        is_stopped: Callable[[], bool],
    ) -> None:
        """Tell at once, in the thread of whoever changes something."""
        self.answer()
        self._listeners.append(on_gone)
        try:
            on_ready()
            while not is_stopped():
                self.answer()
                self._runtime.sleep(wait_s)
        finally:
            self._listeners.remove(on_gone)

    def close(self) -> None:
        """Only counts."""
        self.closed += 1

    # Inside

    def answer(self) -> None:
        """Raise UnavailableError while the server is away."""
        if self.is_away:
            raise UnavailableError("the edge server does not answer")

    def _now_ms(self) -> int:
        return now_ms(self._runtime)

    def _has(self, key: str) -> bool:
        if key in self.copies and self.ends_ms.get(key, 1 << 62) <= self._now_ms():
            self._drop(key)
        return key in self.copies

    def _drop(self, key: str) -> None:
        for known in (self.copies, self.dirtied_by, self.ends_ms, self.bases):
            known.pop(key, None)
        self.untold.append([key])

    def _clean(self, key: str) -> None:
        self.copies[key].number = 0
        self.dirtied_by.pop(key, None)

    def _lose(self, life: Life, number: int, is_given: bool = False) -> None:
        """Undo an entry: a server that loses it loses what it did to the copy, too.

        Its number, unless it `is_given` for ever.
        """
        key, before = life.queue.pop(number).key, life.before.pop(number)
        life.last = life.last if is_given else number - 1
        if self.dirtied_by.get(key) is not life or self.copies[key].number != number:
            return
        self._drop(key)
        if before is not None and before[1] and before[0].number in before[1].queue:
            self.copies[key], self.dirtied_by[key] = before[0], before[1]

    def tell(self, keys: Sequence[str] | None) -> None:
        """Tell everybody who listens."""
        for on_gone in list(self._listeners):
            on_gone(keys)

    def _is_held_by(self, key: str, token: int) -> bool:
        held = self.placeholders.get(key)
        return held is not None and held.token == token and held.ends_ms > self._now_ms()

    def _place(self, key: str, record: Record, fetched_ms: int, ttl_ms: int) -> bool:
        """Make `record` what is shown of a key; False where something newer is."""
        copy = self.copies.get(key)
        if copy is not None and version(copy.record) > version(record):
            return False
        if copy is not None and version(copy.record) == version(record):
            copy.fetched_ms = max(copy.fetched_ms, fetched_ms)
        else:
            self.copies[key] = Copy(record, 0, fetched_ms)
            self.dirtied_by.pop(key, None)
            self.bases.pop(key, None)
            self.untold.append([key])
        if not self.copies[key].number:
            self.ends_ms[key] = self._now_ms() + ttl_ms
        return True

    def _was_written(self, delta: Delta) -> bool:
        if not self._has(delta.key) or delta.op >= CHANGE:
            return False
        shown = self.copies[delta.key].record
        if delta.op == PUT:
            return version(shown)[:2] == version(delta.record)[:2]
        return version(shown) == version(delta.record)

    def _met(self, delta: Delta) -> int:
        """The stamp that makes a write come too late; 0: it does not."""
        if not self._has(delta.key) or delta.op >= CHANGE:
            return 0
        shown = self.copies[delta.key].record
        if delta.op == PUT:
            return shown.stamp if version(shown)[:2] > version(delta.record)[:2] else 0
        is_same = version(shown)[:2] == version(delta.record)[:2]
        return 0 if is_same and shown.touch < delta.record.touch else max(shown.stamp, shown.touch)

    def _write(self, life: Life, delta: Delta) -> None:
        key, copy = delta.key, self.copies.get(delta.key)
        life.last += 1
        life.queue[life.last] = delta
        if delta.op >= CHANGE:
            life.before[life.last] = None
            self.untold.append([key])
            return
        life.before[life.last] = None if copy is None else (replace(copy), self.dirtied_by.get(key))
        self.placeholders.pop(key, None)
        if delta.op == PUT:
            self.copies[key] = Copy(delta.record, life.last, 0)
        elif copy is not None:
            moved = touch(copy.record, delta.record)
            assert moved is not None
            copy.record, copy.number = moved, life.last
        if key in self.copies:
            self.dirtied_by[key] = life
        self.ends_ms.pop(key, None)
        self.untold.append([key])

    def _lives(self, tag: int, replica: int) -> list[Life]:
        return [life for life in self.lives[tag] if life.replica == replica]
