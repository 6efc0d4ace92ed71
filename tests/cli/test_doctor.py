"""`adapters` and `doctor` tell what there is, what each rule gets, and what is missing."""

from __future__ import annotations

import sys

import pytest

from tierstore.cli.diagnosis import diagnose
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing import FaultPlan, FaultyRegion, MemoryRegion

RULES = """\
rules:
  - {match: "idle/**", hotness: {cold: 1/d}}
  - {match: "far/*", place: {never: [edge]}, durability: regional}
  - {match: "quick/*", durability: memory}
"""


@pytest.fixture
def forget_drivers(monkeypatch):
    """Modules of adapters are imported anew, and find no driver."""
    for name in [
        name
        for name in sys.modules
        if name.startswith(("tierstore_sql", "tierstore_s3", "tierstore_obstore"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    for driver in ("psycopg", "boto3", "obstore"):
        monkeypatch.setitem(sys.modules, driver, None)


def by_scheme(document):
    """Those that a policy gets without naming a client."""
    every = document["adapters"]
    return {(one["tier"], one["scheme"]): one for one in every if one["client"] is None}


def test_every_scheme_that_ships_is_listed(cli, cli_json):
    code, document = cli_json("adapters")
    found = by_scheme(document)
    assert code == 0
    assert {("edge", "memory"), ("regional", "sqlite"), ("cold", "file")} <= found.keys()
    assert found["cold", "file"]["capabilities"]["conditional_put"]
    lines = cli("adapters").stdout.splitlines()
    assert len(lines) == len(document["adapters"])
    assert any(line.split()[:2] == ["regional", "sqlite:"] for line in lines)


@pytest.mark.usefixtures("forget_drivers")
def test_a_missing_driver_is_told_with_what_installs_it(cli, cli_json):
    _, document = cli_json("adapters")
    found = by_scheme(document)
    assert not found["cold", "s3"]["installed"]
    assert found["cold", "s3"]["capabilities"] is None
    assert "pip install 'tierstore[s3]'" in found["cold", "s3"]["missing"]
    assert "pip install 'tierstore[postgres]'" in cli("adapters").stdout
    by_client = {one["client"]: one for one in document["adapters"] if one["scheme"] == "s3"}
    for missing in (found["cold", "gs"], found["cold", "az"], by_client["obstore"]):
        assert missing["missing"] == "obstore is not installed: pip install 'tierstore[obstore]'"
    assert found["regional", "sqlite"]["installed"]


def test_a_sound_policy_is_told_tier_by_tier_and_rule_by_rule(cli, cli_json, write_policy):
    path = str(write_policy("p.yaml", rest=RULES))
    code, document = cli_json("doctor", "--policy", path)
    assert (code, document["ok"]) == (0, True)
    tiers = {tier["tier"]: tier for tier in document["tiers"]}
    assert tiers["regional"]["server"].startswith("SQLite 3.")
    assert tiers["regional"]["round_trip_ms"] > 0
    assert tiers["cold"]["adapter"]["scheme"] == "file"
    rules = {rule["match"][0]: rule for rule in document["rules"]}
    assert rules["idle/**"]["cold"] == "when idle"
    assert rules["far/*"]["edge"] == "never, by the policy"
    assert rules["quick/*"]["write_survives_in"] == "this process until the flush"
    assert [line for line in document["advice"] if "durability: journal" in line]
    text = cli("doctor", "--policy", path).stdout
    assert "rule far/*\n  a write has reached the region" in text
    assert "advice: rule quick/*: a write is lost if its process ends" in text


def test_a_tier_that_does_not_answer_is_told_and_the_others_are_looked_at(
    cli, cli_json, folder, write_policy
):
    path = str(write_policy("p.yaml", region="away/region.db", rest=RULES))
    (folder / "away").write_text("a file in place of the folder")
    code, document = cli_json("doctor", "--policy", path)
    assert (code, document["ok"]) == (3, False)
    tiers = {tier["tier"]: tier for tier in document["tiers"]}
    assert tiers["regional"]["error"]["type"] == "UnavailableError"
    assert tiers["regional"]["round_trip_ms"] is None
    assert tiers["cold"]["error"] is None
    assert "WRONG" in cli("doctor", "--policy", path).stdout


def test_a_faulty_policy_is_a_usage_error(cli, folder):
    (folder / "p.yaml").write_text("version: 1\nrules: [{match: a, durability: never}]\n")
    assert cli("doctor", "--policy", "p.yaml").exit_code == 2


class SlowRegion(MemoryRegion):
    """A region a second away."""

    def read(self, keys, replica, timeout_s):
        self._runtime.advance(1.0)
        return super().read(keys, replica, timeout_s)


@pytest.fixture
def slow_store():
    runtime = ManualRuntime(seed=1)
    region = SlowRegion(runtime)
    policy = load(
        {"tiers": {"edge": {"journal": "none"}}, "rules": [{"match": "**", "durability": "memory"}]}
    )
    with wire(policy, runtime, region=FaultyRegion(region, FaultPlan())) as store:
        yield store


def test_a_round_trip_that_leaves_no_room_for_another_is_told(slow_store):
    found = diagnose(slow_store, None)
    regional = found.tiers[1]
    assert regional.round_trip_ms == 1000.0
    assert any("timeouts.regional: a round trip takes 1000 ms of 2000" in a for a in found.advice)


def test_a_coordinator_elsewhere_is_looked_at(cli, cli_json, tmp_path):
    policy = tmp_path / "elsewhere.yaml"
    policy.write_text('coordinator: {url: "sqlite:///central.db"}\n', encoding="utf-8")
    code, told = cli_json("doctor", "--policy", str(policy))
    assert (code, told["ok"]) == (0, True)
    assert [tier["tier"] for tier in told["tiers"]] == ["edge", "regional", "cold", "coordinator"]
    assert told["tiers"][3]["round_trip_ms"] is not None
    assert "coordinator" in [finding["subject"] for finding in told["findings"]]
    policy.write_text('coordinator: {url: "sqlite:///no/such/folder/c.db"}\n', encoding="utf-8")
    (tmp_path / "no").write_text("in the way", encoding="utf-8")
    result = cli("doctor", "--policy", str(policy))
    assert result.exit_code == 3
    assert "WRONG coordinator" in result.stdout
    assert cli("put", "--policy", str(policy), "k", "1").exit_code == 0
