"""What a correct store would answer: the model that `--verify` compares every read with.

A write is known by its number in the trace and its size; the value follows from both, so the model
holds some integers a key, however long the trace is.
"""

from __future__ import annotations

from bisect import insort
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from tierstore.trace.values import make_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from tierstore.replica.state import ReplicaState

    Order = tuple[int, int]
    Lifetime = tuple[float, float]

MISSING: Any = object()
"""What a read of an absent key gives."""
EXPIRY_SLACK_S = 1.0
"""An expiry counts from the write's stamp, which may be a little ahead of the clock."""
HISTORY_MAX = 4
_SIZE_BITS = 32
_SIZE_MASK = (1 << _SIZE_BITS) - 1


class Model(Protocol):
    """Told of every write; judges every read. `turn` says which replica was asked."""

    def load(self, key: str, size_bytes: int) -> None:
        """The key is in the region before the replay begins, as version 0."""

    def put(
        self, turn: int, key: str, version: int, size_bytes: int, lifetime: Lifetime | None
    ) -> None:
        """A set was acknowledged. `lifetime`: the shortest and longest it may live, in seconds."""

    def delete(self, turn: int, key: str) -> None:
        """A delete was acknowledged."""

    def is_right(self, turn: int, key: str, value: Any) -> bool:
        """Whether a read of `key` may give `value`, or `MISSING`."""


class SoleModel:
    """One replica: a read gives the last value written, until it expires or is deleted."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._written: dict[str, int] = {}
        self._expiries: dict[str, Lifetime] = {}

    def load(self, key: str, size_bytes: int) -> None:
        """See `Model`."""
        self._written[key] = size_bytes

    def put(
        self, turn: int, key: str, version: int, size_bytes: int, lifetime: Lifetime | None
    ) -> None:
        """See `Model`."""
        self._written[key] = version << _SIZE_BITS | size_bytes
        if lifetime is not None:
            self._expiries[key] = _expiry(self._now_s(), lifetime)
        elif self._expiries:
            self._expiries.pop(key, None)

    def delete(self, turn: int, key: str) -> None:
        """See `Model`."""
        self._written.pop(key, None)
        self._expiries.pop(key, None)

    def is_right(self, turn: int, key: str, value: Any) -> bool:
        """See `Model`."""
        written = self._written.get(key)
        if written is None:
            return value is MISSING
        if self._expiries and key in self._expiries:
            earliest_s, latest_s = self._expiries[key]
            now_s = self._now_s()
            if value is MISSING:
                return now_s >= earliest_s
            if now_s > latest_s:
                return False
        expected = make_value(key, written >> _SIZE_BITS, written & _SIZE_MASK)
        return bool(expected == value)


class Written:
    """One write of a key, as several replicas come to know it. Version None: it is absent."""

    __slots__ = ("expiry", "order", "position", "seen", "size_bytes", "version")

    def __init__(self, order: Order, version: int | None, size_bytes: int = 0) -> None:
        self.order = order
        self.version = version
        self.size_bytes = size_bytes
        self.expiry: Lifetime | None = None
        self.position: int | None = None  # of the region's feed, once it was flushed
        self.seen = 0  # a bit for each replica that wrote it or has shown it

    def matches(self, key: str, value: Any, now_s: float) -> bool:
        """Whether a replica that knows this write, and no later one, may answer `value`."""
        if self.version is None:
            return value is MISSING
        if self.expiry is not None:
            if value is MISSING:
                return now_s >= self.expiry[0]
            if now_s > self.expiry[1]:
                return False
        return bool(make_value(key, self.version, self.size_bytes) == value)

    def is_known_to(self, turn: int, cursor: int) -> bool:
        """Whether that replica must know it: it was there before, or a pull has passed it."""
        return bool(self.seen >> turn & 1) or (
            self.position is not None and self.position <= cursor
        )


_by_order = attrgetter("order")


class SharedModel:
    """Several replicas of one region: each read gives a write no older than one known there.

    A replica must know what it wrote, what it has shown, and what stood in the region's feed up to
    its cursor. Writes are ordered as the region orders them, by stamp and replica.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self.states: list[ReplicaState] = []  # of the replicas, in turn
        self._histories: dict[str, list[Written]] = {}
        self._loaded: dict[str, int] = {}

    def load(self, key: str, size_bytes: int) -> None:
        """See `Model`."""
        self._loaded[key] = size_bytes

    def put(
        self, turn: int, key: str, version: int, size_bytes: int, lifetime: Lifetime | None
    ) -> None:
        """See `Model`."""
        written = self._add(turn, key, version, size_bytes)
        if lifetime is not None:
            written.expiry = _expiry(self._now_s(), lifetime)

    def delete(self, turn: int, key: str) -> None:
        """See `Model`."""
        self._add(turn, key, None, 0)

    def flushed(self, key: str, order: Order, position: int) -> None:
        """The write `order` of `key` is in the region; its feed stands at `position`."""
        for written in self._histories.get(key, ()):
            if written.order == order and written.position is None:
                written.position = position

    def is_right(self, turn: int, key: str, value: Any) -> bool:
        """See `Model`."""
        history = self._histories.get(key)
        if history is None:
            return self._origin(key).matches(key, value, 0.0)
        now_s, cursor = self._now_s(), self.states[turn].cursor
        for written in reversed(history):
            if written.matches(key, value, now_s):
                written.seen |= 1 << turn
                return True
            if written.is_known_to(turn, cursor):
                return False
        return False

    def written_keys(self) -> Iterator[str]:
        """The keys that were written during the replay."""
        return iter(self._histories)

    def is_last(self, key: str, value: Any) -> bool:
        """Whether `value` is what every replica must show once all have flushed and pulled."""
        return self._histories[key][-1].matches(key, value, self._now_s())

    def _origin(self, key: str) -> Written:
        size_bytes = self._loaded.get(key)
        return Written((0, 0), None if size_bytes is None else 0, size_bytes or 0)

    def _add(self, turn: int, key: str, version: int | None, size_bytes: int) -> Written:
        history = self._histories.get(key)
        if history is None:
            origin = self._origin(key)
            origin.position = 0
            history = self._histories[key] = [origin]
        state = self.states[turn]
        written = Written((state.clock.last, state.replica), version, size_bytes)
        written.seen = 1 << turn
        insort(history, written, key=_by_order)
        if len(history) > HISTORY_MAX:
            self._prune(history)
        return written

    def _prune(self, history: list[Written]) -> None:
        """Forget what no replica may show any more."""
        cursors = [state.cursor for state in self.states]
        for index in range(len(history) - 1, 0, -1):
            written = history[index]
            if all(written.is_known_to(turn, cursor) for turn, cursor in enumerate(cursors)):
                del history[:index]
                return


def _expiry(now_s: float, lifetime: Lifetime) -> Lifetime:
    return now_s + lifetime[0], now_s + lifetime[1] + EXPIRY_SLACK_S
