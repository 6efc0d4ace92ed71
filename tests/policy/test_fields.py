"""Every field of a policy: what its spelling becomes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tierstore import policy as policies
from tierstore.frozen import as_dict
from tierstore.policy import model
from tierstore.policy.read import load_dict
from tierstore.policy.schema import POLICY, RULE, Group, Record
from tierstore.policy.url import Secret, Url
from tierstore.policy.yaml import load_yaml

WHOLE = """\
version: 1
tiers:
  edge: {url: "memory://", capacity: 1MiB, journal: j, journal_sync: full, location: eu}
  regional: {url: "sqlite:///r.db", location: eu}
  cold: {url: "s3://bucket/objects", client: obstore, location: us}
cold: {retain: 1d}
rules:
  - name: all fields
    match: ["a/**", b]
    type: register
    consistency: eventual
    durability: regional
    hotness: {hot: 6/h, cold: 1/d, half_life: 2h, hysteresis: 1.5}
    min_residency: {edge: 2min, regional: 0s}
    max_write_ratio: 50%
    place: {only: [edge, regional], never: [cold], residency: [eu]}
    edge: {max_value: 1KiB}
    ttl: 30d
    ttl_jitter: 0.1
    ttl_renew: write
    read: {max_age: 1min, stale_if_error: 1h, negative_ttl: 500ms}
replication:
  {flush: 100ms, pull: 2s, batch: 10, horizon: 14d, max_drift: 30s, links: relay, repair: 2h,
   peers: {us: {url: "sqlite:///us.db", cold: "file:us", location: us}}}
