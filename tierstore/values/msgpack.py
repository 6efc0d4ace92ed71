"""The wire format, in pure Python: the part of msgpack that values need, one spelling per value.

nil, bool, int, float 64, str, bin, array, map with str keys, and timestamp (extension -1), always
in the shortest encoding (https://github.com/msgpack/msgpack/blob/master/spec.md). Reading refuses
every other spelling, repeated keys and nanoseconds that a `datetime` cannot hold, so equal bytes
and equal values are the same thing and a digest over one is a digest over the other.

Besides values, everything that tierstore stores or sends is built from these functions.
"""

from __future__ import annotations

import struct
from struct import Struct

from tierstore.errors import DecodingError
from tierstore.values.timestamp import read_timestamp, write_timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from typing import Any, TypeAlias

    Scalar: TypeAlias = bool | int | float | str | bytes | datetime | None
    Value: TypeAlias = Scalar | Sequence["Value"] | Mapping[str, "Value"]
    Reader: TypeAlias = Callable[[bytes, int, int], tuple[Any, int]]
    Kind: TypeAlias = Callable[[bytes, int, int, int], tuple[Any, int]]

DEPTH_MAX = 64
INT_MIN = -(2**63)
INT_MAX = 2**64 - 1

_NIL, _FALSE, _TRUE = 0xC0, 0xC2, 0xC3
_BIN8, _FLOAT64, _STR8, _ARRAY16, _MAP16 = 0xC4, 0xCB, 0xD9, 0xDC, 0xDE

_double = Struct(">Bd").pack
_byte = Struct(">BB").pack
_short = Struct(">BH").pack
_long = Struct(">BI").pack
_UNSIGNED = (
    (1 << 8, _byte, 0xCC),
    (1 << 16, _short, 0xCD),
    (1 << 32, _long, 0xCE),
    (1 << 64, Struct(">BQ").pack, 0xCF),
)
_SIGNED = (
    (1 << 7, Struct(">Bb").pack, 0xD0),
    (1 << 15, Struct(">Bh").pack, 0xD1),
    (1 << 31, Struct(">Bi").pack, 0xD2),
    (1 << 63, Struct(">Bq").pack, 0xD3),
)


class RefusedError(Exception):
    """The value has no encoding. `refusal.explain` finds out where and why."""


# Writing


def pack(value: Value) -> bytes:
    """The bytes of `value`.

    Raises EncodingError naming the place of what cannot be stored.
    """
    try:
        return _WRITERS.get(type(value), _write_timestamp)(value, DEPTH_MAX)
    except (RefusedError, UnicodeEncodeError):
        pass
    from tierstore.values.refusal import explain

    raise explain(value)


def bin_header(size_bytes: int) -> bytes:
    """The bytes that precede `size_bytes` of binary data."""
    if size_bytes < 1 << 8:
        return _byte(_BIN8, size_bytes)
    return _wide_header(_BIN8 + 1, size_bytes)


def array_header(count: int) -> bytes:
    """The bytes that precede `count` packed items to make them one array."""
    return _FIXARRAY[count] if count < 16 else _wide_header(_ARRAY16, count)


def _write_none(value: None, room: int) -> bytes:
    return b"\xc0"


def _write_bool(value: bool, room: int) -> bytes:
    return b"\xc3" if value else b"\xc2"


def _write_float(value: float, room: int) -> bytes:
    return _double(_FLOAT64, value)


def _write_int(value: int, room: int) -> bytes:
    if -32 <= value < 128:
        return _FIXINT[value]
    for limit, write, opcode in _UNSIGNED if value > 0 else _SIGNED:
        if -limit <= value < limit:
            return write(opcode, value)
    raise RefusedError


def _write_str(value: str, room: int) -> bytes:
    data = value.encode()
    size_bytes = len(data)
    if size_bytes < 32:
        return _FIXSTR[size_bytes] + data
    if size_bytes < 1 << 8:
        return _byte(_STR8, size_bytes) + data
    return _wide_header(_STR8 + 1, size_bytes) + data


def _write_bytes(value: bytes, room: int) -> bytes:
    return bin_header(len(value)) + value


def _write_array(value: Sequence[Any], room: int) -> bytes:
    if not room:
        raise RefusedError
    writers, room = _WRITERS, room - 1
    packed = [writers.get(type(item), _write_timestamp)(item, room) for item in value]
    return array_header(len(packed)) + b"".join(packed)


