"""Segments: one object with many records, in blocks, and an index of them at its end.

    magic, format | block, block, … | index | trailer

A block is one frame (`block`). The index is a frame of a msgpack array, for each block

    [offset, length, length of its content, CRC-32 of its content, keys, stamps, replicas]

and the trailer says where the index is. A pointer leads to a block without the index; the index
is for finding out, without a directory, what there is.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

from tierstore.record import encode, find_fault
from tierstore.region.objects import SEGMENT, check_name
from tierstore.region.pointer import Pointer
from tierstore.tiers.segments.block import COUNT_BYTES, LENGTHS_BYTES, Block, build_block
from tierstore.tiers.segments.frames import (
    OVERHEAD_BYTES_MAX,
    Compressor,
    DamagedError,
    Decompressor,
)
from tierstore.tiers.segments.packed import Packed
from tierstore.values import encode as encode_value
from tierstore.values import use_msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tierstore.record import Record
    from tierstore.region.objects import ObjectTier

MAGIC = b"\x89TSSEG\r\n"
SEGMENT_FORMAT = 1
HEADER = struct.Struct(">8sI")
TRAILER = struct.Struct(">QIIII8s")
"""Of the index: offset, length, length of its content, CRC-32; CRC-32 of these four; magic."""
PLACE = struct.Struct(">QIII")

BLOCK_BYTES = 64 << 10
"""The content of a block, unless a single record is larger."""
RECORD_BYTES_MAX = 1 << 20
"""Key and envelope of a record; a larger one is packed by `pack_value`."""
BLOCK_BYTES_MAX = RECORD_BYTES_MAX + COUNT_BYTES + LENGTHS_BYTES
FRAME_BYTES_MAX = BLOCK_BYTES_MAX + OVERHEAD_BYTES_MAX
SEGMENT_RECORDS_MAX = 16_384
INDEX_BYTES_MAX = SEGMENT_RECORDS_MAX * 2 * 1024  # keys have at most 1 KiB
INDEX_FRAME_BYTES_MAX = INDEX_BYTES_MAX + INDEX_BYTES_MAX // 64

SEGMENT_RECORDS = 8_192
SEGMENT_BYTES = 8 << 20
"""Key and payload bytes from which on `split` begins another segment."""


@dataclass(frozen=True, slots=True)
class BlockInfo:
    """What the index says of one block."""

    offset: int
    length: int
    raw_bytes: int
    checksum: int
    """The CRC-32 of the content, taken before it was compressed."""
    keys: list[str]
    stamps: list[int]
    replicas: list[int]


def split(records: Iterable[tuple[str, Record]]) -> Iterator[list[tuple[str, Record]]]:
    """The records in groups that make one segment each, by count and by bytes, in their order."""
    group: list[tuple[str, Record]] = []
    size_bytes = 0
    for key, record in records:
        size_bytes += len(key) + len(record.payload or b"")
        if group and (size_bytes > SEGMENT_BYTES or len(group) == SEGMENT_RECORDS):
            yield group
            group, size_bytes = [], len(key) + len(record.payload or b"")
        group.append((key, record))
    if group:
        yield group


def pack_segment(name: str, records: Sequence[tuple[str, Record]]) -> Packed:
    """The segment of these records, tombstones among them, in the order of their keys.

    Raises ValueError for no or too many records, a key twice, or a record that is above
    `RECORD_BYTES_MAX` or lacks its payload; InvalidArgumentError for a name of another form.
    """
    if check_name(name).kind != SEGMENT:
        raise ValueError(f"{name} is not the name of a segment")
    if not 0 < len(records) <= SEGMENT_RECORDS_MAX:
        raise ValueError(f"a segment has 1 to {SEGMENT_RECORDS_MAX} records, not {len(records)}")
    ordered = sorted(records, key=_key)
    writer = _Writer(name)
    for group in _blocks(ordered):
        writer.add(group)
    if len(writer.pointers) != len(records):
        raise ValueError("a segment holds each key once")
    return writer.finish()


def _key(record: tuple[str, Record]) -> str:
    return record[0]


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    record: Record
    raw: tuple[bytes, bytes]

    @property
    def size_bytes(self) -> int:
        return len(self.raw[0]) + len(self.raw[1]) + LENGTHS_BYTES


def _blocks(records: Iterable[tuple[str, Record]]) -> Iterator[list[_Entry]]:
    block: list[_Entry] = []
    size_bytes = COUNT_BYTES
    for key, record in records:
        entry = _encode(key, record)
        size_bytes += entry.size_bytes
        if block and size_bytes > BLOCK_BYTES:
            yield block
            block, size_bytes = [], COUNT_BYTES + entry.size_bytes
        block.append(entry)
    yield block


def _encode(key: str, record: Record) -> _Entry:
    fault = find_fault([*record.fields(), record.payload])
    if fault is not None:
        raise ValueError(f"the record of key {key!r} cannot be packed: its {fault}")
    entry = _Entry(key, record, (key.encode(), encode(record)))
    if entry.size_bytes - LENGTHS_BYTES > RECORD_BYTES_MAX:
        raise ValueError(f"the record of key {key!r} is too large for a segment: use pack_value")
    return entry


class SegmentParts:
    """The bytes of a segment, all in memory."""

    def __init__(self, parts: Sequence[bytes], blocks: Sequence[BlockInfo]) -> None:
        self._parts = parts
        self._blocks = blocks

    @property
    def size_bytes(self) -> int:
        """All of them together."""
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    def check(self, objects: ObjectTier, name: str, timeout_s: float) -> None:
        """Compare with the object, and its blocks with what they were made of.

        Raises DamagedError on any difference.
        """
        _compare(objects.stream(name, timeout_s), self._parts)
        decompressor = Decompressor()
        for info, frame in zip(self._blocks, self._parts[1:-2], strict=True):
            open_block(frame, decompressor, info)


def _compare(chunks: Iterable[bytes], parts: Iterable[bytes]) -> None:
    expected: Iterator[bytes] = iter(parts)
    rest = memoryview(b"")
    for chunk in chunks:
        found = memoryview(chunk)
        while found:
            if not rest:
                following: bytes = next(expected, b"")
                rest = memoryview(following)
            common = min(len(found), len(rest))
            if not common or found[:common] != rest[:common]:
                raise DamagedError("differs from what was written")
            found, rest = found[common:], rest[common:]
    if rest or any(expected):
        raise DamagedError("is shorter than what was written")


def open_block(frame: bytes, decompressor: Decompressor, info: BlockInfo | None = None) -> Block:
    """The block in a frame. Raises DamagedError if it is not one, or not the one of `info`."""
    raw = decompressor.decompress(frame, BLOCK_BYTES_MAX)
    if info is not None and (len(raw), crc32(raw)) != (info.raw_bytes, info.checksum):
        raise DamagedError("has a block that its index does not describe")
    return Block(raw)


class _Writer:
    def __init__(self, name: str) -> None:
        use_msgspec()
        self._name = name
        self._compressor = Compressor()
        self._parts = [HEADER.pack(MAGIC, SEGMENT_FORMAT)]
        self._offset = HEADER.size
        self._blocks: list[BlockInfo] = []
        self._raw_bytes = 0
        self.pointers: dict[str, Pointer] = {}

    def add(self, entries: Sequence[_Entry]) -> None:
        raw = build_block([entry.raw for entry in entries])
        frame = self._compressor.compress(raw)
        self._raw_bytes += len(raw)
        self._blocks.append(
            BlockInfo(
                self._offset,
                len(frame),
                len(raw),
                crc32(raw),
                [entry.key for entry in entries],
                [entry.record.stamp for entry in entries],
                [entry.record.replica for entry in entries],
            )
        )
        for index, entry in enumerate(entries):
            self.pointers[entry.key] = Pointer(self._name, SEGMENT, self._offset, len(frame), index)
        self._parts.append(frame)
        self._offset += len(frame)

    def finish(self) -> Packed:
        raw = encode_value(
            [
                [b.offset, b.length, b.raw_bytes, b.checksum, b.keys, b.stamps, b.replicas]
                for b in self._blocks
            ]
        )
        index = self._compressor.compress(raw)
        place = PLACE.pack(self._offset, len(index), len(raw), crc32(index))
        self._parts += index, place + struct.pack(">I8s", crc32(place), MAGIC)
        parts = SegmentParts(self._parts, self._blocks)
        return Packed(self._name, parts, self.pointers, self._raw_bytes)
