"""Decayed counts against sums over every access; `Heat` against a dict of exact counters."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tierstore.placement.heat import (
    LN_2,
    Heat,
    cold_half_life_s,
    cools_after_s,
    count_at_rate,
    decayed,
    edge_half_life_s,
    rate_per_s,
)
from tierstore.policy.model import DAY_S, Hotness

HOUR_S = 3600.0
seconds = st.floats(0, 10 * DAY_S)
half_lives = st.floats(0.001, 1000 * DAY_S)
counts = st.floats(0, 1e9)
rates = st.floats(1e-9, 1e6)


@given(counts, seconds, seconds, half_lives)
def test_decay_in_two_steps_is_decay_in_one(count, first_s, second_s, half_life_s):
    stepwise = decayed(decayed(count, first_s, half_life_s), second_s, half_life_s)
    assert stepwise == pytest.approx(decayed(count, first_s + second_s, half_life_s), rel=1e-6)


@given(counts, half_lives)
def test_a_count_halves_with_the_half_life_and_never_grows(count, half_life_s):
    assert decayed(count, half_life_s, half_life_s) == count / 2
    assert decayed(count, -5.0, half_life_s) == decayed(count, 0.0, half_life_s) == count


def test_a_long_time_leaves_nothing():
    assert decayed(1e9, 1e300, 1.0) == 0.0


@given(rates, half_lives)
def test_count_and_rate_are_inverse(rate, half_life_s):
    assert rate_per_s(count_at_rate(rate, half_life_s), half_life_s) == pytest.approx(rate)


@pytest.mark.parametrize("rate", [0.01, 1.0, 50.0])
def test_a_constant_rate_is_measured_as_such(rate):
    half_life_s, count, gap_s = 100.0, 0.0, 1 / rate
    for _ in range(int(30 * half_life_s * rate) + 100):
        count = decayed(count, gap_s, half_life_s) + 1
    before = rate_per_s(count - 1, half_life_s)
    after = rate_per_s(count, half_life_s)
    assert before < rate < after == pytest.approx(before + LN_2 / half_life_s)


@given(counts, half_lives, rates)
def test_a_rate_cools_when_it_is_said_to(count, half_life_s, threshold):
    cools_s = cools_after_s(count, half_life_s, threshold)
    if rate_per_s(count, half_life_s) < threshold * (1 - 1e-9):
        assert cools_s == 0.0
    for share, comparison in ((0.999, "above"), (1.001, "below")):
        left = rate_per_s(decayed(count, cools_s * share, half_life_s), half_life_s)
        if cools_s > 1e-3 * half_life_s:
            assert (left > threshold) == (comparison == "above")


def test_what_cannot_fall_below_never_cools():
    assert cools_after_s(5, 60, 0.0) == inf
    assert cools_after_s(0, 60, 1.0) == 0.0


@pytest.mark.parametrize(
    ("hotness", "edge_s", "cold_s"),
    [
        (Hotness(), HOUR_S, HOUR_S),
        (Hotness("auto", "auto", 60.0), 60.0, 60.0),
        (Hotness(6 / HOUR_S, 1 / DAY_S), HOUR_S, 2 * DAY_S),
        (Hotness(1 / DAY_S, 1 / (7 * DAY_S)), 2 * DAY_S, 14 * DAY_S),
        (Hotness(1.0, 0.5, 10 * DAY_S), 10 * DAY_S, 10 * DAY_S),
    ],
)
def test_half_lives_are_long_enough_for_their_rates(hotness, edge_s, cold_s):
    assert edge_half_life_s(hotness) == pytest.approx(edge_s)
    assert cold_half_life_s(hotness) == pytest.approx(cold_s)


class Noting(RuleBasedStateMachine):
    """An entry whose counters only grow, noted and reported at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.exact = {"reads": 0, "writes": 0}
        self.told = {"reads": 0, "writes": 0}
        self.noted = {"reads": 0, "writes": 0}
        self.decayed = {"reads": 2.5, "writes": 0.5}  # what a sketch remembered
        self.heat = Heat(self.now_s, **self.decayed)

    @rule(name=st.sampled_from(["reads", "writes"]), count=st.integers(1, 1000))
    def use(self, name, count):
        self.exact[name] += count

    @rule(elapsed_s=st.floats(-10, 3 * HOUR_S))
    def note(self, elapsed_s):
        now_s = self.now_s + elapsed_s
        self.heat.note(self.exact["reads"], self.exact["writes"], now_s, HOUR_S)
        for name in self.decayed:
            left = self.decayed[name] * 0.5 ** (max(elapsed_s, 0.0) / HOUR_S)
            self.decayed[name] = left + self.exact[name] - self.noted[name]
        self.noted = dict(self.exact)
        self.now_s = max(self.now_s, now_s)

    @rule()
    def note_a_counter_that_a_race_set_back(self):
        lagging = {name: max(count - 1, 0) for name, count in self.noted.items()}
        self.heat.note(lagging["reads"], lagging["writes"], self.now_s, HOUR_S)

    @rule()
    def take(self):
        reads, writes = self.heat.take_news()
        self.told["reads"] += reads
        self.told["writes"] += writes
        assert self.told == self.noted
        assert self.heat.take_news() == (0, 0)

    @invariant()
    def counts_are_those_of_the_model(self):
        reads, writes = self.decayed["reads"], self.decayed["writes"]
        assert self.heat.reads == pytest.approx(reads)
        assert self.heat.writes == pytest.approx(writes)
        assert self.heat.total == pytest.approx(reads + writes)
        share = writes / (reads + writes) if reads + writes else 0.0
        assert self.heat.write_share() == pytest.approx(share)


TestNoting = Noting.TestCase


def test_an_unused_entry_has_no_share_of_writes():
    assert Heat(0.0).write_share() == 0.0
