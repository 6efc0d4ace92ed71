"""What the verifier only warns of, and what it leaves alone."""

from __future__ import annotations

import pytest

from tierstore.policy import check
from tierstore.policy.yaml import examine_yaml

CASES = [
    (
        "  - {match: a, ttl: 5s}",
        ["1:21: rules[0].ttl: shorter than movement.interval (30s): keys expire before they move"],
    ),
    (
        "  - {match: a, min_residency: {regional: 1s}}",
        [
            "1:42: rules[0].min_residency.regional: shorter than movement.interval (30s):"
            " keys stay that long anyway"
        ],
    ),
    (
        "  - {match: a, hotness: {cold: 2/h}}",
        [
            "1:32: rules[0].hotness.cold: 2/h hardly ever decides: min_residency.regional keeps"
            " keys for 1d anyway; lower one of them"
        ],
    ),
    (
        "  - {match: a, read: {max_age: 500ms}}",
        [
            "1:32: rules[0].read.max_age: shorter than replication.pull (1s):"
            " most reads ask the region"
        ],
    ),
    (
        "  - {match: a, read: {stale_if_error: 1h}}",
        ["1:39: rules[0].read.stale_if_error: without max_age any age is allowed already"],
    ),
    (
        "  - {match: a, ttl_jitter: 10%, ttl_renew: write}",
        [
            "1:28: rules[0].ttl_jitter: without a ttl it changes nothing",
            "1:44: rules[0].ttl_renew: without a ttl it changes nothing",
        ],
    ),
    (
        "  - {match: a, ttl: 1h, ttl_renew: write}",
        ["1:36: rules[0].ttl_renew: it changes nothing: every put of a register replaces its TTL"],
    ),
    (
        "  - {match: a, edge: {max_value: 1GiB}}",
        ["1:34: rules[0].edge.max_value: larger than tiers.edge.capacity (64MiB)"],
    ),
    (
        "  - {match: [a/**, b, a/c]}",
        [
            '1:23: rules[0].match[2]: this pattern never applies: "a/**" of rules[0] takes all its'
            " keys"
        ],
    ),
    ("  - {match: a, hotness: {hot: 6/h, cold: 1/d}, min_residency: {regional: 7d}}", []),
    ("  - {match: a, read: {max_age: 0s}, min_residency: {edge: 0s}}", []),
    ("  - {match: a, place: {never: [edge]}, durability: regional}", []),
]


@pytest.mark.parametrize(("rule", "warnings"), CASES)
def test_warnings(rule, warnings):
    examined = examine_yaml(f"rules:\n{rule}\n", "p.yaml")
    assert examined.faults == ()
    told = [warning.told("p").replace("p:2:", "1:", 1) for warning in examined.warnings]
    assert told == warnings


def test_overlapping_patterns_beyond_the_bound_are_a_warning():
    rules = [{"match": f"**/a{i}/**/b{i}/**/c{i}"} for i in range(14)]
    rules.append({"match": "a0/b0/c0"})
    found = check({"rules": rules})
    assert found.faults == ()
    assert found.warnings == (
        "rules: too many overlapping patterns with ** to tell whether a rule is hidden",
    )


def test_a_password_in_the_policy_is_a_warning_that_hides_it():
    examined = examine_yaml('tiers:\n  cold: {url: "s3://me:hunter2@bucket/x"}\n', "p.yaml")
    assert [warning.told("p.yaml") for warning in examined.warnings] == [
        "p.yaml:2:15: tiers.cold.url: a user or password stands in the policy, and in what it"
        " compiles to; write ${env:NAME}"
    ]


def test_a_key_in_the_policy_is_one_too():
    for key in ("hunter2 hunter2 hunter2", ["${env:KEY}", "hunter2 hunter2 hunter2"]):
        assert check({"security": {"session_key": key}}).warnings == (
            "security.session_key: a key stands in the policy, and in what it compiles to;"
            " write ${env:NAME}",
        )
    assert check({"security": {"session_key": "${env:KEY}"}}).warnings == ()


def test_an_edge_without_room_is_a_warning():
    assert check({"tiers": {"edge": {"capacity": "0B"}}}).warnings == (
        "tiers.edge.capacity: no room: every read goes to the region",
    )
