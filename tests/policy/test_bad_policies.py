"""Every kind of bad policy, with the exact words, line and column of its faults."""

from __future__ import annotations

import pytest

from tierstore.errors import PolicyError
from tierstore.policy import verify
from tierstore.policy.faults import TOLD_MAX
from tierstore.policy.read import load_dict
from tierstore.policy.yaml import load_yaml

# Policy, then each fault without the name of the file.
CASES = [
    (
        "[]",
        [
            (
                "1:1: expected a mapping of version, tiers, cold, replication, movement, "
                "coordinator, timeouts, limits, strict_keys, prices, security, rules, got a "
                "list"
            ),
        ],
    ),
    (
        "hello",
        [
            (
                "1:1: expected a mapping of version, tiers, cold, replication, movement, "
                "coordinator, timeouts, limits, strict_keys, prices, security, rules, got "
                '"hello"'
            ),
        ],
    ),
    (
        "tiers:\n",
        [
            "1:7: tiers: expected a mapping of edge, regional, cold, got nothing",
        ],
    ),
    (
        "rules: {}\n",
        [
            "1:8: rules: expected a list of rules, got a mapping",
        ],
    ),
    (
        "version: 2\n",
        [
            '1:10: version: expected 1, the version of the policy language, got "2"',
        ],
    ),
    (
        "version: one\n",
        [
            '1:10: version: expected 1, the version of the policy language, got "one"',
        ],
    ),
    (
        "verison: 1\n",
        [
            '1:1: verison: unknown field; did you mean "version"?',
        ],
    ),
    (
        "zzz: 1\n",
        [
            (
                "1:1: zzz: unknown field; known: cold, coordinator, limits, movement, "
                "prices, replication, rules, security, strict_keys, tiers, timeouts, version"
            ),
        ],
    ),
    (
        "a: 1\na: 2\n",
        [
            (
                "1:1: a: unknown field; known: cold, coordinator, limits, movement, prices, "
                "replication, rules, security, strict_keys, tiers, timeouts, version"
            ),
            "2:1: a: duplicate field; the first is in line 1",
        ],
    ),
    (
        "limits: {value: 1MiB, value: 2MiB}\n",
        [
            "1:23: limits.value: duplicate field; the first is in line 1",
        ],
    ),
    (
        "rules: &r []\n",
        [
            "1:8: rules: anchors (&name) are not supported; remove it",
        ],
    ),
    (
        "rules: *r\n",
        [
            "1:8: rules: aliases (*name) are not supported; write the value out",
        ],
    ),
    (
        "version: !!int 1\n",
        [
            "1:10: version: tags (!name) are not supported; remove it",
        ],
    ),
    (
        "movement: {<<: {mode: plan}}\n",
        [
            '1:12: movement["<<"]: merge keys are not supported; write the fields out',
        ],
    ),
    (
        "? [a]\n: 1\n",
        [
            "1:3: the name of a field must be plain text",
        ],
    ),
    (
        "limits: {value: 64K}\n",
        [
            '1:17: limits.value: expected a size like "64KiB", got "64K"',
        ],
    ),
    (
        "limits: {value: 25}\n",
        [
            (
                '1:17: limits.value: expected a size like "64KiB", got "25"; a unit is '
                "missing: units are B, KiB, MiB, GiB, TiB, or kB, MB, GB, TB for powers of "
                "1000"
            ),
        ],
    ),
    (
        "tiers:\n  edge: {capacity: 64 MB/s}\n",
        [
            '2:20: tiers.edge.capacity: expected a size like "64KiB", got "64 MB/s"',
        ],
    ),
    (
        "tiers:\n  edge: {journal: }\n",
        [
            "2:18: tiers.edge.journal: expected a directory or none, got nothing",
        ],
    ),
    (
        "tiers:\n  edge: {journal_sync: maybe}\n",
        [
            '2:24: tiers.edge.journal_sync: expected normal or full, got "maybe"',
        ],
    ),
    (
        "tiers:\n  regional: {url: data.db}\n",
        [
            (
                '2:19: tiers.regional.url: expected a url like "sqlite:///data/region.db", '
                "got text without a scheme"
            ),
        ],
    ),
    (
        "tiers:\n  regional: {url: [a]}\n",
        [
            (
                '2:19: tiers.regional.url: expected a url like "sqlite:///data/region.db", '
                "got a list"
            ),
        ],
    ),
    (
        "tiers:\n  regional: {url: 'postgresql://u:hunter2@h/${PW}'}\n",
        [
            "2:19: tiers.regional.url: a reference must be written ${env:NAME}",
        ],
    ),
    (
        "tiers:\n  regional: {url: 'postgresql://u:hunter2@h/db'}\n",
        [
            (
                "2:19: tiers.regional.url: a region other than sqlite:///… is not available "
                "in this version"
            ),
        ],
    ),
    (
        "tiers:\n  edge: {url: 'redis://localhost'}\n",
        [
            "2:15: tiers.edge.url: an edge other than memory:// is not available in this version",
        ],
    ),
    (
        "coordinator: {url: 'sqlite:///c.db'}\n",
        [
            (
                "1:20: coordinator.url: a coordinator other than regional is not available "
                "in this version"
            ),
        ],
    ),
    (
        "security: {token: '${env:T}'}\n",
        [
            "1:11: security: security is not available in this version",
        ],
    ),
    (
        "security: 5\n",
        [
            '1:11: security: expected a mapping, got "5"',
        ],
    ),
    (
        "prices: {cold: {storage: cheap}}\n",
        [
            '1:9: prices: expected a number from 0 to 1e+12, got "cheap"',
        ],
    ),
    (
        "prices: {warm: {storage: 1}}\n",
        [
            '1:9: prices: expected edge, regional or cold, got "warm"',
        ],
    ),
    (
        "movement: {budget: {operations: 500}}\n",
        [
            '1:33: movement.budget.operations: expected a rate like "6/h", got "500"',
        ],
    ),
    (
        "movement: {budget: {bytes: 500/s}}\n",
        [
            '1:28: movement.budget.bytes: expected a rate of bytes like "32MiB/s", got "500/s"',
        ],
    ),
    (
        "movement: {mode: dry}\n",
        [
            '1:18: movement.mode: expected apply or plan, got "dry"',
        ],
    ),
    (
        "movement: {interval: 0s}\n",
        [
            '1:22: movement.interval: expected at least 1ms, got "0s"',
        ],
    ),
    (
        "replication: {batch: 0}\n",
        [
            '1:22: replication.batch: expected 1 to 10000, got "0"',
        ],
    ),
    (
        "replication: {batch: many}\n",
        [
            '1:22: replication.batch: expected a whole number, got "many"',
        ],
    ),
    (
        "replication: {pull: 8d}\n",
        [
            "1:21: replication.pull: must be shorter than replication.horizon",
        ],
    ),
    (
        "replication: {max_drift: 7d}\n",
        [
            "1:26: replication.max_drift: must be shorter than replication.horizon",
        ],
    ),
    (
        "strict_keys: yes\n",
        [
            '1:14: strict_keys: expected true or false, got "yes"',
        ],
    ),
    (
        "limits: {unflushed: 1MiB}\n",
        [
            (
                "1:21: limits.unflushed: a value of 25MiB can never wait for the region: "
                "unflushed is 1MiB"
            ),
        ],
    ),
    (
        "timeouts: {edge: 200101d}\n",
        [
            '1:18: timeouts.edge: expected a duration of at most 100 years, got "200101d"',
        ],
    ),
    (
        "cold: {retain: 7}\n",
        [
            (
                '1:16: cold.retain: expected a duration like "5min", got "7"; a unit is '
                "missing: units are ms, s, m or min, h, d, w"
            ),
        ],
    ),
    (
        "rules:\n  - {}\n",
        [
            '2:5: rules[0]: match is missing; say which keys, such as match: "product/**"',
        ],
    ),
    (
        "rules:\n  - match\n",
        [
            (
                "2:5: rules[0]: expected a mapping of name, match, type, consistency, "
                "durability, hotness, min_residency, max_write_ratio, place, edge, ttl, "
                'ttl_jitter, ttl_renew, read, minimum, got "match"'
            ),
        ],
    ),
    (
        "rules:\n  - match: []\n",
        [
            "2:12: rules[0].match: expected at least one item, got an empty list",
        ],
    ),
    (
        "rules:\n  - match: [a, 'b*']\n",
        [
            (
                "2:16: rules[0].match[1]: `*` and `**` stand for whole segments; write `\\*` "
                "for a star"
            ),
        ],
    ),
    (
        "rules:\n  - {match: '${env:A}'}\n",
        [
            "2:13: rules[0].match: ${env:NAME} is replaced in urls and secrets only",
        ],
    ),
    (
        "rules:\n  - {match: a, hotness: {hot: fast}}\n",
        [
            (
                '2:31: rules[0].hotness.hot: expected a rate like "6/h", got "fast"; auto '
                "would also do"
            ),
        ],
    ),
    (
        "rules:\n  - {match: a, hotness: {cold: 0/h}}\n",
        [
            (
                '2:32: rules[0].hotness.cold: expected a rate above zero, got "0/h"; auto '
                "and never would also do"
            ),
        ],
    ),
    (
        "rules:\n  - {match: a, hotness: {hot: 6/h, cold: 2/h}}\n",
        [
            (
                "2:25: rules[0].hotness: hot 6/h / hysteresis is below cold 2/h × "
                "hysteresis: keys would go to and fro; raise hot to at least 8/h"
            ),
        ],
    ),
    (
        "rules:\n  - {match: a, hotness: {cold: auto}}\n",
        [
            "2:32: rules[0].hotness.cold: auto weighs what storage costs; declare prices",
        ],
    ),
    (
        "rules:\n  - {match: a, hotness: {hysteresis: 0.5}}\n",
        [
            '2:38: rules[0].hotness.hysteresis: expected 1 to 1000, got "0.5"',
        ],
    ),
    (
        "rules:\n  - {match: a, hotness: {hysteresis: two}}\n",
        [
            '2:38: rules[0].hotness.hysteresis: expected a number from 1 to 1000, got "two"',
        ],
    ),
    (
        "rules:\n  - {match: a, hotness: warm}\n",
        [
            (
                "2:25: rules[0].hotness: expected a mapping of hot, cold, half_life, "
                'hysteresis, got "warm"'
            ),
        ],
    ),
    (
        "rules:\n  - {match: a, min_residency: {edge: 30}}\n",
        [
            (
                '2:38: rules[0].min_residency.edge: expected a duration like "5min", got '
                '"30"; a unit is missing: units are ms, s, m or min, h, d, w'
            ),
        ],
    ),
    (
        "rules:\n  - {match: a, min_residency: {cold: 30s}}\n",
        [
            "2:32: rules[0].min_residency.cold: unknown field; known: edge, regional",
        ],
    ),
    (
        "rules:\n  - {match: a, ttl: 30}\n",
        [
            (
                '2:21: rules[0].ttl: expected a duration like "5min", got "30"; a unit is '
                "missing: units are ms, s, m or min, h, d, w; none would also do"
            ),
        ],
    ),
    (
        "rules:\n  - {match: a, ttl: 012}\n",
        [
            (
                '2:21: rules[0].ttl: expected a duration like "5min", got "012"; a unit is '
                "missing: units are ms, s, m or min, h, d, w; none would also do"
            ),
        ],
    ),
    (
        "rules:\n  - {match: a, ttl: 12:30}\n",
        [
            (
                '2:21: rules[0].ttl: expected a duration like "5min", got "12:30"; none '
                "would also do"
            ),
        ],
    ),
    (
        "rules:\n  - {match: a, ttl_jitter: 120%}\n",
        [
            '2:28: rules[0].ttl_jitter: expected 0 to 1, got "120%"',
        ],
    ),
    (
        "rules:\n  - {match: a, type: list}\n",
        [
            (
                "2:22: rules[0].type: expected register, counter, set, document or "
                'bounded_counter, got "list"'
            ),
        ],
    ),
    (
        "rules:\n  - {match: a, type: set}\n",
        [
            "2:22: rules[0].type: set is not available in this version",
        ],
    ),
    (
        "rules:\n  - {match: a, type: counter, consistency: strong}\n",
        [
            "2:22: rules[0].type: counter is not available in this version",
            "2:22: rules[0].type: strong keys are registers; a counter is eventual",
            "2:44: rules[0].consistency: strong is not available in this version",
        ],
    ),
    (
        "rules:\n  - {match: a, type: bounded_counter, consistency: eventual, ttl: 1d, durability: memory}\n",
        [
            "2:22: rules[0].type: bounded_counter is not available in this version",
            (
                "2:52: rules[0].consistency: a bounded_counter takes none: escrow decides "
                "it; remove the line"
            ),
            "2:67: rules[0].ttl: a bounded_counter never expires: its rights would be lost",
            (
                "2:83: rules[0].durability: a bounded_counter needs at least journal: what "
                "it sold must survive"
            ),
        ],
    ),
    (
        "rules:\n  - {match: a, consistency: strong, durability: journal}\n",
        [
            "2:29: rules[0].consistency: strong is not available in this version",
            (
                "2:49: rules[0].durability: does not apply to strong keys: the coordinator's "
                "database holds them; remove the line"
            ),
        ],
    ),
    (
        "rules:\n  - {match: a, minimum: 3}\n",
        [
            (
                "2:25: rules[0].minimum: only a bounded_counter has one; remove the line, or "
                "declare type: bounded_counter"
            ),
        ],
    ),
    (
        "rules:\n  - {match: a, place: {never: [edge]}}\n",
        [
            (
                "2:23: rules[0].place: never: [edge] demands durability: regional, for "
                "nothing may wait at the edge"
            ),
        ],
    ),
    (
        "rules:\n  - {match: a, place: {only: [edge]}}\n",
        [
            "2:23: rules[0].place: an edge holds copies only; allow regional or cold",
        ],
    ),
    (
        "rules:\n  - {match: a, place: {only: [edge, cold], never: [edge]}}\n",
        [
            "2:23: rules[0].place: only and never both name edge",
        ],
    ),
    (
        "rules:\n  - {match: a, place: {never: [sky]}}\n",
        [
            '2:32: rules[0].place.never[0]: expected edge, regional or cold, got "sky"',
        ],
    ),
    (
        "rules:\n  - {match: a, place: {residency: [eu]}}\n",
        [
            (
                "2:35: rules[0].place.residency: no tier that the rule allows has a location "
                "in [eu]; declare location on tiers"
            ),
        ],
    ),
    (
        "tiers:\n  edge: {location: eu}\nrules:\n  - {match: a, place: {residency: [eu]}}\n",
        [
            (
                "4:35: rules[0].place.residency: the region holds a row of every key and has "
                "no location in [eu]"
            ),
        ],
    ),
    (
        "tiers:\n  regional: {location: eu}\nrules:\n  - {match: a, place: {residency: eu}}\n",
        [
            (
                "4:23: rules[0].place: an edge outside the residency demands durability: "
                "regional, for nothing may wait at the edge"
            ),
        ],
    ),
    (
        "tiers:\n  edge: {journal: none}\n",
        [
            (
                "2:19: tiers.edge.journal: journal is none, but the implicit last rule needs "
                'one; end the rules with {match: "**", durability: memory}'
            ),
        ],
    ),
    (
        "tiers:\n  edge: {journal: none}\nrules:\n  - {match: a}\n  - {match: '**', durability: memory}\n",
        [
            (
                "4:5: rules[0].durability: journal needs tiers.edge.journal, which is none; "
                "declare memory or regional"
            ),
        ],
    ),
    (
        "rules:\n  - {match: 'a/**'}\n  - {match: a/b}\n",
        [
            (
                '3:13: rules[1].match: this rule never applies: "a/**" of rules[0] takes all '
                "its keys; move it up or remove it"
            ),
        ],
    ),
    (
        "rules:\n  - {match: '**'}\n  - {match: [a, b]}\n",
        [
            (
                '3:13: rules[1].match: this rule never applies: "**" of rules[0] takes all '
                "its keys; move it up or remove it"
            ),
        ],
    ),
    (
        "rules:\n  - {match: a}\n  - {match: '*/**'}\n  - {match: b/c}\n",
        [
            (
                '4:13: rules[2].match: this rule never applies: "*/**" of rules[1] takes all '
                "its keys; move it up or remove it"
            ),
        ],
    ),
    (
        "rules:\n  - {match: [a, '*/**']}\n  - {match: ['x/*', x]}\n",
        [
            (
                '3:13: rules[1].match: this rule never applies: "*/**" of rules[0] takes all '
                "its keys; move it up or remove it"
            ),
        ],
    ),
    (
        "rules:\n  - {match: a}\n  - {match: [a/**, b]}\n  - {match: [a, '**']}\n  - {match: a/b/c}\n",
        [
            (
                '5:13: rules[3].match: this rule never applies: "a/**" of rules[1] takes all '
                "its keys; move it up or remove it"
            ),
        ],
    ),
    (
        "rules:\n  - {match: a, name: x}\n  - {match: b, name: x}\n",
        [
            '3:22: rules[1].name: "x" is the name of rules[0] already',
        ],
    ),
    (
        "rules:\n  - {match: a, name: default}\n",
        [
            '2:22: rules[0].name: "default" is the name of the implicit last rule; take another',
        ],
    ),
    (
        "rules:\n  - {match: a\n",
        [
            "3:1: not YAML here: expected ',' or '}', but got '<stream end>'",
        ],
    ),
    (
        "a: b: c\n",
        [
            "1:5: not YAML here: mapping values are not allowed here",
        ],
    ),
    (
        "\tversion: 1\n",
        [
            "1:1: not YAML here: found character '\\t' that cannot start any token",
        ],
    ),
    (
        "version: 1\n---\nversion: 1\n",
        [
            "2:1: a second document begins; a policy is one document",
        ],
    ),
    (
        'version: "\\ud800"\n',
        [
            '1:10: version: a lone surrogate is not a character: "\\ud800"',
        ],
    ),
    (
        'x: "\\UFFFFFFFF"\n',
        [
            "1:1: not YAML here: an escape names no character",
        ],
    ),
    (
        "version: 1\x00\n",
        [
            "1:11: U+0000 is not allowed",
        ],
    ),
    (
        "rules: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        [
            (
                "1:27: rules[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: "
                "nested deeper than 20 levels"
            ),
        ],
    ),
    (
        "limits: {value: 64K, valeu: 1B}\nmovement: {mode: dry}\n",
        [
            '1:17: limits.value: expected a size like "64KiB", got "64K"',
            '1:22: limits.valeu: unknown field; did you mean "value"?',
            '2:18: movement.mode: expected apply or plan, got "dry"',
        ],
    ),
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
        "rules[0].edge.max_value",
        "rules[1].edge.max_value",
    ]
