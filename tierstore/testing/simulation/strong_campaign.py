"""Many worlds of strong keys, one after the other: what they found, and how far they got."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from tierstore.runtime import Runtime
from tierstore.testing.simulation.strong_world import play_strong

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.testing.simulation.strong_world import StrongRun

GOAL_SEEDS = 200
"""From so many seeds on every goal has to be reached."""
GOALS = frozenset((
    "check of an expired value refused",
    "commit of long ago was abandoned",
    "commit of long ago was applied",
    "commit of long ago was unknown",
    "commit sent again as its answer was lost",
    "key went cold",
    "move raced by a write",
    "name of another operation refused",
    "named operation repeated by another",
    "power cut in the middle of a commit",
    "power cut took a log's end",
    "power of the region was cut",
    "region began another life",
    "region restored without some commits",
    "scan of two databases",
    "strong copy was read",
    "strong deed after a restore",
    "strong key read from cold",
    "unknown commit was abandoned",
    "unknown commit was applied",
    "write refused as the lease was over",
    "write under a lease",
))  # fmt: skip
"""Situations that a campaign must reach."""


@dataclass(slots=True)
class StrongCampaign:
    """What a campaign found."""

    seeds: int = 0
    real_s: float = 0.0
    worlds: Counter[str] = field(default_factory=Counter)
    """How many seeds had what."""
    reached: Counter[str] = field(default_factory=Counter)
    reached_in: Counter[str] = field(default_factory=Counter)
    """In how many seeds."""
    failures: dict[int, list[str]] = field(default_factory=dict)
    """What was violated, by seed."""

    @property
    def missed(self) -> list[str]:
        """Goals that should have been reached and were not."""
        return sorted(GOALS - self.reached.keys()) if self.seeds >= GOAL_SEEDS else []

    @property
    def is_good(self) -> bool:
        """Whether nothing was violated and no goal missed."""
        return not self.failures and not self.missed

    def add(self, seed: int, run: StrongRun) -> None:
        """Count one seed."""
        self.seeds += 1
        self.worlds.update(run.kinds)
        reached = +run.reached
        self.reached.update(reached)
        self.reached_in.update(reached.keys())
        if run.violations:
            self.failures[seed] = run.violations


def run_strong_campaign(
    seeds: int | None = None,
    minutes: float | None = None,
    first_seed: int = 0,
    failures_max: int = 1,
    on_failure: Callable[[int, list[str]], None] = lambda seed, found: None,
) -> StrongCampaign:
    """Play seeds from `first_seed` on until `seeds` of them, `minutes` or `failures_max` are over.

    Raises ValueError if nothing bounds it.
    """
    if seeds is None and minutes is None:
        raise ValueError("say how many seeds or how many minutes")
    campaign, clock = StrongCampaign(), Runtime()
    begun_s = clock.monotonic()
    for seed in count(first_seed) if seeds is None else range(first_seed, first_seed + seeds):
        run = play_strong(seed)
        campaign.add(seed, run)
        campaign.real_s = clock.monotonic() - begun_s
        if run.violations:
            on_failure(seed, run.violations)
        is_late = minutes is not None and campaign.real_s >= 60 * minutes
        if is_late or len(campaign.failures) >= failures_max:
            break
    return campaign
