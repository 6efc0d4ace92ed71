"""Links between regions: rows a second beside the flush that brought them to the first region.

    python benchmarks/regions.py [--keys 10000] [--rounds 5]

Both regions are SQLite files on one disk. In each round a store writes all keys anew and flushes
them, and then a link takes them over. A row that changed crosses once: what the link back does with
it is measured, too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile

import common
from common import Contest, Goal

import tierstore
from tierstore.linking.ends import End
from tierstore.linking.link import Link
from tierstore.opening import make_region
from tierstore.policy import load
from tierstore.policy.url import Url
from tierstore.runtime import Runtime

POLICY = {
    "tiers": {
        "edge": {"url": "memory://", "capacity": "1GiB", "journal": "none"},
        "regional": {"url": "sqlite:///near.db"},
    },
    "rules": [
        {"match": "n/*", "type": "counter", "durability": "memory"},
        {"match": "**", "durability": "memory"},
    ],
    "replication": {"flush": "1h", "pull": "1h"},
}
TIMEOUT_S = 60.0
DRIFT_MS = 60_000


class Regions:
    """Two regions in a folder, a store of the first one, and the links both ways."""

    def __init__(self, folder):
        self.store = tierstore.open(POLICY, base_dir=folder)
        policy, runtime = load(POLICY, folder), Runtime()
        made = {name: make_region(policy, Url(f"sqlite:///{name}.db"), runtime)
                for name in ("near", "far")}  # fmt: skip
        ends = {name: End(name, lambda name=name: made[name], TIMEOUT_S) for name in made}
        self.there = Link(ends["near"], ends["far"], runtime, DRIFT_MS)
        self.back = Link(ends["far"], ends["near"], runtime, DRIFT_MS)

    def flush(self):
        self.store.flush(timeout=TIMEOUT_S)

    def drain(self, link):
        while link.step():
            pass


def measure(regions, title, write, keys, rounds):
    """Rows that are written again by `write`, flushed, and taken over."""
    contest = Contest(f"{keys:,} {title}", "flush")
    contest.add("flush", regions.flush, keys, prepare=write)
    contest.add("link", lambda: regions.drain(regions.there), keys)
    contest.add("link back", lambda: regions.drain(regions.back), keys)
    write()
    regions.flush()
    for link in (regions.there, regions.back, regions.there):
        regions.drain(link)
    contest.run(rounds)
    return contest.report([Goal("link", "flush", 2.0)])


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--keys", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    keys = chosen.keys
    print(common.machine())
    with tempfile.TemporaryDirectory() as folder:
        regions = Regions(folder)
        store = regions.store
        value = "x" * 100
        names = [f"r/{number}" for number in range(keys)]
        counters = [store.counter(f"n/{number}") for number in range(keys)]

        def put_all():
            for name in names:
                store.put(name, value)

        def add_all():
            for counter in counters:
                counter.add(1)

        met = measure(regions, "registers of 100 bytes", put_all, keys, chosen.rounds)
        met &= measure(regions, "counters", add_all, keys, chosen.rounds)
        store.close()
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
