"""A copy as one string: a head of fixed length that scripts read and change, and a body.

    byte   0       format: 1 a copy, 0 a placeholder (then its token in decimal follows)
           1-8     check: the beginning of the SHA-1 of the rest of the head, in hexadecimal
           9-16    number of the latest entry shown, 0: the copy is clean
           17-24   identity to which that number belongs
           25-32   fetched_ms
           33-56   version: stamp, replica, touch
           57-64   expires_at_ms, all bits set: never
           65      1: a value, 0: a tombstone
           66-73   check of the body: the beginning of its SHA-1, in hexadecimal
           74-     body: msgpack of [type, generation, metadata, payload], of another type than the
                   register also the identity and number that the row contains

All numbers are of 64 bits, big-endian, so that scripts compare them as bytes: their own numbers
have 53. The checks are SHA-1 because it is what a script can compute; it guards against accidents.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1 as _sha1
from struct import Struct

from tierstore import values
from tierstore.errors import DecodingError
from tierstore.record import REGISTER, Record, find_fault, from_fields
from tierstore.region.shared import Copy, TypedCopy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COPY, PLACEHOLDER = 1, 0
HEAD_BYTES = 74
CHECK_BYTES = 8
NEVER = (1 << 64) - 1
UINT64_MAX = (1 << 64) - 1

_uint64 = Struct(">Q").pack
_version = Struct(">QQQ").pack
_unpack_head = Struct(">QQQQQQQB8s").unpack_from
_USUAL = bytes((0x94, REGISTER, 0, 0xC0, 0xC4))
"""How the body of a register of generation 0 without metadata begins, its payload below 256
bytes: taken apart by hand, since every key of a large read pays for `decode`."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a script needs to write the copy of a record."""

    version: bytes
    expires: bytes
    tail: bytes
    """The flag of a value and the check of the body."""
    body: bytes

    def listed(self) -> tuple[bytes, bytes, bytes, bytes]:
        """As arguments of a script."""
        return self.version, self.expires, self.tail, self.body


class DamagedError(Exception):
    """Bytes that are no copy; the message says why."""


def pack_number(number: int) -> bytes:
    """The eight bytes of a number."""
    return _uint64(number)


def pack_version(stamp: int, replica: int, touch: int) -> bytes:
    """The bytes by which versions are compared."""
    return _version(stamp, replica, touch)


def check_of(raw: bytes) -> bytes:
    """The check of some bytes, as scripts compute it."""
    return _sha1(raw, usedforsecurity=False).hexdigest()[:CHECK_BYTES].encode()


def encode_parts(record: Record, base: tuple[int, int] | tuple[()] = ()) -> Parts:
    """The parts of the copy of `record`, which contains what `base` says of its queue."""
    metadata = dict(sorted(record.metadata.items())) if record.metadata else None
    body = values.encode([record.type, record.generation, metadata, record.payload, *base])
    expires_at_ms = NEVER if record.expires_at_ms is None else record.expires_at_ms
    tail = (b"\0" if record.payload is None else b"\1") + check_of(body)
    version = pack_version(record.stamp, record.replica, record.touch)
    return Parts(version, pack_number(expires_at_ms), tail, body)


def to_ms(answer: Any) -> int:
    """Milliseconds since the epoch of a server's TIME reply."""
    seconds, microseconds = answer
    return int(seconds) * 1_000 + int(microseconds) // 1_000


def encode_placeholder(token: int) -> bytes:
    """What stands for a fill under way."""
    return b"\0%d" % token


def decode_copy(raw: bytes) -> Copy | None:
    """The copy in `raw`; None for a placeholder. Raises DamagedError."""
    kind = raw[0] if raw else COPY + 1
    if kind != COPY:
        if kind == PLACEHOLDER:
            return None
        raise DamagedError("it has a format that this version does not know")
    if len(raw) < HEAD_BYTES or check_of(raw[1 + CHECK_BYTES : HEAD_BYTES]) != raw[1:9]:
        raise DamagedError("its head fails its check")
    number, _, fetched_ms, stamp, replica, touch, expires, has_value, check = _unpack_head(raw, 9)
    body = raw[HEAD_BYTES:]
    if check_of(body) != check:
        raise DamagedError("its body fails its check")
    if has_value and body.startswith(_USUAL) and len(body) == 6 + body[5]:
        expires_at_ms = None if expires == NEVER else expires
        return Copy(Record(stamp, replica, body[6:], expires_at_ms, touch), number, fetched_ms)
    record = _decode_record([stamp, replica, touch, expires], _fields_of(body, 4))
    if has_value != (record.payload is not None):
        raise DamagedError("its head and its body do not fit")
    return Copy(record, number, fetched_ms)


def decode_typed(raw: bytes) -> TypedCopy:
    """What the copy of a key that is no register says of its row. Raises DamagedError."""
    if raw[:1] != bytes((COPY,)):
        if raw[:1] in (b"", bytes((PLACEHOLDER,))):
            return TypedCopy()
        raise DamagedError("it has a format that this version does not know")
    if len(raw) < HEAD_BYTES or check_of(raw[1 + CHECK_BYTES : HEAD_BYTES]) != raw[1:9]:
        raise DamagedError("its head fails its check")
    _, _, fetched_ms, stamp, replica, touch, expires, _, check = _unpack_head(raw, 9)
    body = raw[HEAD_BYTES:]
    if check_of(body) != check:
        raise DamagedError("its body fails its check")
    *fields, of, applied = _fields_of(body, 6)
    if type(of) is not int or type(applied) is not int:
        raise DamagedError("its body is malformed")
    record = _decode_record([stamp, replica, touch, expires], fields)
    return TypedCopy(record, (of, applied), fetched_ms)


def _fields_of(body: bytes, count: int) -> list[Any]:
    try:
        fields: Any = values.decode(body)
    except DecodingError as error:
        raise DamagedError("its body is not readable") from error
    if not isinstance(fields, list) or len(fields) != count:
        raise DamagedError("its body is malformed")
    return fields


def _decode_record(lifetime: list[int], fields: list[Any]) -> Record:
    stamp, replica, touch, expires = lifetime
    kind, generation, metadata, payload = fields
    expires_at_ms = None if expires == NEVER else expires
    envelope = [kind, generation, stamp, replica, touch, expires_at_ms, metadata, payload]
    # A copy may stand for a payload that lies elsewhere; then its own is empty.
    fault = find_fault([*envelope[:7], payload if payload != b"" else None])
    if fault is not None:
        raise DamagedError(f"its {fault} is out of bounds")
    return from_fields(envelope[:7], payload)
