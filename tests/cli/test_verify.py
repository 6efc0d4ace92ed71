"""`verify`: what holds passes, what does not is named, what was not looked at is said."""

from __future__ import annotations

import importlib
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tierstore.testing.conformance.checking import Subject, check
from tierstore.testing.verification import verification

FAMILIES = """\
rules:
  - {name: memory, match: "m/*", durability: memory}
  - {name: journal, match: "j/*"}
  - {name: regional, match: "r/*", durability: regional}
  - {name: cold, match: "c/*", hotness: {cold: 1/d}}
  - {name: ttl, match: "t/*", ttl: 30d, ttl_jitter: 10%}
  - {name: age, match: "a/**", read: {max_age: 1min, stale_if_error: 1h}}
  - {name: never, match: "n/*", durability: regional, place: {never: [edge]}}
  - {name: hot, match: "h/*", hotness: {hot: 6/h}}
"""
SHOP = """\
tiers:
  edge:     {{url: "memory://", capacity: 64MiB, journal: data/journal}}
  regional: {{url: "sqlite:///data/region.db"}}
  cold:     {{url: "{cold}"}}
rules:
  - match: "product/**"
    hotness: {{hot: 6/h, cold: 1/d}}
    min_residency: {{regional: 7d}}
    read: {{max_age: 1min, stale_if_error: 1h}}
  - {{match: ["session/*", "cart/*"], ttl: 30d, durability: memory}}
"""
FORGETFUL = """\
import os
import tempfile

from tierstore.testing import MemoryObjects
from tierstore.testing.conformance import CannotError
from tierstore.testing.conformance.models import MemoryObjectsHarness


class Objects(MemoryObjects):
    def __init__(self, url, *, runtime, base_dir):
        super().__init__()


class Forgetful(MemoryObjects):
    def list(self, prefix, after, limit, timeout_s):
        return super().list(prefix.replace("%", ""), after, limit, timeout_s)


class ForgetfulHarness(MemoryObjectsHarness):
    def __init__(self, folder):
        super().__init__()

    def make(self):
        return Forgetful()


class ServerlessHarness(MemoryObjectsHarness):
    def __init__(self, folder):
        raise CannotError("no server answers")


class DyingHarness(MemoryObjectsHarness):
    def __init__(self, folder):
        os._exit(7)
"""
TIER_FIELDS = {
    "tier", "scheme", "client", "journal", "status", "reason", "behaviours", "passed", "failed",
    "skipped", "skips", "failures",
}  # fmt: skip
SIMULATION_FIELDS = {
    "first_seed", "seeds", "operations", "operations_per_s", "virtual_s", "real_s", "faults",
    "moves", "situations", "violations",
}  # fmt: skip
QUICK = ("--behaviour", "prefix", "--seeds", "0")


@pytest.fixture(autouse=True)
def compiled_once(tmp_path_factory, monkeypatch):
    """The processes of suites share what they compile, even where nothing else is to be kept."""
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.getbasetemp() / "compiled"))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)


@pytest.fixture
def shop(folder):
    """`shop(cold)`: a policy of three tiers and two rules, with this url of the cold tier."""

    def write(cold="file:data/cold"):
        (folder / "shop.yaml").write_text(SHOP.format(cold=cold), encoding="utf-8")
        return ("--policy", "shop.yaml")

    return write


@pytest.fixture
def install(tmp_path_factory, monkeypatch):
    """`install(**harnesses)`: another distribution, with adapters and harnesses by scheme."""

    def write(**harnesses):
        place = tmp_path_factory.mktemp("site")
        (place / "forgetful.py").write_text(FORGETFUL, encoding="utf-8")
        info = place / "forgetful-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: forgetful\nVersion: 1\n")
        lines = ["[tierstore.adapters]", *(f"{name} = forgetful:Objects" for name in harnesses)]
        lines += ["[tierstore.conformance]"]
        lines += [f"{name} = forgetful:{kind}" for name, kind in harnesses.items() if kind]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        monkeypatch.syspath_prepend(place)
        monkeypatch.delitem(sys.modules, "forgetful", raising=False)

    yield write
    sys.modules.pop("forgetful", None)
    importlib.invalidate_caches()


@pytest.fixture
def only(monkeypatch):
    """`only(*names)`: of the tiers of a policy just these are looked at, which takes less time."""
    every = verification._tiers_of

    def narrow(*names):
        def chosen(policy, extent):
            return [tier for tier in every(policy, extent) if tier.tier in names]

        monkeypatch.setattr(verification, "_tiers_of", chosen)

    return narrow


