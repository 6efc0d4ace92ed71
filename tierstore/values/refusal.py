"""Where and why a value cannot be stored. Runs only after an encoder has refused it."""

from __future__ import annotations

from tierstore.errors import EncodingError
from tierstore.values.msgpack import DEPTH_MAX, INT_MAX, INT_MIN
from tierstore.values.timestamp import is_storable

_LEAVES = frozenset((type(None), bool, float, bytes))
_KNOWN = (bool, int, float, str, bytes, list, tuple, dict)
_ADVICE = {
    "set": "use a list",
    "frozenset": "use a list",
    "bytearray": "use bytes",
    "memoryview": "use bytes",
    "Decimal": "use a str or a float",
    "UUID": "use a str or bytes",
    "date": "use a str or an aware datetime",
}
_KEY_LENGTH_MAX = 40


def explain(value: object) -> EncodingError:
    """An error that names the first place in `value` that cannot be stored, and what to do."""
    fault = _fault(value, "value", DEPTH_MAX)
    return EncodingError(fault or "value: it changed while it was encoded")


def _fault(value: object, place: str, room: int) -> str | None:
    kind = type(value)
    if kind in _LEAVES:
        return None
    if kind is dict or kind is list or kind is tuple:
        return _container_fault(value, place, room)
    if isinstance(value, int) and kind is int:
        return None if INT_MIN <= value <= INT_MAX else f"{place}: int of more than 64 bits"
    if isinstance(value, str) and kind is str:
        return _surrogate(value, place)
    return _other_fault(value, place)


def _container_fault(value: object, place: str, room: int) -> str | None:
    if not room:
        return f"{place}: nested deeper than {DEPTH_MAX} levels"
    if not isinstance(value, dict):
        assert isinstance(value, list | tuple)
        faults = (_fault(item, f"{place}[{i}]", room - 1) for i, item in enumerate(value))
        return next(filter(None, faults), None)
    for key, item in value.items():
        if type(key) is not str:
            return f"{place}: key of type {type(key).__name__}; keys must be exactly str"
        fault = _surrogate(key, f"{place}: key {key!a:.{_KEY_LENGTH_MAX}}")
        fault = fault or _fault(item, _member(place, key), room - 1)
        if fault:
            return fault
    return None


def _surrogate(text: str, place: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"{place}: lone surrogate at character {error.start}; it has no UTF-8"
    return None


def _other_fault(value: object, place: str) -> str | None:
    if is_storable(value):
        return None
    kind = type(value)
    name = kind.__name__
    if (kind.__module__, name) == ("datetime", "datetime"):
        if value.utcoffset() is None:  # type: ignore[attr-defined]
            return f"{place}: naive datetime; give it a timezone"
        return f"{place}: datetime outside the years 1 to 9999 of UTC"
    base = next((known for known in _KNOWN if issubclass(kind, known)), None)
    if base is not None:
        return f"{place}: {name}, a subclass of {base.__name__}; convert it to {base.__name__}"
    return f"{place}: {name} cannot be stored; {_ADVICE.get(name, _USABLE)}"


_USABLE = "use JSON-like data, bytes or an aware datetime"


def _member(place: str, key: str) -> str:
    if key.isidentifier() and len(key) <= _KEY_LENGTH_MAX:
        return f"{place}.{key}"
    return f"{place}[{key!a:.{_KEY_LENGTH_MAX}}]"
