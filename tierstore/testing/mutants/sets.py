"""Mutants of the set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.crdt import set
from tierstore.crdt.set import State
from tierstore.testing.mutants.laws_of_types import REMOVALS, REPEATED, SETS
from tierstore.testing.mutants.mutant import Law, Mutant
from tierstore.testing.mutants.planting import plants

if TYPE_CHECKING:
    from tierstore.crdt.set import Delta


@plants(set, "_kept")
def removed_survives(right: Any) -> Any:
    return lambda dots, others, context: right(dots, others, {})


@plants(set, "_kept")
def origins_forgotten(right: Any) -> Any:
    return lambda *sides: {(actor, n, 0) for actor, n, _ in right(*sides)}


@plants(set, "apply")
def own_adds_unknown(right: Any) -> Any:
    def apply(state: State, delta: Delta, *, origin: int, actor: int, is_same_life: bool) -> Any:
        held = {
            element: [dot for dot in dots if dot[2] == origin and dot[:2] not in delta[element][1]]
            for element, dots in state.elements.items()
            if element in delta
        }
        applied = right(state, delta, origin=origin, actor=actor, is_same_life=is_same_life)
        for element, dots in held.items():
            if dots:
                applied.elements[element] = (*dots, *applied.elements.get(element, ()))
        return applied

    return apply


@plants(set, "apply")
def earlier_adds_kept(right: Any) -> Any:
    def apply(state: State, delta: Delta, *, origin: int, **how: Any) -> Any:
        added = {element: (adds, seen) for element, (adds, seen) in delta.items() if adds}
        held = {e: [d for d in state.elements.get(e, ()) if d[2] == origin] for e in added}
        applied: State = right(state, delta, origin=origin, **how)
        for element, dots in held.items():
            if dots:
                applied.elements[element] = (*dots, *applied.elements[element])
        return applied

    return apply


@plants(set, "apply")
def discard_removes_all(right: Any) -> Any:
    def apply(state: State, delta: Delta, **how: Any) -> Any:
        for element, (adds, _) in delta.items():
            if not adds:
                state.elements.pop(element, None)
        return right(state, delta, **how)

    return apply


@plants(set, "apply")
def removal_of_any_generation(right: Any) -> Any:
    return lambda state, delta, **how: right(state, delta, **{**how, "is_same_life": True})


@plants(set, "apply")
def dots_given_again(right: Any) -> Any:
    def apply(state: State, delta: Delta, *, actor: int, **how: Any) -> Any:
        held = [n for dots in state.elements.values() for who, n, _ in dots if who == actor]
        state.context[actor] = max(held, default=0)
        return right(state, delta, actor=actor, **how)

    return apply


@plants(set, "join")
def context_of_the_other(right: Any) -> Any:
    def join(left: State, other: State) -> State:
        joined: State = right(left, other)
        joined.context = {**left.context, **other.context}
        return joined

    return join


@plants(set, "join")
def joined_in_place(right: Any) -> Any:
    def join(left: State, other: State) -> State:
        joined: State = right(left, other)
        left.context = joined.context
        return joined

    return join


@plants(set, "join")
def richer_side_wins(right: Any) -> Any:
    return lambda left, other: max((left, other), key=lambda state: len(state.elements))


@plants(set, "_in_order")
def dots_in_any_order(right: Any) -> Any:
    return tuple


@plants(set, "encode")
def spent_context_dropped(right: Any) -> Any:
    def encode(state: State) -> Any:
        lighter = State()
        lighter.elements = state.elements
        named = {dot[0] for dots in state.elements.values() for dot in dots}
        lighter.context = {actor: n for actor, n in state.context.items() if actor in named}
        return right(lighter)

    return encode


@plants(State, "__eq__")
def equal_by_elements(right: Any) -> Any:
    return lambda one, other: one.elements == other.elements


@plants(set, "compose")
def last_change_sent(right: Any) -> Any:
    return lambda first, second, **how: second


@plants(set, "compose")
def seen_of_the_second_forgotten(right: Any) -> Any:
    def compose(first: Delta, second: Delta, **how: Any) -> Any:
        both = right(first, second, **how)
        for element in first.keys() & second.keys():
            both[element] = (both[element][0], first[element][1])
        return both

    return compose


@plants(set, "compose")
def seen_in_another_life(right: Any) -> Any:
    return lambda first, second, *, is_same_life: right(first, second, is_same_life=True)


@plants(set, "discard")
def discard_of_one_dot(right: Any) -> Any:
    def discard(state: State, elements: Any) -> Any:
        delta = right(state, elements)
        return {
            element: (adds, frozenset(sorted(seen)[:1])) for element, (adds, seen) in delta.items()
        }

    return discard


def _mutant(
    name: str, what: str, stands_for: str, plant: Any, caught_at: int, law: Law = SETS
) -> Mutant:
    return Mutant(name, what, stands_for, plant, (law,), caught_at)


MUTANTS = (
    _mutant(
        "removed survives",
        "Joining sets takes what one side lacks for new, seen or not.",
        "removed elements that come back",
        removed_survives,
        0,
    ),
    _mutant(
        "origins forgotten",
        "Joining sets forgets whose adds they are.",
        "own removals that miss own adds",
        origins_forgotten,
        0,
    ),
    _mutant(
        "own adds unknown",
        "A removal does not mean own adds whose dots are not known yet.",
        "added, removed, and there again",
        own_adds_unknown,
        0,
    ),
    _mutant(
        "discard removes all",
        "A removal removes adds that nobody had seen.",
        "remove wins over a concurrent add",
        discard_removes_all,
        0,
    ),
    _mutant(
        "removal of any generation",
        "Dots seen in one generation are removed in another.",
        "a removal that hits what came after a deletion",
        removal_of_any_generation,
        0,
        REMOVALS,
    ),
    _mutant(
        "dots given again",
        "A region gives dots again that it gave to adds that were removed.",
        "an add taken for one that was removed",
        dots_given_again,
        0,
    ),
    _mutant(
        "context of the other",
        "Of two contexts the one that came last stays.",
        "a context that goes back",
        context_of_the_other,
        0,
    ),
    _mutant(
        "set joined in place",
        "Joining sets changes the context of the first.",
        "a merge that changes what it was given, as in riak_dt",
        joined_in_place,
        0,
    ),
    _mutant(
        "richer side wins",
        "Of two states of a set the one with more elements stays.",
        "a merge that returns one of its sides",
        richer_side_wins,
        0,
    ),
    _mutant(
        "dots in any order",
        "Dots are kept in the order in which a set of them iterates.",
        "equal states with different digests",
        dots_in_any_order,
        0,
    ),
    _mutant(
        "spent context dropped",
        "Who gave only dots that were removed is not stored.",
        "removed elements that come back",
        spent_context_dropped,
        0,
    ),
    _mutant(
        "equal by elements",
        "Sets are equal if their elements are, whatever they have seen.",
        "a removal that is not told to others",
        equal_by_elements,
        0,
    ),
    _mutant(
        "last change of a set sent",
        "Of several changes of a set that wait the last one is sent.",
        "adds lost before they are sent",
        last_change_sent,
        0,
    ),
    _mutant(
        "seen of the second forgotten",
        "Two changes of an element as one name what the first has seen.",
        "removals lost before they are sent",
        seen_of_the_second_forgotten,
        0,
    ),
    _mutant(
        "seen in another life",
        "Two changes as one name what was seen in two generations.",
        "a removal that hits what came after a deletion",
        seen_in_another_life,
        5,
        REMOVALS,
    ),
    _mutant(
        "discard of one dot",
        "A removal names one of the adds that it has seen.",
        "elements that cannot be removed",
        discard_of_one_dot,
        0,
    ),
    _mutant(
        "earlier adds kept",
        "Who adds an element again keeps the dots of all adds before.",
        "a state that grows with every add, as in akka-data-replication",
        earlier_adds_kept,
        0,
        REPEATED,
    ),
)
