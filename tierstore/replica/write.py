"""One write on its way: checked and encoded, then stamped, then bytes for the journal."""

from __future__ import annotations

from tierstore.edge.entry import GONE, Packed, key_size
from tierstore.record import Record
from tierstore.region.batch import encode_put
from tierstore.stamp import physical_ms
from tierstore.values import encode, encoded_size, is_immutable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.policy.model import Rule


class Write:
    """One key's put or delete, checked and encoded, not yet stamped."""

    __slots__ = ("key", "metadata", "rule", "size", "ttl_ms", "value")

    value: Any

    def __init__(
        self,
        key: str,
        rule: Rule,
        value: Any,
        ttl_ms: int | None,
        metadata: dict[str, str] | None,
        *,
        delete: bool = False,
    ) -> None:
        self.key = key
        self.rule = rule
        self.ttl_ms = ttl_ms
        self.metadata = metadata
        if delete:
            self.value = GONE
            self.size = key_size(key)
        elif is_immutable(value):
            self.value = value
            self.size = key_size(key) + encoded_size(value)
        else:
            payload = encode(value)
            self.value = Packed(payload)
            self.size = key_size(key) + len(payload)

    def encoded(self, stamp: int, replica: int) -> bytes:
        """The delta that this is at `stamp`, as the journal keeps it."""
        return encoded(self, stamp)

    def payload(self) -> bytes | None:
        """The encoded value; None for a delete."""
        value = self.value
        return (value.payload or None) if value.__class__ is Packed else encode(value)


def touched(target: Record, stamp: int, ttl_ms: int | None) -> Record:
    """The version that `target` is, touched at `stamp` to live `ttl_ms` from then on."""
    return Record(
        target.stamp, target.replica, None, expiry(stamp, ttl_ms), stamp, type=target.type
    )


def encoded(write: Write, stamp: int) -> bytes:
    """The delta that a write at `stamp` is, as the journal keeps it."""
    expires_at_ms = None if write.ttl_ms is None else expiry(stamp, write.ttl_ms)
    return encode_put(write.key, stamp, expires_at_ms, write.metadata, write.payload())


def expiry(stamp: int, ttl_ms: int | None) -> int | None:
    """When what is written at `stamp` expires, in milliseconds since the epoch; None: never."""
    return None if ttl_ms is None else physical_ms(stamp) + ttl_ms
