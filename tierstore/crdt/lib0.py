"""Reading and writing what Yjs updates are made of: the numbers, texts and values of lib0.

Written is one spelling per value, whatever was read: numbers in their shortest form, the keys of an
object in order. Reading takes memory in proportion to the bytes that are there, never to a count
that they declare. What it raises on malformed bytes is a DecodingError.
"""

from __future__ import annotations

from struct import Struct

from tierstore.errors import DecodingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

UINT_MAX = (1 << 53) - 1
DEPTH_MAX = 64
_INT31 = (1 << 31) - 1
_FLOAT32, _FLOAT64, _INT64 = Struct(">f"), Struct(">d"), Struct(">q")
_BYTES, _ARRAY, _OBJECT, _STRING, _TRUE, _FALSE, _BIGINT = range(116, 123)
_DOUBLE, _SINGLE, _INTEGER, _NULL, _UNDEFINED = range(123, 128)
_CONSTANTS = {tag: bytes((tag,)) for tag in (_TRUE, _FALSE, _NULL, _UNDEFINED)}


def malformed(problem: str) -> NoReturn:
    """Raise the DecodingError of an update that says what none can say."""
    raise DecodingError(f"a document is malformed: {problem}")


class Reader:
    """Reads from `data`, from its start on."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def byte(self) -> int:
        """The next byte."""
        at = self.at
        if at >= len(self.data):
            malformed("it is truncated")
        self.at = at + 1
        return self.data[at]

    def take(self, size_bytes: int) -> bytes:
        """The next `size_bytes`."""
        end = self.at + size_bytes
        if end > len(self.data):
            malformed("it is truncated")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def uint(self) -> int:
        """A number of 0 to 53 bits."""
        at = self.at
        if at >= len(self.data):
            malformed("it is truncated")
        self.at = at + 1
        number = self.data[at]
        return number if number < 0x80 else self._longer(number & 0x7F, 7)

    def signed(self) -> float:
        """An integer with a sign, which zero can have as well."""
        first = self.byte()
        size = first & 0x3F if first < 0x80 else self._longer(first & 0x3F, 6)
        if first & 0x40:
            return -size or -0.0
        return size

    def _longer(self, number: int, shift: int) -> int:
        """`number`, and above its lowest `shift` bits what follows."""
        for at, byte in enumerate(self.data[self.at : self.at + 8], self.at + 1):
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                self.at = at
                return number if number <= UINT_MAX else malformed("a number is out of bounds")
            shift += 7
        malformed("a number does not end")

    def buffer(self) -> bytes:
        """Bytes after their number."""
        return self.take(self.uint())

    def text(self) -> str:
        """Text after the number of its bytes."""
        try:
            return self.buffer().decode()
        except UnicodeDecodeError:
            malformed("a text is not UTF-8")

    def value(self, room: int = DEPTH_MAX) -> bytes:
        """A JSON-like value, spelled anew; `room`: how many levels of it may nest."""
        tag = self.byte()
        if (constant := _CONSTANTS.get(tag)) is not None:
            return constant
        if tag == _STRING:
            return b"\x77" + write_text(self.text())
        if tag in (_INTEGER, _SINGLE, _DOUBLE):
            return write_number(self._number(tag))
        if tag == _BIGINT:
            return b"\x7a" + self.take(8)
        if tag == _BYTES:
            return b"\x74" + write_buffer(self.buffer())
        return self._container(tag, room - 1)

    def _number(self, tag: int) -> float:
        if tag == _INTEGER:
            return self.signed()
        form = _SINGLE_OR_DOUBLE[tag]
        number: float = form.unpack(self.take(form.size))[0]
        return number

    def _container(self, tag: int, room: int) -> bytes:
        if not room or tag not in (_ARRAY, _OBJECT):
            malformed("it nests too deeply, or has a value of an unknown kind")
        count = self.uint()
        if tag == _ARRAY:
            items = [self.value(room) for _ in range(count)]
            return b"\x75" + write_uint(count) + b"".join(items)
        fields = {write_text(self.text()): self.value(room) for _ in range(count)}
        pairs = [key + fields[key] for key in sorted(fields)]
        return b"\x76" + write_uint(len(pairs)) + b"".join(pairs)


_SINGLE_OR_DOUBLE = {_SINGLE: _FLOAT32, _DOUBLE: _FLOAT64}
_NAN = b"\x7c\x7f\xc0\0\0"
_ONE_BYTE = [bytes((number,)) for number in range(0x80)]


def write_uint(number: int) -> bytes:
    """The bytes of a number of 0 to 53 bits."""
    if number < 0x80:
        return _ONE_BYTE[number]
    written = bytearray()
    while number >= 0x80:
        written.append(0x80 | (number & 0x7F))
        number >>= 7
    written.append(number)
    return bytes(written)


def write_buffer(data: bytes) -> bytes:
    """Their number, and the bytes."""
    return write_uint(len(data)) + data


def write_text(text: str) -> bytes:
    """The number of its bytes, and the text."""
    return write_buffer(text.encode())


def write_number(number: float) -> bytes:
    """A number as JavaScript knows it, in the shortest form that holds it exactly."""
    whole = int_of(number)
    if whole is not None and abs(whole) <= _INT31:
        return b"\x7d" + _write_int(whole)
    if number != number:
        return _NAN
    if abs(number) == float("inf"):
        return b"\x7c" + _FLOAT32.pack(number)
    try:
        single = _FLOAT32.pack(number)
    except OverflowError:
        return b"\x7b" + _FLOAT64.pack(number)
    if _FLOAT32.unpack(single)[0] == number:
        return b"\x7c" + single
    return b"\x7b" + _FLOAT64.pack(number)


def int_of(number: float) -> int | None:
    """The integer of 53 bits that `number` is, if it is one and not a negative zero."""
    if not -UINT_MAX <= number <= UINT_MAX or number != int(number):
        return None
    return None if number == 0 and str(number)[0] == "-" else int(number)


def _write_int(number: int) -> bytes:
    sign, size = (0x40, -number) if number < 0 else (0, number)
    if size < 0x40:
        return bytes((sign | size,))
    return bytes((0x80 | sign | (size & 0x3F),)) + write_uint(size >> 6)