def content(folder):
    """Every file below `folder`."""
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_the_embedded_default_holds(cli, folder):
    result = cli("verify", "--seeds", "1", "--behaviour", "absent")
    assert result.exit_code == 0, result.output
    stages = [line.split()[0] for line in result.stderr.splitlines()]
    assert stages == ["edge", "regional", "simulation"]
    assert result.stdout.startswith("policy: the embedded default\n")
    assert "edge      memory:, journaled" in result.stdout
    assert "left out: no rule lets keys go cold" in result.stdout
    assert "default             simulated: 0, 1, 2, 3, 4" in result.stdout
    assert "\nverdict: ok: " in result.stdout
    assert content(folder) == {}


def test_a_users_policy_holds_and_its_folder_stays_as_it_is(cli_json, folder, shop, only):
    only("cold")
    words = shop()
    before = content(folder)
    code, report = cli_json("verify", *words, "--seeds", "1", "--behaviour", "restart")
    assert (code, report["verdict"]) == (0, "ok")
    assert content(folder) == before
    [cold] = report["tiers"]
    assert (cold["scheme"], cold["status"]) == ("file", "ok")
    assert cold["passed"] >= cold["behaviours"] > 0
    assert {rule["rule"]: rule["keys"][:2] for rule in report["rules"]} == {
        "product/**": ["product/0", "product/1"],
        "session/*": ["session/0", "cart/1"],
    }
    assert {"rule": "session/*", "field": "ttl", "before": "30d", "after": "3s"} in report[
        "changes"
    ]


def test_the_document_has_every_field_whatever_was_checked(cli_json, install, shop, only):
    only("cold")
    install(forgetful="ForgetfulHarness")
    words = shop("forgetful://shelf")
    for options in (QUICK, ("--no-conformance", "--seeds", "1")):
        _, report = cli_json("verify", *words, *options)
        assert set(report) == {
            "policy", "warnings", "verdict", "tiers", "rules", "changes", "simulation"
        }  # fmt: skip
        [cold] = report["tiers"]
        assert set(cold) == TIER_FIELDS
        for failure in cold["failures"]:
            assert set(failure) == {"behaviour", "test", "promise", "text"}
        assert len(cold["failures"]) == cold["failed"] == (options is QUICK)
    assert set(report["simulation"]) == SIMULATION_FIELDS
    assert report["simulation"]["operations"] == 600
    assert set(report["simulation"]["moves"]) >= {"key went cold", "key came back from cold"}


def test_rules_of_every_family_are_simulated(cli_json, write_policy):
    policy = write_policy(rest=FAMILIES)
    words = ("verify", "--policy", policy, "--no-conformance", "--seeds", "3")
    code, report = cli_json(*words)
    assert (code, report["verdict"]) == (0, "ok")
    assert [rule["rule"] for rule in report["rules"] if rule["simulated"]] == [
        "memory", "journal", "regional", "cold", "ttl", "age", "never", "hot"
    ]  # fmt: skip
    told = {name: report["simulation"][name] for name in ("faults", "moves", "situations")}
    _, again = cli_json(*words)
    assert {name: again["simulation"][name] for name in told} == told


def test_a_broken_promise_of_an_adapter_is_named(cli, install, shop, only):
    only("cold")
    install(forgetful="ForgetfulHarness")
    result = cli("verify", *shop("forgetful://shelf"), *QUICK)
    assert result.exit_code == 5
    lines = [line.strip() for line in result.stdout.splitlines()]
    at = lines.index("BROKEN test_wildcards_in_a_prefix_are_characters")
    assert lines[at + 1] == "promised: A prefix is no pattern."
    assert lines[at + 2].startswith("AssertionError: assert [")
    assert lines[-1].startswith("verdict: refuted: 1 test of adapters failed; ")


@pytest.mark.parametrize("harness", [None, "Objects"])
def test_a_scheme_without_a_harness_is_not_ok(cli, cli_json, install, shop, only, harness):
    only("cold")
    install(lonely=harness)
    words = ("verify", *shop("lonely://shelf"), "--seeds", "1")
    code, report = cli_json(*words)
    assert (code, report["verdict"]) == (5, "incomplete")
    [cold] = report["tiers"]
    assert (cold["status"], cold["reason"]) == ("not checked", "no harness is known for lonely:")
    text = cli(*words).stdout
    assert "not checked: no harness is known for lonely:\n" in text
    assert "\nverdict: incomplete: not checked: cold; " in text


