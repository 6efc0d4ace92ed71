"""Plain data into the shared types of pycrdt, and back.

What differs from plain data: JavaScript has one kind of number for 1 and 1.0, and pycrdt writes
each integer that a `float` can hold as one, of whatever size. So a number that is whole and of 64
bits comes back as an `int`, whether it went in as one or as a `float`. 2**63 - 1 would come back as
2**63, and is refused. Integers that no `float` can hold are a BigInt to a peer of Yjs.
"""

from __future__ import annotations

from tierstore.crdt.lib0 import DEPTH_MAX
from tierstore.errors import EncodingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INT_MIN, INT_MAX = -(1 << 63), (1 << 63) - 2
_PLAIN = (type(None), bool, float, bytes)


def shared(value: Any, room: int = DEPTH_MAX) -> Any:
    """What to assign into a document for `value`: a `dict` as Map, a list or tuple as Array.

    `pycrdt.Text` that is in no document yet stays what it is. Raises EncodingError if `value`, or
    something in it, is not JSON-like data, `bytes` or such a text, if an integer has more than 64
    bits or is 2**63 - 1, or if it nests deeper than `room`.
    """
    from pycrdt import Array, Map

    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is int:
        return _checked_int(value)
    if kind is str:
        return _checked_str(value)
    if not room:
        raise EncodingError(f"a document nests at most {DEPTH_MAX} levels deep")
    if kind is dict:
        return Map({checked_key(key): shared(item, room - 1) for key, item in value.items()})
    if kind in (list, tuple):
        return Array([shared(item, room - 1) for item in value])
    return _checked_text(value)


def _checked_int(number: int) -> int:
    if not INT_MIN <= number <= INT_MAX:
        raise EncodingError(
            f"an integer in a document lies from -2**63 to 2**63 - 2, got {number:#x}"
        )
    return number


def _checked_str(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        pass
    else:
        return text
    raise EncodingError(f"a text in a document has no UTF-8: {text[:80]!r}")


def checked_key(key: Any) -> str:
    """`key`, a key of a map. Raises EncodingError if it is not a `str` that has UTF-8."""
    if type(key) is not str:
        raise EncodingError(f"a key in a document is a str, got {type(key).__name__}")
    return _checked_str(key)


def _checked_text(value: Any) -> Any:
    from pycrdt import Text

    if not isinstance(value, Text):
        advice = ": put its .json()" if hasattr(value, "json") else ""  # a view: a place, no data
        raise EncodingError(f"a document holds JSON-like data, got {type(value).__name__}{advice}")
    if value.is_integrated:
        raise EncodingError("a text that is in a document already cannot be put into one again")
    _checked_str(value.prelim or "")
    return value


def plain(value: Any) -> Any:
    """Plain data of its own for what pycrdt returns, with the keys of each `dict` in order."""
    from pycrdt import Array, Map

    if isinstance(value, Map | Array):
        value = value.to_py()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return _whole(value)
    if isinstance(value, bytearray):
        return bytes(value)
    return value if isinstance(value, (int, *_PLAIN)) else str(value)


def _whole(number: float) -> float:
    if not number.is_integer() or not INT_MIN <= number <= INT_MAX:
        return number
    return number if number == 0 and str(number)[0] == "-" else int(number)
