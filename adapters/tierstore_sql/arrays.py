"""Arrays in the binary format of PostgreSQL, made without a look at each element's type.

Format: src/backend/utils/adt/arrayfuncs.c, `array_recv`. One dimension from index 1: number of
dimensions, whether there are NULLs, the element's type, count, lower bound; then each element's
length, -1 for NULL, and its bytes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD = struct.Struct("!iiIii").pack
_LENGTH = struct.Struct("!i").pack
_INT8 = struct.Struct("!iq").pack
_NULL = _LENGTH(-1)
BYTEA_OID, INT8_OID = 17, 20


class PackedArray(bytes):
    """An array as the driver sends it."""

    __slots__ = ()
    oid: ClassVar[int]
    """The type of the array."""


class ByteaArray(PackedArray):
    """A `bytea[]`."""

    __slots__ = ()
    oid = 1001


class Int8Array(PackedArray):
    """A `bigint[]`."""

    __slots__ = ()
    oid = 1016


def pack_bytes(values: Sequence[bytes | bytearray | None]) -> ByteaArray:
    """The array of these."""
    parts: list[bytes | bytearray] = [_HEAD(1, 1, BYTEA_OID, len(values), 1)]
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            parts.append(_LENGTH(len(value)))
            parts.append(value)
    return ByteaArray(b"".join(parts))


def pack_numbers(values: Sequence[int | None]) -> Int8Array:
    """The array of these. Raises OverflowError for a number of more than 64 bits."""
    head = _HEAD(1, 1, INT8_OID, len(values), 1)
    try:
        packed = [_NULL if value is None else _INT8(8, value) for value in values]
    except struct.error:
        raise OverflowError("a number is out of range") from None
    return Int8Array(head + b"".join(packed))
