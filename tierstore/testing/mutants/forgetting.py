"""Mutants of what sets and documents forget, and of what has to be remembered until then."""

from __future__ import annotations

from typing import Any

from tierstore.crdt import document, past
from tierstore.crdt.past import Past
from tierstore.crdt.update import Update
from tierstore.region.compacting import Compactor
from tierstore.testing.mutants.laws_of_documents import COMPACT_APART
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import plants
from tierstore.testing.mutants.typed_worlds import (
    FORGETTING,
    FORGETTING_APART,
    FORGETTING_UNHEARD,
)


@plants(Compactor, "_is_over")
def past_forgotten_at_once(right: Any) -> Any:
    return lambda self, row, past: True


@plants(Compactor, "_is_gone")
def origins_of_the_living_forgotten(right: Any) -> Any:
    return lambda self, actor, origin: actor == self._terms.actor


@plants(document, "compact")
def compact_without_a_past(right: Any) -> Any:
    def compact(*arguments: Any) -> Any:
        made = right(*arguments)
        return None if made is None else document.without_past(made)

    return compact


@plants(document, "join")
def past_lost_in_a_join(right: Any) -> Any:
    return lambda left, other: document.without_past(right(left, other))


@plants(past, "renewed")
def late_edits_not_translated(right: Any) -> Any:
    return lambda state, update: (update, state.past)


@plants(past, "_with_two_pasts")
def one_of_two_pasts(right: Any) -> Any:
    return lambda left, other: max(left, other, key=document.encode)


@plants(past, "_with_one_past")
def compact_one_wins(right: Any) -> Any:
    return lambda older, newer: newer


@plants(Past, "with_late")
def late_edits_not_remembered(right: Any) -> Any:
    def with_late(self: Past, late: Update) -> Past:
        return self

    return with_late


def _mutant(
    name: str, what: str, stands_for: str, plant: Any, scenario: Any, caught_at: int = 0
) -> Mutant:
    return Mutant(name, what, stands_for, plant, (scenario,), caught_at)


MUTANTS = (
    _mutant(
        "past forgotten at once",
        "A compact document forgets what it was at the next step.",
        "late edits that name what is gone",
        past_forgotten_at_once,
        FORGETTING,
    ),
    _mutant(
        "compact without a past",
        "A document is made compact, and does not remember what it was.",
        "the same, from the first moment on",
        compact_without_a_past,
        FORGETTING,
    ),
    _mutant(
        "past lost in a join",
        "The join of two documents has no past, whatever they remember.",
        "late edits that get lost where regions meet",
        past_lost_in_a_join,
        FORGETTING_APART,
    ),
    _mutant(
        "late edits not translated",
        "An edit of a document before it was made compact is applied as it came.",
        "edits of what is not there",
        late_edits_not_translated,
        FORGETTING,
    ),
    _mutant(
        "late edits not remembered",
        "What was translated is not kept as it was.",
        "regions that each made one document compact, and never agree",
        late_edits_not_remembered,
        COMPACT_APART,
        6,
    ),
    _mutant(
        "one of two pasts",
        "Of two regions that made a document compact, one wins.",
        "edits of a whole region lost",
        one_of_two_pasts,
        COMPACT_APART,
        1,
    ),
    _mutant(
        "compact one wins",
        "A compact document takes nothing over from one that is not.",
        "edits lost because somebody tidied up",
        compact_one_wins,
        FORGETTING_APART,
        1,
    ),
    _mutant(
        "origins of the living forgotten",
        "Of a set is forgotten who added what, while they may still discard it.",
        "own adds that a discard does not mean",
        origins_of_the_living_forgotten,
        FORGETTING_UNHEARD,
    ),
)
