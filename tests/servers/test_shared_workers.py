"""Worker processes of one edge server: they see each other's writes, and no copy is too old."""

from __future__ import annotations

import multiprocessing
import os
import time

import pytest
import valkey_server as valkey
from valkey_fixtures import running

import tierstore

MAX_AGE_S = 1.0
SLACK_S = 0.05  # a clock is read before a value is
SECONDS = 3.0
PERIOD_S = 0.25
ROUNDS_MAX = 1_000
WORKERS = 4
WAIT_S = 60.0
KEYS = [f"age/{number}" for number in range(20)]
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
        "replication": {"flush": "20ms", "pull": "30s"},  # so copies do get old
        "rules": [{"match": "age/*", "read": {"max_age": f"{MAX_AGE_S:g}s"}}],
    }


def read_for_a_while(policy, begun, replaced_at_s, results):
    """Read all keys again and again; how often an edge copy answered, and what was too old."""
    late, at_edge = [], 0
    with tierstore.open(policy) as store:
        store.read(KEYS[0])
        begun.wait(WAIT_S)
        until_s = time.time() + SECONDS
        while time.time() < until_s:
            for key in KEYS:
                began_s = time.time()
                reading = store.read(key)
                if reading.tier == "edge":
                    at_edge += 1
                    late += [key] if reading.age_s > MAX_AGE_S else []
                replaced_s = replaced_at_s[reading.value]
                if replaced_s and began_s - replaced_s > MAX_AGE_S + SLACK_S:
                    late.append((key, began_s - replaced_s))
    results.put((at_edge, late))


def test_no_worker_reads_what_is_older_than_allowed(policy):
    """Another edge replaces the values, and notes since when the region has the next ones."""
    context = multiprocessing.get_context("spawn")
    results, begun = context.Queue(), context.Barrier(WORKERS + 1)
    replaced_at_s = context.Array("d", ROUNDS_MAX, lock=False)
    elsewhere = {**policy, "tiers": {**policy["tiers"], "edge": {"journal": "none"}}}
    elsewhere["rules"] = [{"match": "**", "durability": "memory"}]
    workers = [
        context.Process(target=read_for_a_while, args=(policy, begun, replaced_at_s, results))
        for _ in range(WORKERS)
    ]
    with tierstore.open(elsewhere) as writer:
        write_all(writer, 0)
        for worker in workers:
            worker.start()
        begun.wait(WAIT_S)
        until_s = time.time() + SECONDS
        for number in range(1, ROUNDS_MAX):
            write_all(writer, number)
            replaced_at_s[number - 1] = time.time()
            if replaced_at_s[number - 1] > until_s:
                break
            time.sleep(PERIOD_S)
        told = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
    assert [late for _, late in told] == [[]] * WORKERS
    assert all(at_edge > 0 for at_edge, _ in told), told


def write_all(writer, number):
    """Let every key have this number, in the region."""
    writer.put_many(dict.fromkeys(KEYS, number))
    writer.flush(timeout=10)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_worker_is_another_one(policy):
    with tierstore.open(policy) as store:
        store.put("key", 1)
        assert store.get("key") == 1
        child = os.fork()
        if child == 0:
            try:
                seen = store.get("key")
                store.put("child", 2)
                is_other = store.stats()["replica"]
                os._exit(0 if seen == 1 and is_other else 1)
            except BaseException:
                os._exit(2)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert store.get("child") == 2
        store.flush()
        assert store.check().ok
