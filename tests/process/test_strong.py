"""Processes that contend for strong keys over SQLite, and are killed and stopped: judged after."""

from __future__ import annotations

import os
import sys

import pytest
from strong_clients import contend, errors, judge

RUNS_VARIABLE = "TIERSTORE_TEST_RUNS"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, stops processes")


def run(folder, *, clients, seconds, seed=1):
    folder.mkdir(exist_ok=True)
    url = f"sqlite:///{folder}/region.db"
    return contend(url, folder, clients=clients, seconds=seconds, seed=seed)


@pytest.mark.further
def test_what_killed_and_stopped_clients_saw_is_of_one_order(tmp_path):
    history, counts = run(tmp_path, clients=3, seconds=2.5)
    seen = judge(history)
    assert counts["kill"]
    for verb in ("read", "cas", "txn", "transfer", "balances", "fenced"):
        assert seen[f"{verb} ok"], (verb, seen, errors(history))


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("what", "noticed"),
    [("seen", "list_append"), ("required", "fencing"), ("expected", "linearizable")],
)
def test_commits_that_check_too_little_are_noticed(tmp_path, monkeypatch, what, noticed):
    monkeypatch.setenv("TIERSTORE_TEST_CARELESS", what)
    told = ""
    for seed in range(4):  # by chance nobody may be wrong in one of them
        history, _ = run(tmp_path / str(seed), clients=6, seconds=8, seed=seed)
        try:
            judge(history)
        except AssertionError as error:
            told = str(error)
            break
    assert told.startswith(f"{noticed}: invalid"), told


@pytest.mark.further
@pytest.mark.parametrize("seed", range(3))
def test_eight_of_them_for_fifteen_seconds(tmp_path, seed):
    history, counts = run(tmp_path, clients=8, seconds=15, seed=seed)
    print(counts, judge(history), errors(history))
    assert counts["stops"]


@pytest.mark.campaign
def test_many_runs(tmp_path):
    for seed in range(int(os.environ.get(RUNS_VARIABLE, "10"))):
        history, counts = run(tmp_path / str(seed), clients=8, seconds=15, seed=100 + seed)
        print(seed, dict(counts), dict(judge(history)), dict(errors(history)), flush=True)
