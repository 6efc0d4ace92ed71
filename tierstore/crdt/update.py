"""Yjs updates, version 1: what is in them, read and written.

An update brings *structs*, numbered by the clock of the client that made them, and names ranges of
clocks that are *deleted*. A struct of length n has the ids (client, clock) to (client, clock + n -
1). It stands right of the id that is its *origin* and left of its *right* one when it is made; its
*parent* is told only if it has neither. Layout: https://github.com/yjs/yjs, `Item.write`, and
https://docs.rs/yrs. Bytes are equal for equal updates: clients come in falling order, as Yjs has
them, neighbours that can be one struct are, and `lib0` spells every value in one way.

Known are the kinds that JSON-like documents need. What is refused: subdocuments, XML, links, moves,
the legacy JSON content, gaps between the structs of a client, and roots but `ROOT`.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from tierstore.crdt.lib0 import (
    Reader,
    int_of,
    malformed,
    write_buffer,
    write_text,
    write_uint,
)
from tierstore.errors import EncodingError
from tierstore.values.msgpack import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.crdt.past import Past

    Id = tuple[int, int]
    """Client and clock."""
    Ranges = list[tuple[int, int]]
    """From a clock to before another: in order, and no two touch."""

ROOT = "root"
CLOCK_MAX = (1 << 31) - 1
FLOAT_MAX = 1.7976931348623157e308
GC, DELETED, BINARY, STRING, EMBED, FORMAT, TYPE, ANY = 0, 1, 3, 4, 5, 6, 7, 8
ARRAY, MAP, TEXT = _TYPES = (0, 1, 2)
_ORIGIN, _RIGHT, _SUB, _KIND = 0x80, 0x40, 0x20, 0x1F


class Struct(NamedTuple):
    """What one client made at `length` clocks from `clock` on.

    `parent` is `ROOT`, or the id of a struct of kind TYPE; `sub` is the key in a map. `content` is
    None for what is deleted, a `str` of `length` UTF-16 units for a STRING, a tuple of `length`
    encoded values for ANY, and a single thing for other kinds.
    """

    clock: int
    length: int
    kind: int
    origin: Id | None = None
    right: Id | None = None
    parent: str | Id | None = None
    sub: str | None = None
    content: Any = None

    @property
    def end(self) -> int:
        """The first clock behind it."""
        return self.clock + self.length


class Update:
    """Structs by client, each list in the order of clocks without gap; and deleted ranges.

    A state that was made compact has a `past`.
    """

    __slots__ = ("deleted", "past", "structs")

    def __init__(self, structs: dict[int, list[Struct]], deleted: dict[int, Ranges]) -> None:
        self.structs = structs
        self.deleted = deleted
        self.past: Past | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Update):
            return NotImplemented
        if (self.structs, self.deleted) != (other.structs, other.deleted):
            return False
        pasts = [one.past and one.past.fields() for one in (self, other)]
        return pasts[0] == pasts[1]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        count = sum(map(len, self.structs.values()))
        return f"Update({len(self.structs)} clients, {count} structs)"


def units(text: str) -> int:
    """How many UTF-16 units `text` has: what Yjs counts."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


# Reading


def read_update(data: bytes) -> Update:
    """The update with these bytes, all of them. Raises DecodingError."""
    reader = Reader(data)
    structs: dict[int, list[Struct]] = {}
    for _ in range(reader.uint()):
        count, client, clock = reader.uint(), reader.uint(), reader.uint()
        if client in structs or not count:
            malformed("a client comes twice, or with nothing")
        structs[client] = _read_structs(reader, count, clock)
    deleted = _read_deleted(reader)
    if reader.at != len(data):
        malformed("there are bytes too many")
    return Update(structs, deleted)


def _read_structs(reader: Reader, count: int, clock: int) -> list[Struct]:
    structs = []
    for _ in range(count):
        struct = _read_struct(reader, clock)
        clock += struct.length
        if not struct.length or clock > CLOCK_MAX:
            malformed("a clock is out of bounds")
        structs.append(struct)
    return structs


def _read_struct(reader: Reader, clock: int) -> Struct:
    info = reader.byte()
    if info == GC:
        return Struct(clock, reader.uint(), GC)
    origin = (reader.uint(), reader.uint()) if info & _ORIGIN else None
    right = (reader.uint(), reader.uint()) if info & _RIGHT else None
    parent = sub = None
    if origin is None and right is None:
        parent = _read_parent(reader)
        sub = reader.text() if info & _SUB else None
    length, content = _read_content(reader, info & _KIND)
    return Struct(clock, length, info & _KIND, origin, right, parent, sub, content)


def _read_parent(reader: Reader) -> str | Id:
    if not reader.uint():
        return reader.uint(), reader.uint()
    if reader.text() != ROOT:
        malformed(f"all of it has to be in the root map {ROOT!r}")
    return ROOT


