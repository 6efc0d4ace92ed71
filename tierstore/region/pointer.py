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
BASE_FORMAT = 2
"""Of a pointer with what waits on top of it, as `tierstore.region.waiting` writes it."""
_FIELDS = {POINTER_FORMAT: 5, BASE_FORMAT: 9}
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
    """The pointer in the row of `key`, whatever waits on top of what it points at.

    Raises CorruptionError, naming `key` and the tier, if the bytes are not exactly what was
    written, or are of a format that this version does not know.
    """
    return pointer_of(decode_fields(raw, key=key), key=key)


def decode_fields(raw: bytes, *, key: str) -> list[Any]:
    """The fields of a pointer of either format, in their number; see `pointer_of`.

    Raises CorruptionError.
    """
    try:
        fields = decode(raw)
    except DecodingError as exc:
        raise corrupt_pointer("is not readable", key) from exc
    if not isinstance(fields, list) or not fields or type(fields[0]) is not int:
        raise corrupt_pointer("is not a pointer", key)
    if fields[0] not in _FIELDS:
        known = f"{POINTER_FORMAT} and {BASE_FORMAT}"
        raise corrupt_pointer(f"has format {fields[0]}; this version reads {known}", key)
    if len(fields) != _FIELDS[fields[0]] or type(fields[1]) is not str:
        raise corrupt_pointer("has malformed fields", key)
    return fields


def pointer_of(fields: list[Any], *, key: str) -> Pointer:
    """The pointer that some fields tell. Raises CorruptionError."""
    name, offset, length, index = fields[1:5]
    parsed = parse_name(name)
    sound = is_within(offset, 0, OFFSET_MAX) and is_within(length, 1, LENGTH_MAX)
    if parsed is None or not sound or not is_within(index, 0, INDEX_MAX):
        raise corrupt_pointer("has malformed fields", key)
    return Pointer(name, parsed.kind, offset, length, index)


def is_within(value: Any, low: int, high: int) -> bool:
    """Whether a field is an integer in these bounds."""
    return type(value) is int and low <= value <= high


def corrupt_pointer(what: str, key: str) -> CorruptionError:
    """The error for the pointer of `key`, of which `what` is wrong."""
    return CorruptionError(f"the cold pointer of key {key!r} {what}", key=key, tier="cold")
