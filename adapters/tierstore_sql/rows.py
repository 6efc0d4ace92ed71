"""How a row of the directory lies in the database.

All fields of fixed width are one BLOB, the *header*: reading eighteen columns took 2.4 times as
long as reading one value, five columns 1.8 times (benchmarks/region.py). Columns of their own
have only what the database searches: `key`, `position`, `dead_at_ms`. The header ends with two
CRC-32: of the content, and of the key and the header itself. So a header can be checked, and
changed by a move, without touching its content.
"""

from __future__ import annotations

import struct
from zlib import crc32

from tierstore.errors import CorruptionError, DecodingError
from tierstore.record import ELSEWHERE, Record
from tierstore.region.protocol import Change
from tierstore.region.rows import EVENTUAL, Row
from tierstore.stamp import STAMP_MAX, physical_ms
from tierstore.values.msgpack import pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeAlias

    Stored: TypeAlias = tuple[Any, ...]

COLUMNS = ("position", "key", "dead_at_ms", "due_ms", "header", "metadata", "cold", "payload")
CONTENT_COLUMNS = ("position", *COLUMNS[4:])
PLAIN_COLUMNS = ("position", "key", "header", "payload")
TIERED_COLUMNS = ("position", "key", "due_ms", "header", "payload")

# type, consistency | generation, stamp, replica, touch, expires_at_ms | created_ms, accessed_ms,
# entered_ms | heat | size, epoch, CRC-32 of the content; a CRC-32 of key and all this follows.
# It begins with what `tierstore.region.fingerprints.version_bytes` says of the row, byte for byte.
_HEADER = struct.Struct("<BB5q3qdIII")
_SEALED = struct.Struct("<BB5q3qdIIII")
_CRC = struct.Struct("<I").pack
_pack_header = _HEADER.pack
_unpack_header = _SEALED.unpack
# The CRC-32 of any bytes followed by their own CRC-32 (Williams, "A Painless Guide to CRC Error
# Detection Algorithms", 1993, section 8).
_SOUND = 0x2144DF1C
_TOMBSTONE_CRC = crc32(b"tombstone")  # unlike that of any payload, of the empty one too
_NO_EXPIRY = -1
_ACCESSED_MS, _HEAT = 8, 10  # places in the header
EVENTUAL_BYTE = bytes([EVENTUAL])
"""The second byte of the header of a row that is not strong."""
_CHECKSUM_FAILS = "its row fails its checksum"
MALFORMED = (TypeError, ValueError, struct.error, DecodingError)


def decode_key(raw: bytes) -> str:
    """The key in `raw`; bytes that are not UTF-8 survive as lone surrogates."""
    if type(raw) is not bytes:
        raise CorruptionError("a row has no key", tier="regional")
    return raw.decode("utf-8", "surrogateescape")


def encode_bound(key: str) -> bytes:
    """The bytes of a key or of a bound of keys: the inverse of `decode_key`, for any `str`."""
    try:
        return key.encode()
    except UnicodeEncodeError:
        return _encode_surrogates(key)


def _encode_surrogates(key: str) -> bytes:
    try:
        return key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return key.encode("utf-8", "surrogatepass")


class EncodedRows:
    """Rows by the columns that they need; the others keep their defaults."""

    __slots__ = ("full", "plain", "tiered")

    def __init__(self) -> None:
        self.plain: list[Stored] = []
        """`PLAIN_COLUMNS`."""
        self.tiered: list[Stored] = []
        """`TIERED_COLUMNS`."""
        self.full: list[Stored] = []
        """`COLUMNS`."""


def encode_rows(rows: Iterable[Row], position: int) -> EncodedRows:
    """The rows, at consecutive feed positions from `position` on.

    Bytes are `bytearray`, which the driver binds at once; for `bytes` and None it first looks for
    an adapter, which took half the time of a batch.
    """
    encoded = EncodedRows()
    for at, row in enumerate(rows, position):
        record = row.record
        key, payload = row.key.encode(), record.payload
        metadata = pack(record.metadata) if record.metadata else None
        sealed = _seal(row, key, metadata)
        if payload is None or record.expires_at_ms is not None:
            dead_at_ms = _dead_at_ms(record)
            rest = sealed, metadata, row.cold, payload
            encoded.full.append((at, key, dead_at_ms, row.due_ms, *rest))
        elif metadata is not None or row.cold is not None:
            encoded.full.append((at, key, None, row.due_ms, sealed, metadata, row.cold, payload))
        elif row.due_ms is not None:
            encoded.tiered.append((at, bytearray(key), row.due_ms, sealed, bytearray(payload)))
        else:
            encoded.plain.append((at, bytearray(key), sealed, bytearray(payload)))
    return encoded


def encode_row(row: Row, position: int) -> Stored:
    """The columns `COLUMNS` of a row, at a feed position."""
    record, key = row.record, row.key.encode()
    metadata = pack(record.metadata) if record.metadata else None
    may_die = record.payload is None or record.expires_at_ms is not None
    dead_at_ms = _dead_at_ms(record) if may_die else None
    sealed = _seal(row, key, metadata)
    return position, key, dead_at_ms, row.due_ms, sealed, metadata, row.cold, record.payload


def encode_place(row: Row) -> Stored:
    """(due_ms, header, cold, payload, key) of a row that changed its tier."""
    return row.due_ms, encode_header(row), row.cold, row.record.payload, row.key.encode()