def _read_content(reader: Reader, kind: int) -> tuple[int, Any]:
    if kind == STRING:
        text = reader.text()
        return units(text), text
    if kind == ANY:
        values = tuple([reader.value() for _ in range(reader.uint())])
        return len(values), values
    if kind == DELETED:
        return reader.uint(), None
    return 1, _read_single(reader, kind)


def _read_single(reader: Reader, kind: int) -> Any:
    if kind == TYPE:
        type_ = reader.uint()
        if type_ not in _TYPES:
            malformed("it has a type other than map, array and text")
        return type_
    if kind == BINARY:
        return reader.buffer()
    if kind == EMBED:
        return _read_json(reader)
    if kind == FORMAT:
        return reader.text(), _read_json(reader)
    return malformed(f"it has content of the kind {kind}")


def _read_json(reader: Reader) -> str:
    """JSON text in one spelling, of at most `DEPTH_MAX` levels."""
    try:
        parsed = json.loads(reader.text(), parse_float=_read_number, parse_int=_read_number)
        pack(parsed)
        return json.dumps(parsed, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError, EncodingError):
        malformed("an attribute is not JSON")


def _read_number(digits: str) -> float:
    """A number in one spelling: 1.0 is 1. Raises ValueError where JavaScript has infinity."""
    number = int(digits) if digits.lstrip("-").isdigit() else float(digits)
    if abs(number) > FLOAT_MAX:
        raise ValueError(digits)
    whole = int_of(number)
    return float(number) if whole is None else whole


def _read_deleted(reader: Reader) -> dict[int, Ranges]:
    deleted: dict[int, Ranges] = {}
    for _ in range(reader.uint()):
        client = reader.uint()
        if client in deleted:
            malformed("a client comes twice")
        ranges = [_read_range(reader) for _ in range(reader.uint())]
        if ranges:
            deleted[client] = joined_ranges(ranges)
    return deleted


def _read_range(reader: Reader) -> tuple[int, int]:
    start, length = reader.uint(), reader.uint()
    if not length or start + length > CLOCK_MAX:
        malformed("a clock is out of bounds")
    return start, start + length


def joined_ranges(ranges: Ranges) -> Ranges:
    """The same clocks, in order and in as few ranges as can be."""
    joined: Ranges = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


# Writing


def write_update(update: Update) -> bytes:
    """The bytes of an update."""
    parts = [write_uint(len(update.structs))]
    for client, structs in sorted(update.structs.items(), reverse=True):
        parts += (write_uint(len(structs)), write_uint(client), write_uint(structs[0].clock))
        parts += map(_write_struct, structs)
    parts.append(write_uint(len(update.deleted)))
    for client, ranges in sorted(update.deleted.items(), reverse=True):
        parts += (write_uint(client), write_uint(len(ranges)))
        parts += (write_uint(start) + write_uint(end - start) for start, end in ranges)
    return b"".join(parts)


def _write_struct(struct: Struct) -> bytes:
    _, length, kind, origin, right, parent, sub, content = struct
    if kind == GC:
        return b"\0" + write_uint(length)
    info, place = kind, b""
    if origin is not None:
        info |= _ORIGIN
        place = write_uint(origin[0]) + write_uint(origin[1])
    if right is not None:
        info |= _RIGHT
        place += write_uint(right[0]) + write_uint(right[1])
    if parent is not None:
        place = _write_parent(parent)
        if sub is not None:
            info |= _SUB
            place += write_text(sub)
    return bytes((info,)) + place + write_content(kind, length, content)


def _write_parent(parent: str | Id) -> bytes:
    if isinstance(parent, str):
        return b"\1" + write_text(parent)
    return b"\0" + write_uint(parent[0]) + write_uint(parent[1])


def write_content(kind: int, length: int, content: Any) -> bytes:
    """The bytes of what a struct of this kind and length holds."""
    if kind in (STRING, EMBED):
        return write_text(content)
    if kind == ANY:
        return write_uint(length) + b"".join(content)
    if kind == DELETED:
        return write_uint(length)
    if kind == TYPE:
        return write_uint(content)
    if kind == BINARY:
        return write_buffer(content)
    return write_text(content[0]) + write_text(content[1])


def write_vector(clocks: dict[int, int]) -> bytes:
    """A state vector: for each client the clock that comes next."""
    parts = [write_uint(client) + write_uint(clock) for client, clock in clocks.items()]
    return write_uint(len(parts)) + b"".join(parts)


def read_vector(data: bytes) -> dict[int, int]:
    """The state vector with these bytes, all of them."""
    reader = Reader(data)
    clocks = [(reader.uint(), reader.uint()) for _ in range(reader.uint())]
    if reader.at != len(data):
        malformed("there are bytes too many")
    return dict(clocks)
