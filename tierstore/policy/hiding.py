"""Which patterns can never be the first to match, because earlier ones take all their keys.

Exact, not a guess from the look of two patterns: every state of the automaton of all patterns is
visited, over the segments that patterns name and one that stands for all others. A pattern that
no state answers with is hidden. Patterns full of `**` can need very many states; then the search
stops at a bound and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierstore.policy.match import Automaton

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.policy.match import State

ITEMS_MAX = 300_000


@dataclass(frozen=True, slots=True)
class Hiding:
    """Positions of the `hidden` patterns, and of the `unknown` ones where the bound was met."""

    hidden: frozenset[int]
    unknown: frozenset[int]


def find_hidden(patterns: Sequence[str], items_max: int = ITEMS_MAX) -> Hiding:
    """Which of `patterns`, in order of precedence, never answer for any key."""
    automaton = Automaton(patterns)
    wanted = frozenset(range(len(patterns)))
    answering, complete = _answers(automaton, wanted, items_max)
    silent = wanted - answering
    return Hiding(silent, frozenset()) if complete else Hiding(frozenset(), silent)


def first_hider(patterns: Sequence[str], position: int) -> int | None:
    """The first single pattern that hides the one at `position`; None if several do it together."""
    for earlier in range(position):
        if 1 in find_hidden((patterns[earlier], patterns[position])).hidden:
            return earlier
    return None


def _answers(automaton: Automaton, wanted: frozenset[int], items_max: int) -> tuple[set[int], bool]:
    """The patterns that answer for some key, and whether none can be missing."""
    answering = {automaton.root.decided}
    seen = {automaton.root.items}
    waiting = [automaton.root] if automaton.root.decided < 0 else []
    while waiting and not answering.issuperset(wanted):
        for following in _successors(automaton, waiting.pop()):
            answering.add(following.final)
            items_max -= len(following.items) + 1
            if following.decided < 0 and following.items not in seen:
                waiting.append(following)
            seen.add(following.items)
        if items_max < 0:
            return answering, False
    return answering, True


def _successors(automaton: Automaton, state: State) -> list[State]:
    named = [automaton.step(state, segment) for segment in automaton.literals(state)]
    return [*named, automaton.step_other(state)]
