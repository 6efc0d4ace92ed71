"""Large values: one record in an object of its own, written and read piece by piece.

    magic, format, header length, CRC-32 of the header | header
    | length, frame (of each piece of the payload) | 0 | digest, magic

The header is a msgpack array, in which `digest` is the record's own (`tierstore.record.digest`):

    [key, type, generation, stamp, replica, touch, expires_at_ms, metadata,
     payload length, payload hash, digest]

The digest at the end is the 16-byte BLAKE2b hash of all that stands before it. A value that does
not compress is stored as it is, at a cost of some 20 bytes a piece.
"""

from __future__ import annotations

import struct
from _blake2 import blake2b
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

from tierstore.errors import DecodingError
from tierstore.record import (
    DIGEST_BYTES,
    ELSEWHERE,
    Record,
    digest,
    find_fault,
    from_fields,
    hash_payload,
)
from tierstore.region.objects import CHUNK_BYTES_MAX, VALUE, check_name
from tierstore.region.pointer import LENGTH_MAX, Pointer
from tierstore.tiers.segments.frames import (
    OVERHEAD_BYTES_MAX,
    Compressor,
    DamagedError,
    Decompressor,
)
from tierstore.tiers.segments.packed import Packed
from tierstore.values.msgpack import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from tierstore.region.objects import ObjectTier

MAGIC = b"\x89TSVAL\r\n"
VALUE_FORMAT = 1
PIECE_BYTES = CHUNK_BYTES_MAX
HEADER_BYTES_MAX = 1 << 20

_PRELUDE = struct.Struct(">8sIII")
_LENGTH = struct.Struct(">I")
_TRAILER_BYTES = DIGEST_BYTES + len(MAGIC)


@dataclass(frozen=True, slots=True)
class ValueHead:
    """What an object says of its value before the value itself."""

    key: str
    record: Record
    """The record; its payload is `ELSEWHERE`: behind."""
    payload_bytes: int
    payload_hash: bytes
    """The 16-byte BLAKE2b hash of the payload."""


def pack_value(name: str, key: str, record: Record) -> Packed:
    """The object of one large value. The payload is not copied, and compressed while it is put.

    Raises ValueError for a record without payload or with a header above `HEADER_BYTES_MAX`,
    InvalidArgumentError for a name of another form.
    """
    if check_name(name).kind != VALUE:
        raise ValueError(f"{name} is not the name of a large value")
    payload = record.payload
    fault = find_fault([*record.fields(), payload])
    if not payload or fault is not None:
        raise ValueError(f"the record of key {key!r} cannot be packed: its {fault or 'payload'}")
    fields = list(record.fields())
    head = ValueHead(key, from_fields(fields, ELSEWHERE), len(payload), hash_payload(payload))
    pointers = {key: Pointer(name, VALUE, 0, len(payload), 0)}
    return Packed(name, ValueParts(head, payload), pointers, len(payload))


class ValueParts:
    """The bytes of a large value's object, made while they are taken."""

    def __init__(self, head: ValueHead, payload: bytes) -> None:
        self._head = head
        self._prelude = _encode_head(head)
        self._payload = payload
        self._size_bytes: int | None = None

    @property
    def size_bytes(self) -> int:
        """All of them together; known once they were taken."""
        if self._size_bytes is None:
            return sum(map(len, self))
        return self._size_bytes

    def __iter__(self) -> Iterator[bytes]:
        hashed, size_bytes = blake2b(digest_size=DIGEST_BYTES), 0
        for part in self._before_trailer():
            hashed.update(part)
            size_bytes += len(part)
            yield part
        self._size_bytes = size_bytes + _TRAILER_BYTES
        yield hashed.digest() + MAGIC

    def _before_trailer(self) -> Iterator[bytes]:
        yield self._prelude
        compressor, payload = Compressor(), memoryview(self._payload)
        for start in range(0, len(payload), PIECE_BYTES):
            frame = compressor.compress(payload[start : start + PIECE_BYTES])
            yield _LENGTH.pack(len(frame)) + frame
        yield _LENGTH.pack(0)

    def check(self, objects: ObjectTier, name: str, timeout_s: float) -> None:
        """Read the object through. Raises DamagedError if it is not of this value."""
        found = ValueReader(objects.stream(name, timeout_s))
        if found.head != self._head:
            raise DamagedError("holds another value than was written")
        for _ in found.pieces():
            pass


