"""The verifier's checks say which fields they read, so that only those can silence them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.policy import check as check_policy
from tierstore.policy import model
from tierstore.policy.checks import Subject, Unsound
from tierstore.policy.read import load_dict
from tierstore.policy.schema import POLICY, RULE, Group, Record
from tierstore.policy.url import Url
from tierstore.policy.verify import POLICY_CHECKS, RULE_CHECKS

CHECKS = {check.run.__name__: check for check in (*POLICY_CHECKS, *RULE_CHECKS)}


def attributes(fields, path, at=()):
    """(path, where the model has it) of every field."""
    for name, field in fields.items():
        here = f"{path}{name}"
        if isinstance(field, Group):
            yield from attributes(field.fields, f"{here}.", at)
        elif isinstance(field, Record):
            yield here, (*at, field.attribute)
            yield from attributes(field.fields, f"{here}.", (*at, field.attribute))
        else:
            yield here, (*at, field.attribute)


FIELDS = dict(attributes(RULE, ".", ("rule",))) | dict(attributes(POLICY, "", ("policy",)))


class Watched:
    """A record of the model that notes which of its attributes are read, in `seen`."""

    def __init__(self, target, at, seen):
        self._target, self._at, self._seen = target, at, seen

    def __getattr__(self, name):
        value = getattr(self._target, name)
        if callable(value):
            return getattr(type(self._target), name).__get__(self)
        if isinstance(value, RECORDS):
            return Watched(value, (*self._at, name), self._seen)
        if name != "index":
            self._seen.add((*self._at, name))
        return value


RECORDS = (
    model.Hotness, model.Place, model.ReadBounds, model.EdgeTier, model.RegionalTier,
    model.ColdTier, model.Limits, model.Movement, model.Replication, model.Security,
    model.Coordinator,
)  # fmt: skip


class Able:
    cas = False
    value_bytes_max = 1


VARIANTS = [
    {"type": kind, "durability": durability, "ttl_s": ttl_s, "consistency": consistency}
    for kind in ("register", "bounded_counter", "set")
    for durability in ("memory", "journal", "regional")
    for ttl_s in (None, 5.0)
    for consistency in ("eventual", "strong")
] + [
    {"hotness": model.Hotness(1.0, 1.0), "ttl_jitter": 0.5, "ttl_renew": "write"},
    {"ttl_s": 5.0, "ttl_renew": "write"},
    {"hotness": model.Hotness("auto", "auto"), "edge_max_value_bytes": 1 << 40},
    {"place": model.Place(never=("edge",)), "read": model.ReadBounds(0.1, 5.0)},
    {"place": model.Place(residency=("eu",)), "read": model.ReadBounds(None, 5.0)},
    {"place": model.Place(residency=("us", "eu")), "consistency": "strong"},
    {"place": model.Place(only=("edge",)), "min_residency_edge_s": 1.0},
]


def reads_of(check):
    """The attributes that `check` looks at, in one situation or another."""
    seen = set()
    for variant in VARIANTS:
        for journal, location in ((None, None), ("journal", "eu")):
            rule = model.Rule(index=0, name="a", match=("a",), **variant)
            policy = model.Policy(
                rules=(rule, model.default_rule(1)),
                edge=model.EdgeTier(journal=journal),
                regional=model.RegionalTier(location=location),
                replication=model.Replication(peers={"us": model.Peer(Url("sqlite:///us.db"))}),
                coordinator=model.Coordinator(Url("sqlite:///c.db"), "us"),
                cold=model.ColdTier(client="obstore" if location else None),
            )
            watched = Watched(rule, ("rule",), seen), Watched(policy, ("policy",), seen)
            list(check.run(Subject(*watched, dict.fromkeys(model.TIERS, Able()))))
    return seen - {("policy", "rules")}


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_reads_what_it_says_and_no_more(name):
    check = CHECKS[name]
    declared = {FIELDS[path] for path in check.reads}
    found = reads_of(check)
    undeclared = {at for at in found if not any(at[: len(said)] == said for said in declared)}
    assert undeclared == set()
    assert {said for said in declared if not any(at[: len(said)] == said for at in found)} == set()


FAULTY = [
    ({"durability": "regionl"}, "durability"),
    ({"ttl": "5"}, "ttl"),
    ({"hotness": {"hot": "6/h", "cold": "2/h"}}, "hotness"),
    ({"max_write_ratio": "120%"}, "max_write_ratio"),
    ({"place": {"only": ["edge"]}}, "place"),
    ({"name": ""}, "name"),
    ({"read": {"max_age": "soon"}}, "read.max_age"),
    ({"edge": {"max_value": "5"}}, "edge.max_value"),
    ({"min_residency": {"edge": "5"}}, "min_residency.edge"),
    ({"minimum": 3}, "minimum"),
    ({"zzz": 1}, "zzz"),
]


@given(st.sets(st.sampled_from(range(len(FAULTY)))))
def test_faults_that_have_nothing_to_do_with_each_other_are_all_told(chosen):
    rule = {"match": "a"}
    for index in chosen:
        rule |= FAULTY[index][0]
    told = [line.split(": ")[0] for line in check_policy({"rules": [rule]}).faults]
    assert sorted(told) == sorted(f"rules[0].{FAULTY[index][1]}" for index in chosen)


def test_what_is_above_and_below_a_fault():
    unsound = Unsound({"rules[1].hotness.hot", "tiers"})
    for path in ("rules[1].hotness.hot", "rules[1].hotness", "rules[1]", "rules", "tiers.edge"):
        assert unsound.touches(path)
    for path in ("rules[1].hotness.cold", "rules[10].hotness.hot", "rules[1].hot", "tiers2", "x"):
        assert not unsound.touches(path)
    assert not unsound.has_lost("rules")
    assert unsound.has_lost("tiers.edge.url")


def test_a_sound_policy_silences_nothing():
    assert load_dict({"rules": [{"match": "a"}]}).rules[0].name == "a"
    assert not Unsound().touches("rules")
