"""Sales of granted rights, beside commits at the coordinator with the same sync.

    python benchmarks/escrow.py [--operations 300] [--rounds 7] [--threads 8]

Both sides wait for a sync of their own to the same disk: a `take` for that of its journal, a commit
for that of the SQLite region (`synchronous=FULL`). A region that is elsewhere adds its network to
the commit, and nothing to the take.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import common
from common import Contest, Goal

import tierstore

UNITS = 1 << 40
POLICY = {
    "tiers": {
        "edge": {"url": "memory://", "journal": "journal"},
        "regional": {"url": "sqlite:///region.db"},
    },
    "timeouts": {"regional": "60s"},
    "rules": [
        {"match": "stock", "type": "bounded_counter"},
        {"match": "strong", "consistency": "strong"},
    ],
}
GOALS = (Goal("take", "commit", 3.0, faster=True),)


def several(threads, count, call):
    """A function that has `threads` make `count` calls together."""

    def some():
        for _ in range(count // threads):
            call()

    def run():
        started = [threading.Thread(target=some) for _ in range(threads)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()

    return run


def one_by_one(count, call):
    def run():
        for _ in range(count):
            call()

    return run


def measure(store, count, rounds, threads):
    stock = store.bounded_counter("stock")
    stock.give(UNITS)
    stock.take(UNITS >> 20)  # so that enough is granted for all rounds

    def commit():
        store.put("strong", 1)

    contest = Contest("selling one unit, synced", "commit")
    contest.add("commit", one_by_one(count, commit), count)
    contest.add("take", one_by_one(count, stock.take), count)
    count *= threads
    contest.add(f"commit, {threads} threads", several(threads, count, commit), count)
    contest.add(f"take, {threads} threads", several(threads, count, stock.take), count)
    contest.run(rounds)
    return contest.report(GOALS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=300, help="per round and thread")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args()
    print(common.machine())
    with (
        tempfile.TemporaryDirectory() as folder,
        tierstore.open(POLICY, base_dir=folder) as store,
    ):
        met = measure(store, options.operations, options.rounds, options.threads)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
