"""The SQLite regional tier beside raw sqlite3: point reads, reads of 500 keys, flushes.

    python benchmarks/region.py [--keys 50000] [--rounds 30]

First the adapter alone, as a replica calls it; then whole stores: `get_many` of keys that become
resident by it, and `flush` of 10,000 dirty keys. Both sides hold one connection, WAL,
`synchronous=FULL`, values of 100 bytes.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import sys
import tempfile
from itertools import count, islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import common
from common import Contest, Goal

import tierstore
from tierstore.record import Record
from tierstore.region.apply import Limits
from tierstore.region.batch import PUT, Delta, decode_batch, freeze
from tierstore.runtime import Runtime, now_ms
from tierstore.stamp import at_ms
from tierstore_sql.region import SqlRegion

VALUE_BYTES = 100
BATCH = 1_000
FLUSHED = 10_000
FLUSH_ROUNDS = 5
READ = 500
REPLICA = 77
TIMEOUT_S = 60.0
POLICY = {
    "tiers": {
        "edge": {"url": "memory://", "capacity": "1GiB", "journal": "none"},
        "regional": {"url": "sqlite:///store.db"},
    },
    "rules": [{"match": "**", "durability": "memory"}],
    "replication": {"flush": "1h", "pull": "1h", "batch": BATCH},
}
JOURNALED = {
    **POLICY,
    "tiers": {**POLICY["tiers"], "edge": {"url": "memory://", "journal": "journal"}},
    "rules": [],
}

_UPSERT = (
    "INSERT INTO t VALUES (?, ?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v, "
    "stamp = excluded.stamp"
)
_GET_MANY = f"SELECT k, v FROM t WHERE k IN ({', '.join('?' * READ)})"


class Raw:
    """What an application without tierstore would write."""

    def __init__(self, path):
        self.connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536"):
            self.connection.execute(f"PRAGMA {pragma}")
        self.connection.execute("CREATE TABLE t (k BLOB PRIMARY KEY, v BLOB, stamp INTEGER)")

    def write(self, items, per_commit=BATCH):
        pairs = iter(items)
        while part := list(islice(pairs, per_commit)):
            self.connection.execute("BEGIN IMMEDIATE")
            rows = [(key.encode(), value, at) for at, (key, value) in enumerate(part)]
            self.connection.executemany(_UPSERT, rows)
            self.connection.execute("COMMIT")

    def read_one_by_one(self, keys):
        execute = self.connection.execute
        for key in keys:
            execute("SELECT v FROM t WHERE k = ?", (key.encode(),)).fetchone()

    def read_many(self, keys):
        found = self.connection.execute(_GET_MANY, [key.encode() for key in keys])
        return {key.decode(): value for key, value in found}


class Adapter:
    """The regional tier's adapter, called as a replica does."""

    def __init__(self, folder):
        runtime = Runtime()
        self.region = SqlRegion(
            "sqlite:///adapter.db", runtime=runtime, terms=Limits(), base_dir=folder
        )
        self.region.register(REPLICA, TIMEOUT_S)
        self.stamp = at_ms(now_ms(runtime))
        self.number, self.digest = 0, b""

    def freeze(self, items):
        self.number += 1
        self.stamp += len(items)
        deltas = [
            Delta(key, PUT, Record(self.stamp + at, REPLICA, value))
            for at, (key, value) in enumerate(items)
        ]
        batch = freeze(REPLICA, self.number, self.digest, deltas, [])
        self.digest = batch.digest
        return batch

    def apply(self, batch):
        assert self.region.apply(batch, TIMEOUT_S).verdict == "applied"

    def read_one_by_one(self, keys):
        read = self.region.read
        for key in keys:
            read((key,), REPLICA, TIMEOUT_S)

    def read_many(self, keys):
        assert len(self.region.read(keys, REPLICA, TIMEOUT_S).rows) == len(keys)


class Turns:
    """The next thing to do for every contestant: `prepare` makes it, all use it."""

    def __init__(self, make):
        self.make = make
        self.now = None

    def advance(self):
        self.now = self.make()


def measure_apply(title, raw, adapter, parts, rounds):
    """Batches of 1,000 keys, each one transaction."""
    turns = Turns(lambda: next(parts))
    contest = Contest(title, "raw executemany")
    batch = Turns(lambda: adapter.freeze(turns.now))
    contest.add("raw executemany", lambda: raw.write(turns.now), BATCH, turns.advance)
    contest.add("adapter.apply", lambda: adapter.apply(batch.now), BATCH, batch.advance)
    contest.add("  (freezing the batch)", lambda: adapter_freeze(turns.now), BATCH)
    contest.add("  (decoding the batch)", lambda: decode_batch(batch.now.body), BATCH)
    contest.run(rounds)
    return contest.report([Goal("adapter.apply", "raw executemany", 0.6, faster=True)])


