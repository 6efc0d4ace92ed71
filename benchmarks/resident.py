"""Resident reads and `memory` writes, beside a dict and other libraries' memory stores.

    python benchmarks/resident.py [--keys 100000] [--operations 100000] [--rounds 5] [--no-peers]

Every contestant holds the same keys with values of 100 bytes of its own and gets the same sequence
of keys, Zipf 0.99; the loop around the calls is the same and counts for all. Peers that are not
installed (`pip install cachetools dogpile.cache cashews py-key-value-aio`) are skipped; filling
and asking them takes most of the time, so `--no-peers` leaves them out.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import common
from common import Contest, Goal, each, each_pair

import tierstore

VALUE_BYTES = 100
POLICY = {
    "tiers": {
        "edge": {"url": "memory://", "capacity": "1GiB", "journal": "none"},
        "regional": {"url": "sqlite:///region.db"},
    },
    "rules": [{"match": "**", "durability": "memory"}],
    "replication": {"flush": "1h", "pull": "1h"},
}
GET_GOALS = (
    Goal("store.get", "dict.get", 3.2),
    Goal("store.get", "cachetools LRUCache", 1.0),
    Goal("store.get", "dogpile memory", 3.0, faster=True),
    Goal("store.get", "cashews mem (await)", 12.0, faster=True),
    Goal("store.get", "py-key-value MemoryStore (await)", 12.0, faster=True),
    Goal("await astore.get", "cashews mem (await)", 10.0, faster=True),
    Goal("await astore.get", "py-key-value MemoryStore (await)", 15.0, faster=True),
)
PUT_GOALS = (
    Goal("store.put, flushed before each round", "dict set", 6.0),
    Goal("store.put, still unflushed", "dict set", 6.0),
)
_closers = []  # of peers that keep a task running


class Load:
    """The keys, the sequence of operations, and fresh values for each contestant."""

    def __init__(self, keys, operations, *, with_peers):
        self.with_peers = with_peers
        self.keys = [f"user/{i:07d}" for i in range(keys)]
        self.sequence = common.zipf_keys(operations, self.keys)

    def items(self):
        return dict(zip(self.keys, common.values(len(self.keys), VALUE_BYTES), strict=True))


def fill(store, items):
    """Make `items` resident and clean."""
    items = list(items.items())
    for start in range(0, len(items), 20_000):
        store.put_many(dict(items[start : start + 20_000]))
        store.flush(timeout=60)


def add_local_gets(contest, load, store):
    """The dict, the store, and the peers that are called without an event loop."""
    contest.add("dict.get", each(load.items().get, load.sequence), len(load.sequence))
    contest.add("store.get", each(store.get, load.sequence), len(load.sequence))
    for name, make in LOCAL_PEERS if load.with_peers else ():
        try:
            contest.add(name, each(make(load.items()), load.sequence), len(load.sequence))
        except ImportError:
            contest.skip(name)


def make_cachetools(items):
    from cachetools import LRUCache

    cache = LRUCache(len(items))
    cache.update(items)
    return cache.get


def make_dogpile(items):
    from dogpile.cache import make_region

    region = make_region().configure("dogpile.cache.memory")
    region.set_multi(items)
    return region.get


async def make_cashews(items):
    from cashews import Cache

    cache = Cache()
    cache.setup(f"mem://?size={2 * len(items)}&check_interval=3600")
    for key, value in items.items():
        await cache.set(key, value)
    _closers.append(cache.close)
    return cache.get


async def make_py_key_value(items):
    from key_value.aio.stores.memory import MemoryStore

    store = MemoryStore(max_entries_per_collection=2 * len(items))
    texts = [{"v": value.hex()[:VALUE_BYTES]} for value in items.values()]
    await store.put_many(list(items), texts)  # it stores JSON objects, so no bytes
    return store.get


LOCAL_PEERS = (("cachetools LRUCache", make_cachetools), ("dogpile memory", make_dogpile))
AWAITED_PEERS = (
    ("cashews mem (await)", make_cashews),
    ("py-key-value MemoryStore (await)", make_py_key_value),
)


def add_awaited_gets(contest, load, astore, loop):
    """The store and the peers that are awaited. All run on one event loop."""

    def add(name, get):
        async def run():
            for key in load.sequence:
                await get(key)

        contest.add(name, lambda: loop.run_until_complete(run()), len(load.sequence))

    add("await astore.get", astore.get)
    for name, make in AWAITED_PEERS if load.with_peers else ():
        try:
            add(name, loop.run_until_complete(make(load.items())))
        except ImportError:
            contest.skip(name)


def measure_gets(load, store, astore, loop, rounds):
    contest = Contest(f"resident get, {len(load.keys):,} keys, Zipf 0.99", "dict.get")
    add_local_gets(contest, load, store)
    add_awaited_gets(contest, load, astore, loop)
    contest.run(rounds)
    for close in _closers:
        loop.run_until_complete(close())
    return contest.report(GET_GOALS)


def measure_puts(load, folder, store, rounds):
    """A put over a resident copy: the first since a flush, or over an unflushed one."""
    contest = Contest("put of bytes over a resident key, `durability: memory`", "dict set")
    fresh = common.values(len(load.sequence), VALUE_BYTES)
    pairs = list(zip(load.sequence, fresh, strict=True))
    contest.add("dict set", each_pair(load.items().__setitem__, pairs), len(pairs))
    with tierstore.open(POLICY, base_dir=Path(folder, "unflushed")) as unflushed:
        fill(unflushed, load.items())
        for name, target, prepare in (
            ("store.put, flushed before each round", store, lambda: store.flush(timeout=60)),
            ("store.put, still unflushed", unflushed, lambda: None),
        ):
            contest.add(name, each_pair(target.put, pairs), len(pairs), prepare)
        contest.run(rounds)
        met = contest.report(PUT_GOALS)
        unflushed.flush(timeout=60)
    return met


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--operations", type=int, default=100_000, help="per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    print(common.machine())
    load = Load(options.keys, options.operations, with_peers=not options.no_peers)
    loop = asyncio.new_event_loop()
    with (
        tempfile.TemporaryDirectory() as folder,
        tierstore.open(POLICY, base_dir=Path(folder, "sync")) as store,
    ):
        fill(store, load.items())
        astore = loop.run_until_complete(open_filled(load, Path(folder, "async")))
        met = measure_gets(load, store, astore, loop, options.rounds)
        loop.run_until_complete(astore.close())
        met = measure_puts(load, folder, store, options.rounds) and met
    loop.close()
    return 0 if met else 1


async def open_filled(load, base_dir):
    astore = await tierstore.open_async(POLICY, base_dir=base_dir)
    await astore.put_many(load.items())
    await astore.flush(timeout=60)
    return astore


if __name__ == "__main__":
    sys.exit(main())
