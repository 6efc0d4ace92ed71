"""One resident entry: a record unfolded so that a read is one look-up.

A reader takes no lock. It looks at `guard`, which never changes, then at `expires_at`, then at
`value`, which says by its class what it is; writers, who hold the replica's lock, change `value`
before `expires_at`. So a reader never takes one value for another, nor an old one for live.
"""

from __future__ import annotations

from tierstore.errors import DecodingError
from tierstore.record import ELSEWHERE, Record
from tierstore.region.batch import PUT, TOUCH, Delta
from tierstore.values import decode, encode, is_immutable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tierstore.placement.heat import Heat
    from tierstore.policy.model import Rule

AGE = 1
"""In the `guard` of entries whose rule bounds the age of a copy: a read must look at the clock."""

PLAIN = 2
"""In the `guard` of entries of other types than the register: `value` is not what readers see."""


class Packed:
    """An encoded value, in place of a mutable one, of which every read gets a fresh copy.

    Without a payload it is `GONE`: the key is deleted.
    """

    __slots__ = ("payload",)

    def __init__(self, payload: bytes) -> None:
        self.payload = payload


GONE = Packed(b"")


class Unfolded:
    """A value that whoever wants it folds: for large ones that takes long, and needs no lock."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[], Any]) -> None:
        """`make` returns the value as readers see it."""
        self._make = make

    def fold(self) -> Any:
        """What `Entry.value` is for it."""
        value = self._make()
        return value if is_immutable(value) else Packed(encode(value))


CLEAN, PUT_DIRTY, TOUCH_DIRTY, REWRITTEN, CHANGED = 0, 1, 2, 3, 4
"""What of an entry waits to be frozen into a batch: nothing, the whole record, its lifetime; the
whole record as `Writer.rewrite` left it: bytes written here, without expiry or metadata; or changes
of another type than the register."""

NEVER_FETCHED = -1e18
"""`fetched_at` of an entry that was written here and never compared with the region's row."""


def key_size(key: str) -> int:
    """The bytes of a key in UTF-8."""
    return len(key) if key.isascii() else len(key.encode())


def fold(payload: bytes | None) -> Any:
    """What `Entry.value` is for an encoded value.

    A payload that cannot be decoded stays packed, so that the read that needs it fails.
    """
    if payload is None:
        return GONE
    try:
        value = decode(payload)
    except DecodingError:
        return Packed(payload)
    return value if is_immutable(value) else Packed(payload)


class Entry:
    """A key's resident copy. `reads - mark` is its recent use, `where` its eviction queue."""

    __slots__ = (
        "dirty",
        "entered_at",
        "expires_at",
        "fetched_at",
        "guard",
        "heat",
        "key",
        "mark",
        "metadata",
        "reads",
        "replica",
        "rule",
        "size",
        "stamp",
        "touch",
        "value",
        "where",
        "writes",
    )

    def __init__(self, key: str, rule: Rule) -> None:
        self.key = key
        self.rule = rule
        self.value: Any = GONE
        self.guard = 0 if rule.read.max_age_s is None else AGE
        self.stamp = 0
        self.replica = 0
        self.touch = 0
        self.expires_at: int | None = None
        self.metadata: dict[str, str] | None = None
        self.size = 0
        self.reads = 0
        self.writes = 0
        self.mark = 0
        self.where = 0
        self.dirty = CLEAN
        self.fetched_at = NEVER_FETCHED
        self.entered_at = 0.0  # since when it is here, where somebody wants to know
        self.heat: Heat | None = None  # its counters, decayed, where somebody looked at them

    def show(self, record: Record) -> None:
        """Become a copy of `record`."""
        self.value = fold(record.payload)
        self.expires_at = record.expires_at_ms
        self.stamp = record.stamp
        self.replica = record.replica
        self.touch = record.touch
        self.metadata = record.metadata
        self.size = key_size(self.key) + len(record.payload or b"")

    def record(self) -> Record:
        """The record that this entry shows."""
        return Record(
            self.stamp, self.replica, self.payload(), self.expires_at, self.touch, self.metadata
        )

    def outline(self) -> Record:
        """The record that this entry shows, with `ELSEWHERE` for the payload if it has one."""
        payload = None if self.value is GONE else ELSEWHERE
        return Record(self.stamp, self.replica, payload, self.expires_at, self.touch, self.metadata)

    told: Delta | None = None
    """Of changes: the delta that an interrupted freeze made of them."""

    def delta(self) -> Delta:
        """What a dirty entry says to the region."""
        record = self.record()
        if self.dirty != TOUCH_DIRTY:
            return Delta(self.key, PUT, record)
        record.payload = None
        record.metadata = None
        return Delta(self.key, TOUCH, record)

    def sign(self, replica: int) -> None:
        """Let what waits be told by `replica`, whoever wrote it."""

    def freeze(self) -> Delta:
        """`delta`, to be put into a batch now."""
        return self.delta()

    def unfreeze(self) -> None:
        """What waits is in no batch after all."""

    def forget_pending(self) -> None:
        """What waits is in a batch."""

    def folded(self) -> Any:
        """The value as `fold` makes it."""
        return self.value

    @property
    def waiting_bytes(self) -> int:
        """What this entry counts for while it waits to be frozen."""
        return self.size

    @property
    def written_stamp(self) -> int:
        """The stamp of the last write of it that may wait."""
        return max(self.stamp, self.touch)

    def payload(self) -> bytes | None:
        """The encoded value; None if deleted."""
        value = self.value
        return (value.payload or None) if value.__class__ is Packed else encode(value)

    def is_live(self, now_ms: int) -> bool:
        """Whether there is a value at `now_ms`."""
        if self.value is GONE:
            return False
        return self.expires_at is None or self.expires_at > now_ms
