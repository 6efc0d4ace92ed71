"""`gc`: what is dead, what keeps it, and forgetting it."""

from __future__ import annotations

import json
import time

import pytest

import tierstore

POLICY = """\
version: 1
tiers: {edge: {journal: none}, regional: {url: "sqlite:///region.db"}}
replication: {horizon: 2s, max_drift: 10ms, pull: 100ms}
rules: [{match: "**", durability: memory}]
"""


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return str(path)


def told(cli, policy, *options):
    done = cli("--policy", policy, "--json", "gc", *options)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_garbage_is_told_and_forgotten(cli, policy):
    with tierstore.open(policy) as store:
        store.put_many({"a": 1, "b": 2})
        store.delete("a")
        store.flush()
        found = told(cli, policy, "--dry-run")
        assert (found["dead"], found["young"], found["collectable"]) == (1, 1, 0)
    deadline = time.monotonic() + 30
    while told(cli, policy, "--dry-run")["young"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    found = told(cli, policy, "--dry-run")
    assert (found["dead"], found["collected"]) == (1, 0)
    deadline = time.monotonic() + 30
    while (found := told(cli, policy))["dead"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert cli("--policy", policy, "get", "b").exit_code == 0


def test_garbage_is_told_in_words(cli, policy):
    with tierstore.open(policy) as store:
        store.delete("a")
        store.flush()
    done = cli("--policy", policy, "gc", "--dry-run")
    assert "1 rows are dead" in done.output