def _write_map(value: dict[Any, Any], room: int) -> bytes:
    if not room:
        raise RefusedError
    writers, room, parts = _WRITERS, room - 1, [b""]
    for key, item in value.items():
        if type(key) is not str:
            raise RefusedError
        data = key.encode()
        parts.append(_FIXSTR[len(data)] + data if len(data) < 32 else _write_str(key, 0))
        parts.append(writers.get(type(item), _write_timestamp)(item, room))
    # Counted from what was written: another thread may have changed the dict meanwhile.
    count = len(parts) // 2
    parts[0] = _FIXMAP[count] if count < 16 else _wide_header(_MAP16, count)
    return b"".join(parts)


def _write_timestamp(value: object, room: int) -> bytes:
    data = write_timestamp(value)
    if data is None:
        raise RefusedError
    return data


def _wide_header(opcode16: int, count: int) -> bytes:
    if count < 1 << 16:
        return _short(opcode16, count)
    if count < 1 << 32:
        return _long(opcode16 + 1, count)
    raise RefusedError


_FIXINT = {number: bytes((number & 0xFF,)) for number in range(-32, 128)}
_FIXMAP = [bytes((opcode,)) for opcode in range(0x80, 0x90)]
_FIXARRAY = [bytes((opcode,)) for opcode in range(0x90, 0xA0)]
_FIXSTR = [bytes((opcode,)) for opcode in range(0xA0, 0xC0)]
_WRITERS: dict[type, Callable[[Any, int], bytes]] = {
    type(None): _write_none,
    bool: _write_bool,
    int: _write_int,
    float: _write_float,
    str: _write_str,
    bytes: _write_bytes,
    list: _write_array,
    tuple: _write_array,
    dict: _write_map,
}


# Reading


def unpack(payload: bytes) -> Any:
    """The value of which `payload` is the encoding, all of it; containers are fresh objects.

    Memory is bounded by a multiple of the payload's size, whatever lengths it declares.

    Raises DecodingError.
    """
    value, end = unpack_from(payload, 0)
    if end != len(payload):
        raise DecodingError(f"malformed value: {len(payload) - end} bytes too many")
    return value


def unpack_from(payload: bytes, offset: int) -> tuple[Any, int]:
    """The value encoded at `offset` of `payload`, and the offset behind it.

    Raises DecodingError.
    """
    try:
        return _READERS[payload[offset]](payload, offset, DEPTH_MAX)
    except (IndexError, struct.error):
        problem = "truncated"
    except UnicodeDecodeError:
        problem = "text that is not UTF-8"
    raise DecodingError(f"malformed value: {problem}")


def _malformed(problem: str, offset: int) -> DecodingError:
    return DecodingError(f"malformed value: {problem} at byte {offset}")


def _read_refused(payload: bytes, offset: int, room: int) -> tuple[Any, int]:
    raise _malformed(f"opcode {payload[offset]:#04x}", offset)


def _constant(value: object) -> Reader:
    def read(payload: bytes, offset: int, room: int) -> tuple[Any, int]:
        return value, offset + 1

    return read


def _read_float(payload: bytes, offset: int, room: int) -> tuple[float, int]:
    return _UNPACK_DOUBLE(payload, offset + 1)[0], offset + 9


def _int_reader(form: str, low: int, high: int) -> Reader:
    unpack_int, size_bytes = Struct(form).unpack_from, 1 + Struct(form).size

    def read(payload: bytes, offset: int, room: int) -> tuple[int, int]:
        value: int = unpack_int(payload, offset + 1)[0]
        if not low <= value < high:
            raise _malformed("integer not in its shortest form", offset)
        return value, offset + size_bytes

    return read


def _sized_reader(form: str, shortest: int, kind: Kind) -> Reader:
    unpack_count, header_bytes = Struct(form).unpack_from, 1 + Struct(form).size

    def read(payload: bytes, offset: int, room: int) -> tuple[Any, int]:
        count: int = unpack_count(payload, offset + 1)[0]
        if count < shortest:
            raise _malformed("length not in its shortest form", offset)
        return kind(payload, offset + header_bytes, count, room)

    return read


def _fixed_reader(count: int, kind: Kind) -> Reader:
    def read(payload: bytes, offset: int, room: int) -> tuple[Any, int]:
        return kind(payload, offset + 1, count, room)

    return read


def _read_fixstr(payload: bytes, offset: int, room: int) -> tuple[str, int]:
    end = offset + payload[offset] - 0x9F
    if end > len(payload):
        raise IndexError
    return payload[offset + 1 : end].decode(), end


