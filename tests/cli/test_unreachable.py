"""A region that is away: what is acknowledged stays, and everything else says so."""

from __future__ import annotations

import json

WAIT = ("--timeout", "500ms")


def test_a_journaled_put_is_acknowledged_and_arrives_later(cli, cli_json, unreachable):
    policy, restore = unreachable
    result = cli("--policy", policy, "put", "k", "1", *WAIT)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("tierstore: acknowledged by the journal, not yet in the region")
    assert result.stderr.count("\n") == 1
    assert cli_json("--policy", policy, "rm", "other", *WAIT) == (
        0,
        {"keys": ["other"], "flushed": False},
    )
    assert cli("--policy", policy, "get", "k").stdout == "1\n"
    restore()
    assert cli_json("--policy", policy, "put", "later", "2") == (
        0,
        {"key": "later", "flushed": True},
    )
    assert [e["key"] for e in cli_json("--policy", policy, "ls")[1]] == ["k", "later"]


def test_a_write_that_was_in_memory_only_is_exit_code_3(cli, unreachable):
    policy, _ = unreachable
    with open(policy, "a", encoding="utf-8") as file:
        file.write("rules: [{match: '**', durability: memory}]\n")
    result = cli("--policy", policy, "put", "k", "1", *WAIT)
    assert result.exit_code == 3
    assert "in memory only" in result.stderr
    assert result.stderr.count("\n") == 1


def test_reads_never_pretend_absence(cli, cli_json, unreachable):
    policy, _ = unreachable
    for words in (["get", "k"], ["ls"]):
        result = cli("--policy", policy, *words, *WAIT)
        assert (result.exit_code, result.stdout) == (3, "")
        assert result.stderr.count("\n") == 1
        code, told = cli_json("--policy", policy, *words, *WAIT)
        assert (code, told["error"]["retry"]) == (3, "later")
    assert cli("--policy", policy, "flush", *WAIT).exit_code == 3


def test_explain_says_that_the_region_does_not_answer(cli, unreachable):
    policy, _ = unreachable
    result = cli("--policy", policy, "explain", "k", *WAIT, "--json")
    assert result.exit_code == 0
    assert any("does not answer" in reason for reason in json.loads(result.stdout)["reasons"])
