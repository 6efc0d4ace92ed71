"""What those who edit a document hold: its maps, arrays and texts as Python knows such things.

Plain data that is assigned becomes shared types at any depth, and what is read is plain data or
another view. Indices are checked before pycrdt sees them, which panics after half an edit, and
count characters where pycrdt counts bytes. A view is of one thread, and of one block of edits: what
it did later would be acknowledged by nobody, or as another block's.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, MutableSequence

from tierstore.crdt.guard import encoding
from tierstore.crdt.plain import checked_key, plain, shared
from tierstore.errors import EncodingError, StoreClosedError
from tierstore.values.msgpack import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pycrdt import Array, Map, Text


class Block:
    """A block of edits, which its views may be used in."""

    __slots__ = ("is_over",)

    def __init__(self) -> None:
        self.is_over = False


def viewed(item: Any, block: Block) -> Any:
    """A view of what pycrdt returned, or the plain data that it is."""
    from pycrdt import Array, Map, Text

    if isinstance(item, Map):
        return MapView(item, block)
    if isinstance(item, Array):
        return ListView(item, block)
    return TextView(item, block) if isinstance(item, Text) else plain(item)


class _View:
    """Something of a document, until the block ends in which it is edited."""

    def __init__(self, inner: Any, block: Block) -> None:
        self._shared = inner
        self._block = block

    @property
    def _inner(self) -> Any:
        if self._block.is_over:
            raise StoreClosedError("the block of this edit has ended: edit the document anew")
        return self._shared

    def json(self) -> Any:
        """All of it as plain data of its own."""
        return plain(self._inner)

    def __repr__(self) -> str:
        shown = "of an edit that has ended" if self._block.is_over else repr(self.json())
        return f"{type(self).__name__}({shown})"


class MapView(_View, MutableMapping[str, "Any"]):
    """A map of a document. Raises EncodingError for what a document cannot hold."""

    _inner: Map[Any]

    def __getitem__(self, key: str) -> Any:
        return viewed(self._inner[self._known(key)], self._block)

    def __setitem__(self, key: str, value: Any) -> None:
        name, ready = checked_key(key), shared(value)
        encoding(lambda: self._inner.__setitem__(name, ready))

    def __delitem__(self, key: str) -> None:
        del self._inner[self._known(key)]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._inner.keys()))

    def __len__(self) -> int:
        return len(self._inner)

    def _known(self, key: Any) -> str:
        try:
            is_known = key in self._inner
        except (TypeError, UnicodeEncodeError):
            is_known = False
        if not is_known:
            raise KeyError(key)
        known: str = key
        return known


class ListView(_View, MutableSequence["Any"]):
    """An array of a document. Its indices are integers; there are no slices."""

    _inner: Array[Any]

    def __getitem__(self, index: Any) -> Any:
        return viewed(self._inner[self._known(index)], self._block)

    def __setitem__(self, index: Any, value: Any) -> None:
        known, ready = self._known(index), shared(value)
        encoding(lambda: self._inner.__setitem__(known, ready))

    def __delitem__(self, index: Any) -> None:
        del self._inner[self._known(index)]

    def __len__(self) -> int:
        return len(self._inner)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ListView):
            other = other.json()
        return self.json() == other if isinstance(other, list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def insert(self, index: int, value: Any) -> None:
        """Put `value` before the element at `index`, which is cut to what there is."""
        ready, count = shared(value), len(self)
        at = min(max(index + count if index < 0 else index, 0), count)
        encoding(lambda: self._inner.insert(at, ready))

    def _known(self, index: Any) -> int:
        if type(index) is not int:
            raise TypeError("an array of a document is indexed by integers")
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError("an index is out of range")
        return at


class TextView(_View):
    """A text of a document. What is embedded in it counts as one character."""

    _inner: Text

    def __str__(self) -> str:
        return str(self._inner)

    def __len__(self) -> int:
        return sum(_count(chunk) for chunk, _ in self.chunks())

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, TextView | str) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def json(self) -> str:
        """The text alone, without attributes and what is embedded."""
        return str(self)

    def chunks(self) -> list[tuple[Any, dict[str, Any]]]:
        """Pieces of text, and what is embedded, each with its attributes."""
        return [(plain(chunk), plain(marks or {})) for chunk, marks in self._inner.diff()]

    def insert(self, index: int, text: str, attributes: Mapping[str, Any] | None = None) -> None:
        """Put `text` before the character at `index`.

        Without `attributes` it has those of the character before it; with {} it has none.
        """
        (at,), marks = self._bytes(index), _checked(attributes)
        shared(text)
        encoding(lambda: self._inner.insert(at, text, marks))

    def delete(self, start: int, stop: int) -> None:
        """Remove the characters from `start` to before `stop`."""
        first, last = self._bytes(start, stop)
        if first < last:
            encoding(lambda: self._inner.__delitem__(slice(first, last)))

    def format(self, start: int, stop: int, attributes: Mapping[str, Any]) -> None:
        """Set attributes of the characters from `start` to before `stop`; None removes one."""
        (first, last), marks = self._bytes(start, stop), _checked(attributes)
        if first < last and marks:
            encoding(lambda: self._inner.format(first, last, marks))

    def _bytes(self, *indices: int) -> list[int]:
        """Where the characters at `indices` are in bytes, as pycrdt counts."""
        ends, sizes = [0], [chunk for chunk, _ in self._inner.diff()]
        for chunk in sizes:
            if not isinstance(chunk, str):
                ends.append(ends[-1] + 1)
                continue
            for character in chunk:
                ends.append(ends[-1] + len(character.encode()))
        if any(type(index) is not int or not 0 <= index < len(ends) for index in indices):
            raise IndexError("an index is out of range")
        return [ends[index] for index in indices]


def _count(chunk: Any) -> int:
    return len(chunk) if isinstance(chunk, str) else 1


def _checked(attributes: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Attributes that JSON can say: pycrdt makes others null, or lists of numbers, in silence."""
    if attributes is None:
        return None
    marks = dict(attributes)
    pack(marks)
    for name, value in marks.items():
        if type(value) not in (bool, int, float, str, type(None)) or value in _ENDLESS:
            raise EncodingError(f"the attribute {name!r} of a text is not a JSON scalar")
        if type(value) is float and value != value:
            raise EncodingError(f"the attribute {name!r} of a text is not a number")
        shared(value)
    return marks


_ENDLESS = (float("inf"), -float("inf"))
