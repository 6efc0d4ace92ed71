"""The laws of replicated types, as laws that mutants have to break."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tierstore.testing.laws import COUNTER, LAWS, SET, draw_script
from tierstore.testing.laws.checking import broken_law
from tierstore.testing.mutants.mutant import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.runtime.chance import Chance
    from tierstore.testing.laws import TypeUnderTest

LIVES = 20
STEPS = 24


def _lives(under_test: TypeUnderTest, chance: Chance) -> Iterator[str]:
    """Some lives of a key of this type, until one breaks a law."""
    for _ in range(LIVES):
        script = draw_script(under_test, chance, STEPS)
        if (broken := broken_law(under_test, script, LAWS)) is not None:
            yield broken
            return


COUNTERS = Law("lives of a counter", partial(_lives, COUNTER))
SETS = Law("lives of a set", partial(_lives, SET))
