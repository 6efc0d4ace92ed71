"""What an object holds, read from the object alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

from tierstore.errors import CorruptionError, DecodingError
from tierstore.record import REPLICA_MAX
from tierstore.region.objects import SEGMENT, VALUE, ByteRange, ObjectMissingError, check_name
from tierstore.region.pointer import OFFSET_MAX, Pointer
from tierstore.stamp import STAMP_MAX
from tierstore.tiers.segments.frames import DamagedError, Decompressor
from tierstore.tiers.segments.segment import (
    FRAME_BYTES_MAX,
    HEADER,
    INDEX_BYTES_MAX,
    INDEX_FRAME_BYTES_MAX,
    MAGIC,
    PLACE,
    SEGMENT_FORMAT,
    SEGMENT_RECORDS_MAX,
    TRAILER,
    BlockInfo,
)
from tierstore.tiers.segments.value import ValueReader
from tierstore.values.msgpack import unpack

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from tierstore.region.objects import ObjectTier


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One record of an object."""

    key: str
    stamp: int
    replica: int
    pointer: Pointer
    """By which the record is read, and by which a row that still means it is recognised."""


def read_index(objects: ObjectTier, name: str, timeout_s: float) -> list[IndexEntry]:
    """What the object `name` holds, in the order of its keys.

    `timeout_s` bounds each of up to three calls. Raises CorruptionError if the object is damaged,
    ObjectMissingError if there is none.
    """
    try:
        if check_name(name).kind == VALUE:
            return [_of_value(objects, name, timeout_s)]
        blocks = read_blocks(objects, name, timeout_s)
    except DamagedError as exc:
        raise CorruptionError(f"object {name} {exc}", tier="cold", object=name) from exc
    return [entry for block in blocks for entry in _entries(name, block)]


def _of_value(objects: ObjectTier, name: str, timeout_s: float) -> IndexEntry:
    head = ValueReader(objects.stream(name, timeout_s)).head
    pointer = Pointer(name, VALUE, 0, head.payload_bytes, 0)
    return IndexEntry(head.key, head.record.stamp, head.record.replica, pointer)


def _entries(name: str, block: BlockInfo) -> list[IndexEntry]:
    versions = zip(block.keys, block.stamps, block.replicas, strict=True)
    return [
        IndexEntry(key, stamp, replica, Pointer(name, SEGMENT, block.offset, block.length, index))
        for index, (key, stamp, replica) in enumerate(versions)
    ]


def read_blocks(objects: ObjectTier, name: str, timeout_s: float) -> list[BlockInfo]:
    """The index of a segment. Raises DamagedError if it is not whole."""
    place = _find_index(objects, name, timeout_s)
    (frame,) = objects.read(name, [ByteRange(place.offset, place.length)], timeout_s)
    if crc32(frame) != place.checksum:
        raise DamagedError("has an index that fails its checksum")
    raw = Decompressor().decompress(frame, place.raw_bytes)
    try:
        blocks = [_decode_block(item) for item in unpack(raw)]
    except (DecodingError, TypeError, ValueError) as exc:
        raise DamagedError("has a malformed index") from exc
    _check_places(blocks, place.offset)
    return blocks


@dataclass(frozen=True, slots=True)
class _Place:
    offset: int
    length: int
    raw_bytes: int
    checksum: int


def _find_index(objects: ObjectTier, name: str, timeout_s: float) -> _Place:
    size_bytes = _size_of(objects, name, timeout_s)
    trailer_at = size_bytes - TRAILER.size
    if trailer_at < HEADER.size:
        raise DamagedError("is cut off")
    asked = [ByteRange(0, HEADER.size), ByteRange(trailer_at, TRAILER.size)]
    header, trailer = objects.read(name, asked, timeout_s)
    magic, version = HEADER.unpack(header)
    if magic != MAGIC:
        raise DamagedError("is not a segment")
    if version != SEGMENT_FORMAT:
        raise DamagedError(f"has format {version}; this version reads {SEGMENT_FORMAT}")
    *fields, own, magic = TRAILER.unpack(trailer)
    place = _Place(*fields)
    if magic != MAGIC or own != crc32(trailer[: PLACE.size]):
        raise DamagedError("has a trailer that fails its checksum")
    fits = place.length <= INDEX_FRAME_BYTES_MAX and place.raw_bytes <= INDEX_BYTES_MAX
    if not fits or place.offset + place.length != trailer_at:
        raise DamagedError("has a malformed trailer")
    return place


def _size_of(objects: ObjectTier, name: str, timeout_s: float) -> int:
    found = objects.list(name, "", 1, timeout_s).objects
    if not found or found[0].name != name:
        raise ObjectMissingError(f"there is no object {name}")
    return found[0].size_bytes


def _decode_block(fields: Any) -> BlockInfo:
    offset, length, raw_bytes, checksum, keys, stamps, replicas = fields
    columns = (keys, stamps, replicas)
    if not _all_within((offset, raw_bytes, checksum), OFFSET_MAX):
        raise ValueError("a number is out of bounds")
    if not _all_within((length,), FRAME_BYTES_MAX):
        raise ValueError("a length is out of bounds")
    if not all(type(c) is list and len(c) == len(keys) > 0 for c in columns):
        raise ValueError("the columns differ in length")
    if not all(type(key) is str for key in keys):
        raise ValueError("a key is not text")
    if not _all_within(stamps, STAMP_MAX) or not _all_within(replicas, REPLICA_MAX):
        raise ValueError("a version is out of bounds")
    return BlockInfo(offset, length, raw_bytes, checksum, keys, stamps, replicas)


def _all_within(numbers: Iterable[Any], most: int) -> bool:
    return all(type(number) is int and 0 <= number <= most for number in numbers)


def _check_places(blocks: list[BlockInfo], end: int) -> None:
    at = HEADER.size
    for block in blocks:
        if block.offset != at:
            raise DamagedError("has an index with gaps")
        at += block.length
    if at != end or sum(len(block.keys) for block in blocks) > SEGMENT_RECORDS_MAX:
        raise DamagedError("has an index with gaps")
