"""Journaled puts, beside a prepared upsert with a commit each in raw sqlite3.

    python benchmarks/journal.py [--keys 100000] [--operations 5000] [--rounds 7]

Both sides: WAL, `synchronous=NORMAL`, values of 100 bytes, keys drawn from the same Zipf 0.99
sequence, all of them present before. Every put is committed when it returns. Between the rounds the
store flushes, as it does five times a second in use; that is not timed here but in region.py.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import common
from common import Contest, Goal, each_pair

import tierstore

VALUE_BYTES = 100
PER_PUT_MANY = 100
POLICY = {
    "tiers": {
        "edge": {"url": "memory://", "capacity": "1GiB", "journal": "journal"},
        "regional": {"url": "sqlite:///region.db"},
    },
    "replication": {"flush": "1h", "pull": "1h"},
}
UPSERT = "INSERT INTO t VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v"
GOALS = (Goal("store.put", "raw upsert + commit", 1.6),)


def open_raw(path, items):
    """A table with `items`, and a connection that commits each statement."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE t (k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID")
    connection.execute("BEGIN")
    connection.executemany(UPSERT, list(items.items()))
    connection.execute("COMMIT")
    return connection


def fill(store, items):
    """Make `items` resident and clean, and the journal empty."""
    items = list(items.items())
    for start in range(0, len(items), 20_000):
        store.put_many(dict(items[start : start + 20_000]))
        store.flush(timeout=60)


def upsert_one_by_one(connection, pairs):
    execute = connection.execute
    for pair in pairs:
        execute(UPSERT, pair)


def upsert_in_groups(connection, groups):
    for group in groups:
        connection.execute("BEGIN")
        connection.executemany(UPSERT, list(group.items()))
        connection.execute("COMMIT")


def put_in_groups(store, groups):
    for group in groups:
        store.put_many(group)


def measure(connection, store, pairs, rounds):
    groups = [dict(pairs[i : i + PER_PUT_MANY]) for i in range(0, len(pairs), PER_PUT_MANY)]
    contest = Contest("journaled put, Zipf 0.99", "raw upsert + commit")

    def flush():
        store.flush(timeout=60)

    def add(name, run, prepare=lambda: None):
        contest.add(name, run, len(pairs), prepare)

    add("raw upsert + commit", lambda: upsert_one_by_one(connection, pairs))
    add("store.put", each_pair(store.put, pairs), flush)
    name = f"{PER_PUT_MANY} per commit, per key:"
    add(f"{name} raw executemany", lambda: upsert_in_groups(connection, groups))
    add(f"{name} store.put_many", lambda: put_in_groups(store, groups), flush)
    contest.run(rounds)
    return contest.report(GOALS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--operations", type=int, default=5_000, help="per round")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(common.machine())
    keys = [f"user/{i:07d}" for i in range(options.keys)]
    items = dict(zip(keys, common.values(len(keys), VALUE_BYTES), strict=True))
    sequence = common.zipf_keys(options.operations, keys)
    pairs = list(zip(sequence, common.values(len(sequence), VALUE_BYTES), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        connection = open_raw(Path(folder, "raw.db"), items)
        with tierstore.open(POLICY, base_dir=folder) as store:
            fill(store, items)
            met = measure(connection, store, pairs, options.rounds)
        connection.close()
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
