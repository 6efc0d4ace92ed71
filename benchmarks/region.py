"""Ratios of the SQLite regional tier to raw sqlite3: point reads, reads of 500 keys, flushes.

    python benchmarks/region.py [--keys 100000] [--rounds 40]

Both sides hold one connection, WAL, `synchronous=FULL`, values of 100 bytes. They take turns in
short rounds; a ratio is that of the medians of one run.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import tempfile
import time
from statistics import median

from tierstore.record import Record
from tierstore.region.apply import Limits
from tierstore.region.batch import PUT, Delta, decode_batch, freeze
from tierstore.runtime import Runtime, now_ms
from tierstore.stamp import at_ms
from tierstore_sql.region import SqlRegion

VALUE_BYTES = 100
BATCH = 1_000
FLUSHED = 10_000
GETS_PER_ROUND = 500
REPLICA = 77
TIMEOUT_S = 10.0

_UPSERT = (
    "INSERT INTO t VALUES (?, ?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v, "
    "stamp = excluded.stamp"
)
_GET_MANY = f"SELECT k, v FROM t WHERE k IN ({', '.join('?' * GETS_PER_ROUND)})"


class Raw:
    """What an application without tierstore would write."""

    def __init__(self, path):
        self.connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536"):
            self.connection.execute(f"PRAGMA {pragma}")
        self.connection.execute("CREATE TABLE t (k BLOB PRIMARY KEY, v BLOB, stamp INTEGER)")

    def flush(self, keys, value, stamp):
        self.connection.execute("BEGIN IMMEDIATE")
        rows = [(key.encode(), value, stamp + i) for i, key in enumerate(keys)]
        self.connection.executemany(_UPSERT, rows)
        self.connection.execute("COMMIT")

    def get_one_by_one(self, keys):
        execute = self.connection.execute
        for key in keys:
            execute("SELECT v FROM t WHERE k = ?", (key,)).fetchone()

    def get_many(self, keys):
        self.connection.execute(_GET_MANY, keys).fetchall()


class Ours:
    """The adapter, as a replica uses it."""

    def __init__(self, folder):
        runtime = Runtime()
        self.region = SqlRegion(
            "sqlite:///region.db", runtime=runtime, terms=Limits(), base_dir=folder
        )
        self.region.register(REPLICA, TIMEOUT_S)
        self.stamp = at_ms(now_ms(runtime))
        self.number, self.digest = 0, b""

    def freeze(self, keys, value):
        self.number += 1
        self.stamp += len(keys)
        deltas = [
            Delta(key, PUT, Record(self.stamp + i, REPLICA, value)) for i, key in enumerate(keys)
        ]
        batch = freeze(REPLICA, self.number, self.digest, deltas, [])
        self.digest = batch.digest
        return batch

    def flush(self, batch):
        assert self.region.apply(batch, TIMEOUT_S).verdict == "applied"

    def get_one_by_one(self, keys):
        read = self.region.read
        for key in keys:
            read((key,), REPLICA, TIMEOUT_S)

    def get_many(self, keys):
        assert len(self.region.read(keys, REPLICA, TIMEOUT_S).rows) == len(set(keys))


def timed(function, *arguments):
    """Seconds that one call takes."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def report(name, ours, raw, count):
    """Print microseconds per operation of both sides, and their ratio."""
    ours_us, raw_us = median(ours) / count * 1e6, median(raw) / count * 1e6
    print(
        f"{name:<34} raw {raw_us:7.2f} us   tierstore {ours_us:7.2f} us   "
        f"time x {ours_us / raw_us:4.2f}   rate x {raw_us / ours_us:4.2f}"
    )


def flushes(ours, raw, keys, value, rounds):
    """Seconds per batch on both sides, alternately."""
    times = [], [], []
    for start in range(0, rounds * BATCH, BATCH):
        part = keys[start : start + BATCH]
        batch = ours.freeze(part, value)
        body = batch.body
        for at, work in enumerate(
            ((raw.flush, part, value, ours.stamp), (ours.flush, batch), (decode_batch, body))
        ):
            times[at].append(timed(*work))
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    chance = random.Random(1)
    keys = [f"user/{i:08d}" for i in range(options.keys)]
    chance.shuffle(keys)
    value = os.urandom(VALUE_BYTES)
    with tempfile.TemporaryDirectory() as folder:
        raw, ours = Raw(os.path.join(folder, "raw.db")), Ours(folder)
        raw_s, ours_s, decode_s = flushes(ours, raw, keys, value, FLUSHED // BATCH)
        report("apply 10,000 new keys", ours_s, raw_s, BATCH)
        report("  decoding their batches", decode_s, raw_s, BATCH)
        flushes(ours, raw, keys[FLUSHED:], value, (options.keys - FLUSHED) // BATCH)
        raw_s, ours_s, _ = flushes(ours, raw, keys, value, FLUSHED // BATCH)
        report("apply 10,000 keys again", ours_s, raw_s, BATCH)
        measure_reads(ours, raw, keys, chance, options.rounds)
        ours.region.close()
        raw.connection.close()


def measure_reads(ours, raw, keys, chance, rounds):
    """Time point reads and reads of 500 keys, in turns."""
    times = {name: ([], []) for name in ("get_one_by_one", "get_many")}
    for _ in range(rounds):
        sample = chance.sample(keys, GETS_PER_ROUND)
        raw_sample = [key.encode() for key in sample]
        for name, (ours_s, raw_s) in times.items():
            raw_s.append(timed(getattr(raw, name), raw_sample))
            ours_s.append(timed(getattr(ours, name), sample))
    report("read one key", *times["get_one_by_one"], GETS_PER_ROUND)
    report("read 500 keys, per key", *times["get_many"], GETS_PER_ROUND)


if __name__ == "__main__":
    main()
