"""Linearizability: some order of the operations explains all results and keeps real time.

Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects", 1990. It is
local (theorem 1): a history is linearizable if its part on each key is, so keys are searched apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.testing.checkers.given import operations_of
from tierstore.testing.checkers.linear.search import Search
from tierstore.testing.checkers.linear.telling import tell
from tierstore.testing.checkers.linear.turns import Turns
from tierstore.testing.checkers.linear.witness import Minimizing
from tierstore.testing.checkers.verdict import Verdict
from tierstore.testing.history import by_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tierstore.testing.history import History, Operation
    from tierstore.testing.models import Model

NAME = "linearizable"
_NOT_MINIMAL = "what may be spent on a smaller witness"
STATES_MAX = 1_000_000


def linearizable(
    history: History | Iterable[Operation],
    model: Model,
    *,
    states_max: int = STATES_MAX,
    deadline: Callable[[], bool] | None = None,
) -> Verdict:
    """Whether each key behaves as `model` does when one operation happens at a time.

    An operation that failed never happened; one without an answer may happen at any time after it
    was invoked, or never. Searches of keys take turns, so that a hard one holds up nobody, and
    the first key refuted ends them all; its witness cannot be made smaller.

    "unknown" after `states_max` configurations over all keys, some ten microseconds and at most
    200 bytes each, or when `deadline`, asked now and then, returns true.
    """
    parts = by_key(operations_of(history))
    searches = {key: Search(part, model) for key, part in parts.items()}
    turns = Turns(searches, states_max, deadline)
    refuted = turns.run()
    figures = {
        "keys": len(parts),
        "operations": sum(map(len, parts.values())),
        "configurations": sum(search.tried for search in searches.values()),
    }
    if refuted is not None:
        minimizing = Minimizing(refuted, model, deadline)
        witness = minimizing.run()
        reason, ended = tell(witness, model), None if minimizing.is_complete else _NOT_MINIMAL
        return Verdict("invalid", NAME, reason, witness, budget=ended, figures=figures)
    if turns.ended_by:
        reason = f"{turns.left} of {len(parts)} keys are not decided, among them {turns.first_left}"
        return Verdict("unknown", NAME, reason, budget=turns.ended_by, figures=figures)
    return Verdict("valid", NAME, "every key has an order that explains it", figures=figures)
