"""Every known mistake is noticed, and what notices it has nothing against the product as it is."""

from __future__ import annotations

import pytest

from tierstore.testing.mutants import MUTANTS, Caught, Missed, hunt, score

FIRST = {
    (mutant.scenarios[0].name, mutant.caught_at): (mutant.scenarios[0], mutant.caught_at)
    for mutant in MUTANTS
}
SCENARIOS = {scenario.name: scenario for mutant in MUTANTS for scenario in mutant.scenarios}
CAMPAIGN_SEEDS = 200


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_caught(mutant):
    """With the seed that is on record; any other will do where turns fall out otherwise."""
    verdict = hunt(mutant, [mutant.caught_at, *range(40)])
    assert isinstance(verdict, Caught), f"{mutant.name}: {mutant.what} Nothing was noticed."


@pytest.mark.parametrize(("scenario", "seed"), FIRST.values(), ids=map(str, FIRST))
def test_the_product_passes_what_catches_mutants(scenario, seed):
    assert not scenario.run(seed)


def test_there_are_enough_and_each_has_a_name_of_its_own():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 32
    assert len({mutant.what for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.campaign
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_the_product_passes_every_scenario(scenario):
    broken = {seed: found for seed in range(CAMPAIGN_SEEDS) if (found := scenario.run(seed))}
    assert not broken, "\n".join(f"seed {seed}: {found[0]}" for seed, found in broken.items())


@pytest.mark.campaign
def test_every_mutant_is_caught_from_the_first_seed_on():
    missed = [v.mutant.name for v in score(MUTANTS, CAMPAIGN_SEEDS) if isinstance(v, Missed)]
    assert not missed
