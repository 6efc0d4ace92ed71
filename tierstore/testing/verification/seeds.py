"""Seeds played one after the other under one policy, and what they came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from tierstore.runtime import Runtime
from tierstore.testing.simulation.guards import EscapeError
from tierstore.testing.simulation.options import draw_options
from tierstore.testing.simulation.run import play
from tierstore.testing.simulation.script import draw_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tierstore.policy.model import Policy
    from tierstore.testing.simulation.run import Run

S_PER_MIN = 60
FAILURES_MAX = 3
"""After so many seeds that violate something, more of them tell nothing new."""


@dataclass(frozen=True, slots=True)
class Refuted:
    """A seed that violated something."""

    seed: int
    violations: tuple[str, ...]


@dataclass(slots=True)
class Simulated:
    """What some seeds came to."""

    first_seed: int
    seeds: int = 0
    operations: int = 0
    virtual_s: float = 0.0
    real_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    """How many faults of each kind were played."""
    reached: Counter[str] = field(default_factory=Counter)
    """How often each situation came up."""
    refuted: list[Refuted] = field(default_factory=list)

    @property
    def operations_per_s(self) -> float:
        """By the real clock."""
        return self.operations / self.real_s if self.real_s else 0.0

    def add(self, seed: int, run: Run) -> None:
        """Count one seed."""
        self.seeds += 1
        self.operations += len(run.script.steps)
        self.virtual_s += run.virtual_s
        self.faults.update(fault.kind for fault in run.script.faults)
        self.reached.update(run.reached)
        if run.violations:
            self.refuted.append(Refuted(seed, tuple(run.violations)))


def simulate(
    policy: Policy,
    *,
    seeds: int | None,
    minutes: float | None,
    first_seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Simulated:
    """Play seeds from `first_seed` on until `seeds`, `minutes` or FAILURES_MAX are over.

    At least one is played. `progress` is called with how many are done, and of how many, 0 if that
    is not known.
    """
    clock = Runtime()
    begun_s = clock.monotonic()
    until_s = None if minutes is None else begun_s + minutes * S_PER_MIN
    found = Simulated(first_seed)
    numbers: Iterable[int] = range(first_seed, first_seed + seeds) if seeds else count(first_seed)
    progress(0, seeds or 0)
    for seed in numbers:
        _play_into(found, seed, policy)
        now_s = clock.monotonic()
        found.real_s = now_s - begun_s
        progress(found.seeds, seeds or 0)
        if len(found.refuted) >= FAILURES_MAX or (until_s is not None and now_s >= until_s):
            break
    return found


def _play_into(found: Simulated, seed: int, policy: Policy) -> None:
    script = draw_script(seed, draw_options(seed), policy)
    try:
        found.add(seed, play(script, policy=policy))
    except EscapeError as error:
        found.refuted.append(Refuted(seed, (str(error),)))
