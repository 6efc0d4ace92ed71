"""What the command line tells and does of keys that go cold."""

from __future__ import annotations

import json

import pytest

from tierstore.movement.recognition import MARK

RULES = """\
  cold: {url: "file:cold"}
rules:
  - {match: "idle/**", hotness: {cold: 1/d}, min_residency: {regional: 0s}}
"""
PLAN = "movement: {mode: plan}\n"


@pytest.fixture
def policy(write_policy, monkeypatch):
    """A policy under which `idle/**` goes cold at the first chance; every call uses it."""
    path = write_policy(rest=RULES)
    monkeypatch.setenv("TIERSTORE_POLICY", path)
    return path


def object_paths(folder):
    """All that lies there but the mark."""
    return [path for path in folder.glob("cold/*/*") if path.read_bytes() != MARK]


def test_maintain_moves_what_is_due_and_explain_tells_it(policy, cli, cli_json, folder):
    cli("put", "idle/1", "--text", "x" * 500)
    assert cli_json("maintain") == (0, {"ok": True, "failures": []})
    (path,) = object_paths(folder)
    code, told = cli_json("explain", "idle/1")
    assert (code, told["home"], told["tiers"], told["moves"]) == (0, "cold", ["cold"], 1)
    assert told["object"] == str(path.relative_to(folder / "cold"))
    assert told["wanted"] is None
    assert 0 < told["accesses_per_s"] < told["cold_per_s"] == pytest.approx(1 / 86_400)
    assert told["created_at"] <= told["entered_at"]
    report = cli("explain", "idle/1").stdout
    assert report.startswith("idle/1: found, cold\n")
    assert "  home        the cold tier since " in report
    assert cli("get", "idle/1").stdout == "x" * 500
    assert cli_json("get", "idle/1")[1]["tier"] == "cold"


def test_the_next_call_may_move_at_once(policy, cli, cli_json, folder):
    for n in range(3):
        cli("put", f"idle/{n}", "1")
        assert cli("maintain").exit_code == 0
    homes = [cli_json("explain", f"idle/{n}")[1]["home"] for n in range(3)]
    assert homes == ["cold"] * 3
    cold = cli_json("stats")[1]["cold"]
    assert (cold["objects"], cold["live_ratio"], cold["reachable"]) == (3, 1.0, True)


def test_a_plan_tells_what_would_move(policy, cli, cli_json, folder):
    with open(policy, "a", encoding="utf-8") as file:
        file.write(PLAN)
    cli("put", "idle/1", "1")
    cli("put", "idle/2", "1")
    assert cli("maintain").exit_code == 0
    assert cli_json("stats")[1]["moves"]["waiting"] == 2
    told = cli_json("explain", "idle/1")[1]
    assert (told["home"], told["wanted"], told["tries"]) == ("regional", "cold", 1)
    assert object_paths(folder) == []
    assert not (folder / "cold").exists()


def test_check_names_what_is_foreign(policy, cli, cli_json, folder):
    cli("put", "idle/1", "1")
    cli("maintain")
    assert cli_json("check")[0] == 0
    (path,) = object_paths(folder)
    path.with_name("notes.txt").write_text("mine", encoding="utf-8")
    code, report = cli_json("check")
    assert code == 5
    (wrong,) = [finding for finding in report["findings"] if not finding["ok"]]
    assert wrong["subject"] == "cold names"
    assert "notes.txt" in wrong["detail"]
    assert "WRONG cold names: " in cli("check").stdout
    assert len(object_paths(folder)) == 2


def test_a_cold_tier_that_is_away_is_exit_code_3(policy, cli, cli_json, folder):
    cli("put", "idle/1", "1")
    (folder / "cold").write_bytes(b"a file stands where the folder should be")
    code, report = cli_json("maintain")
    assert (code, report["failures"][0]["type"]) == (3, "UnavailableError")
    assert cli_json("check")[0] == 3
    told = cli_json("explain", "idle/1")[1]
    assert (told["home"], told["wanted"], told["tries"]) == ("regional", "cold", 1)
    assert "a file stands where a folder should be" in told["last_error"]
    assert told["next_try_at"] > told["tried_at"]
    assert cli("get", "idle/1").stdout == "1\n"


def test_a_cold_key_whose_object_is_gone_or_damaged_is_exit_code_5(policy, cli, folder):
    cli("put", "idle/1", "--text", "x" * 500)
    cli("put", "warm/1", "1")
    cli("maintain")
    (path,) = object_paths(folder)
    whole = path.read_bytes()
    for spoil in (lambda: path.write_bytes(whole[:20]), path.unlink):
        spoil()
        result = cli("get", "idle/1", "--json")
        error = json.loads(result.stdout)["error"]
        assert (result.exit_code, error["type"]) == (5, "CorruptionError")
        assert path.name in error["message"]
    assert cli("get", "warm/1").exit_code == 0
    cli("put", "idle/1", "2")
    assert cli("get", "idle/1").stdout == "2\n"
