"""The fixtures of the suite for shared edges, and a hand that does what its tests do all the time.

Stamps lie where those of real clocks do, beyond 2**53, and differ in their last bits: who compares
them as floating-point numbers takes them for equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.record import Record
from tierstore.region.batch import PUT, TOUCH, Delta
from tierstore.region.shared import Settled, life_of, tag_of
from tierstore.stamp import at_ms
from tierstore.testing.conformance.harness import TIMEOUT_S, CannotError
from tierstore.testing.conformance.shared.harness import SharedHarness

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tierstore.region.shared import Copy, Identity, Queued, SharedEdge, WriteReply

TTL_MS = 600_000
SHORT_MS = 400
"""A lifetime that tests outlive, also where they have to wait for real."""
BYTES_MAX = 64 << 20
REGION = 9
"""The replica that wrote what the region has."""
ME = 77
"""The replica whose writes the tests queue."""
_BASE = at_ms(1_700_000_000_000)
Version = tuple[int, int, int]


def stamp(at: int) -> int:
    """The stamp of moment `at`, a small number."""
    return _BASE + at


def row(payload: bytes | None = b"row", at: int = 1, replica: int = REGION, **more: Any) -> Record:
    """A record as the region has it."""
    return Record(stamp(at), replica, payload, **more)


def put(key: str, payload: bytes | None = b"put", at: int = 5, **more: Any) -> Delta:
    """A write of a key."""
    return Delta(key, PUT, Record(stamp(at), more.pop("replica", ME), payload, **more))


def touched(key: str, record: Record, at: int, expires_at_ms: int | None) -> Delta:
    """A write that moves the lifetime of `record`, the state of `key`."""
    moved = Record(record.stamp, record.replica, None, expires_at_ms, stamp(at))
    return Delta(key, TOUCH, moved)


def version(record: Record) -> Version:
    """What `notice` is told of a record."""
    return record.stamp, record.replica, record.touch


def keys_of(tag: int, count: int) -> list[str]:
    """`count` keys of one tag."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        number += 1
        if tag_of(f"key/{number}") == tag:
            found.append(f"key/{number}")
    return found


KEY, NEXT, THIRD = keys_of(3, 3)
TAG = 3
ELSEWHERE = keys_of(4, 1)[0]
"""A key of another tag."""


