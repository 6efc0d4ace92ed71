"""Edits of documents by chance, through pycrdt: maps, arrays and texts in each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.crdt.plain import shared

if TYPE_CHECKING:
    from tierstore.runtime.chance import Chance

DEPTH_MAX = 2
KEYS = "abc"
INTEGERS = (-5, 7, 2**31, 2**53 - 1, 2**60, -(2**63))
TEXTS = ("x", "😀y", "é", "")
OTHERS = (None, True, 1.5, b"b", 0.1, -0.0, 1e300, float("inf"))


def edit_some(chance: Chance, container: Any) -> None:
    """One edit somewhere in a map, array or text that is in a document."""
    from pycrdt import Map, Text

    if isinstance(container, Text):
        _edit_text(chance, container)
    elif isinstance(container, Map):
        _edit_map(chance, container)
    else:
        _edit_array(chance, container)


def some_value(chance: Chance, depth: int = 0) -> Any:
    """Something that a document can hold."""
    from pycrdt import Text

    kind = chance.randrange(8 if depth < DEPTH_MAX else 4)
    if kind < 3:
        return chance.choice((INTEGERS, TEXTS, OTHERS)[kind])
    if kind == 3:
        return Text(chance.choice(("", "hello", "😀😀z")))
    inner = [some_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(KEYS): value for value in inner} if kind < 6 else inner


def _is_nested(value: Any) -> bool:
    from pycrdt import Array, Map, Text

    return isinstance(value, Map | Array | Text)


def _edit_map(chance: Chance, container: Any) -> None:
    keys = [key for key in sorted(container.keys()) if key in KEYS]
    nested = [key for key in keys if _is_nested(container[key])]
    if nested and chance.randrange(2):
        edit_some(chance, container[chance.choice(nested)])
    elif not keys or chance.randrange(3):
        container[chance.choice(KEYS)] = shared(some_value(chance))
    else:
        del container[chance.choice(keys)]


def _edit_array(chance: Chance, container: Any) -> None:
    count = len(container)
    nested = [at for at in range(count) if _is_nested(container[at])]
    if nested and chance.randrange(2):
        edit_some(chance, container[chance.choice(nested)])
    elif not count or chance.randrange(3):
        container.insert(chance.randrange(count + 1), shared(some_value(chance)))
    else:
        start = chance.randrange(count)
        del container[start : min(count, start + chance.randrange(1, 3))]


def _edit_text(chance: Chance, text: Any) -> None:
    shown = str(text)
    places = [len(shown[:at].encode()) for at in range(len(shown) + 1)]  # pycrdt counts bytes
    first, last = sorted((chance.choice(places), chance.choice(places)))
    kind = chance.randrange(3) if first < last else 0
    if kind == 0:
        attributes = {"b": True} if chance.randrange(2) else None
        text.insert(first, chance.choice(("ab", "😀", "é")), attributes)
    elif kind == 1:
        del text[first:last]
    else:
        text.format(first, last, {"b": chance.choice((True, None, "q"))})
