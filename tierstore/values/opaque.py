"""Opaque text: what a client keeps and hands back, and looks into at its own risk.

Cursors of scans and watches and tokens of sessions are lists of plain values, of which the first is
the number of the format: packed, and spelt in the letters that urls and cookies take. Text that is
none of ours is an argument at fault, whatever is wrong with it.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

from tierstore.errors import DecodingError, InvalidArgumentError
from tierstore.frozen import frozen
from tierstore.values.msgpack import pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


@frozen
class Opaque:
    """One kind of opaque text."""

    argument: str
    """What messages call it: the name of the argument that takes it."""
    origin: str
    """What text of another kind is not: "a cursor of a watch"."""
    formats: Mapping[int, tuple[type, ...]]
    """The formats that are read, with the types of what follows the number of each."""

    def encode(self, format_: int, *fields: Any) -> str:
        """The text that holds `fields`."""
        return _spell(pack([format_, *fields]))

    def decode(self, text: str) -> list[Any]:
        """The number of the format of `text`, and its fields.

        Raises InvalidArgumentError if it is text of another kind, or of an unknown format.
        """
        found = self._fields(self._bytes(text))
        if not isinstance(found, list) or not found:
            raise self.refusal()
        types = None if type(found[0]) is not int else self.formats.get(found[0])
        if types is None:
            raise InvalidArgumentError(
                f"{self.argument}: of a format that this version does not know"
            )
        if tuple(map(type, found[1:])) != types:
            raise self.refusal()
        return found

    def refusal(self) -> InvalidArgumentError:
        """What is raised for text of another kind, or with fields that it cannot have."""
        return InvalidArgumentError(f"{self.argument}: not {self.origin}")

    def _bytes(self, text: str) -> bytes:
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (ValueError, TypeError):
            raise self.refusal() from None
        if _spell(raw) != text:  # the decoder passes over what is no letter of its own
            raise self.refusal()
        return raw

    def _fields(self, raw: bytes) -> Any:
        try:
            return unpack(raw)
        except DecodingError:
            raise self.refusal() from None


def _spell(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
