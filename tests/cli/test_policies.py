"""Which policy is used, and `policy check` and `policy compile`."""

from __future__ import annotations

import json
import os

import pytest

import tierstore

CANARY = "kanarienvogel"
BAD = """\
version: 1
rules:
  - match: "a/**"
    hotness: {hot: fast}
  - match: "b/**"
    ttll: 3d
"""
ODD = """\
version: 1
rules:
  - {match: "a/**", min_residency: {edge: 1ms}}
"""


def used_policy(cli, *words):
    """The folder of the journal of the policy that a verb uses."""
    cli(*words, "put", "k", "1")
    path = json.loads(cli(*words, "stats", "--json").stdout)["journal"]["path"]
    return os.path.basename(os.path.dirname(path))


def test_option_before_variable_before_file_before_default(cli, monkeypatch, write_policy):
    assert used_policy(cli) == "journal"
    write_policy("tierstore.yaml", journal="by-file")
    assert used_policy(cli) == "by-file"
    monkeypatch.setenv("TIERSTORE_POLICY", write_policy("v.yaml", journal="by-variable"))
    assert used_policy(cli) == "by-variable"
    assert used_policy(cli, "--policy", write_policy("o.yaml", journal="by-option")) == "by-option"
    monkeypatch.setenv("TIERSTORE_POLICY", "")
    assert used_policy(cli) == "by-file"


@pytest.mark.parametrize("path", ["missing.yaml", "", "."])
def test_a_policy_that_cannot_be_read_is_exit_code_2(cli, path):
    assert cli("--policy", path, "get", "k").exit_code == 2
    assert cli("get", "k", "--policy", path).exit_code == 2
    assert cli("policy", "check", path).exit_code == 2


def test_check_prints_every_fault_with_its_place(cli, cli_json, folder):
    (folder / "bad.yaml").write_text(BAD)
    result = cli("policy", "check", "bad.yaml")
    assert result.exit_code == 2
    assert "bad.yaml:4:" in result.stdout
    assert "bad.yaml:6:" in result.stdout
    assert result.stdout.endswith("bad.yaml: cannot be used\n")
    code, report = cli_json("policy", "check", "bad.yaml")
    assert (code, report["ok"], len(report["faults"])) == (2, False, 2)


def test_check_prints_warnings_and_accepts(cli, cli_json, folder):
    (folder / "odd.yaml").write_text(ODD)
    result = cli("policy", "check", "odd.yaml")
    assert result.exit_code == 0
    assert "warning: odd.yaml:3:" in result.stdout
    assert result.stdout.endswith("odd.yaml: ok, 1 rule and the implicit default\n")
    code, report = cli_json("policy", "check", "odd.yaml")
    assert (code, report["ok"], report["faults"]) == (0, True, [])
    assert report["warnings"]


def test_check_without_a_path_checks_the_one_that_is_used(cli, cli_json, folder):
    assert cli_json("policy", "check")[1]["policy"] is None
    (folder / "tierstore.yaml").write_text(BAD)
    assert cli("policy", "check").exit_code == 2
    (folder / "odd.yaml").write_text(ODD)
    assert cli_json("--policy", "odd.yaml", "policy", "check") == cli_json(
        "policy", "check", "odd.yaml"
    )


def test_compile_prints_what_loads_like_the_source(cli, folder, write_policy):
    source = write_policy(rest="rules: [{match: 'a/**', ttl: 3d}]\n")
    printed = cli("policy", "compile", source)
    assert printed.exit_code == 0
    assert json.loads(printed.stdout)
    assert cli("policy", "compile", source, "-o", "policy.json").stdout == ""
    assert (folder / "policy.json").read_text() == printed.stdout
    cli("--policy", source, "put", "a/1", "7")
    assert cli("--policy", "policy.json", "get", "a/1").stdout == "7\n"
    assert cli("policy", "check", "policy.json").exit_code == 0


def test_a_failed_compile_leaves_the_target_as_it_was(cli, folder, write_policy, monkeypatch):
    target = folder / "policy.json"
    target.write_text("precious")
    (folder / "bad.yaml").write_text(BAD)
    assert cli("policy", "compile", "bad.yaml", "-o", "policy.json").exit_code == 2

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = cli("policy", "compile", write_policy(), "-o", "policy.json")
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr
    assert target.read_text() == "precious"
    assert not list(folder.glob("*.tmp"))


def test_compile_never_replaces_what_is_no_file(cli, folder, write_policy):
    os.mkfifo(folder / "pipe")
    for target in ("pipe", ".", "no/such/folder.json"):
        assert cli("policy", "compile", write_policy(), "-o", target).exit_code == 2
    assert (folder / "pipe").is_fifo()


def test_compile_writes_through_a_link(cli, folder, write_policy):
    (folder / "link.json").symlink_to("real.json")
    assert cli("policy", "compile", write_policy(), "-o", "link.json").exit_code == 0
    assert (folder / "link.json").is_symlink()
    assert tierstore.open(folder / "real.json").close() is None


def test_the_whole_url_of_a_region_may_come_from_the_environment(cli, folder, monkeypatch):
    (folder / "tierstore.yaml").write_text('tiers: {regional: {url: "${env:REGION_URL}"}}\n')
    monkeypatch.setenv("REGION_URL", "sqlite:///elsewhere.db")
    assert cli("put", "k", "1").exit_code == 0
    assert (folder / "elsewhere.db").is_file()
    monkeypatch.delenv("REGION_URL")
    result = cli("get", "k")
    assert result.exit_code == 2
    assert "REGION_URL" in result.stderr


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://ada:{}@example.org/region.db",
        "sqlite://ada:x/{}@example.org/region.db",
        "sqlite://ada:x?{}@example.org/region.db",
        "sqlite:///region.db?password={}",
        "sqlite:///?x#{}",
        "sqlite:{}",
        "postgresql://ada:{}@example.org/region?options=x",
        "mysql://ada:{}@example.org/region",
        "{}",
    ],
)
def test_secrets_are_masked(cli, folder, monkeypatch, url):
    monkeypatch.setenv("REGION_URL", url.format(CANARY))
    (folder / "tierstore.yaml").write_text('tiers: {regional: {url: "${env:REGION_URL}"}}\n')
    for debug in ("", "1"):
        monkeypatch.setenv("TIERSTORE_DEBUG", debug)
        for words in (["put", "k", "1"], ["get", "k"], ["explain", "k"], ["check"], ["stats"]):
            result = cli(*words)
            assert CANARY not in result.stdout + result.stderr
        assert cli("get", "not-here").exit_code == 2
