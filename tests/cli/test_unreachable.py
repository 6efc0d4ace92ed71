"""A region that is away: what is acknowledged stays, and everything else says so."""

from __future__ import annotations

import json

import pytest

from tierstore import errors

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
    assert result.stderr.startswith("tierstore: lost, as it was in memory only: ")
    assert "away" in result.stderr, "the reason"
    assert result.stderr.count("\n") == 1


def test_a_regional_write_that_no_journal_has_is_said_to_be_lost(cli, cli_json, unreachable):
    policy, _ = unreachable
    with open(policy, "a", encoding="utf-8") as file:
        file.write("rules: [{match: '**', durability: regional, place: {never: [edge]}}]\n")
    result = cli("--policy", policy, "put", "k", "1", *WAIT)
    assert result.exit_code == 4
    said, note = result.stderr.splitlines()
    assert "it is queued only while this store is open" in said
    assert "in memory only and is lost" in note
    told = cli_json("--policy", policy, "put", "k", "1", *WAIT)[1]["error"]
    assert [note.removeprefix("tierstore: ")] == told["notes"]


@pytest.mark.parametrize("name", ["CorruptionError", "FencedError", "PolicyError"])
def test_an_acknowledged_write_is_one_whatever_its_flush_meets(cli, cli_json, monkeypatch, name):
    def refuse(*_):
        raise getattr(errors, name)("it broke: mend it")

    monkeypatch.setattr("tierstore.store.store.Store.flush", refuse)
    result = cli("put", "k", "1")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == (
        "tierstore: acknowledged by the journal, not yet in the region: it broke: mend it\n"
    )
    assert cli_json("rm", "l") == (0, {"keys": ["l"], "flushed": False})
    assert cli("get", "k").stdout == "1\n"


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
