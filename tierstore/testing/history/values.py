"""What a history may hold: immutable, hashable values that keep their type in JSON."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from json import dumps
from math import isfinite
from typing import Any, NoReturn

from tierstore.testing.history.errors import HistoryError


class FrozenDict(dict[Any, Any]):
    """A dict that is compared as any dict, but hashable and never changed."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("values in a history cannot be changed; make a dict of it first")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


def freeze(value: Any) -> Any:
    """An immutable, hashable copy of `value`: lists become tuples, sets frozensets.

    Raises `HistoryError` for what a history cannot hold.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and isfinite(value):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (list, tuple)):
        return tuple(map(freeze, value))
    if isinstance(value, (set, frozenset)):
        return frozenset(map(freeze, value))
    if isinstance(value, Mapping):
        return FrozenDict({freeze(key): freeze(item) for key, item in value.items()})
    raise HistoryError(
        f"a history cannot hold {value!r}: record None, bool, int, finite float, str, bytes, or "
        "lists, sets and dicts of them"
    )


def to_json(value: Any) -> Any:
    """What `json` can write for a frozen value; `from_json` returns the value."""
    if isinstance(value, bytes):
        return {"$bytes": b64encode(value).decode()}
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    if isinstance(value, frozenset):
        # Sets have no order, but a history's text should be the same in every run.
        return {"$set": sorted(map(to_json, value), key=dumps)}
    if isinstance(value, dict):
        pairs = [[to_json(key), to_json(item)] for key, item in value.items()]
        return {"$dict": sorted(pairs, key=dumps)}
    return value


def from_json(value: Any) -> Any:
    """The frozen value that `to_json` was given. Raises `HistoryError` if there is none."""
    if isinstance(value, list):
        return tuple(map(from_json, value))
    if not isinstance(value, dict):
        return freeze(value)
    if len(value) != 1 or (tag := next(iter(value))) not in _TAGGED:
        raise HistoryError(f"an object must be one of {', '.join(_TAGGED)}, not {sorted(value)}")
    try:
        return _TAGGED[tag](value[tag])
    except (TypeError, ValueError) as error:
        raise HistoryError(f"{tag} is malformed: {error}") from error


def _bytes(text: str) -> bytes:
    return b64decode(text, validate=True)


def _set(items: list[Any]) -> frozenset[Any]:
    made = frozenset(map(from_json, _list(items)))
    if len(made) != len(items):
        raise ValueError("an item is repeated")
    return made


def _dict(pairs: list[Any]) -> FrozenDict:
    made = FrozenDict({from_json(key): from_json(item) for key, item in map(_list, _list(pairs))})
    if len(made) != len(pairs):
        raise ValueError("a key is repeated")
    return made


def _list(items: Any) -> list[Any]:
    if not isinstance(items, list):
        raise TypeError(f"expected an array, not {items!r}")
    return items


_TAGGED: dict[str, Callable[[Any], Any]] = {"$bytes": _bytes, "$set": _set, "$dict": _dict}
