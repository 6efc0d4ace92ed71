"""`decide`: a table of examples for each rule of the policy language, and what always holds."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tierstore.frozen import replace
from tierstore.placement.decide import LARGE_VALUE_BYTES, Facts, decide, wants_edge_copy
from tierstore.placement.heat import (
    cold_half_life_s,
    count_at_rate,
    decayed,
    edge_half_life_s,
)
from tierstore.policy.model import DAY_S, TIERS, Hotness, Place, Policy, Rule, barred_tiers
from tierstore.policy.read import load_dict

HOUR_S = 3600.0
USUAL = Hotness(hot_per_s=6 / HOUR_S, cold_per_s=1 / DAY_S)
SMALL = Facts(300, "regional", 0.0)
COPY = replace(SMALL, is_resident=True, edge_age_s=HOUR_S)


def rule_with(**fields):
    return Rule(0, "r", ("**",), **fields)


def reads_at(rate_per_s, hotness=USUAL):
    return count_at_rate(rate_per_s, edge_half_life_s(hotness))


def accesses_at(rate_per_s, hotness=USUAL):
    return count_at_rate(rate_per_s, cold_half_life_s(hotness))


USUAL_RULE = rule_with(hotness=USUAL, min_residency_regional_s=7 * DAY_S)
AUTO_RULE = rule_with()

EDGE = [
    # rule, facts, edge, reason
    (
        USUAL_RULE,
        replace(SMALL, reads=reads_at(14.2 / HOUR_S)),
        True,
        "read 14.2/h, hot is 6/h: an edge copy is made",
    ),
    (
        USUAL_RULE,
        replace(COPY, reads=reads_at(14.2 / HOUR_S)),
        True,
        "read 14.2/h, hot is 6/h: an edge copy is kept",
    ),
    (
        USUAL_RULE,
        replace(SMALL, reads=reads_at(5.9 / HOUR_S)),
        False,
        "read 5.9/h, hot is 6/h: no edge copy",
    ),
    (
        USUAL_RULE,
        replace(SMALL, reads=reads_at(5.9999 / HOUR_S)),
        False,
        "read just under 6/h, hot is 6/h: no edge copy",
    ),
    (
        USUAL_RULE,
        replace(COPY, reads=reads_at(3.1 / HOUR_S)),
        True,
        "read 3.1/h, hot is 6/h, kept down to 3/h (hysteresis 2): an edge copy is kept",
    ),
    (
        USUAL_RULE,
        replace(COPY, reads=reads_at(2.9 / HOUR_S)),
        False,
        "read 2.9/h, hot is 6/h, kept down to 3/h (hysteresis 2): the edge copy is given up",
    ),
    (
        USUAL_RULE,
        replace(COPY, reads=0.0, edge_age_s=20.0),
        True,
        "read 0/h, hot is 6/h, kept down to 3/h (hysteresis 2), but it has been at the edge for 20s"
        " of 1min: the copy stays",
    ),
    (
        USUAL_RULE,  # writes do not make hot
        replace(SMALL, reads=reads_at(5.0 / HOUR_S), writes=30.0),
        False,
        "read 5/h, hot is 6/h: no edge copy",
    ),
    (
        AUTO_RULE,
        SMALL,
        True,
        "hot is auto, so that keys compete for capacity: an edge copy is made",
    ),
    (
        AUTO_RULE,
        COPY,
        True,
        "hot is auto, so that keys compete for capacity: an edge copy is kept",
    ),
    (
        AUTO_RULE,
        replace(COPY, reads=0.5, writes=7.6),
        False,
        "0.94 of its accesses are writes, above max_write_ratio 0.9: the edge copy is given up",
    ),
    (
        AUTO_RULE,
        replace(COPY, reads=0.0, writes=7.9),
        True,
        "hot is auto, so that keys compete for capacity: an edge copy is kept",
    ),
    (
        AUTO_RULE,
        replace(COPY, reads=1.0, writes=8.9),
        True,
        "hot is auto, so that keys compete for capacity: an edge copy is kept",
    ),
    (
        AUTO_RULE,
        replace(COPY, writes=100.0, edge_age_s=59.9),
        True,
        "1.00 of its accesses are writes, above max_write_ratio 0.9, but it has been at the edge"
        " for 59.9s of 1min: the copy stays",
    ),
    (
        AUTO_RULE,
        replace(SMALL, reads=1.0, writes=8.0),
        False,
        "0.89 of its accesses are writes, close to max_write_ratio 0.9: no edge copy",
    ),
    (
        AUTO_RULE,
        replace(SMALL, writes=7.5),
        False,
        "1.00 of its accesses are writes, above max_write_ratio 0.9: no edge copy",
    ),
    (
        AUTO_RULE,
        replace(SMALL, writes=6.9),
        True,
        "hot is auto, so that keys compete for capacity: an edge copy is made",
    ),
    (
        rule_with(max_write_ratio=0.0),
        replace(SMALL, reads=50.0),
        True,
        "hot is auto, so that keys compete for capacity: an edge copy is made",
    ),
    (
        rule_with(max_write_ratio=1.0),
        replace(SMALL, writes=50.0),
        True,
        "hot is auto, so that keys compete for capacity: an edge copy is made",
    ),
    (
        rule_with(hotness=USUAL, edge_max_value_bytes=299),
        replace(COPY, reads=1e6, edge_age_s=0.0),
        False,
        "300B is more than edge.max_value 299B: the edge copy is given up",
    ),
    (
        rule_with(edge_max_value_bytes=300),
        SMALL,
        True,
        "hot is auto, so that keys compete for capacity: an edge copy is made",
    ),
    (
        rule_with(place=Place(never=("edge",))),
        replace(COPY, reads=1e6, edge_age_s=0.0),
        False,
        "place keeps it off the edge: the edge copy is given up",
    ),
    (
        rule_with(place=Place(only=("regional", "cold"))),
        SMALL,
        False,
        "place keeps it off the edge: no edge copy",
    ),
    (
        AUTO_RULE,
        replace(SMALL, barred=("edge",)),
        False,
        "the edge is outside of its residency: no edge copy",
    ),
    (
        AUTO_RULE,
        replace(COPY, is_dead=True, writes=1e6),
        True,
        "deleted or expired: no edge copy is made or given up",
    ),
    (
        USUAL_RULE,
        replace(SMALL, is_dead=True, reads=1e6),
        False,
        "deleted or expired: no edge copy is made or given up",
    ),
]


@pytest.mark.parametrize(("rule", "facts", "edge", "reason"), EDGE)
def test_edge(rule, facts, edge, reason):
    placement = decide(rule, facts)
    assert (edge, reason) == (placement.edge, placement.reasons[1])


IN_REGION = replace(SMALL, home_age_s=8 * DAY_S)
IN_COLD = replace(SMALL, home="cold", home_age_s=60.0)
USED_LITTLE = accesses_at(0.3 / DAY_S)
LARGE = {"size_bytes": LARGE_VALUE_BYTES}

HOME = [
    # rule, facts, home, reason
    (
        USUAL_RULE,
        replace(SMALL, home_age_s=2 * HOUR_S, home_accesses=USED_LITTLE),
        "regional",
        "used 0.3/d is below cold 1/d, but it has been in the region for 2h of 7d: it stays there",
    ),
    (
        USUAL_RULE,
        replace(IN_REGION, home_accesses=USED_LITTLE),
        "cold",
        "used 0.3/d is below cold 1/d, and it has been in the region for 8d of 7d: home is the cold"
        " tier",
    ),
    (
        USUAL_RULE,
        replace(IN_REGION, home_accesses=accesses_at(1.01 / DAY_S)),
        "regional",
        "used 1.01/d, cold is below 1/d: home is the region",
    ),
    (
        USUAL_RULE,
        replace(IN_COLD, home_accesses=accesses_at(1.9 / DAY_S)),
        "cold",
        "used 1.9/d, returns from 2/d on (cold 1/d, hysteresis 2): it stays in the cold tier",
    ),
    (
        USUAL_RULE,
        replace(IN_COLD, home_accesses=accesses_at(2.1 / DAY_S)),
        "regional",
        "used 2.1/d, returns from 2/d on (cold 1/d, hysteresis 2): home is the region",
    ),
    (
        rule_with(hotness=replace(USUAL, hysteresis=1.0)),
        replace(IN_COLD, home_accesses=accesses_at(1.3 / DAY_S)),
        "cold",
        "used 1.3/d, returns from 1.35/d on (cold 1/d, hysteresis 1): it stays in the cold tier",
    ),
    (
        rule_with(hotness=USUAL, min_residency_regional_s=0.0),
        SMALL,
        "cold",
        "used 0/d is below cold 1/d, and it has been in the region for 0s of 0s: home is the cold"
        " tier",
    ),
    (
        USUAL_RULE,
        replace(SMALL, **LARGE, home_accesses=1e6),
        "cold",
        "128KiB, and values from 128KiB on live in the cold tier however much they are used",
    ),
    (
        USUAL_RULE,
        replace(IN_COLD, **LARGE, home_accesses=1e6),
        "cold",
        "128KiB, and values from 128KiB on live in the cold tier however much they are used",
    ),
    (
        USUAL_RULE,
        replace(SMALL, **LARGE, has_moved=True, home_age_s=HOUR_S),
        "regional",
        "128KiB, and values from 128KiB on live in the cold tier however much they are used, but it"
        " has been in the region for 1h of 7d: it stays there",
    ),
    (
        USUAL_RULE,
        replace(SMALL, **LARGE, has_moved=True, home_age_s=7 * DAY_S),
        "cold",
        "128KiB, and values from 128KiB on live in the cold tier however much they are used",
    ),
    (
        USUAL_RULE,
        replace(IN_REGION, size_bytes=LARGE_VALUE_BYTES - 1, home_accesses=accesses_at(1.0)),
        "regional",
        "used 86400/d, cold is below 1/d: home is the region",
    ),
    (AUTO_RULE, IN_REGION, "regional", "cold is never: home is the region"),
    (AUTO_RULE, IN_COLD, "regional", "cold is never: home is the region"),
    (AUTO_RULE, replace(SMALL, **LARGE), "regional", "cold is never: home is the region"),
    (
        rule_with(hotness=Hotness(cold_per_s="auto")),
        IN_REGION,
        "regional",
        "cold: auto comes with a later version: home is the region",
    ),
    (
        USUAL_RULE,
        replace(IN_REGION, is_dead=True),
        "regional",
        "deleted or expired: it moves no more",
    ),
    (
        rule_with(place=Place(never=("cold",))),
        replace(IN_COLD, is_dead=True),
        "cold",
        "deleted or expired: it moves no more",
    ),
    (
        rule_with(hotness=USUAL, place=Place(never=("cold",))),
        replace(IN_COLD, **LARGE),
        "regional",
        "place keeps it out of the cold tier: home is the region",
    ),
    (
        rule_with(hotness=USUAL, place=Place(only=("edge", "regional"))),
        IN_REGION,
        "regional",
        "place keeps it out of the cold tier: home is the region",
    ),
    (
        USUAL_RULE,
        replace(IN_REGION, barred=("cold",)),
        "regional",
        "place keeps it out of the cold tier: home is the region",
    ),
    (
        rule_with(place=Place(only=("cold",))),
        replace(SMALL, home_accesses=1e6),
        "cold",
        "place keeps it out of the region: home is the cold tier",
    ),
    (
        rule_with(hotness=USUAL, place=Place(never=("regional",))),
        replace(IN_COLD, home_accesses=1e6),
        "cold",
        "place keeps it out of the region: home is the cold tier",
    ),
]


@pytest.mark.parametrize(("rule", "facts", "home", "reason"), HOME)
def test_home(rule, facts, home, reason):
    placement = decide(rule, facts)
    assert (home, reason) == (placement.home, placement.reasons[0])


log_rates = st.floats(-6, 2).map(lambda power: 10.0**power)


@st.composite
def rules(draw):
    """Rules as the verifier lets them pass."""
    hysteresis = draw(st.floats(1, 4))
    cold_per_s = draw(st.sampled_from(["never", "auto"]) | log_rates)
    hot_per_s = draw(st.just("auto") | log_rates)
    if not isinstance(cold_per_s, str) and not isinstance(hot_per_s, str):
        hot_per_s = max(hot_per_s, cold_per_s * hysteresis**2)
    only = draw(st.none() | st.lists(st.sampled_from(TIERS), min_size=1, unique=True).map(tuple))
    never = tuple(t for t in draw(st.lists(st.sampled_from(TIERS))) if t not in (only or ()))
    place = Place(only, never)
    assume(place.allows("regional") or place.allows("cold"))
    return rule_with(
        hotness=Hotness(hot_per_s, cold_per_s, draw(st.floats(1, 10 * DAY_S)), hysteresis),
        place=place,
        max_write_ratio=draw(st.floats(0, 1)),
        min_residency_edge_s=draw(st.floats(0, HOUR_S)),
        min_residency_regional_s=draw(st.floats(0, 10 * DAY_S)),
        edge_max_value_bytes=draw(st.integers(0, 2**20)),
    )


ages = st.floats(0, 20 * DAY_S)
counts = st.floats(0, 40) | st.floats(0, 1e6)
facts_of_keys = st.builds(
    Facts,
    size_bytes=st.integers(1, 1000) | st.integers(1, 2**21),
    home=st.sampled_from(["regional", "cold"]),
    home_age_s=ages,
    has_moved=st.booleans(),
    is_dead=st.booleans(),
    is_resident=st.booleans(),
    edge_age_s=ages,
    reads=counts,
    writes=counts,
    home_accesses=counts,
    barred=st.sampled_from([(), ("cold",), ("edge",)]),
)


@given(rules(), facts_of_keys)
def test_every_decision_has_reasons_and_keeps_hard_limits(rule, facts):
    assume("cold" not in facts.barred or rule.place.allows("regional"))
    placement = decide(rule, facts)
    assert len(placement.reasons) == 2
    assert all(placement.reasons)
    assert placement.edge == wants_edge_copy(rule, facts)
    if placement.edge and not facts.is_dead:
        assert facts.size_bytes <= rule.edge_max_value_bytes
    if placement.edge:
        assert rule.place.allows("edge")
        assert "edge" not in facts.barred
    if not facts.is_dead:
        assert rule.place.allows(placement.home)
        assert placement.home not in facts.barred


@given(rules(), facts_of_keys, st.floats(0, 1e6))
def test_more_use_never_asks_for_a_colder_home(rule, facts, more):
    hotter = replace(facts, home_accesses=facts.home_accesses + more)
    if decide(rule, facts).home == "regional":
        assert decide(rule, hotter).home == "regional"


@given(rules(), facts_of_keys, st.floats(0, 1e6))
def test_more_reads_never_take_an_edge_copy_away(rule, facts, more):
    assume(facts.reads + facts.writes >= 8 or not facts.writes)
    hotter = replace(facts, reads=facts.reads + more)
    if decide(rule, facts).edge:
        assert decide(rule, hotter).edge


@given(rules(), facts_of_keys, st.floats(0, 1))
def test_a_larger_share_of_writes_never_gains_an_edge_copy(rule, facts, shift):
    writes = facts.writes + shift * facts.reads
    more_written = replace(facts, writes=writes, reads=facts.reads + facts.writes - writes)
    assume(more_written.reads <= facts.reads)
    if not decide(rule, facts).edge:
        assert not decide(rule, more_written).edge


@given(rules(), facts_of_keys)
def test_a_copy_that_is_there_is_never_harder_to_keep_than_to_make(rule, facts):
    assume(not facts.is_dead)
    if decide(rule, replace(facts, is_resident=False)).edge:
        assert decide(rule, replace(facts, is_resident=True)).edge


@given(rules(), facts_of_keys, log_rates, st.booleans())
def test_home_changes_when_its_review_is_due_and_not_before(rule, facts, cold_per_s, is_plain):
    if is_plain:  # so that heat and residency decide
        hotness = replace(rule.hotness, cold_per_s=cold_per_s)
        rule = replace(rule, hotness=hotness, place=Place())
        facts = replace(facts, size_bytes=300, is_dead=False, barred=())
    placement = decide(rule, facts)
    assert placement.review_in_s > 0
    before_s = min(placement.review_in_s * (1 - 1e-6) - 0.002, 1e10)
    if before_s > 0:
        assert decide(rule, later(rule, facts, before_s)).home == placement.home
    if placement.review_in_s < inf:
        due = later(rule, facts, placement.review_in_s)
        assert decide(rule, due).home != placement.home


def later(rule, facts, elapsed_s):
    left = decayed(facts.home_accesses, elapsed_s, cold_half_life_s(rule.hotness))
    return replace(facts, home_accesses=left, home_age_s=facts.home_age_s + elapsed_s)


def test_the_barred_tiers_are_those_outside_of_the_residency():
    policy = load_dict(
        {
            "tiers": {"regional": {"location": "eu"}, "cold": {"location": "us"}},
            "rules": [
                {"match": "a", "durability": "regional", "place": {"residency": ["eu"]}},
                {"match": "b"},
            ],
        }
    )
    assert isinstance(policy, Policy)
    assert barred_tiers(policy, policy.rules[0]) == ("edge", "cold")
    assert barred_tiers(policy, policy.rules[1]) == ()
