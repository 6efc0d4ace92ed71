"""Bounded counters: what was taken had been there, and what is left is accounted for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.testing.checkers.given import operations_of
from tierstore.testing.checkers.intervals import Interval, narrow, settled
from tierstore.testing.checkers.verdict import Verdict
from tierstore.testing.history import by_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tierstore.testing.history import History, Operation

NAME = "no_oversell"


def no_oversell(
    history: History | Iterable[Operation],
    given: Mapping[str, int],
    minimum: int = 0,
    *,
    final: Mapping[str, int] | None = None,
) -> Verdict:
    """Whether no key went below `minimum`, though several replicas took from it.

    `given` is what was there at the start. A `take` of an amount was refused if it failed or
    answered False; a `give` adds an amount. A take must be covered by what was given and by gives
    that had begun. `final` is what was left after everything had settled: exact, if every operation
    was answered.
    """
    parts = by_key(operations_of(history))
    if missing := set(parts) - set(given):
        raise ValueError(
            f"`given` must say what there was at the start of {sorted(map(str, missing))}"
        )
    for key, amount in given.items():
        part = [operation for operation in parts.get(key, ()) if _counts(operation)]
        wrong = _oversold(key, part, amount - minimum)
        if wrong is None and final is not None and key in final:
            wrong = _unaccounted(key, part, amount, final[key])
        if wrong is not None:
            return wrong
    reason = f"nothing went below {minimum}"
    takes = sum(o.verb == "take" for part in parts.values() for o in part)
    return Verdict("valid", NAME, reason, figures={"keys": len(given), "takes": takes})


def _counts(operation: Operation) -> bool:
    return operation.outcome != "fail" and operation.result is not False


def _oversold(key: str, part: Sequence[Operation], room: int) -> Verdict | None:
    """The first moment at which more had certainly been taken than can have been there."""
    excess = -room
    for moment, change in sorted(map(_at_worst, part)):
        excess += change
        if excess > 0:
            until = [o for o in part if _at_worst(o)[0] <= moment]
            witness = narrow(until, _taken, room)
            taken = sum(o.argument for o in until if o.verb == "take")
            reason = f"{key}: {taken} had been taken when there were at most {taken - excess}"
            return Verdict("invalid", NAME, reason, tuple(witness))
    return None


def _at_worst(operation: Operation) -> tuple[float, int]:
    """When it counts at worst, and what it adds to what is taken.

    A take may happen as late as it was answered, if at all; a give as early as it began.
    """
    if operation.verb == "give":
        return operation.invoked, -operation.argument
    if operation.verb != "take":
        raise ValueError(f"no_oversell knows the verbs take and give, unlike {operation}")
    answered = float("inf") if operation.completed is None else operation.completed
    return answered, 0 if operation.completed is None else operation.argument


def _taken(part: Iterable[Operation]) -> Interval:
    total = sum(_at_worst(operation)[1] for operation in part)
    return Interval(total, total)


def _unaccounted(key: str, part: Sequence[Operation], amount: int, left: int) -> Verdict | None:
    if not _left(part, amount).off_by(left):
        return None
    reason = f"{key}: {left} were left, but the operations leave {_left(part, amount)}"
    witness = narrow(part, lambda some: _left(some, amount), left)
    return Verdict("invalid", NAME, reason, tuple(witness))


def _left(part: Iterable[Operation], amount: int) -> Interval:
    return settled(part, amount, lambda o: o.argument if o.verb == "give" else -o.argument)
