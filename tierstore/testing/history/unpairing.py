"""Operations back into the events that they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.testing.history.errors import HistoryError
from tierstore.testing.history.events import Event, Operation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def unpair(operations: Iterable[Operation]) -> Iterator[Event]:
    """The events of `operations`, in order.

    When an answer "info" came is not known to an operation; it is put before the next invocation
    of its process, or at the end, which means the same.
    """
    unknown: dict[str, Operation] = {}
    for index, operation, is_invoke in _in_order(operations):
        if not is_invoke:
            yield _end(operation, index)
            continue
        if earlier := unknown.pop(operation.process, None):
            yield _end(earlier, index)
        yield _begin(operation)
        if operation.outcome == "info":
            unknown[operation.process] = operation
    for operation in unknown.values():
        if operation.error is not None:
            yield _end(operation, operation.invoked)


def _in_order(operations: Iterable[Operation]) -> list[tuple[int, Operation, bool]]:
    places: dict[int, tuple[int, Operation, bool]] = {}
    for operation in operations:
        check(operation)
        for index, is_invoke in ((operation.invoked, True), (operation.completed, False)):
            if index is None:
                continue
            if index in places:
                raise HistoryError(
                    f"event {index} is claimed twice, the second time by {operation}"
                )
            places[index] = (index, operation, is_invoke)
    return [places[index] for index in sorted(places)]


def check(operation: Operation) -> None:
    """Raise `HistoryError` unless `operation` ends after it begins, exactly if its end is known."""
    if (operation.completed is None) != (operation.outcome == "info"):
        raise HistoryError(f"`completed` is None exactly for outcome 'info', unlike in {operation}")
    if operation.completed is not None and operation.completed <= operation.invoked:
        raise HistoryError(f"an operation must end after it begins, unlike {operation}")


def _begin(operation: Operation) -> Event:
    return Event(
        operation.invoked,
        operation.invoked_ns,
        operation.process,
        "invoke",
        operation.verb,
        operation.key,
        operation.argument,
        None,
    )


def _end(operation: Operation, index: int) -> Event:
    return Event(
        index,
        operation.invoked_ns if operation.completed_ns is None else operation.completed_ns,
        operation.process,
        operation.outcome,
        operation.verb,
        operation.key,
        operation.result,
        operation.error,
    )