def _read_str(payload: bytes, start: int, size_bytes: int, room: int) -> tuple[str, int]:
    end = start + size_bytes
    if end > len(payload):
        raise IndexError
    return payload[start:end].decode(), end


def _read_bytes(payload: bytes, start: int, size_bytes: int, room: int) -> tuple[bytes, int]:
    end = start + size_bytes
    if end > len(payload):
        raise IndexError
    return payload[start:end], end


def _read_array(payload: bytes, start: int, count: int, room: int) -> tuple[list[Any], int]:
    if not room:
        raise _malformed(f"nesting deeper than {DEPTH_MAX}", start)
    if count > len(payload) - start:
        raise IndexError
    readers, items, offset, room = _READERS, [], start, room - 1
    for _ in range(count):
        item, offset = readers[payload[offset]](payload, offset, room)
        items.append(item)
    return items, offset


def _read_map(payload: bytes, start: int, count: int, room: int) -> tuple[dict[str, Any], int]:
    if not room:
        raise _malformed(f"nesting deeper than {DEPTH_MAX}", start)
    if 2 * count > len(payload) - start:
        raise IndexError
    readers, offset, room = _READERS, start, room - 1
    items: dict[str, Any] = {}
    for _ in range(count):
        opcode = payload[offset]
        if 0xA0 <= opcode < 0xC0:  # the usual key: shorter than 32 bytes
            end = offset + opcode - 0x9F
            key, offset = payload[offset + 1 : end].decode(), end
        elif 0xD9 <= opcode < 0xDC:
            key, offset = readers[opcode](payload, offset, 0)
        else:
            raise _malformed("a key that is not a str", offset)
        items[key], offset = readers[payload[offset]](payload, offset, room)
    if len(items) != count:
        raise _malformed("a repeated key", start)
    return items, offset


def _read_timestamp(payload: bytes, offset: int, room: int) -> tuple[datetime, int]:
    end = offset + _TIMESTAMP_BYTES[payload[offset]]
    if end > len(payload):
        raise IndexError
    moment = read_timestamp(payload[offset:end])
    if moment is None:
        raise _malformed("extension that is not a timestamp of microseconds", offset)
    return moment, end


_TIMESTAMP_BYTES = {0xD6: 6, 0xD7: 10, 0xC7: 15}
_UNPACK_DOUBLE = Struct(">d").unpack_from


def _readers() -> list[Reader]:
    table: list[Reader] = [_read_refused] * 256
    table[:0x80] = [_constant(number) for number in range(0x80)]
    table[0x80:0x90] = [_fixed_reader(count, _read_map) for count in range(16)]
    table[0x90:0xA0] = [_fixed_reader(count, _read_array) for count in range(16)]
    table[0xA0:0xC0] = [_read_fixstr] * 32
    table[_NIL], table[_FALSE], table[_TRUE] = _constant(None), _constant(False), _constant(True)
    table[0xC4:0xC7] = _sizes(_read_bytes, 0)
    table[0xC7] = table[0xD6] = table[0xD7] = _read_timestamp
    table[_FLOAT64] = _read_float
    table[0xCC:0xCE] = [_int_reader(">B", 1 << 7, 1 << 8), _int_reader(">H", 1 << 8, 1 << 16)]
    table[0xCE:0xD0] = [_int_reader(">I", 1 << 16, 1 << 32), _int_reader(">Q", 1 << 32, 1 << 64)]
    table[0xD0:0xD2] = [_int_reader(">b", -128, -32), _int_reader(">h", -(1 << 15), -128)]
    table[0xD2:0xD4] = [_int_reader(">i", -(1 << 31), -(1 << 15)), _read_int64]
    table[0xD9:0xDC] = _sizes(_read_str, 32)
    table[0xDC:0xDE] = _sizes(_read_array, 16)[1:]
    table[0xDE:0xE0] = _sizes(_read_map, 16)[1:]
    table[0xE0:] = [_constant(number) for number in range(-32, 0)]
    return table


_read_int64 = _int_reader(">q", INT_MIN, -(1 << 31))


def _sizes(kind: Kind, shortest: int) -> list[Reader]:
    """Readers for counts of 1, 2 and 4 bytes; arrays and maps have no form of 1 byte."""
    least16 = shortest if shortest == 16 else 1 << 8
    return [
        _sized_reader(">B", shortest, kind),
        _sized_reader(">H", least16, kind),
        _sized_reader(">I", 1 << 16, kind),
    ]


_READERS = _readers()
