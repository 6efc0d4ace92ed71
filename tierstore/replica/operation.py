"""Operation ids: which writes an `OutcomeUnknownError` was about. Opaque to users.

Format 1, `o1-REPLICA-STAMP-KEY`, names one write; format 2, `o2-REPLICA-STAMP.KEY-STAMP.KEY…`,
those of one call. Numbers and the bytes of keys are in base 16.
"""

from __future__ import annotations

from tierstore.errors import InvalidArgumentError
from tierstore.keys import check_key
from tierstore.units import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Stamped = tuple[int, str]
    """The stamp and the key of one write."""

_ONE, _SEVERAL = "o1", "o2"
NEVER_MADE = 0
"""A stamp that no write has: in an id, that of what certainly was not made."""


def is_named(operation_id: object) -> bool:
    """Whether an id is that of a commit at the coordinator, not of writes of a replica."""
    return type(operation_id) is str and not operation_id.startswith((f"{_ONE}-", f"{_SEVERAL}-"))


def encode_operation(replica: int, writes: Sequence[Stamped]) -> str:
    """The id of `writes`, one at least, that `replica` made."""
    if len(writes) == 1:
        ((stamp, key),) = writes
        return f"{_ONE}-{replica:x}-{stamp:x}-{key.encode().hex()}"
    told = [f"{stamp:x}.{key.encode().hex()}" for stamp, key in writes]
    return "-".join((_SEVERAL, f"{replica:x}", *told))


def decode_operation(operation_id: str) -> tuple[int, list[Stamped]]:
    """The replica and its writes that an id names. Raises InvalidArgumentError."""
    try:
        format_, replica, *told = operation_id.split("-")
        if format_ == _ONE:
            stamp, key = told
            told = [f"{stamp}.{key}"]
        elif format_ != _SEVERAL or not told:
            raise ValueError
        return int(replica, 16), [_decode_write(text) for text in told]
    except (ValueError, AttributeError, TypeError):
        raise InvalidArgumentError(
            f"{shown(operation_id)} is not an operation id: use the one in OutcomeUnknownError"
        ) from None


def _decode_write(text: str) -> Stamped:
    stamp, raw = text.split(".")
    key = bytes.fromhex(raw).decode()
    check_key(key)
    return int(stamp, 16), key
