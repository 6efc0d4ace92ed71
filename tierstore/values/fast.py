"""The same bytes and the same refusals as `msgpack`, by msgspec. Imported only when msgspec is."""

from __future__ import annotations

from msgspec.msgpack import Decoder, Encoder

from tierstore.errors import DecodingError
from tierstore.values.msgpack import DEPTH_MAX, RefusedError
from tierstore.values.timestamp import is_storable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.values.msgpack import Value

_encode = Encoder().encode
_decode = Decoder().decode
_STR = frozenset((str,))
_SCALARS = frozenset((type(None), bool, int, float, str, bytes))
_CONTAINERS = frozenset((list, tuple, dict))


def pack(value: Value) -> bytes:
    """The bytes of `value`.

    Raises EncodingError naming the place of what cannot be stored.
    """
    try:
        # msgspec also writes sets, decimals, naive datetimes and more, which do not come back.
        _check((value,), DEPTH_MAX + 1)
        return _encode(value)
    except (RefusedError, UnicodeEncodeError, OverflowError):
        pass
    from tierstore.values.refusal import explain

    raise explain(value)


def unpack(payload: bytes) -> Any:
    """The value of which `payload` is the encoding, all of it; containers are fresh objects.

    Raises DecodingError.
    """
    try:
        value = _decode(payload)
        # Most of what is read in numbers is one flat array: an envelope, a pointer.
        if type(value) is not list or not _SCALARS.issuperset(map(type, value)):
            _check((value,), DEPTH_MAX + 1)
        # msgspec also reads longer spellings, repeated keys and float 32.
        if _encode(value) == payload:
            return value
        problem = "not in its shortest form"
    except RefusedError:
        problem = "nesting too deep, a key that is not a str, or an unknown extension"
    except RecursionError:
        problem = f"nesting deeper than {DEPTH_MAX}"
    except (ValueError, OverflowError):  # of msgspec, of its UTF-8, of a year out of range
        problem = "truncated or not the wire format"
    raise DecodingError(f"malformed value: {problem}")


def _check(value: Any, room: int) -> None:
    if not room:
        raise RefusedError
    if type(value) is dict:
        if not _STR.issuperset(map(type, value)):
            raise RefusedError
        value = value.values()
    if _SCALARS.issuperset(map(type, value)):
        return
    for item in value:
        kind = type(item)
        if kind in _CONTAINERS:
            _check(item, room - 1)
        elif kind not in _SCALARS and not is_storable(item):
            raise RefusedError
