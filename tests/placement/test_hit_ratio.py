"""What the policy is for: hit ratios that withstand scans, shifts and write-back."""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from itertools import accumulate

import pytest

from tierstore.placement.evict import S3Fifo

KEYS = 5_000
REQUESTS = 40_000
CAPACITY = 100


class Entry:
    __slots__ = ("expires_at", "key", "mark", "reads", "size", "where")

    def __init__(self, key: str) -> None:
        self.key = key
        self.size = 1
        self.expires_at: int | None = None
        self.reads = self.mark = self.where = 0


def zipf(seed: int, count: int = REQUESTS) -> list[str]:
    weights = list(accumulate(1 / (rank + 1) for rank in range(KEYS)))
    ranks = random.Random(seed).choices(range(KEYS), cum_weights=weights, k=count)
    return [f"k{rank}" for rank in ranks]


def zipf_with_scan(seed: int) -> list[str]:
    keys: list[str] = []
    for start in range(0, REQUESTS, 2_000):
        keys += zipf(seed + start, 1_500)
        keys += [f"scan{start}/{index}" for index in range(500)]
    return keys


def lru_hit_ratio(keys: list[str]) -> float:
    cache: OrderedDict[str, None] = OrderedDict()
    hits = 0
    for key in keys:
        hits += key in cache
        cache[key] = None
        cache.move_to_end(key)
        if len(cache) > CAPACITY:
            cache.popitem(last=False)
    return hits / len(keys)


def hit_ratio(keys: list[str], *, write_every: int = 0) -> float:
    """The share of `keys` found; every n-th also dirties its entry for the next 50 requests."""
    policy: S3Fifo[Entry] = S3Fifo(CAPACITY)
    table: dict[str, Entry] = {}
    dirty: deque[tuple[int, Entry]] = deque()
    hits = 0
    for row, key in enumerate(keys):
        if key in table:
            hits += 1
            table[key].reads += 1
        else:
            table[key] = Entry(key)
            policy.admit(table[key])
        if write_every and row % write_every == 0 and table[key].where > 0:
            policy.remove(table[key])
            dirty.append((row + 50, table[key]))
        while dirty and dirty[0][0] <= row:
            policy.admit(dirty.popleft()[1])
        for entry in policy.evict(0):
            del table[entry.key]
    return hits / len(keys)


@pytest.mark.parametrize("seed", range(3))
def test_beats_lru_on_a_skewed_load_with_and_without_scans(seed: int) -> None:
    plain, scanned = zipf(seed), zipf_with_scan(seed)

    assert hit_ratio(plain) >= lru_hit_ratio(plain) + 0.05
    assert hit_ratio(scanned) >= lru_hit_ratio(scanned) + 0.05


@pytest.mark.parametrize("seed", range(3))
def test_a_scan_evicts_nothing_that_is_read_often(seed: int) -> None:
    keys = zipf(seed)
    popular = {f"k{rank}" for rank in range(10)}
    policy: S3Fifo[Entry] = S3Fifo(CAPACITY)
    table: dict[str, Entry] = {}
    for key in [*keys, *(f"scan{index}" for index in range(10 * CAPACITY))]:
        if key in table:
            table[key].reads += 1
            continue
        table[key] = Entry(key)
        policy.admit(table[key])
        for entry in policy.evict(0):
            del table[entry.key]

    assert popular <= set(table)


@pytest.mark.parametrize("write_every", [1, 3, 20])
def test_write_back_costs_no_hits(write_every: int) -> None:
    keys = zipf(7)

    assert hit_ratio(keys, write_every=write_every) >= hit_ratio(keys) - 0.005


def test_the_same_load_gives_the_same_hits() -> None:
    keys = zipf_with_scan(11)

    assert hit_ratio(keys, write_every=5) == hit_ratio(keys, write_every=5)
