"""Scan cursors: where a scan goes on, as an opaque string that a client may hand back."""

from __future__ import annotations

from tierstore.errors import InvalidArgumentError
from tierstore.values.opaque import Opaque

CURSOR_FORMAT = 2
CURSOR = Opaque("cursor", "one that a scan returned", {CURSOR_FORMAT: (str, bool, bytes)})


def encode_cursor(prefix: str, reverse: bool, bound: str) -> str:
    """The cursor of a scan of `prefix` that goes on at `bound`: a start, or an end if reverse."""
    raw = bound.encode("utf-8", "surrogateescape")  # a damaged row's key need not be UTF-8
    return CURSOR.encode(CURSOR_FORMAT, prefix, reverse, raw)


def decode_cursor(cursor: str, prefix: str, reverse: bool) -> str:
    """The bound in `cursor`.

    Raises InvalidArgumentError if it is not a cursor, or one of another scan.
    """
    _, for_prefix, for_reverse, bound = CURSOR.decode(cursor)
    if (for_prefix, for_reverse) != (prefix, reverse):
        raise InvalidArgumentError("cursor: of a scan with another prefix or direction")
    return str(bound, "utf-8", "surrogateescape")
