"""Whole numbers of any size on the wire: as such up to 64 bits, beyond that as bytes."""

from __future__ import annotations

from tierstore.errors import DecodingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SMALL_MAX = (1 << 63) - 1


def widen(number: int) -> int | bytes:
    """`number`, zero or more, as it is encoded."""
    if number <= _SMALL_MAX:
        return number
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def narrow(wire: Any) -> int:
    """The number that `widen` gave. Raises DecodingError if it gave no such thing."""
    if type(wire) is int and 0 <= wire <= _SMALL_MAX:
        return wire
    if type(wire) is bytes and len(wire) >= 8 and wire[0]:
        number = int.from_bytes(wire, "big")
        if number > _SMALL_MAX:
            return number
    raise DecodingError("a number of a counter is malformed")
