"""What readers are told of a key whose only copy fails its checks."""

from __future__ import annotations

from tierstore.errors import CorruptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.region.rows import Row


def damage(key: str, reason: str, row: Row | None) -> CorruptionError:
    """The error for a key whose only copy fails its checks, with the object if `row` names one."""
    text = f"key {key!r}: {reason}"
    if row is None or row.cold is None:
        return CorruptionError(text, key=key, tier="regional")
    return CorruptionError(text, key=key, tier="cold", object=_object_of(row))


def _object_of(row: Row) -> str | None:
    """The object that a row points at, None if the pointer itself is damaged."""
    from tierstore.region.pointer import decode_pointer

    try:
        return decode_pointer(row.cold or b"", key=row.key).name
    except CorruptionError:
        return None
