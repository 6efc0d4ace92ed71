"""Hit ratios of the memory edge's eviction, beside LRU and a textbook S3-FIFO.

    python benchmarks/hit_ratio.py                     # synthetic loads, 500,000 requests each
    python benchmarks/hit_ratio.py --trace FILE        # and a trace: csv or csv.gz with the columns
                                                       # timestamp_s, op, key, size_bytes, ttl_s
Capacities are 1 % and 10 % of the working set: the bytes of all distinct keys of a trace (its
largest size per key), the distinct popular keys of a synthetic load (every size 1, so bytes are
objects). Reads (`get` rows) are counted; every row inserts its key when absent. In the column
"written back" one row in 20 (in a trace: its `set` rows) makes its entry dirty, which takes it out
of the policy for the next 200 rows.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import random
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from itertools import accumulate
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tierstore.placement.evict import S3Fifo

KEYS = 100_000
REQUESTS = 500_000
DIRTY_ROWS = 200


class Load(NamedTuple):
    """Requests in order, with the size of each key and the bytes that count as 100 %."""

    name: str
    keys: list[str]
    is_get: list[bool]
    is_set: list[bool]
    sizes: dict[str, int]
    working_set_bytes: int


class Result(NamedTuple):
    """The share of reads that hit, and the time per row."""

    hit_ratio: float
    ns_per_row: float


class Entry:
    """A resident entry as the edge table keeps it, without its value."""

    __slots__ = ("expires_at", "key", "mark", "reads", "size", "where")

    def __init__(self, key: str, size: int) -> None:
        self.key = key
        self.size = size
        self.reads = self.mark = self.where = 0
        self.expires_at: int | None = None


def zipf_ranks(count: int, rng: random.Random, exponent: float = 0.99) -> list[int]:
    """`count` draws from KEYS ranks whose popularity falls as rank to the -exponent."""
    weights = list(accumulate((rank + 1) ** -exponent for rank in range(KEYS)))
    return rng.choices(range(KEYS), cum_weights=weights, k=count)


def synthetic(name: str, keys: list[str]) -> Load:
    """A load of unit sizes, all reads; every 20th also stands for a write."""
    is_set = [row % 20 == 0 for row in range(len(keys))]
    return Load(name, keys, [True] * len(keys), is_set, dict.fromkeys(keys, 1), KEYS)


def zipf() -> Load:
    return synthetic("zipf 0.99", [f"k{rank}" for rank in zipf_ranks(REQUESTS, random.Random(1))])


def zipf_with_scan() -> Load:
    """Zipf, with runs of 5,000 keys that never come back: a quarter of all requests."""
    ranks = zipf_ranks(REQUESTS * 3 // 4, random.Random(2))
    keys: list[str] = []
    for start in range(0, len(ranks), 15_000):
        keys += [f"k{rank}" for rank in ranks[start : start + 15_000]]
        keys += [f"scan{start}/{index}" for index in range(5_000)]
    return synthetic("zipf + scan", keys)


def shifting_zipf() -> Load:
    """Zipf whose popularity moves to other keys, all at once, every 100,000 requests."""
    ranks = zipf_ranks(REQUESTS, random.Random(3))
    shifted = ((rank + row // 100_000 * 20_000) % KEYS for row, rank in enumerate(ranks))
    return synthetic("zipf, shifting", [f"k{rank}" for rank in shifted])


def trace(path: Path) -> Load:
    """The load of a trace file."""
    keys: list[str] = []
    is_get: list[bool] = []
    sizes: dict[str, int] = {}
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as raw, io.TextIOWrapper(raw, "utf-8", newline="") as text:
        for row in csv.DictReader(text):
            key = sys.intern(row["key"])
            keys.append(key)
            is_get.append(row["op"] == "get")
            sizes[key] = max(sizes.get(key, 1), int(row["size_bytes"]))
    return Load(path.name, keys, is_get, [not get for get in is_get], sizes, sum(sizes.values()))


def run_lru(load: Load, capacity: int) -> Result:
    cache: OrderedDict[str, int] = OrderedDict()
    used = hits = 0
    started = perf_counter()
    for key, is_get in zip(load.keys, load.is_get, strict=True):
        if key in cache:
            hits += is_get
            cache.move_to_end(key)
            continue
        cache[key] = load.sizes[key]
        used += load.sizes[key]
        while used > capacity:
            used -= cache.popitem(last=False)[1]
    return _result(load, hits, started)


def run_textbook(load: Load, capacity: int) -> Result:
    cache = TextbookS3Fifo(capacity)
    hits = 0
    started = perf_counter()
    for key, is_get in zip(load.keys, load.is_get, strict=True):
        if key in cache.frequency:
            hits += is_get
            cache.frequency[key] = min(cache.frequency[key] + 1, 3)
        else:
            cache.insert(key, load.sizes[key])
    return _result(load, hits, started)


class TextbookS3Fifo:
    """S3-FIFO as its paper's algorithm 1 writes it; a ghost as long as main."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.frequency: dict[str, int] = {}
        self.small: deque[tuple[str, int]] = deque()
        self.main: deque[tuple[str, int]] = deque()
        self.ghost: OrderedDict[str, None] = OrderedDict()
        self.small_size = self.main_size = 0

    def insert(self, key: str, size: int) -> None:
        self.frequency[key] = 0
        if key in self.ghost:
            del self.ghost[key]
            self.main.append((key, size))
            self.main_size += size
        else:
            self.small.append((key, size))
            self.small_size += size
        while self.small_size + self.main_size > self.capacity:
            self._evict()

    def _evict(self) -> None:
        if self.small_size > self.capacity // 10 or not self.main:
            self._evict_small()
        else:
            self._evict_main()

    def _evict_small(self) -> None:
        key, size = self.small.popleft()
        self.small_size -= size
        if self.frequency[key] > 1:
            self.frequency[key] = 0
            self.main.append((key, size))
            self.main_size += size
            return
        del self.frequency[key]
        self.ghost[key] = None
        while len(self.ghost) > len(self.main) + 1:
            self.ghost.popitem(last=False)

    def _evict_main(self) -> None:
        key, size = self.main.popleft()
        if self.frequency[key] > 0:
            self.frequency[key] -= 1
            self.main.append((key, size))
        else:
            self.main_size -= size
            del self.frequency[key]


