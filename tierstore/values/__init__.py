"""Values: what can be stored, and its bytes.

JSON-like data (`None`, `bool`, `int` of 64 bits, `float`, `str`, `list`, `dict` with `str` keys,
at most 64 levels deep) plus `bytes` and aware `datetime`. Exact types only, so that what comes
back is what went in, but for two: a tuple comes back as a list, a `datetime` as UTC.

The bytes are those of `tierstore.values.msgpack`, whether it or msgspec writes them.
"""

from __future__ import annotations

import sys

from tierstore.values import msgpack
from tierstore.values.msgpack import DEPTH_MAX
from tierstore.values.timestamp import is_utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.values.msgpack import Value as Value

__all__ = ["DEPTH_MAX", "decode", "encode", "encoded_size", "is_immutable", "use_msgspec"]

_IMMUTABLE = frozenset((type(None), bool, int, float, str, bytes))
_CONTAINERS = frozenset((dict, list, tuple))
_BIN8 = 0xC4
_CONTAINER_OPCODES = frozenset((*range(0x80, 0xA0), *range(0xDC, 0xE0)))

# Replaced by msgspec's once that is imported; both write and accept the same bytes.
_pack: Callable[[Value], bytes] = msgpack.pack
_unpack: Callable[[bytes], Value] = msgpack.unpack
_switched = False


def encode(value: Value) -> bytes:
    """The bytes of `value`: of equal values of equal types, always the same.

    Raises EncodingError naming the place of what cannot be stored.
    """
    if type(value) is bytes:
        return msgpack.bin_header(len(value)) + value
    if type(value) in _CONTAINERS:
        if not _switched and "msgspec" in sys.modules:
            use_msgspec()
        return _pack(value)
    return msgpack.pack(value)


def decode(payload: bytes) -> Value:
    """The value of which `payload` is the encoding, all of it; containers are fresh objects.

    Memory is bounded by a multiple of the payload's size, whatever lengths it declares.

    Raises DecodingError.
    """
    if len(payload) > 1 and payload[0] == _BIN8 and payload[1] == len(payload) - 2:
        return payload[2:]
    if payload and payload[0] in _CONTAINER_OPCODES:
        if not _switched and "msgspec" in sys.modules:
            use_msgspec()
        return _unpack(payload)
    value: Value = msgpack.unpack(payload)
    return value


def is_immutable(value: object) -> bool:
    """Whether readers may share `value`: it cannot change and comes back as it is.

    Says nothing of whether it can be encoded. A `datetime` of another zone than UTC comes back
    changed, so it is not counted.
    """
    return type(value) in _IMMUTABLE or is_utc(value)


def encoded_size(value: Value) -> int:
    """The length of `encode(value)` in bytes; `bytes` and ASCII `str` are not encoded for it.

    Raises EncodingError naming the place of what cannot be stored.
    """
    if type(value) is bytes:
        size_bytes = len(value)
    elif type(value) is str and value.isascii():
        size_bytes = len(value)
        if size_bytes < 32:
            return size_bytes + 1
    else:
        return len(encode(value))
    return size_bytes + (2 if size_bytes < 1 << 8 else 3 if size_bytes < 1 << 16 else 5)


def use_msgspec() -> bool:
    """Whether containers are encoded by msgspec from now on; imports it if it is installed.

    Batch code calls this. Elsewhere msgspec is used only if the program has imported it anyway:
    its import costs more than it saves on a few values.
    """
    global _pack, _switched, _unpack
    if not _switched:
        _switched = True
        try:
            from tierstore.values import fast
        except ImportError:
            return False
        _pack, _unpack = fast.pack, fast.unpack
    return _pack is not msgpack.pack
