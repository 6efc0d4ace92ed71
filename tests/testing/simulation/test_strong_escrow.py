"""Worlds of bounded counters lose no unit and sell none twice, and reach what they are for."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tierstore.testing.simulation.strong_escrow import play_escrow

SEEDS = 12
SEEDS_VARIABLE = "TIERSTORE_TEST_SEEDS"
REACHED = (
    "a grant ended as nothing was sold of it",
    "a step of escrow was overtaken",
    "commit sent again as its answer was lost",
    "sale while the coordinator is away",
    "rights taken back from a disk that came back",
    "the rights of a dead process returned",
)


def play(seeds):
    """What was reached in the worlds of `seeds`, in which nothing is violated."""
    reached = Counter()
    for seed in seeds:
        run = play_escrow(seed)
        assert not run.violations, (seed, run.violations)
        reached += run.reached + Counter(acknowledged=run.acknowledged, worlds=1)
    print(reached)
    return reached


def test_every_unit_is_somewhere_at_every_step_and_what_matters_is_reached():
    reached = play(range(SEEDS))
    assert not [name for name in REACHED if not reached[name]]


def test_a_world_is_a_function_of_its_seed():
    runs = [play_escrow(4) for _ in range(2)]
    assert runs[0] == runs[1]


@pytest.mark.campaign
def test_many_worlds():
    play(range(int(os.environ.get(SEEDS_VARIABLE, "2000"))))
