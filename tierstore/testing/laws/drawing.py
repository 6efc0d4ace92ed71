"""Lives as a strategy of Hypothesis, for who would rather shrink and keep examples by that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.runtime.chance import Chance
from tierstore.testing.laws.checking import STEPS
from tierstore.testing.laws.steps import Script, draw_script

if TYPE_CHECKING:
    from tierstore.testing.laws.under_test import TypeUnderTest


def scripts(under_test: TypeUnderTest, steps_max: int = STEPS) -> Any:
    """A strategy of scripts for `check_script`. Raises ImportError if Hypothesis is missing."""
    from hypothesis import strategies as st

    def draw(steps: int, seed: int) -> Script:
        return draw_script(under_test, Chance(under_test.name, seed), steps)

    return st.builds(draw, st.integers(1, steps_max), st.integers(0, (1 << 32) - 1))
