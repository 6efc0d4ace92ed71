"""Mutants of the document."""

from __future__ import annotations

from typing import Any

from tierstore.crdt import document, standing, union
from tierstore.crdt.union import GapError, tidied
from tierstore.crdt.update import Update
from tierstore.testing.mutants.laws_of_documents import (
    CLONES,
    DOCUMENTS,
    FORMER_LIFE,
    GAPS,
    SPELLING,
)
from tierstore.testing.mutants.mutant import Law, Mutant
from tierstore.testing.mutants.planting import plants


@plants(document, "join")
def longer_side_wins(right: Any) -> Any:
    return lambda left, other: max(left, other, key=lambda state: len(document.encode(state)))


@plants(union, "union")
def deletions_of_the_other_forgotten(right: Any) -> Any:
    return lambda left, other: right(left, Update(other.structs, {}))


@plants(union, "union")
def joined_in_place(right: Any) -> Any:
    def union(left: Update, other: Update) -> Update:
        joined: Update = right(left, other)
        left.structs.update(joined.structs)
        return joined

    return union


@plants(union, "merged")
def spelled_as_it_came(right: Any) -> Any:
    return lambda client, structs: list(structs)


@plants(union, "_stronger")
def either_of_two_with_one_id(right: Any) -> Any:
    return lambda one, other: one if one.kind > other.kind else other


@plants(document, "compose")
def last_edit_sent(right: Any) -> Any:
    return lambda first, second, **how: second


@plants(document, "compose")
def edits_of_two_lives_added_up(right: Any) -> Any:
    return lambda first, second, **how: right(first, second, is_same_life=True)


@plants(standing, "standing")
def lost_as_a_whole(right: Any) -> Any:
    def standing(state: Update, delta: Update) -> Update:
        left: Update = right(state, delta)
        return left if left.structs == delta.structs else Update({}, {})

    return standing


@plants(document, "apply")
def gap_passed(right: Any) -> Any:
    def apply(state: Any, delta: Any, **how: Any) -> Any:
        try:
            return right(state, delta, **how)
        except GapError:
            return state

    return apply


@plants(document, "changes_since")
def deletions_not_told(right: Any) -> Any:
    def changes_since(opened: Any, mark: Any) -> Any:
        delta = right(opened, mark)
        return None if delta is None else tidied(Update(delta.structs, {}), list(delta.structs))

    return changes_since


def _mutant(
    name: str, what: str, stands_for: str, plant: Any, caught_at: int = 0, law: Law = DOCUMENTS
) -> Mutant:
    return Mutant(name, what, stands_for, plant, (law,), caught_at)


MUTANTS = (
    _mutant(
        "longer document wins",
        "Of two states of a document the longer one stays.",
        "concurrent edits lost",
        longer_side_wins,
    ),
    _mutant(
        "deletions of the other forgotten",
        "Joining documents takes over what the other added, and not what it deleted.",
        "deleted text that stays",
        deletions_of_the_other_forgotten,
    ),
    _mutant(
        "document joined in place",
        "Joining documents changes the first.",
        "a merge that changes what it was given",
        joined_in_place,
    ),
    _mutant(
        "spelled as it came",
        "Changes are stored in the pieces in which they came.",
        "equal states with different digests",
        spelled_as_it_came,
        law=SPELLING,
    ),
    _mutant(
        "either of two with one id",
        "Of two changes with one id the one that came last stays.",
        "clones that never agree, and nobody sees it",
        either_of_two_with_one_id,
        law=CLONES,
    ),
    _mutant(
        "last edit sent",
        "Of several edits that wait the last one is sent.",
        "edits lost before they are sent",
        last_edit_sent,
    ),
    _mutant(
        "edits of two lives added up",
        "An edit of a document that is gone is sent as one with an edit of the next.",
        "a change that no region can apply",
        edits_of_two_lives_added_up,
        law=FORMER_LIFE,
    ),
    _mutant(
        "lost as a whole",
        "Where some of what was sent as one needs a document that is gone, all of it is lost.",
        "edits lost for the company they were sent in",
        lost_as_a_whole,
        3,
        FORMER_LIFE,
    ),
    _mutant(
        "gap passed",
        "A change that needs another one which is not there counts as applied.",
        "a delta applied over a gap",
        gap_passed,
        law=GAPS,
    ),
    _mutant(
        "deletions not told",
        "A replica sends what was added, and not what was deleted.",
        "deletions that only one replica sees",
        deletions_not_told,
    ),
)
