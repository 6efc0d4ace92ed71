"""Reading payloads out of the cold tier, many at once.

Keys are grouped by object and block: each object is asked once, ranges that lie near each other
are one, and each block is opened once, however many of its records are wanted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

from cachetools import LRUCache

from tierstore.errors import CorruptionError, DecodingError
from tierstore.record import decode, hash_payload
from tierstore.region.deadline import Deadline
from tierstore.region.objects import VALUE, ByteRange, ObjectMissingError
from tierstore.region.waiting import base_of, settled
from tierstore.tiers.segments.frames import DamagedError, Decompressor
from tierstore.tiers.segments.segment import FRAME_BYTES_MAX, open_block
from tierstore.tiers.segments.value import ValueReader
from tierstore.values import use_msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tierstore.record import Record
    from tierstore.region.objects import ObjectTier
    from tierstore.region.pointer import Pointer
    from tierstore.region.rows import Row
    from tierstore.region.waiting import Base, Waiting
    from tierstore.runtime import Runtime
    from tierstore.tiers.segments.block import Block

GAP_BYTES_MAX = 64 << 10
"""Bytes between two ranges that are rather read than skipped."""


@dataclass(slots=True)
class ColdReply:
    """What became of each key of a read: it is in exactly one of the three."""

    payloads: dict[str, bytes] = field(default_factory=dict)
    """Encoded values, with what waits for them in the row. Touch and expiry are those of the row,
    whatever the object says."""
    missing: set[str] = field(default_factory=set)
    """Keys whose object is gone: read the row again. The same pointer twice is corruption."""
    corrupt: dict[str, str] = field(default_factory=dict)
    """Keys whose bytes are not what the row means, with the reason."""
    refused: dict[str, list[tuple[Waiting, str]]] = field(default_factory=dict)
    """What waits in rows and cannot be applied, so that it is not in the payload; and why."""


@dataclass(slots=True)
class _Wanted:
    key: str
    record: Record
    """That of the row."""
    base: Base

    @property
    def pointer(self) -> Pointer:
        """Where it lies."""
        return self.base.pointer


class BlockCache:
    """Blocks that were opened lately, bounded in bytes.

    Keys that went cold together lie together, and an object never changes, so a block that is
    here spares its neighbours a request. What it holds is checked against the row like any other.
    """

    def __init__(self, runtime: Runtime, capacity_bytes: int) -> None:
        self._lock = runtime.lock()
        self._blocks: LRUCache[tuple[str, ByteRange], Block] = LRUCache(
            capacity_bytes, getsizeof=lambda block: block.size_bytes
        )

    def get(self, name: str, at: ByteRange) -> Block | None:
        """The block at this place of an object, if it is here."""
        with self._lock:
            found: Block | None = self._blocks.get((name, at))
        return found

    def put(self, name: str, at: ByteRange, block: Block) -> None:
        """Keep a block, unless it is larger than all the room."""
        with self._lock:
            if block.size_bytes <= self._blocks.maxsize:
                self._blocks[name, at] = block


class ColdReader:
    """Reads what rows point at. Thread-safe; keeps nothing between calls but for `cache`."""

    def __init__(
        self,
        objects: ObjectTier,
        *,
        runtime: Runtime,
        cache: BlockCache | None = None,
        may_cache: Callable[[str], bool] | None = None,
    ) -> None:
        """A block is cached only if `may_cache` is true of all its keys; None: of any key."""
        use_msgspec()
        self._objects = objects
        self._runtime = runtime
        self._cache = cache
        self._may_cache = may_cache

    def read(self, rows: Mapping[str, Row], timeout_s: float) -> ColdReply:
        """The payloads of these rows, all of which have a cold pointer.

        Raises UnavailableError or DeadlineExceededError if the tier cannot answer for one of
        them; damage is told per key.
        """
        reply, deadline = ColdReply(), Deadline(self._runtime, timeout_s)
        by_object: dict[str, list[_Wanted]] = {}
        for wanted in _decode_pointers(rows, reply):
            by_object.setdefault(wanted.pointer.name, []).append(wanted)
            if wanted.base.waiting:
                self._runtime.sometimes("cold key read with what waited")
        for name, group in by_object.items():
            try:
                if group[0].pointer.kind == VALUE:
                    self._read_value(name, group, deadline, reply)
                else:
                    self._read_segment(name, group, deadline, reply)
            except ObjectMissingError:
                unanswered = {w.key for w in group} - reply.payloads.keys() - reply.corrupt.keys()
                reply.missing.update(unanswered)
        return reply

    def _read_value(
        self, name: str, group: list[_Wanted], deadline: Deadline, reply: ColdReply
    ) -> None:
        for wanted in group:
            try:
                stream = self._objects.stream(name, deadline.remaining_s())
                _settle(_take_value(ValueReader(stream), wanted), wanted, reply)
            except (DamagedError, CorruptionError) as exc:
                reply.corrupt[wanted.key] = _reason(name, exc)

    def _read_segment(
        self, name: str, group: list[_Wanted], deadline: Deadline, reply: ColdReply
    ) -> None:
        by_place: dict[tuple[int, int], list[_Wanted]] = {}
        for wanted in group:
            place = wanted.pointer.offset, wanted.pointer.length
            by_place.setdefault(place, []).append(wanted)
        by_block = {ByteRange(*place): block for place, block in by_place.items()}
        if self._cache is not None:
            for at in list(by_block):
                if (known := self._cache.get(name, at)) is not None:
                    _take(name, known, by_block.pop(at), reply)
        if not by_block:
            return
        decompressor = Decompressor()
        for at, frame in self._read_blocks(name, list(by_block), deadline).items():
            if isinstance(frame, str):
                reply.corrupt.update((wanted.key, frame) for wanted in by_block[at])
            elif (opened := _open(name, frame, decompressor, by_block[at], reply)) is not None:
                _take(name, opened, by_block[at], reply)
                if self._cache is not None and self._may_keep(opened):
                    self._cache.put(name, at, opened)

    def _may_keep(self, block: Block) -> bool:
        may_cache = self._may_cache
        if may_cache is None:
            return True
        return all(may_cache(key.decode("utf-8", "replace")) for key, _ in block.entries())

    def _read_blocks(
        self, name: str, blocks: Sequence[ByteRange], deadline: Deadline
    ) -> dict[ByteRange, bytes | str]:
        """The bytes of each block, or the reason why there are none."""
        spans = _coalesce(blocks)
        try:
            found = self._objects.read(name, [span.range for span in spans], deadline.remaining_s())
        except CorruptionError as exc:
            if len(blocks) == 1:
                return {blocks[0]: _reason(name, exc)}
            singly: dict[ByteRange, bytes | str] = {}
            for block in blocks:  # the others may be sound
                singly.update(self._read_blocks(name, [block], deadline))
            return singly
        return {
            block: content[block.start - span.range.start : block.end - span.range.start]
            for span, content in zip(spans, found, strict=True)
            for block in span.blocks
        }


def _decode_pointers(rows: Mapping[str, Row], reply: ColdReply) -> Iterable[_Wanted]:
    for key, row in rows.items():
        try:
            base = base_of(row)
        except CorruptionError as exc:
            reply.corrupt[key] = str(exc)
            continue
        if base.pointer.kind != VALUE and base.pointer.length > FRAME_BYTES_MAX:
            reply.corrupt[key] = f"the cold pointer of key {key!r} names a block that is too large"
            continue
        yield _Wanted(key, row.record, base)


@dataclass(frozen=True, slots=True)
class _Span:
    range: ByteRange
    blocks: list[ByteRange]


def _coalesce(blocks: Iterable[ByteRange]) -> list[_Span]:
    """Ranges that cover the blocks, one for neighbours with a small gap between them."""
    spans: list[_Span] = []
    for block in sorted(blocks, key=lambda block: block.start):
        if spans and block.start - spans[-1].range.end <= GAP_BYTES_MAX:
            last = spans.pop()
            start, end = last.range.start, max(last.range.end, block.end)
            spans.append(_Span(ByteRange(start, end - start), [*last.blocks, block]))
        else:
            spans.append(_Span(block, [block]))
    return spans


def _open(
    name: str,
    frame: bytes,
    decompressor: Decompressor,
    group: list[_Wanted],
    reply: ColdReply,
) -> Block | None:
    try:
        return open_block(frame, decompressor)
    except DamagedError as exc:
        reply.corrupt.update((wanted.key, _reason(name, exc)) for wanted in group)
        return None


def _take(name: str, block: Block, group: list[_Wanted], reply: ColdReply) -> None:
    for wanted in group:
        try:
            key, envelope = block.entry(wanted.pointer.index)
            if key != wanted.key.encode():
                raise DamagedError("has another key where the row points")
            record = decode(envelope, key=wanted.key, tier="cold")
            _check_version(wanted, record)
            if record.payload is None:
                raise DamagedError("has a tombstone where the row points")
            _settle(record.payload, wanted, reply)
        except (DamagedError, CorruptionError) as exc:
            reply.corrupt[wanted.key] = _reason(name, exc)


def _check_version(wanted: _Wanted, record: Record) -> None:
    row, base = wanted.record, wanted.base
    if record.stamp != base.stamp or record.replica != base.replica:
        raise DamagedError("has another version where the row points")
    if record.type != row.type or record.generation != row.generation:
        raise DamagedError("has another version where the row points")


def _settle(payload: bytes, wanted: _Wanted, reply: ColdReply) -> None:
    """Answer with the payload of an object, and with what waits for it in the row."""
    base = wanted.base
    if base.digest and base.digest != hash_payload(payload):
        raise DamagedError("has another state than the row says")
    try:
        found = settled(base, wanted.record.type, payload)
    except DecodingError as exc:
        raise DamagedError(f"has no state of its type: {exc}") from exc
    reply.payloads[wanted.key] = found.payload
    if found.refused:
        reply.refused[wanted.key] = found.refused


def _take_value(reader: ValueReader, wanted: _Wanted) -> bytes:
    head = reader.head
    if head.key != wanted.key:
        raise DamagedError("has another key where the row points")
    _check_version(wanted, head.record)
    if head.payload_bytes != wanted.pointer.length:
        raise DamagedError("has another length than the row says")
    payload = BytesIO()
    for piece in reader.pieces():
        payload.write(piece)
    return payload.getvalue()


def _reason(name: str, exc: Exception) -> str:
    return f"object {name} {exc}" if isinstance(exc, DamagedError) else str(exc)
