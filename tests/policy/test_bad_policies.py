"""Every kind of bad policy, with the exact words, line and column of its faults."""

from __future__ import annotations

from pathlib import Path

import pytest

import tierstore
from tierstore.errors import PolicyError
from tierstore.policy import check, load, verify
from tierstore.policy.demands import require_able
from tierstore.policy.faults import TOLD_MAX
from tierstore.policy.read import load_dict
from tierstore.policy.yaml import load_yaml
from tierstore.region.capabilities import Capabilities
from tierstore.tiers.files import FileObjects
from tierstore_sql.region import SqlRegion


def recorded_cases():
    """(policy, faults without the name of the file) of every case in bad_policies.txt."""
    record = Path(__file__).with_name("bad_policies.txt").read_text(encoding="utf-8")
    for case in record.strip().split("\n\n")[1:]:
        policy, *faults = case.split("\n=> ")
        yield policy + "\n", faults


CASES = [
    *recorded_cases(),
    ("\tversion: 1\n", [r"1:1: not YAML here: found character '\t' that cannot start any token"]),
    ("version: 1\x00\n", ["1:11: U+0000 is not allowed"]),
]
HUGE_CASES = [
    (
        "rules: [" + "a, " * 10_001 + "]\n",
        "1:30000: rules[9997]: more than 10,000 values",
    ),
    ("#" * 300_000, "1:1: the policy is longer than 256 KiB"),
    (
        "&a [" * 3_000,
        "1:77: rules: nested deeper than 20 levels",
    ),
]
BOMB = """\
a: &a [x, x, x, x, x, x, x, x, x]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]
rules: [*b, *b]
"""


def faults_of(text):
    with pytest.raises(PolicyError) as caught:
        load_yaml(text)
    assert all(fault in str(caught.value) for fault in caught.value.faults[:TOLD_MAX])
    return [fault.removeprefix("policy.yaml:") for fault in caught.value.faults]


@pytest.mark.parametrize(("text", "faults"), CASES, ids=lambda case: str(case)[:40])
def test_faults(text, faults):
    assert faults_of(text) == faults


def test_the_record_is_complete():
    assert len(CASES) > 75
    assert all(faults for _, faults in CASES)


@pytest.mark.parametrize(("text", "fault"), HUGE_CASES, ids=["many", "long", "deep"])
def test_huge_policies_are_refused(text, fault):
    assert fault.split(": ")[-1] in faults_of(text)[-1]


def test_an_alias_bomb_is_refused_at_every_alias():
    faults = faults_of(BOMB)
    assert sum("aliases (*name) are not supported" in fault for fault in faults) == 11
    assert sum("anchors (&name) are not supported" in fault for fault in faults) == 2


def test_a_dict_is_told_by_path_alone():
    with pytest.raises(PolicyError) as caught:
        load_dict({"rules": [{"match": "a", "hotness": {"hot": "fast"}}, {"match": 7}], 5: 1})
    assert caught.value.faults == (
        "[5]: names of fields are text, got 5",
        'rules[0].hotness.hot: expected a rate like "6/h", got "fast"; auto would also do',
        "rules[1].match: expected text, got 7",
    )


def test_one_fault_is_the_whole_message():
    with pytest.raises(PolicyError) as caught:
        load_yaml("version: 2\n", source="conf/p.yaml")
    assert str(caught.value) == (
        'conf/p.yaml:1:10: version: expected 1, the version of the policy language, got "2"'
    )


def test_many_faults_are_counted_and_all_kept():
    with pytest.raises(PolicyError) as caught:
        load_yaml("rules:\n" + "  - {match: a, ttl: 5}\n" * 150)
    assert len(caught.value.faults) >= 150
    head, *told, more = str(caught.value).splitlines()
    assert head == f"policy.yaml: {len(caught.value.faults)} faults"
    assert len(told) == TOLD_MAX
    assert more == f"… and {len(caught.value.faults) - TOLD_MAX} more"


def test_a_faulty_field_does_not_make_others_look_wrong():
    faults = faults_of(
        "rules:\n"
        "  - {match: a, place: {never: [edge]}, durability: regionl}\n"
        "  - {match: b, durabilty: regional, place: {never: [edge]}}\n"
    )
    assert [fault.split(": ")[1] for fault in faults] == [
        "rules[0].durability",
        "rules[1].durabilty",
    ]


def test_a_scheme_without_adapter_is_refused():
    with pytest.raises(PolicyError, match=r'no adapter for the scheme "fiel"; did you mean "file"'):
        load_yaml('tiers:\n  cold: {url: "fiel:x"}\n', known_schemes={"file", "sqlite", "memory"})


def test_a_tier_that_lacks_a_capability_is_refused():
    class Weak:
        cas = False
        value_bytes_max = 1024

    policy = load_dict({"rules": [{"match": "a"}]})
    faults, _ = verify.verify(policy, capabilities={"edge": Weak(), "regional": Weak()})
    assert [fault.path for fault in faults] == [
        "limits.value",
        "rules[0].edge.max_value",
        "rules[1].edge.max_value",
    ]
    with pytest.raises(PolicyError) as caught:
        require_able(policy, "edge", Weak())
    assert caught.value.faults == (
        "rules[0].edge.max_value: the adapter for memory: takes values of at most 1KiB (a)",
        "rules[1].edge.max_value: the adapter for memory: takes values of at most 1KiB (default)",
    )


def test_check_asks_adapters_what_they_declare(monkeypatch):
    monkeypatch.setattr(FileObjects, "capabilities", Capabilities(value_bytes_max=1024))
    (fault,) = check({"limits": {"value": "1MiB"}}).faults
    assert fault == "limits.value: the adapter for file: takes values of at most 1KiB"
    load({"limits": {"value": "1MiB"}})  # which imports no adapter


def test_what_an_adapter_cannot_do_is_refused_when_it_is_first_used(monkeypatch, tmp_path):
    monkeypatch.setattr(SqlRegion, "capabilities", Capabilities(value_bytes_max=1024))
    with tierstore.open({}, base_dir=tmp_path) as store:
        store.put("k", 1)
        with pytest.raises(PolicyError, match="the adapter for sqlite: takes values of at most"):
            store.get("other")
