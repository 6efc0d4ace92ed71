"""Scan cursors: where a scan goes on, as an opaque string that a client may hand back."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

from tierstore.errors import DecodingError, InvalidArgumentError
from tierstore.values.msgpack import pack, unpack

CURSOR_FORMAT = 2


def encode_cursor(prefix: str, reverse: bool, bound: str) -> str:
    """The cursor of a scan of `prefix` that goes on at `bound`: a start, or an end if reverse."""
    raw = bound.encode("utf-8", "surrogateescape")  # a damaged row's key need not be UTF-8
    return urlsafe_b64encode(pack([CURSOR_FORMAT, prefix, reverse, raw])).decode().rstrip("=")


def decode_cursor(cursor: str, prefix: str, reverse: bool) -> str:
    """The bound in `cursor`.

    Raises InvalidArgumentError if it is not a cursor, or one of another scan.
    """
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        format_, for_prefix, for_reverse, bound = unpack(raw)
    except (DecodingError, ValueError, TypeError):
        raise InvalidArgumentError("cursor: not one that a scan returned") from None
    if format_ != CURSOR_FORMAT or type(bound) is not bytes:
        raise InvalidArgumentError("cursor: of a format that this version does not know")
    if (for_prefix, for_reverse) != (prefix, reverse):
        raise InvalidArgumentError("cursor: of a scan with another prefix or direction")
    return bound.decode("utf-8", "surrogateescape")
