"""Records: what is stored of one key, and the envelope that carries it as bytes.

A record is immutable. Its *version* is (stamp, replica), equal wherever the record travels. A
`payload` of None is a tombstone; `ELSEWHERE` stands for one that exists but is not carried along,
because it lies in an object or was not asked for (no encoded value is empty).

The *envelope* is a msgpack array that starts with its format number and ends with a digest of all
the rest:

    [format, type, generation, stamp, replica, touch, expires_at_ms, metadata, payload, digest]

The digest hashes the payload's hash, not the payload, so that the expiry of a record whose
payload lies in an object can change without reading that object.
"""

from __future__ import annotations

from _blake2 import blake2b

from tierstore import values
from tierstore.errors import CorruptionError, DecodingError
from tierstore.stamp import STAMP_MAX
from tierstore.values.msgpack import array_header, bin_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ENVELOPE_FORMAT = 1
DIGEST_BYTES = 16
ELSEWHERE = b""
REPLICA_MAX = (1 << 53) - 1

_ENVELOPE, _HEADER = array_header(10), array_header(8)
_DIGEST = bin_header(DIGEST_BYTES)
_NIL = b"\xc0"

REGISTER, COUNTER, SET, DOCUMENT, BOUNDED_COUNTER = 1, 2, 3, 4, 5
TYPE_CODES = {
    "register": REGISTER,
    "counter": COUNTER,
    "set": SET,
    "document": DOCUMENT,
    "bounded_counter": BOUNDED_COUNTER,
}


class Record:
    """The state of one key: its version, lifetime, metadata and encoded value."""

    __slots__ = (
        "expires_at_ms",
        "generation",
        "metadata",
        "payload",
        "replica",
        "stamp",
        "touch",
        "type",
    )

    def __init__(
        self,
        stamp: int,
        replica: int,
        payload: bytes | None,
        expires_at_ms: int | None = None,
        touch: int = 0,
        metadata: dict[str, str] | None = None,
        type: int = REGISTER,
        generation: int = 0,
    ) -> None:
        self.stamp = stamp
        self.replica = replica
        self.payload = payload
        self.expires_at_ms = expires_at_ms
        self.touch = touch
        self.metadata = metadata
        self.type = type
        self.generation = generation

    def fields(self) -> tuple[Any, ...]:
        """All fields but the payload, in the order of the envelope."""
        return (
            self.type,
            self.generation,
            self.stamp,
            self.replica,
            self.touch,
            self.expires_at_ms,
            self.metadata,
        )

    def is_live(self, now_ms: int) -> bool:
        """Whether there is a value at `now_ms`: not deleted, not expired."""
        if self.payload is None:
            return False
        return self.expires_at_ms is None or self.expires_at_ms > now_ms

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return self.payload == other.payload and self.fields() == other.fields()

    def __hash__(self) -> int:
        return hash((self.stamp, self.replica, self.touch))

    def __repr__(self) -> str:
        size = "tombstone" if self.payload is None else f"{len(self.payload)} bytes"
        return f"Record({version(self)}, {size}, expires_at_ms={self.expires_at_ms})"


def with_payload(record: Record, payload: bytes | None) -> Record:
    """A copy of `record` with another payload: brought from where it lies, or left there."""
    return Record(
        record.stamp, record.replica, payload, record.expires_at_ms, record.touch, record.metadata,
        record.type, record.generation,
    )  # fmt: skip


def version(record: Record) -> str:
    """The opaque version of a record, for equality only; the same on every replica.

    A register is known by who wrote it when, another type by its content.
    """
    if record.type != REGISTER and record.payload:
        return f"c{record.generation:x}-{hash_payload(record.payload).hex()}"
    return format_version(record.stamp, record.replica)


def format_version(stamp: int, replica: int) -> str:
    """The version of the record written at `stamp` by `replica`."""
    return f"e{stamp:x}-{replica:x}"


def hash_payload(payload: bytes | None) -> bytes:
    """The 16-byte BLAKE2b hash of a payload; empty for a tombstone."""
    return b"" if payload is None else blake2b(payload, digest_size=DIGEST_BYTES).digest()


def digest(record: Record, payload_hash: bytes | None = None) -> bytes:
    """The 16-byte digest of a record: equal if and only if the records are equal.

    `payload_hash` may be given where the payload itself is elsewhere.
    """
    if payload_hash is None:
        payload_hash = hash_payload(record.payload)
    return blake2b(_header(record) + payload_hash, digest_size=DIGEST_BYTES).digest()