@pytest.mark.parametrize(
    ("harness", "reason"),
    [
        ("ServerlessHarness", "no server answers"),
        ("DyingHarness", "its suite ended with code 7"),
    ],
)
def test_why_a_tier_was_not_checked_is_said(install, tmp_path, harness, reason):
    install(lonely=harness)
    found = check(Subject("cold", "lonely"), tmp_path, behaviour="prefix")
    assert (found.passed, found.broken) == (0, [])
    assert found.unchecked.startswith(reason)


def test_an_interrupt_ends_the_process_of_a_suite(tmp_path, monkeypatch):
    started = []

    class Noted(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Noted)
    with pytest.raises(KeyboardInterrupt):
        check(Subject("cold", "file"), tmp_path, progress=interrupt)
    assert [process.returncode for process in started] == [-signal.SIGKILL]


def test_a_broken_promise_of_the_store_is_told_with_its_seed(cli, cli_json, shop, monkeypatch):
    monkeypatch.setattr("tierstore.store.store.Store.get", lambda *_, **__: "never written")
    words = ("verify", *shop(), "--no-conformance", "--first-seed", "7")
    code, report = cli_json(*words)
    assert (code, report["verdict"]) == (5, "refuted")
    first = report["simulation"]["violations"][0]
    assert first["seed"] == 7
    assert "shows what was never written" in first["violations"][0]
    program, *repeat = shlex.split(first["repeat"])
    assert program == "tierstore"
    result = cli(*repeat)
    assert result.exit_code == 5
    assert "VIOLATED by seed 7" in result.stdout
    assert first["violations"][0] in result.stdout
    assert "\nverdict: refuted: 1 seed violated a promise; " in result.stdout


def test_time_ends_a_simulation_without_a_number_of_seeds(cli_json):
    _, report = cli_json("verify", "--no-conformance", "--minutes", "0.0001")
    assert report["simulation"]["seeds"] == 1


def test_a_bad_policy_is_refused_before_anything_runs(cli, cli_json, folder, monkeypatch):
    monkeypatch.delattr(verification, "_check")
    (folder / "bad.yaml").write_text("rules: [{match: 'a', ttl: 30}]\n", encoding="utf-8")
    result = cli("verify", "--policy", "bad.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "bad.yaml:1:" in result.stderr
    code, told = cli_json("verify", "--policy", "bad.yaml")
    assert (code, len(told["error"]["faults"])) == (2, 1)


@pytest.mark.parametrize("url", ["unserved:///x", "region.db"])
def test_a_region_that_nothing_serves_is_refused_before_anything_runs(
    cli, folder, monkeypatch, url
):
    monkeypatch.delattr(verification, "_check")
    monkeypatch.setenv("REGION_URL", url)
    (folder / "tierstore.yaml").write_text('tiers: {regional: {url: "${env:REGION_URL}"}}\n')
    result = cli("verify")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no adapter serves" in result.stderr


def test_warnings_of_the_policy_are_told(cli, cli_json, write_policy):
    policy = write_policy(rest="rules: [{match: 'a/*', read: {max_age: 500ms}}]\n")
    words = ("verify", "--policy", policy, "--no-conformance", "--seeds", "1")
    assert "warning: policy.yaml:" in cli(*words).stderr
    assert len(cli_json(*words)[1]["warnings"]) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["--no-conformance", "--seeds", "0"],
        ["--seeds", "-1"],
        ["--minutes", "0"],
        ["--first-seed", "x"],
    ],
)
def test_wrong_calls_are_exit_code_2(cli, words):
    result = cli("verify", *words)
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("package", ["pytest", "greenlet"])
def test_a_missing_package_is_named(cli, monkeypatch, package):
    def find(name):
        return None if name == package else object()

    monkeypatch.setattr("tierstore.cli.verifying.find_spec", find)
    result = cli("verify")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"verify needs {package}: pip install 'tierstore[testing]'" in result.stderr


@pytest.mark.campaign
def test_everything_of_a_users_policy_holds(cli_json, folder, shop):
    words = shop()
    before = content(folder)
    code, report = cli_json("verify", *words, "--seeds", "50")
    assert (code, report["verdict"]) == (0, "ok"), report
    assert content(folder) == before
    assert all(tier["behaviours"] >= 60 for tier in report["tiers"])
