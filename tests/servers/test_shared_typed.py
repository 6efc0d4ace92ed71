"""Counters, sets and documents of workers at one Valkey: killed workers, killed servers."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest
import valkey_server as valkey
from valkey_fixtures import running

import tierstore
from tierstore.errors import OutcomeUnknownError, UnavailableError

WAIT_S = 60.0
WORKERS = 4
server = running(valkey.Server)


@pytest.fixture
def policy(server, tmp_path):
    valkey.connect_url(server.url).flushall()
    return {
        "version": 1,
        "tiers": {
            "edge": {"url": server.url},
            "regional": {"url": f"sqlite:///{tmp_path}/region.db"},
        },
        "timeouts": {"edge": "5s", "regional": "10s"},
        "replication": {"flush": "20ms", "pull": "100ms"},
        "rules": [
            {"match": "n/*", "type": "counter", "durability": "journal"},
            {"match": "s/*", "type": "set", "durability": "journal"},
            {"match": "d/*", "type": "document", "durability": "journal"},
        ],
    }


def count_for_ever(policy, at, begun, acknowledged, doubtful):
    """Count, and note what was acknowledged, and how often nobody can say."""
    with tierstore.open(policy) as store:
        store.counter("n/1").get()
        begun.wait(WAIT_S)
        while True:
            try:
                store.counter("n/1").add(1)
                acknowledged[at] += 1
            except OutcomeUnknownError:
                doubtful[at] += 1
            except UnavailableError:
                time.sleep(0.01)


def test_no_increment_is_lost_or_counted_twice(policy, server):
    """Though workers are killed while they write and drain, and the server in between."""
    context = multiprocessing.get_context("spawn")
    begun = context.Barrier(WORKERS + 1)
    acknowledged, doubtful = (context.Array("q", WORKERS, lock=False) for _ in range(2))
    workers = [
        context.Process(target=count_for_ever, args=(policy, at, begun, acknowledged, doubtful))
        for at in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    begun.wait(WAIT_S)
    for number, worker in enumerate(workers):
        reach(acknowledged, 40)
        if number == 1:
            server.kill()
            server.start()
            reach(acknowledged, 40, among=range(2, WORKERS))
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(WAIT_S)
    with tierstore.open(policy) as store:
        store.flush(timeout=WAIT_S)
        total = store.counter("n/1").get(timeout=10)
    most = sum(acknowledged) + sum(doubtful) + WORKERS  # one may have been under way at each
    assert sum(acknowledged) <= total <= most


def reach(acknowledged, more, among=range(WORKERS)):
    """Wait until so many more increments were acknowledged to those workers."""
    goal, until_s = sum(acknowledged[at] for at in among) + more, time.monotonic() + WAIT_S
    while sum(acknowledged[at] for at in among) < goal:
        assert time.monotonic() < until_s, "nobody counts any more"
        time.sleep(0.01)


def test_workers_see_what_waits_and_sessions_go_on(policy):
    policy["replication"] = {"flush": "1h", "pull": "1h"}
    policy["security"] = {"session_key": "a key of sixteen letters or more"}
    with tierstore.open(policy) as a, tierstore.open(policy) as b:
        session = a.session()
        session.counter("n/1").add(2)
        session.members("s/1").add("x", "y")
        with session.document("d/1").edit() as doc:
            doc["list"] = [1]
        other = b.session(session.session_token)
        other.members("s/1").discard("x")
        with other.document("d/1").edit() as doc:
            doc["list"].append(2)
        assert other.get_many(["n/1", "s/1", "d/1"]) == {
            "n/1": 2,
            "s/1": ["y"],
            "d/1": {"list": [1, 2]},
        }
        assert {e.key for e in a.scan()} == {"n/1", "s/1", "d/1"}
        b.flush()
        assert (a.counter("n/1").get(), a.members("s/1").all()) == (2, {"y"})
        assert a.document("d/1").json() == {"list": [1, 2]}


def test_a_damaged_entry_is_printed_expelled_and_passed(policy, server, tmp_path, cli_of):
    raw = valkey.connect_url(server.url)
    policy["replication"] = {"flush": "1h"}
    with tierstore.open(policy) as store:
        store.counter("n/1").add(1)
        store.counter("n/1").add(10)
        (name,) = raw.scan_iter("ts:*:q:*")
        raw.lset(name, 0, raw.lindex(name, 0)[:8] + b"\xc1")
        found = cli_of(policy, "queues", "--expel")
        assert (found["number"], found["behind"], found["raw"]) == (1, 1, "wQ==")
        store.flush(timeout=10)
        assert store.counter("n/1").get() == 10


@pytest.fixture
def cli_of(tmp_path):
    """A function that runs a verb under a policy and returns the one line of JSON it printed."""
    import json
    import subprocess
    import sys

    def run(policy, *words):
        path = tmp_path / "policy.yaml"
        path.write_text(json.dumps(policy))
        command = [sys.executable, "-m", "tierstore", "--policy", str(path), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout)

    return run