def run_ours(load: Load, capacity: int) -> Result:
    policy: S3Fifo[Entry] = S3Fifo(capacity)
    table: dict[str, Entry] = {}
    hits = 0
    started = perf_counter()
    for key, is_get in zip(load.keys, load.is_get, strict=True):
        entry = table.get(key)
        if entry is not None:
            hits += is_get
            entry.reads += 1
            continue
        entry = table[key] = Entry(key, load.sizes[key])
        policy.admit(entry)
        for gone in policy.evict(0):
            del table[gone.key]
    return _result(load, hits, started)


def run_ours_written_back(load: Load, capacity: int) -> Result:
    policy: S3Fifo[Entry] = S3Fifo(capacity)
    table: dict[str, Entry] = {}
    dirty: deque[tuple[int, Entry]] = deque()
    dirty_keys: set[str] = set()
    hits = 0
    started = perf_counter()
    for row, (key, is_get, is_set) in enumerate(
        zip(load.keys, load.is_get, load.is_set, strict=True)
    ):
        entry = table.get(key)
        if entry is None:
            entry = table[key] = Entry(key, load.sizes[key])
            policy.admit(entry)
        elif is_get:
            hits += 1
            entry.reads += 1
        if is_set and key not in dirty_keys:
            policy.remove(entry)
            dirty.append((row + DIRTY_ROWS, entry))
            dirty_keys.add(key)
        while dirty and dirty[0][0] <= row:
            flushed = dirty.popleft()[1]
            dirty_keys.remove(flushed.key)
            policy.admit(flushed)
        for gone in policy.evict(0):
            del table[gone.key]
    return _result(load, hits, started)


def _result(load: Load, hits: int, started: float) -> Result:
    seconds = perf_counter() - started
    return Result(hits / sum(load.is_get), seconds / len(load.keys) * 1e9)


COLUMNS: dict[str, Callable[[Load, int], Result]] = {
    "LRU": run_lru,
    "S3-FIFO (textbook)": run_textbook,
    "tierstore": run_ours,
    "tierstore, written back": run_ours_written_back,
}


def print_table(loads: Iterable[Load]) -> None:
    print(f"{'load':28} {'capacity':>8}  " + "  ".join(f"{name:>23}" for name in COLUMNS))
    for load in loads:
        for share in (0.01, 0.1):
            capacity = int(load.working_set_bytes * share)
            results = [run(load, capacity) for run in COLUMNS.values()]
            cells = (f"{r.hit_ratio:.4f} ({r.ns_per_row:,.0f} ns/row)" for r in results)
            print(f"{load.name:28} {share:8.0%}  " + "  ".join(f"{c:>23}" for c in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description="Hit ratios of the edge's eviction")
    parser.add_argument("--trace", type=Path, help="csv or csv.gz to replay as well")
    options = parser.parse_args()
    makers = [zipf, zipf_with_scan, shifting_zipf]
    if options.trace:
        makers.append(lambda: trace(options.trace))
    print_table(make() for make in makers)


if __name__ == "__main__":
    main()
