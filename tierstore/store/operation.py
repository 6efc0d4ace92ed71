"""Operation ids: which write an `OutcomeUnknownError` was about. Opaque to users."""

from __future__ import annotations

from tierstore.errors import InvalidArgumentError

_PREFIX = "o1"


def encode_operation(replica: int, stamp: int, key: str) -> str:
    """The id of the write of `key` at `stamp` by `replica`."""
    return f"{_PREFIX}-{replica:x}-{stamp:x}-{key.encode().hex()}"


def decode_operation(operation_id: str) -> tuple[int, int, str]:
    """(replica, stamp, key) of an operation id. Raises InvalidArgumentError."""
    try:
        prefix, replica, stamp, key = operation_id.split("-")
        if prefix != _PREFIX:
            raise ValueError
        return int(replica, 16), int(stamp, 16), bytes.fromhex(key).decode()
    except (ValueError, AttributeError, TypeError):
        raise InvalidArgumentError(
            f"{operation_id!r} is not an operation id: use the one in OutcomeUnknownError"
        ) from None