class Hand:
    """A connected handle of an edge, and the run that it found."""

    def __init__(self, edge: SharedEdge) -> None:
        self.edge = edge
        self.info = edge.connect(TIMEOUT_S)

    @property
    def run(self) -> str:
        """The server's life, as this handle knows it."""
        return self.info.run

    @property
    def life(self) -> str:
        """The life of what serves the tag of `KEY`."""
        return life_of(self.run, TAG)

    def bind(self, tag: int = TAG, replica: int = ME) -> int:
        """The tag's identity in this life."""
        return self.edge.bind(tag, self.run, replica, TIMEOUT_S)

    def write(self, *deltas: Delta, bytes_max: int = BYTES_MAX, run: str = "") -> WriteReply:
        """What becomes of `deltas`."""
        return self.edge.write(deltas, run or self.run, bytes_max, TIMEOUT_S)

    def wrote(self, *deltas: Delta) -> tuple[int, int]:
        """The numbers of `deltas`, which are written; their tag is bound."""
        self.bind(tag_of(deltas[0].key))
        reply = self.write(*deltas)
        assert reply.verdict == "written"
        return reply.numbers

    def copies(self, *keys: str) -> dict[str, Copy]:
        """What is here of `keys`; none of it is damaged."""
        reply = self.edge.read(keys, TIMEOUT_S)
        assert reply.damaged == {}
        return reply.copies

    def copy(self, key: str = KEY) -> Copy:
        """What is here of a key, which is."""
        return self.copies(key)[key]

    def shown(self, *keys: str) -> dict[str, bytes | None]:
        """The payloads that are here of `keys`."""
        return {key: copy.record.payload for key, copy in self.copies(*keys).items()}

    def is_dirty(self, key: str = KEY) -> bool:
        """Whether the copy of a key shows a write that waits."""
        return self.copy(key).number > 0

    def lease(self, *keys: str, token: int = 1) -> int:
        """Placeholders; the server's time."""
        return self.edge.lease(keys or (KEY,), token, TIMEOUT_S)

    def fill(
        self, record: Record, *keys: str, token: int = 1, at_ms: int = 1, ttl_ms: int = TTL_MS
    ) -> set[str]:
        """Which of `keys` show `record` now."""
        rows = dict.fromkeys(keys or (KEY,), record)
        return self.edge.fill(rows, token, at_ms, ttl_ms, TIMEOUT_S)

    def fetched(self, record: Record, *keys: str, ttl_ms: int = TTL_MS) -> int:
        """Have clean copies of `keys`; when they were fetched."""
        now_ms = self.lease(*keys)
        every = set(keys or (KEY,))
        assert self.fill(record, *every, at_ms=now_ms, ttl_ms=ttl_ms) == every
        return now_ms

    def show(self, record: Record, *keys: str, at_ms: int = 1, ttl_ms: int = TTL_MS) -> set[str]:
        """Which of `keys` show `record` now, told outside of a lease."""
        return self.edge.show(dict.fromkeys(keys or (KEY,), record), at_ms, ttl_ms, TIMEOUT_S)

    def withdraw(self, *keys: str) -> None:
        """Drop what is clean."""
        self.edge.withdraw(keys or (KEY,), TIMEOUT_S)

    def notice(self, record: Record, *keys: str) -> set[str]:
        """Which of `keys` have an older copy than `record`."""
        return self.edge.notice(dict.fromkeys(keys or (KEY,), version(record)), TIMEOUT_S)

    def identities(self, tag: int = TAG) -> list[Identity]:
        """Of a tag, oldest first."""
        return self.edge.identities(tag, TIMEOUT_S)

    def queue(self, replica: int = ME, limit: int = 1000, tag: int = TAG) -> list[Queued]:
        """What waits under an identity."""
        return self.edge.queue(tag, replica, limit, TIMEOUT_S)

    def numbers(self, replica: int = ME, tag: int = TAG) -> list[int]:
        """The numbers that wait under an identity."""
        return [entry.number for entry in self.queue(replica, tag=tag)]

    def waiting(self, replica: int = ME, tag: int = TAG) -> list[tuple[int, Delta | None]]:
        """The numbers and entries that wait under an identity."""
        return [(entry.number, entry.delta) for entry in self.queue(replica, tag=tag)]

    def settle(
        self, number: int, *settled: tuple[str, int, bool], replica: int = ME,
        at_ms: int = 1, ttl_ms: int = TTL_MS,
    ) -> None:  # fmt: skip
        """The region has everything up to `number`; (key, its last number, whether kept)."""
        items: Sequence[Settled] = [Settled(*item) for item in settled]
        self.edge.settle(TAG, replica, number, items, at_ms, ttl_ms, TIMEOUT_S)

    def lead(self, holder: int, work: str = "pull", ttl_ms: int = TTL_MS) -> bool:
        """Whether `holder` has the lease now."""
        return self.edge.lead(work, holder, ttl_ms, TIMEOUT_S)


class SharedBench:
    """An edge and two hands on it, as two workers have them."""

    @pytest.fixture
    def harness(self) -> SharedHarness:
        """The edge under test: override this fixture. It closes what it yields."""
        raise CannotError("override the fixture `harness` and yield a SharedHarness")

    @pytest.fixture
    def hand(self, harness: SharedHarness) -> Hand:
        """A hand on a handle of the edge."""
        return Hand(harness.open())

    @pytest.fixture
    def other(self, harness: SharedHarness) -> Hand:
        """A hand of another worker."""
        return Hand(harness.open())
