"""Mutants of the counter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.crdt import counter
from tierstore.testing.mutants.laws_of_types import COUNTERS
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import plants

if TYPE_CHECKING:
    from tierstore.crdt.counter import Delta, State

NOTHING = (0, 0)


@plants(counter, "join")
def higher_side_wins(right: Any) -> Any:
    return lambda left, other: max((left, other), key=counter.value)


@plants(counter, "join")
def totals_summed(right: Any) -> Any:
    def join(left: State, other: State) -> State:
        return {
            actor: _added(left.get(actor, NOTHING), other.get(actor, NOTHING))
            for actor in left | other
        }

    return join


def _added(one: Delta, two: Delta) -> Delta:
    return one[0] + two[0], one[1] + two[1]


@plants(counter, "join")
def sums_not_split(right: Any) -> Any:
    def join(left: State, other: State) -> State:
        return {
            actor: max(left.get(actor, NOTHING), other.get(actor, NOTHING), key=_net)
            for actor in left | other
        }

    return join


def _net(totals: Delta) -> int:
    return totals[0] - totals[1]


@plants(counter, "join")
def counter_join_in_place(right: Any) -> Any:
    def join(left: State, other: State) -> State:
        left.update(right(left, other))
        return left

    return join


@plants(counter, "apply")
def increment_applied_twice(right: Any) -> Any:
    def apply(state: State, delta: Delta, **how: Any) -> Any:
        return right(right(state, delta, **how), delta, **how)

    return apply


@plants(counter, "apply")
def one_actor_for_all(right: Any) -> Any:
    def apply(state: State, delta: Delta, **how: Any) -> Any:
        return right(state, delta, **{**how, "actor": 1})

    return apply


@plants(counter, "apply")
def totals_of_64_bits(right: Any) -> Any:
    def apply(state: State, delta: Delta, **how: Any) -> Any:
        applied = right(state, delta, **how)
        return {actor: (a % (1 << 64), t % (1 << 64)) for actor, (a, t) in applied.items()}

    return apply


@plants(counter, "compose")
def last_increment_sent(right: Any) -> Any:
    return lambda first, second, **how: second


@plants(counter, "_is_format")
def any_format(right: Any) -> Any:
    return lambda wire: wire == counter.FORMAT


MUTANTS = (
    Mutant(
        "higher side wins",
        "Of two states of a counter the one with the higher sum stays.",
        "concurrent increments lost",
        higher_side_wins,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "totals summed",
        "Joining counters adds their totals up.",
        "increments counted again with every exchange",
        totals_summed,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "sums not split",
        "Of two totals of a region the higher sum stays, not the higher of each half.",
        "decrements lost",
        sums_not_split,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "counter joined in place",
        "Joining counters changes the first.",
        "a merge that changes what it was given",
        counter_join_in_place,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "increment applied twice",
        "An increment is applied twice.",
        "a retry that counts again",
        increment_applied_twice,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "one actor for all",
        "All regions count under one actor.",
        "concurrent increments lost",
        one_actor_for_all,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "totals of 64 bits",
        "Totals wrap around at 64 bits.",
        "a counter that overflows",
        totals_of_64_bits,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "last increment sent",
        "Of several increments that wait the last one is sent.",
        "increments lost before they are sent",
        last_increment_sent,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "any format",
        "True and 1.0 pass for format 1.",
        "equal states with different digests",
        any_format,
        (COUNTERS,),
        3,
    ),
)
