"""Campaigns count, end when they are told to, and miss no goal in silence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tierstore.testing.simulation import campaign as module
from tierstore.testing.simulation.campaign import Campaign, Outcome, World, run_campaign
from tierstore.testing.simulation.figures import as_dict, as_text
from tierstore.testing.simulation.goals import GOAL_SEEDS, GOALS


def outcome(seed, *, violations=(), reached=()):
    return Outcome(seed, 10, 3.6, {"crash": 2}, dict.fromkeys(reached, 3), list(violations), "d")


@pytest.fixture
def quick(monkeypatch):
    """Seeds that are played at once; every tenth fails."""
    monkeypatch.setattr(
        module,
        "play_seed",
        lambda world, seed: outcome(seed, violations=["it broke"] if seed % 10 == 9 else []),
    )


@pytest.mark.usefixtures("quick")
def test_a_campaign_ends_at_its_seeds_or_its_failures():
    assert run_campaign(seeds=5).seeds == 5
    assert run_campaign(seeds=50).seeds == 10
    assert [f.seed for f in run_campaign(seeds=50, failures_max=3).failures] == [9, 19, 29]
    assert run_campaign(seeds=4, first_seed=7, failures_max=9).failures[0].seed == 9


@pytest.mark.usefixtures("quick")
def test_a_campaign_ends_when_its_minutes_are_over():
    assert 1 <= run_campaign(minutes=1e-9, failures_max=100).seeds < 100


def test_a_campaign_without_end_is_refused():
    with pytest.raises(ValueError, match="how many"):
        run_campaign()


def test_figures_are_sums():
    campaign = Campaign(World())
    for seed in range(1000):
        campaign.add(outcome(seed, reached=["fill voided"]))
    figures = as_dict(campaign, {})
    assert (figures["seeds"], figures["operations"]) == (1000, 10_000)
    assert figures["virtual_hours"] == 1.0
    assert figures["faults"] == {"crash": 2000}
    assert figures["reached"] == {"fill voided": {"times": 3000, "seeds": 1000}}


def test_a_long_campaign_names_goals_that_it_never_reached():
    campaign = Campaign(World())
    missing = min(GOALS)
    for seed in range(GOAL_SEEDS):
        campaign.add(outcome(seed, reached=GOALS - {missing}))
    assert campaign.missed == [missing]
    assert not campaign.is_good
    assert f"never reached: {missing}" in as_text(campaign)
    campaign.add(outcome(0, reached=[missing]))
    assert campaign.is_good


def test_a_short_campaign_or_one_of_a_part_misses_nothing():
    for world, seeds in ((World(), GOAL_SEEDS - 1), (World(region="memory"), GOAL_SEEDS)):
        campaign = Campaign(world)
        for seed in range(seeds):
            campaign.add(outcome(seed))
        assert campaign.missed == []


def test_a_world_is_what_a_seed_draws_but_for_what_is_given():
    drawn, given = World().options(4), World(30, "sqlite", ("jump", "crash")).options(4)
    assert (given.region, given.windows, given.operations) == ("sqlite", ("jump", "crash"), 30)
    assert given.skew_ms_max > 0
    assert given.window_count > 0
    assert (
        replace(
            given,
            region=drawn.region,
            windows=drawn.windows,
            operations=drawn.operations,
            window_count=drawn.window_count,
            skew_ms_max=drawn.skew_ms_max,
        )
        == drawn
    )


def test_two_processes_find_what_one_finds():
    world = World(operations=20)
    one, two = (run_campaign(world, seeds=3, jobs=jobs) for jobs in (1, 2))
    assert (two.seeds, two.reached, two.virtual_s) == (one.seeds, one.reached, one.virtual_s)