def adapter_freeze(items):
    deltas = [Delta(key, PUT, Record(1 << 56, REPLICA, value)) for key, value in items]
    freeze(REPLICA, 1, b"", deltas, [])


def measure_reads(raw, adapter, keys, rounds):
    """Point reads and reads of 500 keys through the adapter."""
    turns = Turns(lambda: random.sample(keys, READ))
    one = Contest("read one key, adapter on a held connection", "raw select")
    one.add("raw select", lambda: raw.read_one_by_one(turns.now), READ, turns.advance)
    one.add("adapter.read", lambda: adapter.read_one_by_one(turns.now), READ)
    one.run(rounds)
    met = one.report([Goal("adapter.read", "raw select", 2.0)])
    many = Contest("read 500 keys, adapter, per key", "raw IN")
    many.add("raw IN", lambda: raw.read_many(turns.now), READ, turns.advance)
    many.add("adapter.read", lambda: adapter.read_many(turns.now), READ)
    many.run(rounds)
    return many.report([Goal("adapter.read", "raw IN", 2.0)]) and met


def measure_get_many(raw, folder, keys, rounds):
    """`get_many` of 500 keys that are not resident before and are afterwards."""
    remaining = iter(keys)
    turns = Turns(lambda: list(islice(remaining, READ)))
    with tierstore.open(POLICY, base_dir=folder) as store:
        store.get_many(islice(remaining, READ))

        def get_many():
            assert len(store.get_many(turns.now)) == READ

        contest = Contest("store.get_many of 500 keys not resident before, per key", "raw IN")
        contest.add("raw IN", lambda: raw.read_many(turns.now), READ, turns.advance)
        contest.add("store.get_many", get_many, READ)
        contest.run(min(rounds, len(keys) // READ - 2))
        return contest.report([Goal("store.get_many", "raw IN", 2.0)])


def measure_flushes(raw, folder, items):
    """`flush` of 10,000 dirty keys: of those that the region has, then of new ones.

    Everybody gets other keys: rows that were written a moment ago lie together.
    """
    number = count()
    values = [value for _, value in items[:FLUSHED]]
    with (
        tierstore.open(POLICY, base_dir=folder) as store,
        tierstore.open(JOURNALED, base_dir=folder) as journaled,
    ):
        fill(store, items)
        ours = {"store.flush": store, "store.flush, journaled": journaled}
        known = Turns(lambda: dict(random.sample(items, FLUSHED)))
        met = measure_flush("10,000 known keys", raw, ours, known)
        new = Turns(lambda: {f"new/{mixed(next(number))}": value for value in values})
        return measure_flush("10,000 new keys", raw, ours, new) and met


def measure_flush(title, raw, ours, turns):
    base = "raw executemany, commit per 1,000"
    goals = [Goal(name, base, 0.6, faster=True) for name in ours]
    contest = Contest(f"flush of {title}, per key", base)
    for name, per_commit in (base, BATCH), ("raw executemany, one commit", FLUSHED):
        contest.add(
            name,
            lambda per_commit=per_commit: raw.write(turns.now.items(), per_commit),
            FLUSHED,
            turns.advance,
        )
    for name, store in ours.items():
        contest.add(
            name,
            lambda store=store: store.flush(TIMEOUT_S),
            FLUSHED,
            lambda store=store: put_next(store, turns),
        )
    contest.run(FLUSH_ROUNDS)
    return contest.report(goals)


def mixed(number):
    """Different numbers in no order."""
    return number * 2_654_435_761 % (1 << 32)


def put_next(store, turns):
    turns.advance()
    store.put_many(turns.now)


def fill(store, items):
    for start in range(0, len(items), FLUSHED):
        store.put_many(dict(items[start : start + FLUSHED]))
        store.flush(TIMEOUT_S)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    print(common.machine())
    keys = [f"user/{i:08d}" for i in range(options.keys)]
    random.seed(1)
    random.shuffle(keys)
    items = list(zip(keys, common.values(len(keys), VALUE_BYTES), strict=True))
    parts = [items[at : at + BATCH] for at in range(0, len(items), BATCH)]
    with tempfile.TemporaryDirectory() as folder:
        raw, adapter = Raw(os.path.join(folder, "raw.db")), Adapter(folder)
        rounds = len(parts) - 1
        results = [
            measure_apply("apply 1,000 new keys", raw, adapter, iter(parts), rounds),
            measure_apply("apply 1,000 known keys", raw, adapter, iter(parts), min(rounds, 15)),
            measure_reads(raw, adapter, keys, options.rounds),
            measure_flushes(raw, folder, items),
            measure_get_many(raw, folder, keys, options.rounds),
        ]
        adapter.region.close()
        raw.connection.close()
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
