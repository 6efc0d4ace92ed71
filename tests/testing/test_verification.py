"""What of a policy is verified, and what is changed in it for that."""

from __future__ import annotations

import pytest

from tierstore import policy as policies
from tierstore.frozen import replace
from tierstore.policy.model import Policy
from tierstore.testing.simulation.families import families_of, hastened
from tierstore.testing.verification import Extent, verification, verify
from tierstore.testing.verification.figures import as_dict
from tierstore.testing.verification.hastening import changes
from tierstore.testing.verification.telling import render

MEMORY = {"match": "**", "durability": "memory"}
SIMULATION_ONLY = Extent(seeds=1, has_conformance=False)
ODD = {
    "hours between steps": {"replication": {"flush": "1h", "pull": "1h"}},
    "a mover without a budget": {
        "movement": {"interval": "1d", "budget": {"operations": "1/d", "bytes": "1B/d"}},
        "rules": [{"match": "a/**", "hotness": {"cold": "1/d"}}],
    },
    "a plan": {
        "movement": {"mode": "plan"},
        "rules": [{"match": "a/**", "hotness": {"cold": "1/d"}}],
    },
    "keys of written rules only": {"strict_keys": True, "rules": [{"match": "a/**"}]},
    "tiny values and little memory": {
        "limits": {"value": "64B", "unflushed": "64B"},
        "tiers": {"edge": {"capacity": "100B"}},
    },
    "no patience": {"timeouts": {"edge": "1ms", "regional": "1ms", "cold": "1ms"}},
    "no tolerance": {"replication": {"horizon": "10s", "max_drift": "1ms"}},
    "no journal": {
        "tiers": {"edge": {"journal": "none"}},
        "rules": [MEMORY],
    },
    "no retention": {
        "cold": {"retain": "0s"},
        "rules": [{"match": "a/**", "durability": "regional", "place": {"never": ["regional"]}}],
    },
}


def declared(**fields):
    """A policy with a rule over `a/**` of these fields, past what this version refuses."""
    policy = policies.load({"rules": [{"match": "a/**"}, {"match": "b/*"}]})
    return replace(policy, rules=(replace(policy.rules[0], **fields), *policy.rules[1:]))


def test_what_a_simulation_changes_is_spelled_as_in_a_policy():
    policy = policies.load(
        {
            "rules": [
                {"name": "quick", "match": "a/*", "ttl": "2s"},
                {"name": "slow", "match": "b/*", "ttl": "30d", "hotness": {"cold": "1/d"}},
            ],
            "replication": {"pull": "1min", "max_drift": "5s"},
            "cold": {"retain": "14d"},
            "movement": {"budget": {"bytes": "1KiB/s"}},
            "limits": {"value": "64B"},
        }
    )
    found = {(each.rule, each.field): (each.before, each.after) for each in changes(
        policy, hastened(policy)
    )}  # fmt: skip
    assert found[None, "replication.pull"] == ("1min", "1s")
    assert found[None, "replication.max_drift"] == ("5s", "1min")
    assert found[None, "cold.retain"] == ("14d", "8s")
    assert found[None, "movement.budget.bytes"] == ("1KiB/s", "32MiB/s")
    assert found[None, "limits.value"] == ("64B", "1KiB")
    assert found["slow", "ttl"] == ("30d", "3s")
    assert found["slow", "hotness.cold"] == ("1/d", "1/s")
    assert found["slow", "min_residency.regional"] == ("1d", "300ms")
    assert ("quick", "ttl") not in found
    assert (None, "replication.flush") not in found


def test_what_is_not_hastened_is_told_as_no_change():
    policy = Policy()
    assert changes(policy, policy) == ()
    assert hastened(hastened(policy)) == hastened(policy)


@pytest.mark.parametrize("name", ODD)
def test_odd_policies_hold(name):
    policy = policies.load(ODD[name])
    found = verify(policy, Extent(seeds=3, first_seed=1, has_conformance=False))
    assert found.verdict == "ok", render(found, str)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"type": "document", "ttl_s": 60.0}, "the simulator knows no document that expires"),
        ({"type": "bounded_counter"}, "the simulator knows no bounded_counter"),
        ({"consistency": "strong"}, "the simulator knows no strong keys"),
    ],
)
def test_rules_that_the_simulator_does_not_know_are_told(fields, reason):
    found = verify(declared(**fields), SIMULATION_ONLY)
    rules = {rule["rule"]: rule for rule in as_dict(found, str)["rules"]}
    assert (rules["a/**"]["simulated"], rules["a/**"]["reason"]) == (False, reason)
    assert rules["b/*"]["simulated"]
    text = render(found, str)
    assert f"not simulated: {reason}\n" in text
    assert "\nverdict: ok: 1 rule not simulated; " in text


@pytest.mark.parametrize("type", ["counter", "set", "document"])
def test_other_types_are_simulated_also_alone(type):
    policy = declared(type=type)
    policy = replace(policy, rules=policy.rules[:1] + policy.rules[2:])
    found = verify(policy, SIMULATION_ONLY)
    assert found.verdict == "ok", render(found, str)
    assert all(rule["simulated"] for rule in as_dict(found, str)["rules"])


def test_without_any_rule_to_simulate_the_verdict_is_incomplete():
    policy = declared(type="bounded_counter")
    policy = replace(policy, rules=policy.rules[:1] + policy.rules[2:])
    found = verify(policy, SIMULATION_ONLY)
    assert (found.verdict, found.simulated) == ("incomplete", None)
    assert "not simulated: the simulator knows no bounded_counter\n" in render(found, str)


def test_where_nothing_has_the_name_asked_for_the_verdict_is_incomplete(monkeypatch):
    regional = verification.TierCheck("regional", "sqlite", has_journal=False)
    monkeypatch.setattr(verification, "_tiers_of", lambda *_: [regional])
    found = verify(Policy(), Extent(seeds=0, behaviour="no such behaviour"))
    assert found.verdict == "incomplete"
    assert 'no behaviour of it has "no such behaviour" in its name' in render(found, str)


def test_a_rule_whose_keys_earlier_rules_take_is_told():
    rules = [{"match": ["a/0", "a/1", "a/2", "a/3", "a/4"]}, {"match": "a/*"}]
    found = verify(policies.load({"rules": rules}), SIMULATION_ONLY)
    reasons = {rule.rule: rule.reason for rule in found.rules}
    assert reasons["a/*"] == "earlier rules take the keys that a simulation would use"


def test_rules_of_one_name_are_told_apart():
    rules = [{"match": "a/*"}, {"match": ["a/*", "b/*"]}]
    policy = policies.load({"rules": rules})
    assert [rule.name for rule in policy.rules] == ["a/*", "a/*", "default"]
    found = verify(policy, SIMULATION_ONLY)
    assert [rule.keys[0] for rule in found.rules] == ["a/0", "b/1"]


def test_strict_keys_leave_the_implicit_rule_without_keys():
    assert [family.name for family in families_of(Policy(), 3)] == ["default"]
    assert families_of(replace(Policy(), strict_keys=True), 3) == ()
