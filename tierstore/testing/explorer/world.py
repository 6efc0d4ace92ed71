"""What a schedule runs in: made afresh for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from tierstore.testing.explorer.runtime import ExploringRuntime
from tierstore.testing.explorer.tiers import ExploredTier
from tierstore.testing.explorer.turns import Explorer

if TYPE_CHECKING:
    T = TypeVar("T")


class World:
    """An explorer, a runtime, and whatever a subclass adds: tiers, stores, what was observed.

    Two worlds made alike must be alike: no time, chance or files from elsewhere.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.explorer = Explorer()
        self.runtime = ExploringRuntime(self.explorer, seed=seed)

    def wrap(self, tier: T, name: str) -> T:
        """`tier`, with a boundary before and after each of its calls; `name` is for stories."""
        return cast("T", ExploredTier(self.explorer, tier, name))

    def crash(self, actor: str) -> None:
        """End the process of `actor` where it stands: it reaches no tier again."""
        self.explorer.crash(actor)

    def close(self) -> None:
        """Called after each schedule; for what memory alone does not clean up."""