def encode(record: Record) -> bytes:
    """The envelope of a record."""
    header, payload = _header(record), record.payload
    hashed = blake2b(header + hash_payload(payload), digest_size=DIGEST_BYTES).digest()
    start = b"" if payload is None else bin_header(len(payload))
    return b"".join(
        (_ENVELOPE, header[1:], start, _NIL if payload is None else payload, _DIGEST, hashed)
    )


def decode(envelope: bytes, *, key: str | None = None, tier: str | None = None) -> Record:
    """The record in an envelope.

    Raises CorruptionError, naming `key` and `tier`, if the bytes are not exactly what `encode`
    wrote, or were written in a format that this version does not know.
    """
    try:
        fields = values.decode(envelope)
    except DecodingError as exc:
        raise _corrupt("is not an envelope", key, tier) from exc
    if not isinstance(fields, list) or not fields:
        raise _corrupt("is not an envelope", key, tier)
    if type(fields[0]) is not int or fields[0] != ENVELOPE_FORMAT:
        raise _corrupt(f"has format {fields[0]!r}; this version reads 1", key, tier)
    if len(fields) != 10 or find_fault(fields[1:9]) or not _is_canonical(fields[7]):
        raise _corrupt("has malformed fields", key, tier)
    payload = fields[8]
    # An encoding is the only one of its value, so these are the bytes that `encode` hashed.
    size_bytes = 1 if payload is None else len(bin_header(len(payload))) + len(payload)
    header = envelope[1 : len(envelope) - size_bytes - len(_DIGEST) - DIGEST_BYTES]
    hashed = blake2b(_HEADER + header + hash_payload(payload), digest_size=DIGEST_BYTES)
    if hashed.digest() != fields[9]:
        raise _corrupt("fails its digest", key, tier)
    return from_fields(fields[1:8], payload)


def _header(record: Record) -> bytes:
    """The part of the envelope before the payload, as an array of its own."""
    fields = record.fields()
    return values.encode([ENVELOPE_FORMAT, *fields[:-1], _canonical(fields[-1])])


def from_fields(fields: list[Any], payload: bytes | None) -> Record:
    """The record with these envelope fields; the inverse of `Record.fields`."""
    type_, generation, stamp, replica, touch, expires_at_ms, metadata = fields
    return Record(
        stamp, replica, payload, expires_at_ms, touch, dict(metadata) if metadata else None,
        type_, generation,
    )  # fmt: skip


def find_fault(fields: list[Any]) -> str | None:
    """The name of the first of the eight record fields that is out of bounds, if any."""
    type_, generation, stamp, replica, touch, expires_at_ms, metadata, payload = fields
    if type(type_) is not int or not REGISTER <= type_ <= BOUNDED_COUNTER:
        return "type"
    if type(generation) is not int or not 0 <= generation <= STAMP_MAX:
        return "generation"
    if type(stamp) is not int or not 0 <= stamp <= STAMP_MAX:
        return "stamp"
    if type(replica) is not int or not 0 <= replica <= REPLICA_MAX:
        return "replica"
    if type(touch) is not int or not 0 <= touch <= STAMP_MAX:
        return "touch"
    if expires_at_ms is not None and (
        type(expires_at_ms) is not int or not 0 <= expires_at_ms <= STAMP_MAX
    ):
        return "expires_at_ms"
    if metadata is not None and not _is_metadata(metadata):
        return "metadata"
    if payload is not None and (type(payload) is not bytes or not payload):
        return "payload"
    return None


def _is_metadata(metadata: Any) -> bool:
    if type(metadata) is not dict:
        return False
    return all(type(k) is str and type(v) is str for k, v in metadata.items())


def _canonical(metadata: dict[str, str] | None) -> dict[str, str] | None:
    """Metadata in key order, so that equal records have equal bytes."""
    return dict(sorted(metadata.items())) if metadata else None


def _is_canonical(metadata: dict[str, str] | None) -> bool:
    return metadata is None or (metadata != {} and list(metadata) == sorted(metadata))


def _corrupt(what: str, key: str | None, tier: str | None) -> CorruptionError:
    place = f" of key {key!r}" if key is not None else ""
    where = f" in the {tier} tier" if tier else ""
    return CorruptionError(f"the record{place}{where} {what}", key=key, tier=tier)
