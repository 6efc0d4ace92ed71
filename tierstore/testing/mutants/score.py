"""Whether the kit catches every mutant: the test of the tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tierstore.testing.mutants.mutant import Mutant, Scenario

SEEDS_MAX = 200


@dataclass(frozen=True, slots=True)
class Caught:
    """A mutant that was found out."""

    mutant: Mutant
    scenario: Scenario
    seed: int
    violation: str
    """The first thing that was wrong, told in full."""
    tried: int
    """How many seeds it took, in all scenarios together."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A mutant that nothing was noticed of: a hole in the kit, or no mistake at all."""

    mutant: Mutant
    tried: int
    """How many seeds were tried, in all scenarios together."""


Verdict: TypeAlias = Caught | Missed


def score(mutants: Iterable[Mutant], seeds_max: int = SEEDS_MAX) -> list[Verdict]:
    """What became of each of `mutants` within `seeds_max` seeds of each of its scenarios."""
    return [hunt(mutant, range(seeds_max)) for mutant in mutants]


def hunt(mutant: Mutant, seeds: Iterable[int]) -> Verdict:
    """Plant `mutant` and play `seeds` in its scenarios, until something is noticed."""
    tried = 0
    for scenario, seed in _turns(mutant, list(seeds)):
        tried += 1
        with mutant.plant():
            violations = scenario.run(seed)
        if violations:
            return Caught(mutant, scenario, seed, violations[0], tried)
    return Missed(mutant, tried)


def _turns(mutant: Mutant, seeds: list[int]) -> Iterator[tuple[Scenario, int]]:
    for scenario in mutant.scenarios:
        for seed in seeds:
            yield scenario, seed