movement: {interval: 1min, budget: {operations: 10/s, bytes: 1MiB/s}, mode: plan}
coordinator: {url: "sqlite:///c.db", location: us}
timeouts: {edge: 1s, regional: 3s, cold: 5s}
limits: {value: 1MiB, unflushed: 2MiB, retained: 3MiB}
strict_keys: true
prices: {cold: {storage: 0.02}}
security: {session_key: ["${env:NEW}", "${env:OLD}"]}
"""
RULE_ATTRIBUTES = {
    "index": 0,
    "name": "all fields",
    "match": ("a/**", "b"),
    "type": "register",
    "consistency": "eventual",
    "durability": "regional",
    "hotness": model.Hotness(6 / 3600, 1 / 86400, 7200.0, 1.5),
    "min_residency_edge_s": 120.0,
    "min_residency_regional_s": 0.0,
    "max_write_ratio": 0.5,
    "place": model.Place(("edge", "regional"), ("cold",), ("eu",)),
    "edge_max_value_bytes": 1024,
    "ttl_s": 2592000.0,
    "ttl_jitter": 0.1,
    "ttl_renew": "write",
    "read": model.ReadBounds(60.0, 3600.0, 0.5),
    "minimum": 0,
}
POLICY_ATTRIBUTES = {
    "version": 1,
    "edge": model.EdgeTier(Url("memory://"), 2**20, "j", "full", "eu"),
    "regional": model.RegionalTier(Url("sqlite:///r.db"), "eu"),
    "cold": model.ColdTier(Url("s3://bucket/objects"), "us", 86400.0, "obstore"),
    "replication": model.Replication(
        0.1,
        2.0,
        10,
        1209600.0,
        30.0,
        {"us": model.Peer(Url("sqlite:///us.db"), Url("file:us"), "us")},
        "relay",
        7200.0,
    ),
    "movement": model.Movement(60.0, 10.0, 2.0**20, "plan"),
    "coordinator": model.Coordinator(Url("sqlite:///c.db"), "us"),
    "timeouts": model.Timeouts(1.0, 3.0, 5.0),
    "limits": model.Limits(2**20, 2 * 2**20, 3 * 2**20),
    "strict_keys": True,
    "prices": {"cold": {"storage": 0.02}},
    "security": model.Security((Secret("${env:NEW}"), Secret("${env:OLD}"))),
}


def field_paths(fields, path=""):
    for name, field in fields.items():
        if isinstance(field, (Group, Record)):
            yield from field_paths(field.fields, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def spelled(data, path=""):
    for name, value in data.items():
        if isinstance(value, dict) and name not in ("prices", "peers"):
            yield from spelled(value, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def test_every_field_becomes_its_attribute():
    policy = load_yaml(WHOLE, base_dir="/base")
    found = as_dict(policy)
    rule = as_dict(found.pop("rules")[0])
    assert rule == RULE_ATTRIBUTES
    assert found == {**POLICY_ATTRIBUTES, "source": "policy.yaml", "base_dir": "/base"}


def test_the_example_spells_every_field():
    import yaml

    data = yaml.safe_load(WHOLE)
    rule = data.pop("rules")[0]
    assert {*spelled(rule), "minimum"} == set(field_paths(RULE))
    assert set(spelled(data)) == set(field_paths(POLICY))


def test_the_empty_policy_is_the_default_one():
    for text in ("", "# nothing\n", "{}", "---\n", "~"):
        policy = load_yaml(text, source="s", base_dir="/b")
        assert policy == model.Policy(source="s", base_dir="/b")


def test_defaults_are_the_documented_ones():
    assert model.Policy() == model.Policy(
        1,
        model.EdgeTier(Url("memory://"), 64 * 2**20, "tierstore-data/journal", "normal", None),
        model.RegionalTier(Url("sqlite:///tierstore-data/region.db"), None),
        model.ColdTier(Url("file:tierstore-data/cold"), None, 604800.0, None),
        (model.default_rule(0),),
        model.Replication(0.2, 1.0, 1000, 604800.0, 60.0),
        model.Movement(30.0, 500.0, 32.0 * 2**20, "apply"),
        model.Coordinator(Url("regional")),
        model.Timeouts(0.1, 2.0, 10.0),
        model.Limits(25 * 2**20, 64 * 2**20, 256 * 2**20),
    )
    assert model.default_rule(3) == model.Rule(
        index=3,
        name="default",
        match=("**",),
        hotness=model.Hotness("auto", "never", 3600.0, 2.0),
        min_residency_edge_s=60.0,
        min_residency_regional_s=86400.0,
        max_write_ratio=0.9,
        place=model.Place(None, (), ()),
        edge_max_value_bytes=262144,
        read=model.ReadBounds(None, None, 2.0),
    )


def test_the_last_rule_is_always_the_implicit_one():
    policy = load_dict({"rules": [{"match": "a"}, {"match": "b"}]})
    assert policy.rules[-1] == model.default_rule(2)
    assert [rule.index for rule in policy.rules] == [0, 1, 2]


def test_a_rule_without_a_name_has_that_of_its_first_pattern():
    assert load_dict({"rules": [{"match": ["x/*", "y"]}]}).rules[0].name == "x/*"


def test_journal_none_is_no_journal():
    text = 'tiers: {edge: {journal: none}}\nrules: [{match: "**", durability: memory}]\n'
    assert load_yaml(text).edge.journal is None


@pytest.mark.parametrize(
    "words", ["no", "on", "012", "1_000", "12:30", "0x10", "1e3", "=", "2020-01-01"]
)
def test_yaml_never_guesses_a_type(words):
    assert load_yaml(f"rules: [{{match: a, name: {words}}}]\n").rules[0].name == words


def test_a_dict_may_hold_python_values():
    policy = load_dict(
        {
            "version": 1,
            "strict_keys": True,
            "rules": (
                {"match": ("a", "b"), "ttl": timedelta(hours=1), "max_write_ratio": 0.5},
                {"match": "c", "ttl": None, "read": {"max_age": None}},
            ),
            "replication": {"batch": 7},
        }
    )
    assert policy.rules[0].ttl_s == 3600.0
    assert policy.rules[0].match == ("a", "b")
    assert policy.rules[1].ttl_s is None
    assert policy.replication.batch == 7
    assert policy.strict_keys is True


def test_the_usual_policy_of_the_design_loads_where_available():
    policy = load_yaml(
        """
version: 1
tiers:
  edge:     {url: "memory://", capacity: 64MiB, journal: data/journal}
  regional: {url: "sqlite:///data/region.db"}
  cold:     {url: "file:data/cold"}
rules:                                    # first match wins
  - match: "product/**"
    hotness: {hot: 6/h, cold: 1/d}
    min_residency: {regional: 7d}
    read: {max_age: 1min, stale_if_error: 1h}
"""
    )
    assert policy.rules[0].hotness.hot_per_s == 6 / 3600


def test_place_allows():
    place = model.Place(only=("edge", "cold"), never=("edge",))
    assert [place.allows(tier) for tier in model.TIERS] == [False, False, True]


@pytest.mark.parametrize("url", ["file:cold", "s3://bucket/prefix", "s3://${env:K}@b?region=r"])
def test_a_cold_tier_that_an_adapter_serves_is_taken(url):
    rules = [{"match": "a", "hotness": {"cold": "1/d"}}]
    assert policies.check({"tiers": {"cold": {"url": url}}, "rules": rules}).faults == ()
