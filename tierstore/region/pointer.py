"""Pointers: how a row says which object, and where in it, holds its payload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierstore.errors import CorruptionError, DecodingError
from tierstore.region.objects import parse_name
from tierstore.values import decode, encode

if TYPE_CHECKING:
    from typing import Any

    from tierstore.region.objects import Kind

POINTER_FORMAT = 1
OFFSET_MAX = (1 << 63) - 1
LENGTH_MAX = (1 << 40) - 1
INDEX_MAX = (1 << 20) - 1


@dataclass(slots=True, unsafe_hash=True)  # a frozen one takes four times as long to make
class Pointer:
    """A place in the cold tier: one record of a block of a segment, or one large value.

    Treated as immutable.
    """

    name: str
    """The object."""
    kind: Kind
    """`SEGMENT` or `VALUE`, as the name says."""
    offset: int
    """Where the block begins in a segment, in bytes; 0 for a value."""
    length: int
    """Bytes of the block as stored; of a value, bytes of its payload."""
    index: int
    """The place of the record in its block, counted from 0; 0 for a value."""


def encode_pointer(pointer: Pointer) -> bytes:
    """The bytes of a pointer, as rows keep it. The kind is told by the name."""
    return encode([POINTER_FORMAT, pointer.name, pointer.offset, pointer.length, pointer.index])


def decode_pointer(raw: bytes, *, key: str) -> Pointer:
    """The pointer in the row of `key`.

    Raises CorruptionError, naming `key` and the tier, if the bytes are not exactly what
    `encode_pointer` wrote, or are of a format that this version does not know.
    """
    try:
        fields = decode(raw)
    except DecodingError as exc:
        raise _corrupt("is not readable", key) from exc
    if not isinstance(fields, list) or not fields or type(fields[0]) is not int:
        raise _corrupt("is not a pointer", key)
    if fields[0] != POINTER_FORMAT:
        raise _corrupt(f"has format {fields[0]}; this version reads {POINTER_FORMAT}", key)
    if len(fields) != 5 or type(fields[1]) is not str:
        raise _corrupt("has malformed fields", key)
    _, name, offset, length, index = fields
    parsed = parse_name(name)
    sound = _in_range(offset, 0, OFFSET_MAX) and _in_range(length, 1, LENGTH_MAX)
    if parsed is None or not sound or not _in_range(index, 0, INDEX_MAX):
        raise _corrupt("has malformed fields", key)
    return Pointer(name, parsed.kind, offset, length, index)


def _in_range(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _corrupt(what: str, key: str) -> CorruptionError:
    return CorruptionError(f"the cold pointer of key {key!r} {what}", key=key, tier="cold")
