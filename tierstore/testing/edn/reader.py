"""A reader of EDN, of the part that histories use.

Not read are characters (`\\a`), ratios and namespaced maps. Values are immutable: vectors and
lists become tuples, sets frozensets, maps dicts.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING, Any

from tierstore.testing.edn.values import NAME, Keyword, Symbol, Tagged
from tierstore.testing.history import FrozenDict, HistoryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEPTH_MAX = 100

_SPACE = re.compile(r"(?:[\s,]|;[^\n]*)*")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_ATOM = re.compile(r'[^\s,;"()\[\]{}#\\]+')
_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)N?")
_FLOAT = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?M?")
_CONSTANTS = {"nil": None, "true": True, "false": False}
_CLOSING = {"[": "]", "(": ")", "{": "}", "#{": "}"}


class EdnError(HistoryError):
    """The text is not EDN, or no history; the message says where."""


def read(text: str) -> list[Any]:
    """All values of `text`. Raises `EdnError` with line and column."""
    return [value for _, value in Reader(text).values()]


class Reader:
    """A place in a text, and what can be read from there."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._depth = text, 0, 0

    def values(self) -> Iterator[tuple[int, Any]]:
        """Each value up to the end of the text, with its place."""
        while (at := self._skip()) < len(self._text):
            yield at, self._value()

    def items(self) -> Iterator[tuple[int, Any]]:
        """The items of the one vector that the text consists of, or else its values."""
        if not self._text.startswith("[", self._skip()):
            yield from self.values()
            return
        self._at += 1
        while not self._text.startswith("]", at := self._skip()):
            yield at, self._value()
        self._at += 1
        if self._skip() < len(self._text):
            raise self.error("nothing may follow the vector")

    def error(self, what: str, at: int | None = None) -> EdnError:
        """An error at a place, by default where the reader is."""
        at = self._at if at is None else at
        line, start = self._text.count("\n", 0, at) + 1, self._text.rfind("\n", 0, at) + 1
        return EdnError(f"line {line}, column {at - start + 1}: {what}")

    def _skip(self) -> int:
        """Go past white space, comments and discarded values; where that leads."""
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            if not self._text.startswith("#_", self._at):
                return self._at
            self._at += 2
            self._value()

    def _value(self) -> Any:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self.error(f"values are nested more than {DEPTH_MAX} deep")
        at = self._skip()
        if at >= len(self._text):
            raise self.error("the text ends where a value should be")
        opening = "#{" if self._text.startswith("#{", at) else self._text[at]
        if opening in _CLOSING:
            value = self._collection(opening)
        elif opening == '"':
            value = self._string()
        elif opening == "#":
            value = self._tagged()
        else:
            value = self._atom()
        self._depth -= 1
        return value

    def _collection(self, opening: str) -> Any:
        at, items = self._at, []
        self._at += len(opening)
        while not self._text.startswith(_CLOSING[opening], self._skip()):
            items.append(self._value())
        self._at += 1
        if opening in "([":
            return tuple(items)
        if opening == "#{":
            return self._distinct(frozenset(items), len(items), at)
        if len(items) % 2:
            raise self.error("a map has a key without a value", at)
        pairs = dict(zip(items[::2], items[1::2], strict=True))
        return FrozenDict(self._distinct(pairs, len(items) // 2, at))

    def _distinct(self, made: Any, count: int, at: int) -> Any:
        if len(made) != count:
            raise self.error("an item is repeated, or two are equal in Python", at)
        return made

    def _string(self) -> str:
        match = _STRING.match(self._text, self._at)
        if match is None:
            raise self.error("the string does not end")
        at, self._at = self._at, match.end()
        return _ESCAPE.sub(lambda escape: self._escaped(escape, at), match[1])

    def _escaped(self, escape: re.Match[str], at: int) -> str:
        if escape[1]:
            return chr(int(escape[1], 16))
        if escape[2] not in _ESCAPED:
            raise self.error(f"{escape[0]!r} is no escape", at)
        return _ESCAPED[escape[2]]

    def _tagged(self) -> Tagged:
        at = self._at
        self._at += 1
        tag = self._atom() if _ATOM.match(self._text, self._at) else None
        if not isinstance(tag, Symbol):
            raise self.error("after # a tag, { or _ must follow", at)
        return Tagged(tag.name, self._value())

    def _atom(self) -> Any:
        match = _ATOM.match(self._text, self._at)
        if match is None:
            raise self.error(f"{self._text[self._at]!r} begins no value")
        at, self._at = self._at, match.end()
        return self._parse(match[0], at)

    def _parse(self, atom: str, at: int) -> Any:
        if atom in _CONSTANTS:
            return _CONSTANTS[atom]
        for pattern, make in _ATOMS:
            if pattern.fullmatch(atom):
                return self._number(make, atom, at)
        if atom[0] == ":" and NAME.fullmatch(atom, 1):
            return Keyword(atom[1:])
        if NAME.fullmatch(atom):
            return Symbol(atom)
        raise self.error(f"{atom!r:.60} is no value", at)

    def _number(self, make: Callable[[str], int | float], atom: str, at: int) -> int | float:
        try:
            number = make(atom.rstrip("NM"))
        except ValueError as error:
            raise self.error(f"the number is too long: {error}", at) from error
        if isinstance(number, float) and not isfinite(number):
            raise self.error(f"{atom:.60} is too large", at)
        return number


_ATOMS: tuple[tuple[re.Pattern[str], Callable[[str], int | float]], ...] = (
    (_INTEGER, int),
    (_FLOAT, float),
)
