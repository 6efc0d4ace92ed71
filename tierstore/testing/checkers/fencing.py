"""Fencing: once a token has been used, no older one is accepted any more."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from tierstore.testing.checkers.given import operations_of
from tierstore.testing.checkers.verdict import Verdict
from tierstore.testing.history import by_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tierstore.testing.history import History, Operation

NAME = "fencing"


def argument_is_token(operation: Operation) -> int | None:
    """The argument, for a history whose operations are all made under a lease."""
    return operation.argument if isinstance(operation.argument, int) else None


def fencing(
    history: History | Iterable[Operation],
    token_of: Callable[[Operation], int | None] = argument_is_token,
) -> Verdict:
    """Whether accepted tokens never go down, for each key apart (Kleppmann, 2016).

    `token_of` tells under which token an operation was made, or None if under none. It was accepted
    if it was answered, and not by False. Only of two of which one was answered before the other
    began is the order known. The witness is such a pair.
    """
    count = 0
    for key, part in by_key(operations_of(history)).items():
        uses = [
            _Use(operation, token)
            for operation in part
            if _is_accepted(operation) and (token := token_of(operation)) is not None
        ]
        count += len(uses)
        if (pair := _first_step_back(uses)) is not None:
            earlier, later = pair
            reason = f"{key}: token {later.token} was accepted after token {earlier.token}"
            return Verdict("invalid", NAME, reason, (earlier.operation, later.operation))
    return Verdict("valid", NAME, "no accepted token went down", figures={"accepted": count})


class _Use(NamedTuple):
    operation: Operation
    token: int


def _is_accepted(operation: Operation) -> bool:
    return operation.outcome == "ok" and operation.result is not False


def _first_step_back(uses: Sequence[_Use]) -> tuple[_Use, _Use] | None:
    answered = sorted(uses, key=lambda use: use.operation.completed or 0)
    moments = [use.operation.completed or 0 for use in answered]
    highest = [*accumulate(answered, _higher)]
    for use in uses:
        before = bisect_left(moments, use.operation.invoked)
        if before and highest[before - 1].token > use.token:
            return highest[before - 1], use
    return None


def _higher(one: _Use, other: _Use) -> _Use:
    return other if other.token > one.token else one