def _encode_head(head: ValueHead) -> bytes:
    own = digest(head.record, head.payload_hash)
    fields = [*head.record.fields(), head.payload_bytes, head.payload_hash, own]
    header = pack([head.key, *fields])
    if len(header) > HEADER_BYTES_MAX:
        raise ValueError(f"the metadata of key {head.key!r} is too large for the cold tier")
    return _PRELUDE.pack(MAGIC, VALUE_FORMAT, len(header), crc32(header)) + header


class ValueReader:
    """Reads the object of a large value; what it takes of the memory does not depend on it."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        """Raises DamagedError if this is not such an object."""
        self._feed = _Feed(chunks)
        magic, version, header_bytes, checksum = _PRELUDE.unpack(self._feed.take(_PRELUDE.size))
        if magic != MAGIC:
            raise DamagedError("is not that of a large value")
        if version != VALUE_FORMAT:
            raise DamagedError(f"has format {version}; this version reads {VALUE_FORMAT}")
        if header_bytes > HEADER_BYTES_MAX:
            raise DamagedError("has a malformed header")
        header = self._feed.take(header_bytes)
        if crc32(header) != checksum:
            raise DamagedError("has a header that fails its checksum")
        self.head = _decode_head(header)

    def pieces(self) -> Iterator[bytes]:
        """The payload, piece by piece.

        Raises DamagedError, at the latest after the last piece, if it is not what was written.
        """
        hashed, left = blake2b(digest_size=DIGEST_BYTES), self.head.payload_bytes
        decompressor = Decompressor()
        while left:
            frame = self._feed.take(self._frame_bytes())
            piece = decompressor.decompress(frame, min(left, PIECE_BYTES))
            hashed.update(piece)
            left -= len(piece)
            yield piece
        if self._frame_bytes(0) or hashed.digest() != self.head.payload_hash:
            raise DamagedError("holds a value that fails its digest")
        if self._feed.digest() + MAGIC != self._feed.take(_TRAILER_BYTES):
            raise DamagedError("fails its digest")
        self._feed.expect_end()

    def _frame_bytes(self, most: int = PIECE_BYTES + OVERHEAD_BYTES_MAX) -> int:
        (length,) = _LENGTH.unpack(self._feed.take(_LENGTH.size))
        if length > most:
            raise DamagedError("has a piece that is too large")
        return int(length)


def _decode_head(header: bytes) -> ValueHead:
    try:
        fields = unpack(header)
    except DecodingError as exc:
        raise DamagedError("has a malformed header") from exc
    if not isinstance(fields, list) or len(fields) != 11 or type(fields[0]) is not str:
        raise DamagedError("has a malformed header")
    key, *envelope, payload_bytes, payload_hash, own = fields
    if find_fault([*envelope, None]) is not None or not _is_size(payload_bytes):
        raise DamagedError("has a malformed header")
    record = from_fields(envelope, ELSEWHERE)
    if type(payload_hash) is not bytes or digest(record, payload_hash) != own:
        raise DamagedError("has a header that fails its digest")
    return ValueHead(key, record, payload_bytes, payload_hash)


def _is_size(number: Any) -> bool:
    return type(number) is int and 0 < number <= LENGTH_MAX


class _Feed:
    """Takes exact lengths out of chunks of any size, and hashes what was taken."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._buffer = bytearray()
        self._hashed = blake2b(digest_size=DIGEST_BYTES)

    def take(self, length: int) -> bytes:
        while len(self._buffer) < length:
            chunk = next(self._chunks, b"")
            if not chunk:
                raise DamagedError("is cut off")
            self._buffer += chunk
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._hashed.update(taken)
        return taken

    def digest(self) -> bytes:
        """The hash of what was taken so far."""
        return self._hashed.digest()

    def expect_end(self) -> None:
        if self._buffer or next(self._chunks, b""):
            raise DamagedError("goes on behind its end")
