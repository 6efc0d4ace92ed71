"""What checkers are given: a history, or operations picked from one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.testing.history import History, Operation
from tierstore.testing.history.unpairing import check

if TYPE_CHECKING:
    from collections.abc import Iterable


def operations_of(history: History | Iterable[Operation]) -> list[Operation]:
    """The operations, in order of invocation. Raises `HistoryError` for one that cannot be."""
    if isinstance(history, History):
        return history.operations()
    operations = sorted(history, key=lambda operation: operation.invoked)
    for operation in operations:
        check(operation)
    return operations
