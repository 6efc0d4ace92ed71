"""How the cost per key of get, put, flush and pull grows with the number of keys.

    python benchmarks/growth.py [--full]            # 10^3 … 10^5 keys; --full: … 10^6

Two stores share a region: one writes, the other holds copies of everything. At each size: `get` and
`put` over uniformly drawn keys, beside a dict of that size; then, five times, 1,000 scattered keys
are written, flushed, and pulled by the other store, beside an `executemany` of the same rows and a
read of the same keys in raw sqlite3. All of these grow by themselves: a dict leaves the processor's
caches, 1,000 rows lie on ever more pages. So figures are multiples of theirs, and flat means: the
largest size costs at most twice the smallest.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent))

import common
from common import Contest, each, each_pair
from region import READ, Raw

import tierstore

VALUE_BYTES = 100
OPERATIONS = 20_000
CHANGED = 1_000
ROUNDS = 5
GROWTH_MAX = 2.0
POLICY = {
    "tiers": {
        "edge": {"url": "memory://", "capacity": "1GiB", "journal": "none"},
        "regional": {"url": "sqlite:///region.db"},
    },
    "rules": [{"match": "**", "durability": "memory"}],
    "replication": {"flush": "1h", "pull": "1h"},
}


def fill(writer, reader, items):
    """Bring `items` to the region and, as copies, to the reader."""
    pairs = list(items.items())
    for start in range(0, len(pairs), 20_000):
        part = dict(pairs[start : start + 20_000])
        writer.put_many(part)
        writer.flush(timeout=60)
        assert len(reader.get_many(part, timeout=60)) == len(part)


def measure_local(writer, items):
    """get and put of the store, each in multiples of what the dict takes."""
    keys = random.Random(2).choices(list(items), k=OPERATIONS)
    pairs = list(zip(keys, common.values(OPERATIONS, VALUE_BYTES), strict=True))
    contest = Contest(f"{len(items):,} keys", "dict.get")
    contest.add("dict.get", each(items.get, keys), OPERATIONS)
    contest.add("store.get", each(writer.get, keys), OPERATIONS)
    contest.add("dict set", each_pair(items.__setitem__, pairs), OPERATIONS)
    contest.add(
        "store.put", each_pair(writer.put, pairs), OPERATIONS, lambda: writer.flush(timeout=60)
    )
    contest.run(ROUNDS)
    contest.report()
    writer.flush(timeout=60)
    return contest.ratio("store.get", "dict.get"), contest.ratio("store.put", "dict set")


def measure_exchange(writer, reader, raw, keys):
    """A flush and the pull that follows it, each in multiples of what raw sqlite3 takes."""
    reader._core.replica.pull(60.0)
    flushes, pulls = [], []
    for _ in range(ROUNDS):
        changed = random.sample(keys, CHANGED)
        fresh = dict(zip(changed, common.values(CHANGED, VALUE_BYTES), strict=True))
        writer.put_many(fresh)
        flush_s = timed(lambda: writer.flush(timeout=60))
        flushes.append((flush_s, timed(lambda fresh=fresh: raw.write(fresh.items()))))
        pull_s = timed(lambda: reader._core.replica.pull(60.0))
        pulls.append((pull_s, timed(lambda changed=changed: read_raw(raw, changed))))
    for name, times in ("flush", flushes), ("pull", pulls):
        own_us, raw_us = (median(side) / CHANGED * 1e6 for side in zip(*times, strict=True))
        print(f"  {name:<12} {own_us:.1f} us per changed key, raw {raw_us:.1f}")
    return [median(own / other for own, other in times) for times in (flushes, pulls)]


def read_raw(raw, keys):
    for start in range(0, len(keys), READ):
        raw.read_many(keys[start : start + READ])


def timed(work):
    start = perf_counter()
    work()
    return perf_counter() - start


def measure(count):
    """The four figures at `count` keys."""
    keys = [f"user/{i:07d}" for i in range(count)]
    random.Random(1).shuffle(keys)
    items = dict(zip(keys, common.values(count, VALUE_BYTES), strict=True))
    with (
        tempfile.TemporaryDirectory() as folder,
        tierstore.open(POLICY, base_dir=folder) as writer,
        tierstore.open(POLICY, base_dir=folder) as reader,
    ):
        raw = Raw(str(Path(folder, "raw.db")))
        raw.write(items.items())
        fill(writer, reader, items)
        return *measure_local(writer, items), *measure_exchange(writer, reader, raw, keys)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="also 10^6 keys; takes minutes")
    options = parser.parse_args()
    print(common.machine())
    sizes = [10**exponent for exponent in range(3, 7 if options.full else 6)]
    rows = {size: measure(size) for size in sizes}
    names = "get (x dict)", "put (x dict)", "flush (x raw)", "pull (x raw)"
    print(f"\n{'keys':>12}" + "".join(f"{name:>16}" for name in names))
    for size, figures in rows.items():
        print(f"{size:>12,}" + "".join(f"{figure:>16.2f}" for figure in figures))
    growths = [last / first for first, last in zip(rows[sizes[0]], rows[sizes[-1]], strict=True)]
    span = f"from {sizes[0]:,} to {sizes[-1]:,} keys"
    met = [
        common.verdict(f"{name}: growth {span}", growth, GROWTH_MAX)
        for name, growth in zip(names, growths, strict=True)
    ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
