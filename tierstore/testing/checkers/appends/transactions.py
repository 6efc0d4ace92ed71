"""Transactions as the operations of a history have them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tierstore.testing.history import HistoryError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierstore.testing.history import Operation

APPEND, READ = "append", "r"


class Step(NamedTuple):
    """An append of a value, or a read and the list that it showed, None if that is unknown."""

    verb: str
    key: Any
    value: Any


@dataclass(eq=False, slots=True)
class Transaction:
    """One operation; compared by identity."""

    operation: Operation
    steps: tuple[Step, ...]
    appends: dict[Any, list[Any]] = field(default_factory=dict)
    """What it appended to each key, in order."""
    reads: dict[Any, tuple[Any, ...]] = field(default_factory=dict)
    """What the first read of each key showed of the others: without its own appends before it."""

    @property
    def is_answered(self) -> bool:
        """Whether it is known to have taken effect, and what it read."""
        return self.operation.outcome == "ok"


def transactions_of(operations: Iterable[Operation], verb: str) -> list[Transaction]:
    """The operations that are transactions, in their order. Raises HistoryError."""
    return [_transaction(one) for one in operations if one.verb == verb]


def _transaction(operation: Operation) -> Transaction:
    asked = _steps(operation, operation.argument)
    steps = asked
    if operation.outcome == "ok":
        steps = _steps(operation, operation.result)
        if [_request(step) for step in steps] != [_request(step) for step in asked]:
            raise HistoryError(f"the steps of the result are others than those asked: {operation}")
        steps = tuple(_answered(step) for step in steps)
    else:
        steps = tuple(Step(s.verb, s.key, None) if s.verb == READ else s for s in steps)
    made = Transaction(operation, steps)
    for step in steps:
        if step.verb == APPEND:
            made.appends.setdefault(step.key, []).append(step.value)
        elif step.value is not None and step.key not in made.reads:
            own = len(made.appends.get(step.key, ()))
            made.reads[step.key] = step.value[: max(0, len(step.value) - own)]
    return made


def _steps(operation: Operation, steps: Any) -> tuple[Step, ...]:
    if not isinstance(steps, tuple) or not all(map(_is_step, steps)):
        raise HistoryError(
            "a transaction is a list of ('append', key, value) and ('r', key, list or None), "
            f"unlike {operation}"
        )
    return tuple(Step(*step) for step in steps)


def _is_step(step: Any) -> bool:
    if not isinstance(step, tuple) or len(step) != 3:
        return False
    return step[0] == APPEND or (step[0] == READ and isinstance(step[2], (tuple, type(None))))


def _request(step: Step) -> tuple[Any, ...]:
    return step if step.verb == APPEND else (READ, step.key)


def _answered(step: Step) -> Step:
    """A list that is not there is one with nothing in it."""
    return Step(READ, step.key, step.value or ()) if step.verb == READ else step
