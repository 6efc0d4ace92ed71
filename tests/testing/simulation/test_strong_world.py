"""Worlds of strong keys hold what is promised, and reach what they are there for."""

from __future__ import annotations

from collections import Counter

from tierstore.testing.simulation.options import Rates
from tierstore.testing.simulation.strong_wider import Features
from tierstore.testing.simulation.strong_world import play_strong

PLAIN = Features()
SEEDS = 20
REACHED = (
    "commit sent again as its answer was lost",
    "write refused as the lease was over",
    "named operation repeated by another",
    "unknown commit was abandoned",
)


def test_nothing_is_violated_and_what_matters_is_reached():
    reached = Counter()
    for seed in range(SEEDS):
        run = play_strong(seed, features=PLAIN)
        assert not run.violations, (seed, run.violations)
        reached += run.reached
    assert not [name for name in REACHED if not reached[name]]


def test_named_operations_happen_once_though_three_of_ten_replies_are_lost():
    runs = [play_strong(seed, Rates(lost=0.3), ("named",), features=PLAIN) for seed in range(10)]
    assert not [run.violations for run in runs if run.violations]
    assert sum(run.acknowledged for run in runs) > 0


def test_a_client_in_doubt_looks_at_a_key_of_its_own():
    assert not play_strong(1165, features=PLAIN).violations
