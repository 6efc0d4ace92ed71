"""Decisions that are carried out, over days of virtual time: keys do not go to and fro."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tierstore.frozen import replace
from tierstore.placement.decide import Facts, decide
from tierstore.placement.heat import cold_half_life_s, decayed, edge_half_life_s
from tierstore.policy.model import DAY_S, Hotness, Rule

CHECKS_PER_GAP = 2


class Key:
    """One key whose placement is decided again and again, and carried out at once."""

    def __init__(self, rule, home="regional"):
        self.rule = rule
        self.now_s = self.home_since_s = self.edge_since_s = 0.0
        self.reads = self.writes = self.accesses = 0.0
        self.home = home
        self.is_resident = False
        self.moves = []

    def wait(self, elapsed_s):
        hotness = self.rule.hotness
        self.now_s += elapsed_s
        self.reads = decayed(self.reads, elapsed_s, edge_half_life_s(hotness))
        self.writes = decayed(self.writes, elapsed_s, edge_half_life_s(hotness))
        self.accesses = decayed(self.accesses, elapsed_s, cold_half_life_s(hotness))

    def use(self, writes=False):
        self.accesses += 1
        self.reads += not writes
        self.writes += writes

    def facts(self):
        return Facts(
            300,
            self.home,
            self.now_s - self.home_since_s,
            is_resident=self.is_resident,
            edge_age_s=self.now_s - self.edge_since_s,
            reads=self.reads,
            writes=self.writes,
            home_accesses=self.accesses,
        )

    def place(self):
        placement = decide(self.rule, self.facts())
        if placement.home != self.home:
            age_s = self.now_s - self.home_since_s
            self.moves.append(("promote" if self.home == "cold" else "demote", age_s))
            self.home, self.home_since_s = placement.home, self.now_s
        if placement.edge != self.is_resident:
            age_s = self.now_s - self.edge_since_s
            self.moves.append(("drop" if self.is_resident else "copy", age_s))
            self.is_resident, self.edge_since_s = placement.edge, self.now_s

    def live(self, gap_s, writes):
        """One access each `gap_s`, with decisions before, after and between."""
        for is_write in writes:
            for _ in range(CHECKS_PER_GAP):
                self.place()
                self.wait(gap_s / CHECKS_PER_GAP)
            self.place()
            self.use(is_write)
        self.place()

    def fade(self, elapsed_s):
        """No access for `elapsed_s`."""
        for _ in range(60):
            self.wait(elapsed_s / 60)
            self.place()


def assert_calm(key):
    names = [name for name, _ in key.moves]
    assert len(set(names)) == len(names), key.moves
    for name, age_s in key.moves:
        if name == "demote":
            assert age_s >= key.rule.min_residency_regional_s
        if name == "drop":
            assert age_s >= key.rule.min_residency_edge_s


def evenly(share, count):
    """`count` accesses of which `share` are writes, spread as evenly as can be."""
    return [int((index + 1) * share) > int(index * share) for index in range(count)]


log_rates = st.floats(-7, 0).map(lambda power: 10.0**power)


@st.composite
def rules(draw):
    hysteresis = draw(st.floats(1, 3))
    cold_per_s = draw(log_rates)
    hot_per_s = max(draw(log_rates), cold_per_s * hysteresis**2)
    return Rule(
        0,
        "r",
        ("**",),
        hotness=Hotness(hot_per_s, cold_per_s, draw(st.floats(60, 5 * DAY_S)), hysteresis),
        min_residency_edge_s=draw(st.just(0.0) | st.floats(0, 3600)),
        min_residency_regional_s=draw(st.just(0.0) | st.floats(0, 7 * DAY_S)),
    )


@st.composite
def rules_and_gaps(draw):
    """A rule and a mean gap between accesses, mostly near one of its thresholds."""
    rule = draw(rules())
    near = st.sampled_from([rule.hotness.hot_per_s, rule.hotness.cold_per_s])
    rate = draw(log_rates | st.tuples(near, st.floats(0.2, 5)).map(lambda pair: pair[0] * pair[1]))
    return rule, 1 / rate


@settings(max_examples=80)
@given(rules_and_gaps(), st.sampled_from(["regional", "cold"]))
def test_a_constant_load_moves_a_key_at_most_once_each_way(rule_and_gap, home):
    rule, gap_s = rule_and_gap
    key = Key(rule, home)
    key.live(gap_s, [False] * 100)

    assert_calm(key)


@settings(max_examples=60)
@given(rules_and_gaps(), st.floats(0.25, 1), st.floats(-0.1, 0.1), st.integers(0, 7))
def test_a_constant_mix_of_writes_moves_a_copy_at_most_once_each_way(case, ratio, off, start):
    rule, gap_s = case
    rule = replace(rule, max_write_ratio=ratio, hotness=replace(rule.hotness, hot_per_s="auto"))
    gap_s = max(gap_s, rule.hotness.half_life_s / 20)
    mix = evenly(min(max(ratio + off, 0.0), 1.0), 350 + start)
    key = Key(rule)
    for is_write in mix[: 250 + start]:  # until the counts are those of the load
        key.wait(gap_s)
        key.use(is_write)
    key.live(gap_s, mix[250 + start :])

    assert_calm(key)


@settings(max_examples=80)
@given(rules(), st.integers(1, 10_000), st.sampled_from(["regional", "cold"]))
def test_a_burst_moves_a_key_at_most_once_each_way(rule, burst, home):
    key = Key(rule, home)
    for _ in range(burst):
        key.use()
    key.place()
    key.fade(40 * max(edge_half_life_s(rule.hotness), cold_half_life_s(rule.hotness)))
    key.fade(8 * DAY_S)

    assert_calm(key)
    assert (key.home, key.is_resident) == ("cold", False)


@given(rules(), st.integers(0, 10_000))
def test_constant_facts_apart_from_ages_move_a_key_at_most_once(rule, count):
    key = Key(rule)
    key.reads = key.accesses = float(count)
    for _ in range(40):
        key.place()
        key.now_s += DAY_S / 2

    assert_calm(key)
