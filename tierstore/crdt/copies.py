"""Copies of documents without their history."""

from __future__ import annotations

from tierstore.crdt.guard import root_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pycrdt import Doc, Text


def copied(document: Doc[Any], client_id: int) -> Doc[Any]:
    """A fresh document of `client_id` with what `document` shows."""
    from pycrdt import Doc as Fresh

    fresh: Doc[Any] = Fresh(client_id=client_id)
    source, target = root_of(document), root_of(fresh)
    with document.transaction(), fresh.transaction():
        for key in sorted(source.keys()):
            _put(target, key, source[key])
    return fresh


def _put(target: Any, place: str | int, item: Any) -> None:
    """Put a copy of `item` into `target`, at a key or at its end."""
    from pycrdt import Array, Map, Text

    if not isinstance(item, Map | Array | Text):
        _set(target, place, bytes(item) if isinstance(item, bytearray) else item)
        return
    _set(target, place, type(item)())
    copy = target[place]
    if isinstance(item, Map):
        for key in sorted(item.keys()):
            _put(copy, key, item[key])
    elif isinstance(item, Array):
        for index, element in enumerate(item):
            _put(copy, index, element)
    else:
        _write(copy, item)


def _set(target: Any, place: str | int, item: Any) -> None:
    if isinstance(place, int):
        target.append(item)
    else:
        target[place] = item


def _write(copy: Text, text: Text) -> None:
    """Write `text` into its empty `copy`, with attributes and embedded things."""
    end = 0
    for chunk, attributes in text.diff():  # {} is none, None is those of what stands before
        if isinstance(chunk, str):
            copy.insert(end, chunk, attributes or {})
            end += len(chunk.encode())
        else:
            copy.insert_embed(end, chunk, attributes or {})
            end += 1
