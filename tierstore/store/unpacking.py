"""From stored bytes to the value that a read returns."""

from __future__ import annotations

from tierstore.edge.entry import Packed, Unfolded
from tierstore.errors import CorruptionError, DecodingError
from tierstore.values import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def reveal(key: str, value: Any, tier: str | None, default: Any) -> Any:
    """What users get for `value`, which is as `edge.entry.fold` makes it; `default` if deleted.

    Raises DecodingError if it is an Unfolded that cannot be folded.
    """
    if value.__class__ is not Packed:
        if value.__class__ is not Unfolded:
            return value
        value = value.fold()
        if value.__class__ is not Packed:
            return value
    return unpack(key, value.payload, tier) if value.payload else default


def unpack(key: str, payload: bytes, tier: str | None) -> Any:
    """The value in a stored payload. Raises CorruptionError, naming the key, if there is none."""
    try:
        return decode(payload)
    except DecodingError as exc:
        raise CorruptionError(f"key {key!r}: {exc}", key=key, tier=tier) from exc
