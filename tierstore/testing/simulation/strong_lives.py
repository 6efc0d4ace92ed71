"""Strong keys of a region that is restored: each of its lives has a history of its own.

What was committed after the backup is lost, and whatever was under way, or is known to no record of
the backup, may yet happen in the next life: once more, if it is sent again, or late.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tierstore.testing.history import Operation

FOREVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Restore:
    """A region became what it was, and began another life. Times are counts of events."""

    backed_up: int
    """When the backup was made."""
    restored: int
    """When it was put in the place of the region."""
    values: dict[str, Any]
    """What keys held then."""


def histories(
    operations: Sequence[Operation], restores: Sequence[Restore]
) -> Iterator[tuple[dict[str, Any], list[Operation]]]:
    """For each life: what keys held as it began, and what may have happened in it."""
    begins = [0, *(each.restored for each in restores)]
    ends = [*(each.restored for each in restores), FOREVER]
    for number, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        own = [_until(each, end) for each in operations if begin <= each.invoked < end]
        former = [each for each in operations if each.invoked < begin]
        late = [_unknown(each, begin) for each in former if not _is_known(each, restores[:number])]
        yield restores[number - 1].values if number else {}, own + late


def _until(operation: Operation, end: int) -> Operation:
    """An operation as this life knows it: what was answered in the next one may be of that."""
    if operation.completed is None or operation.completed < end or operation.outcome == "fail":
        return operation
    return _unknown(operation, operation.invoked)


def _unknown(operation: Operation, since: int) -> Operation:
    return replace(operation, outcome="info", result=None, invoked=since, completed=None)


def _is_known(operation: Operation, restores: Sequence[Restore]) -> bool:
    """Whether later lives know what became of an operation, so that it does not happen again."""
    if operation.outcome == "fail":
        return True
    backed_up = next(each.backed_up for each in restores if operation.invoked < each.restored)
    return operation.completed is not None and operation.completed < backed_up
