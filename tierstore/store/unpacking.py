"""From stored bytes to the value that a read returns."""

from __future__ import annotations

from tierstore.errors import CorruptionError, DecodingError
from tierstore.values import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def unpack(key: str, payload: bytes, tier: str | None) -> Any:
    """The value in a stored payload. Raises CorruptionError, naming the key, if there is none."""
    try:
        return decode(payload)
    except DecodingError as exc:
        raise CorruptionError(f"key {key!r}: {exc}", key=key, tier=tier) from exc
