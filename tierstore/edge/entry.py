"""One resident entry: a record unfolded so that a read is one look-up.

A reader may look at `value`, `guard` and `expires_at` and increment `reads` without a lock.
Everything else, and every change, needs the replica's lock.
"""

from __future__ import annotations

from tierstore.record import Record
from tierstore.values import decode, encode, is_immutable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.policy.model import Rule

DECODE = 1
"""`value` is the encoded payload: a container, of which every read gets a fresh copy."""
TOMBSTONE = 2
"""The key is deleted."""
AGE = 4
"""The rule bounds the age of a copy, so a read must look at the clock."""
CLEAN, PUT_DIRTY, TOUCH_DIRTY = 0, 1, 2
"""What of an entry waits to be frozen into a batch: nothing, the whole record, its lifetime."""

NEVER_FETCHED = -1e18
"""`fetched_at` of an entry that was written here and never compared with the region's row."""


def key_size(key: str) -> int:
    """The bytes of a key in UTF-8."""
    return len(key) if key.isascii() else len(key.encode())


class Entry:
    """A key's resident copy. `reads - mark` is its recent use, `where` its eviction queue."""

    __slots__ = (
        "dirty",
        "expires_at",
        "fetched_at",
        "guard",
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
        self.value: Any = None
        self.guard = TOMBSTONE
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

    def show(self, record: Record) -> None:
        """Become a copy of `record`."""
        self.stamp = record.stamp
        self.replica = record.replica
        self.touch = record.touch
        self.expires_at = record.expires_at_ms
        self.metadata = record.metadata
        guard = AGE if self.rule.read.max_age_s is not None else 0
        payload = record.payload
        if payload is None:
            self.value, guard = None, guard | TOMBSTONE
        else:
            value = decode(payload)
            if is_immutable(value):
                self.value = value
            else:
                self.value, guard = payload, guard | DECODE
        self.guard = guard
        self.size = key_size(self.key) + len(payload or b"")

    def record(self) -> Record:
        """The record that this entry shows."""
        return Record(
            self.stamp, self.replica, self.payload(), self.expires_at, self.touch, self.metadata
        )

    def payload(self) -> bytes | None:
        """The encoded value; None if deleted."""
        guard = self.guard
        if guard & TOMBSTONE:
            return None
        payload: bytes = self.value if guard & DECODE else encode(self.value)
        return payload

    def read_value(self) -> Any:
        """The value, a fresh object if it is mutable. Only for an entry that is live."""
        return decode(self.value) if self.guard & DECODE else self.value

    def is_live(self, now_ms: int) -> bool:
        """Whether there is a value at `now_ms`."""
        if self.guard & TOMBSTONE:
            return False
        return self.expires_at is None or self.expires_at > now_ms
