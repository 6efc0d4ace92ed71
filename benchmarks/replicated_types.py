"""Counters and sets: increments beside a dict's, flushes beside those of registers, large sets.

    python benchmarks/replicated_types.py [--keys 10000] [--operations 20000] [--rounds 5]

The store has a SQLite region. Counters are resident and have unflushed increments, except where
they are flushed: there each key of 10,000 was changed once since the last flush.
"""

from __future__ import annotations

import argparse
import sys
import tempfile

import common
from common import Contest, Goal

import tierstore
from tierstore.crdt import set as sets
from tierstore.values.msgpack import unpack

POLICY = {
    "tiers": {
        "edge": {"url": "memory://", "capacity": "1GiB", "journal": "none"},
        "regional": {"url": "sqlite:///region.db"},
    },
    "rules": [
        {"match": "n/*", "type": "counter", "durability": "memory"},
        {
            "match": "s/*",
            "type": "set",
            "durability": "memory",
            "edge": {"max_value": "8MiB"},
        },
        {"match": "**", "durability": "memory"},
    ],
    "replication": {"flush": "1h", "pull": "1h"},
}
ELEMENTS = 10_000


def repeat(function, count, *arguments):
    """Something that calls `function` so many times."""

    def run():
        for _ in range(count):
            function(*arguments)

    return run


def measure_adds(store, count, rounds):
    """One increment over another that waits already."""
    contest = Contest("increment of a resident counter, `durability: memory`", "dict increment")
    counts = {"n/0": 0}

    def increment(key):
        counts[key] += 1

    counter = store.counter("n/0")
    counter.add(1)
    store.flush(timeout=60)
    counter.get()
    counter.add(1)
    contest.add("dict increment", repeat(increment, count, "n/0"), count)
    contest.add("counter.add", repeat(counter.add, count), count)
    contest.add("counter.get", repeat(counter.get, count), count)
    contest.run(rounds)
    return contest.report([Goal("counter.add", "dict increment", 12.0)])


def measure_flushes(store, keys, rounds):
    """Flushes of as many counters as registers, all of them in the region."""
    contest = Contest(f"flush of {keys:,} known keys", "registers")
    counters = [store.counter(f"n/{number}") for number in range(keys)]
    names = [f"r/{number}" for number in range(keys)]

    def put_all():
        for name in names:
            store.put(name, 1)

    def add_all():
        for counter in counters:
            counter.add(1)

    contest.add("registers", lambda: store.flush(timeout=60), keys, put_all)
    contest.add("counters", lambda: store.flush(timeout=60), keys, add_all)
    contest.run(rounds)
    return contest.report([Goal("counters", "registers", 2.0)])


def measure_sets(store, rounds):
    """A large set at the edge, and its bytes."""
    contest = Contest(f"a resident set of {ELEMENTS:,} elements", "set in set")
    members, plain = store.members("s/0"), {f"element-{number}" for number in range(ELEMENTS)}
    members.add(*plain)
    store.flush(timeout=60)
    assert members.all() == plain
    payload = sets.encode(
        sets.apply(sets.empty(), sets.add(plain), origin=7, actor=9, is_same_life=True)
    )
    contest.add("set in set", repeat(plain.__contains__, 1000, "element-5"), 1000)
    contest.add("members.contains", repeat(members.contains, 1000, "element-5"), 1000)
    contest.add("members.add", repeat(members.add, 1000, "element-5"), 1000)
    contest.add("members.all", repeat(members.all, 20), 20)
    contest.add("msgpack of its bytes", repeat(unpack, 3, payload), 3)
    contest.add("decoding it", repeat(sets.decode, 3, payload), 3)
    contest.run(rounds)
    return contest.report([Goal("decoding it", "msgpack of its bytes", 4.0)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--operations", type=int, default=20_000, help="per round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(common.machine())
    with (
        tempfile.TemporaryDirectory() as folder,
        tierstore.open(POLICY, base_dir=folder) as store,
    ):
        met = measure_adds(store, options.operations, options.rounds)
        met = measure_flushes(store, options.keys, options.rounds) and met
        met = measure_sets(store, options.rounds) and met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
