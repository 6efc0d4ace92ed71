"""What a store tells of itself through the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

import tierstore
from tierstore import errors
from tierstore.cli import main

WAIT = ("--timeout", "500ms")


@pytest.fixture
def page():
    """The text of docs/operations.md."""
    path = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
    return path.read_text(encoding="utf-8")


def test_explain(cli, cli_json):
    cli("put", "k", "1")
    result = cli("explain", "k")
    assert result.exit_code == 0
    assert result.stdout.startswith("k: found")
    assert "because" in result.stdout
    code, told = cli_json("explain", "k")
    assert code == 0
    assert (told["key"], told["found"], told["rule"]) == ("k", True, "default")
    assert told["tiers"] == ["regional"]
    code, told = cli_json("explain", "nothing")
    assert (code, told["found"], told["tiers"]) == (0, False, [])


def test_stats_are_the_same_as_text_and_as_json(cli, cli_json):
    cli("put", "k", "1")
    code, numbers = cli_json("stats")
    assert code == 0
    assert numbers["outbox"]["acknowledged"] >= 1
    assert numbers["edge"]["capacity_bytes"] == 64 * 2**20
    result = cli("stats")
    assert result.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert lines["edge.capacity_bytes"] == str(64 * 2**20)
    assert "journal.path" in lines


def test_every_verb_and_option_is_explained(page):
    found = list(_commands(main, ()))
    assert len(found) > 10
    missing = [name for name, _ in found if f"`{name}" not in page]
    options = {option for _, command in found for option in _options(command)}
    missing += [option for option in sorted(options) if option not in page]
    assert missing == []


def _commands(group, path):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def _options(command):
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield from parameter.opts


@pytest.mark.parametrize("has_journal", [False, True])
def test_the_numbers_of_stats_are_those_that_are_explained(cli, cli_json, page, has_journal):
    if has_journal:
        cli("put", "k", "1")
    told = {name for names in _names(cli_json("stats")[1]) for name in names}
    table = page.partition("## What `stats` says")[2].partition("\n## ")[0]
    assert sorted(told) == sorted(re.findall(r"^\| `([\w.]+)` \|", table, re.M))


def _names(numbers):
    for name, value in numbers.items():
        if isinstance(value, dict):
            yield [f"{name}.{inner}" for inner in value]
        else:
            yield [name]


def test_check(cli, cli_json):
    code, report = cli_json("check")
    assert (code, report["ok"]) == (0, True)
    assert [finding["subject"] for finding in report["findings"]][:2] == ["journal", "region"]
    result = cli("check")
    assert result.exit_code == 0
    assert all(line.startswith("ok ") for line in result.stdout.splitlines())


def test_check_of_an_unreachable_region_is_exit_code_3(cli, cli_json, unreachable):
    policy, _ = unreachable
    code, report = cli_json("--policy", policy, "check", *WAIT)
    assert (code, report["ok"]) == (3, False)
    assert [finding["error"] and finding["error"]["type"] for finding in report["findings"]] == [
        None,
        "UnavailableError",
    ]
    assert "WRONG region" in cli("--policy", policy, "check", *WAIT).stdout


@pytest.mark.parametrize(("name", "code"), [("CorruptionError", 5), ("UnavailableError", 3)])
def test_check_ends_with_the_code_of_the_error(cli, cli_json, monkeypatch, name, code):
    def refuse(*_):
        raise getattr(errors, name)("it broke: mend it")

    for part in ("journal", "region", "aside"):
        with monkeypatch.context() as patched:
            patched.setattr(f"tierstore.store.inspect._check_{part}", refuse)
            result = cli("check")
            assert cli_json("check")[0] == result.exit_code == code
        assert "it broke: mend it" in result.stdout


def test_check_of_a_damaged_journal_names_it(cli, folder):
    cli("put", "k", "1")
    (path,) = folder.glob("tierstore-data/journal/*.journal")
    path.write_bytes(b"not a database" * 100)
    result = cli("check")
    assert result.exit_code == 5
    assert str(path) in result.stdout + result.stderr
    assert cli("get", "k").exit_code == 5


def test_flush_and_maintain(cli, cli_json):
    cli("put", "k", "1")
    assert cli_json("flush") == (0, {"flushed": True})
    assert cli("flush").exit_code == 0
    assert cli_json("maintain", "--budget", "10s") == (0, {"ok": True, "failures": []})


def test_maintain_tells_what_failed(cli, cli_json, unreachable):
    policy, _ = unreachable
    cli("--policy", policy, "put", "k", "1", *WAIT)
    code, report = cli_json("--policy", policy, "maintain")
    assert (code, report["ok"]) == (3, False)
    assert report["failures"][0]["type"] == "UnavailableError"
    assert cli("--policy", policy, "maintain").stderr


def test_outcome_of_an_unconfirmed_write(cli, cli_json, folder, unreachable):
    policy, restore = unreachable
    with open(policy, "a", encoding="utf-8") as file:
        file.write("rules: [{match: '**', durability: regional}]\n")
    code, told = cli_json("--policy", policy, "put", "k", "1", *WAIT)
    assert code == 4
    assert told["error"]["outcome"] == "unknown"
    operation = told["error"]["operation_id"]
    assert cli("--policy", policy, "outcome", operation, *WAIT).stdout == "pending\n"
    restore()
    assert cli("--policy", policy, "flush").exit_code == 0
    assert cli_json("--policy", policy, "outcome", operation) == (
        0,
        {"operation_id": operation, "outcome": "applied"},
    )
    lost = "o1-1-ffffffffffffff00-6b"
    assert cli("--policy", policy, "outcome", lost).exit_code == 4
    assert cli("--policy", policy, "outcome", "o1-nonsense").exit_code == 2


def test_the_version(cli, shell):
    assert cli("--version").stdout == f"tierstore {tierstore.__version__}\n"
    assert shell("--version").stdout.decode() == cli("--version").stdout


def test_help_names_every_verb(cli):
    text = cli("--help").stdout
    verbs = "get ls put rm explain stats check flush maintain outcome policy replay demo".split()
    assert [verb for verb in verbs if f"\n  {verb} " not in text] == []
    for verb in verbs:
        assert cli(verb, "--help").exit_code == 0


def test_json_may_stand_before_the_verb(cli):
    assert json.loads(cli("--json", "stats").stdout)["outbox"]["unflushed"] == 0