def encode_header(row: Row) -> bytearray:
    """The header of a row whose content is known in full."""
    metadata = pack(row.record.metadata) if row.record.metadata else None
    return _seal(row, row.key.encode(), metadata)


def reseal_heat(header: bytes, key: bytes, row: Row) -> bytearray:
    """The sound `header` of a row with other heat; what it says of the content stays."""
    fields = list(_unpack_header(header)[:-1])
    fields[_ACCESSED_MS], fields[_HEAT] = row.accessed_ms, row.heat
    changed = _pack_header(*fields)
    return bytearray(changed + _CRC(crc32(changed, crc32(key))))


def _seal(row: Row, key: bytes, metadata: bytes | None) -> bytearray:
    record = row.record
    expires_at_ms = record.expires_at_ms
    header = _pack_header(
        record.type,
        row.consistency,
        record.generation,
        record.stamp,
        record.replica,
        record.touch,
        _NO_EXPIRY if expires_at_ms is None else expires_at_ms,
        row.created_ms,
        row.accessed_ms,
        row.entered_ms,
        row.heat,
        row.size,
        row.epoch,
        _sum_content(metadata, row.cold, record.payload),
    )
    return bytearray(header + _CRC(crc32(header, crc32(key))))


def decode_row(
    key: str,
    raw_key: bytes,
    position: int,
    header: Any,
    metadata: Any,
    cold: Any,
    payload: Any,
    due_ms: int | None = None,
) -> Row:
    """The row of `key` with these columns.

    Raises CorruptionError, naming the key, if they are not what `encode_rows` made.
    """
    try:
        if crc32(header, crc32(raw_key)) != _SOUND:
            raise _corrupt(key)
        (
            type_, consistency, generation, stamp, replica, touch, expires_at_ms, created_ms,
            accessed_ms, entered_ms, heat, size, epoch, content_sum, _,
        ) = _unpack_header(header)  # fmt: skip
        plain_sum = _TOMBSTONE_CRC if payload is None else crc32(payload)
        if metadata is not None or cold is not None:
            plain_sum = _sum_content(metadata, cold, payload)
        if content_sum != plain_sum:
            raise _corrupt(key)
        record = Record(
            stamp, replica, payload, None if expires_at_ms == _NO_EXPIRY else expires_at_ms, touch,
            None if metadata is None else unpack(metadata), type_, generation,
        )  # fmt: skip
    except MALFORMED as exc:
        raise _corrupt(key) from exc
    return Row(
        key, record, consistency, cold, size, position, epoch, created_ms, accessed_ms, entered_ms,
        heat, due_ms,
    )  # fmt: skip


def decode_bare_row(
    key: str,
    raw_key: bytes,
    position: int,
    header: Any,
    metadata: Any,
    is_tombstone: int,
    cold: bytes | None = None,
    due_ms: int | None = None,
) -> Row:
    """The row of `key` without its content: `ELSEWHERE` stands for a payload.

    Raises CorruptionError if the header is not what `encode_rows` made; content is not checked,
    nor is `cold`, as what a pointer leads to names its key and version.
    """
    fields = _open_header(key, raw_key, header)
    try:
        metadata = None if metadata is None else unpack(metadata)
    except MALFORMED as exc:
        raise _corrupt(key) from exc
    record = Record(
        fields[3], fields[4], None if is_tombstone else ELSEWHERE,
        None if fields[6] == _NO_EXPIRY else fields[6], fields[5], metadata, fields[0], fields[2],
    )  # fmt: skip
    return Row(
        key, record, fields[1], cold, fields[11], position, fields[12], fields[7], fields[8],
        fields[9], fields[10], due_ms,
    )  # fmt: skip


def decode_change(raw_key: bytes, position: int, header: Any) -> Change:
    """The change that a row stands for. A damaged one has the highest stamp, so it is read."""
    key = decode_key(raw_key)
    try:
        fields = _open_header(key, raw_key, header)
    except CorruptionError:
        return Change(key, STAMP_MAX, 0, 0, None, position)
    expires_at_ms = None if fields[6] == _NO_EXPIRY else fields[6]
    return Change(key, fields[3], fields[4], fields[5], expires_at_ms, position)


def _open_header(key: str, raw_key: bytes, header: Any) -> tuple[Any, ...]:
    try:
        if crc32(header, crc32(raw_key)) == _SOUND:
            return _unpack_header(header)
    except MALFORMED:
        pass
    raise _corrupt(key)


def _sum_content(metadata: bytes | None, cold: bytes | None, payload: bytes | None) -> int:
    checksum = _TOMBSTONE_CRC if payload is None else crc32(payload)
    if metadata is not None:
        checksum = crc32(metadata, checksum)
    return checksum if cold is None else crc32(cold, checksum)


def _dead_at_ms(record: Record) -> int:
    """When a record that is a tombstone or expires can have died at the latest."""
    died_ms = physical_ms(max(record.stamp, record.touch))
    if record.payload is None or record.expires_at_ms is None:
        return died_ms
    return max(died_ms, record.expires_at_ms)


def _corrupt(key: str) -> CorruptionError:
    return CorruptionError(f"key {key!r}: {_CHECKSUM_FAILS}", key=key, tier="regional")
