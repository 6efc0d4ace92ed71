"""Which operations on a register write, and what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tierstore.testing.history import Operation


def may_write(operation: Operation) -> bool:
    """Whether a `write`, `delete` or `cas` took effect, or may have."""
    if operation.outcome == "fail":
        return False
    if operation.verb == "cas":
        return operation.result is not False
    return operation.verb in ("write", "delete")


def value_written(operation: Operation) -> Any:
    """What it leaves in the register; None if it deletes."""
    return operation.argument[1] if operation.verb == "cas" else operation.argument


def was_read(operation: Operation) -> bool:
    """Whether it is a `read` that was answered."""
    return operation.verb == "read" and operation.outcome == "ok"
