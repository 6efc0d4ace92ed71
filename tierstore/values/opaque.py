"""Opaque text: what a client keeps and hands back, and looks into at its own risk.

Cursors of scans and watches and tokens of sessions are lists of plain values, of which the first is
the number of the format: packed, and spelt in the letters that urls and cookies take. Text that is
none of ours is an argument at fault, whatever is wrong with it.

Text may be signed: then it begins with a byte that no list begins with, and the signature.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

from tierstore.errors import DecodingError, InvalidArgumentError
from tierstore.frozen import frozen
from tierstore.values.msgpack import pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

TEXT_CHARS_MAX = 64 * 1024
"""More than any text of ours, whose longest part is a key or a prefix of a few KiB."""
SIGNED = b"\xc1"
SIGNATURE_BYTES = 16


class Keyring:
    """Keys of one purpose: the first signs, all of them verify. They are never shown."""

    __slots__ = ("_keys", "_purpose")

    def __init__(self, keys: Sequence[bytes], purpose: str) -> None:
        """What is signed for one purpose is worth nothing for another, under the same keys."""
        self._keys = tuple(keys)
        self._purpose = f"tierstore {purpose}\0".encode()

    def sign(self, raw: bytes) -> bytes:
        """The signature of `raw`."""
        return self._signature(self._keys[0], raw)

    def has_signed(self, raw: bytes, signature: bytes) -> bool:
        """Whether `signature` is that of `raw` by any of the keys."""
        from hmac import compare_digest

        return any(compare_digest(self._signature(key, raw), signature) for key in self._keys)

    def _signature(self, key: bytes, raw: bytes) -> bytes:
        from hmac import digest

        return digest(key, self._purpose + raw, "sha256")[:SIGNATURE_BYTES]


@frozen
class Opaque:
    """One kind of opaque text."""

    argument: str
    """What messages call it: the name of the argument that takes it."""
    origin: str
    """What text of another kind is not: "a cursor of a watch"."""
    formats: Mapping[int, tuple[type, ...] | None]
    """The formats that are read, with the types of what follows the number; None: any."""
    keys_at: str = ""
    """Where in a policy its keys are declared; empty: it is never signed."""

    def encode(self, format_: int, *fields: Any, keys: Keyring | None = None) -> str:
        """The text that holds `fields`, signed if there are keys."""
        raw = pack([format_, *fields])
        return _spell(raw if keys is None else SIGNED + keys.sign(raw) + raw)

    def decode(self, text: str, keys: Keyring | None = None) -> list[Any]:
        """The number of the format of `text`, and its fields.

        Raises InvalidArgumentError if it is text of another kind, of an unknown format, or not
        signed by one of `keys`, or signed if there are none.
        """
        found = self._fields(self._verified(self._bytes(text), keys))
        if not isinstance(found, list) or not found:
            raise self.refusal()
        if type(found[0]) is not int or found[0] not in self.formats:
            raise self._fault("of a format that this version does not know")
        types = self.formats[found[0]]
        if types is not None and tuple(map(type, found[1:])) != types:
            raise self.refusal()
        return found

    def refusal(self) -> InvalidArgumentError:
        """What is raised for text of another kind, or with fields that it cannot have."""
        return self._fault(f"not {self.origin}")

    def _bytes(self, text: object) -> bytes:
        if not isinstance(text, str) or len(text) > TEXT_CHARS_MAX:
            raise self.refusal()
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            raise self.refusal() from None
        if _spell(raw) != text:  # the decoder passes over what is no letter of its own
            raise self.refusal()
        return raw

    def _verified(self, raw: bytes, keys: Keyring | None) -> bytes:
        """What `raw` says, its signature apart. Before that is verified, nothing is looked at."""
        if not self.keys_at:
            return raw
        if not raw.startswith(SIGNED):
            if keys is not None:
                raise self._fault(f"not signed, which {self.keys_at} demands here")
            return raw
        if keys is None:
            raise self._fault(f"signed, but no {self.keys_at} is declared here to verify it with")
        cut = len(SIGNED) + SIGNATURE_BYTES
        if not keys.has_signed(raw[cut:], raw[len(SIGNED) : cut]):
            raise self._fault(f"not signed with any {self.keys_at} that is declared here")
        return raw[cut:]

    def _fields(self, raw: bytes) -> Any:
        try:
            return unpack(raw)
        except DecodingError:
            raise self.refusal() from None

    def _fault(self, what: str) -> InvalidArgumentError:
        return InvalidArgumentError(f"{self.argument}: {what}")


def _spell(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
