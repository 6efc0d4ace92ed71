"""Values for replays: of an exact size, made from key and version, never the same twice.

A value is a slice of one pseudo-random block behind eight bytes that hold the version and a sum
of the key. So a stale value, or one of another key, differs from the right one in every byte range
that was overwritten, and making the expected value costs less than remembering it.
"""

from __future__ import annotations

from hashlib import shake_128
from struct import Struct
from zlib import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BLOCK_BYTES = 1 << 17
_OFFSET_MASK = 0xFFFF
_U32 = 0xFFFFFFFF
_BLOCK = shake_128(b"tierstore replay").digest(_BLOCK_BYTES)
_HEAD = Struct(">II").pack
_HEAD_BYTES = 8
_SPREAD = 0x9E3779B1  # odd, so that multiples of it differ in any number of low bits
# Of `tierstore.values`: what the header of n bytes takes.
_BIN8_MAX, _BIN16_MAX = 0xFF, 0xFFFF
_BIN8_HEADER, _BIN16_HEADER, _BIN32_HEADER = 2, 3, 5


def make_value(key: str, version: int, size_bytes: int) -> Any:
    """The value of the write `version` of `key`: key and encoded value have `size_bytes`.

    At least one byte is left to the value, so a smaller size is exceeded. Versions of a key that
    differ have values that differ; below four bytes, only versions that are near each other.
    """
    raw_key = key.encode()
    key_sum = crc32(raw_key)
    count = size_bytes - len(raw_key) - _BIN8_HEADER
    if _HEAD_BYTES <= count <= _BIN8_MAX:
        start = (key_sum & _OFFSET_MASK) + _HEAD_BYTES
        return _HEAD(key_sum, version & _U32) + _BLOCK[start : start - _HEAD_BYTES + count]
    if count < _HEAD_BYTES:
        return _small(key_sum, version, count)
    return _large(key_sum, version, count + _BIN8_HEADER)


def _large(key_sum: int, version: int, room: int) -> Any:
    count = _wide_count(room)
    start = (key_sum & _OFFSET_MASK) + _HEAD_BYTES
    stop = start - _HEAD_BYTES + count
    filler = _BLOCK if stop <= _BLOCK_BYTES else _BLOCK * (stop // _BLOCK_BYTES + 1)
    value = _HEAD(key_sum, version & _U32) + filler[start:stop]
    missing = room - encoded_bytes(count)
    # No header makes `bytes` of this size: a list around them adds a byte, and each None another.
    return value if not missing else [value, *[None] * (missing - 1)]


def encoded_bytes(count: int) -> int:
    """The bytes that `count` bytes of data take once encoded."""
    if count <= _BIN8_MAX:
        return count + _BIN8_HEADER
    return count + (_BIN16_HEADER if count <= _BIN16_MAX else _BIN32_HEADER)


def _wide_count(room: int) -> int:
    """The most bytes of data that fit into `room` with a header longer than the shortest."""
    if room > _BIN16_MAX + _BIN32_HEADER:
        return room - _BIN32_HEADER
    return max(_BIN8_MAX, min(room - _BIN16_HEADER, _BIN16_MAX))


def _small(key_sum: int, version: int, count: int) -> Any:
    mixed = key_sum + version * _SPREAD
    if count > 0:
        return (mixed % (1 << 8 * count)).to_bytes(count, "big")
    return mixed % 128 + (128 if count == 0 else 0)  # an int: below 128 it takes one byte, else two
