"""The laws of replicated types, as laws that mutants have to break."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tierstore.crdt import set
from tierstore.testing.laws import COUNTER, LAWS, SET, Delete, Do, Look, Script, Send, draw_script
from tierstore.testing.laws.checking import broken_law
from tierstore.testing.laws.samples import discarding, inserting
from tierstore.testing.mutants.mutant import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.runtime.chance import Chance
    from tierstore.testing.laws import Operation, TypeUnderTest
    from tierstore.testing.laws.steps import Step

LIVES = 20
STEPS = 24
ELEMENTS = ("x", b"x")


def _lives(under_test: TypeUnderTest, chance: Chance) -> Iterator[str]:
    """Some lives of a key of this type, until one breaks a law."""
    for _ in range(LIVES):
        script = draw_script(under_test, chance, STEPS)
        if (broken := broken_law(under_test, script, LAWS)) is not None:
            yield broken
            return


def _late_removals(chance: Chance) -> Iterator[str]:
    """A removal that waited hits nothing of what came after a deletion, whatever else happens."""
    x, other = ELEMENTS
    steps: list[Step] = [
        Do(0, inserting(x)), Send(0), Look(2), Do(2, discarding(x)),
        Delete(0), Send(0), Do(0, inserting(x)), Send(0),
    ]  # fmt: skip
    if chance.happens(0.5):
        steps += (Look(2), Do(2, inserting(other)))
    for step in draw_script(NARROW, chance, chance.randint(0, 2)).steps:
        steps.insert(chance.randint(0, len(steps)), step)
    if (broken := broken_law(NARROW, Script((*steps, Send(2))), LAWS)) is not None:
        yield broken


def _repeated_adds(chance: Chance) -> Iterator[str]:
    """However often a replica adds an element, one dot of it is kept."""
    state, times = set.empty(), chance.randint(2, 9)
    for _ in range(times):
        added = set.add([ELEMENTS[0]])
        state = set.apply(state, added, origin=11, actor=chance.randint(1, 2), is_same_life=True)
    if len(dots := state.elements[ELEMENTS[0]]) > 1:
        yield f"of {times} adds {len(dots)} dots are kept"


def _draw_change(chance: Chance) -> Operation:
    return chance.choice((inserting, discarding))(chance.choice(ELEMENTS))


NARROW = replace(SET, operations=_draw_change)
"""A set of few elements, which get in each other's way."""
COUNTERS = Law("lives of a counter", partial(_lives, COUNTER))
REMOVALS = Law("late removals", _late_removals)
REPEATED = Law("adds again and again", _repeated_adds)
SETS = Law("lives of a set", partial(_lives, NARROW))
