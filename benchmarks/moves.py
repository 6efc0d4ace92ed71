"""Moving keys with whole stores: mass demotion, cold reads, warm reads meanwhile, directory passes.

    python benchmarks/moves.py [--keys 100000] [--files 2000] [--seconds 5] [--full] [--folder .]

Values have 1 KiB, half of it random. Demotion is the mover's whole work: rows reviewed, read,
packed, written, synced, read back and switched; beside it, one file per key, written as an object
is (temporary file, synced, renamed, folder synced), on `--files` keys. Warm reads are point reads
at the region by one process, quiet and while another process demotes within the usual budget.
Passes look at 1,000 rows that are due among 10^4, 10^5 and, with `--full`, 10^6.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent))

import common
from common import verdict

import tierstore
from tierstore.record import Record
from tierstore.region.apply import Limits
from tierstore.region.batch import PUT, Delta, freeze
from tierstore.region.moves import Review
from tierstore.runtime import Runtime, now_ms
from tierstore.stamp import at_ms
from tierstore_sql.region import SqlRegion

VALUE_BYTES = 1024
READ = 500
DUE = 1_000
TIMEOUT_S = 60.0
FAST = {"operations": "1000000/s", "bytes": "10GiB/s"}


def policy(*, budget=None, residency="0s", interval="1h"):
    """Everything goes cold at once, when the mover is let loose."""
    movement = {"interval": interval}
    if budget is not None:
        movement["budget"] = budget
    rule = {"match": "**", "durability": "memory", "hotness": {"cold": "1000/s"}}
    return {
        "tiers": {"edge": {"capacity": "64KiB", "journal": "none"}},
        "rules": [rule | {"min_residency": {"regional": residency}}],
        "movement": movement,
        "replication": {"flush": "1h", "pull": "1h"},
    }


def make_values(count):
    """Values that compress to about a half."""
    half = VALUE_BYTES // 2
    return [os.urandom(half) + bytes(half) for _ in range(count)]


def key_of(number):
    return f"item/{number:07d}"


def fill(store, count):
    for start in range(0, count, 10_000):
        numbers = range(start, min(count, start + 10_000))
        store.put_many(dict(zip(map(key_of, numbers), make_values(len(numbers)), strict=True)))
        store.flush(TIMEOUT_S)


def measure_demotion(folder, keys, files):
    """Seconds a key, by the mover and by one synced file each."""
    with tierstore.open(policy(budget=FAST), base_dir=Path(folder, "store")) as store:
        fill(store, keys)
        started_s = perf_counter()
        store.maintain()
        ours_s = (perf_counter() - started_s) / keys
        moved = store.stats()["moves"]["demoted"]
        assert moved == keys, moved
        met = measure_cold_reads(store, keys)
    theirs_s = file_per_key(Path(folder, "files"), files)
    print(f"\ndemote {keys:,} values of 1 KiB: {ours_s * 1e6:.0f} us a key,")
    print(f"one synced file a key: {theirs_s * 1e6:.0f} us a key ({files:,} of them)")
    return verdict("demotion: times faster", theirs_s / ours_s, 20, at_least=True) and met


def file_per_key(folder, count):
    folder.mkdir()
    started_s = perf_counter()
    for number, value in enumerate(make_values(count)):
        temporary = folder / f"{number}.tmp"
        with open(temporary, "wb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, folder / str(number))
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    return (perf_counter() - started_s) / count


def measure_cold_reads(store, keys):
    """Rounds of 500 scattered cold keys: one call, then one by one, of other keys."""
    many, single = [], []
    chooser = random.Random(1)
    for _ in range(7):
        chosen = [key_of(number) for number in chooser.sample(range(keys), 2 * READ)]
        started_s = perf_counter()
        assert len(store.get_many(chosen[:READ])) == READ
        many.append(perf_counter() - started_s)
        started_s = perf_counter()
        for key in chosen[READ:]:
            store.get(key)
        single.append(perf_counter() - started_s)
    print(f"\n500 cold keys: {median(many) / READ * 1e6:.0f} us a key in one call,")
    print(f"{median(single) / READ * 1e6:.0f} us one by one")
    ratio = median(one / all_ for one, all_ in zip(single, many, strict=True))
    return verdict("cold get_many of 500: times faster", ratio, 10, at_least=True)


MOVER = """
import sys, tierstore
sys.path.insert(0, sys.argv[1])
import moves
with tierstore.open(moves.policy(interval="1s"), base_dir=sys.argv[2]) as store:
    store.get("item/0")
    store._core.replica.start()
    print("moving", flush=True)
    sys.stdin.read()
    print(store.stats()["moves"]["demoted"])
"""


def latencies(store, keys, seconds):
    """Sorted seconds of point reads at the region, for some seconds."""
    taken, chooser, until_s = [], random.Random(2), monotonic() + seconds
    region = store._core.replica.region
    while monotonic() < until_s:
        key = key_of(chooser.randrange(keys))
        started_s = perf_counter()
        region.read((key,), 0, TIMEOUT_S)
        taken.append(perf_counter() - started_s)
    return sorted(taken)


def measure_warm_reads(folder, keys, seconds):
    """p99 of warm reads, quiet and while another process demotes."""
    folder = Path(folder, "warm")
    warm = policy(residency="30d")
    with tierstore.open(warm, base_dir=folder) as store:
        fill(store, keys)
        quiet = latencies(store, keys, seconds)
        here = str(Path(__file__).resolve().parent)
        mover = subprocess.Popen(
            [sys.executable, "-c", MOVER, here, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        mover.stdout.readline()
        busy = latencies(store, keys, seconds)
        moved, _ = mover.communicate("")
    p99 = [taken[len(taken) * 99 // 100] * 1e6 for taken in (quiet, busy)]
    print(f"\nwarm reads, p99: {p99[0]:.0f} us quiet, {p99[1]:.0f} us while {moved.strip()} keys")
    print("are demoted by another process within the usual budget")
    return verdict("p99 of warm reads, busy / quiet", p99[1] / p99[0], 1.5)


def measure_passes(folder, counts):
    """Milliseconds to find 1,000 due rows and to settle them, by the number of rows."""
    print(f"\na pass over {DUE:,} due rows")
    times = {}
    for count in counts:
        region = make_region(folder, count)
        times[count] = median(one_pass(folder, region, count) for _ in range(5))
        print(f"  {count:>9,} rows {times[count] * 1e3:>8.1f} ms")
        region.close()
    return verdict("most rows / fewest: time", times[counts[-1]] / times[counts[0]], 2)


def make_region(folder, count):
    runtime = Runtime()
    url = f"sqlite:///passes-{count}.db"
    region = SqlRegion(url, runtime=runtime, terms=Limits(), base_dir=folder)
    region.register(1, TIMEOUT_S)
    stamp, digest = at_ms(now_ms(runtime)), b""
    for number in range(0, count, DUE):
        deltas = [
            Delta(key_of(n), PUT, Record(stamp + n, 1, b"\xc4\x64" + bytes(100)))
            for n in range(number, number + DUE)
        ]
        batch = freeze(1, number // DUE + 1, digest, deltas, [])
        digest = batch.digest
        region.apply(batch, TIMEOUT_S)
    region.epoch = region.lease(1, 3_600_000, "", TIMEOUT_S).epoch
    return region


def one_pass(folder, region, count):
    connection = sqlite3.connect(Path(folder, f"passes-{count}.db"))
    chosen = random.sample(range(count), DUE)
    with connection:
        connection.executemany(
            "UPDATE ts_directory SET due_ms = 1 WHERE key = ?",
            [(key_of(number).encode(),) for number in chosen],
        )
    connection.close()
    started_s = perf_counter()
    rows = region.due(DUE, TIMEOUT_S)
    assert len(rows) == DUE
    reviews = [Review(row.key, row.position, row.due_ms, None) for row in rows]
    region.settle_reviews(region.epoch, reviews, TIMEOUT_S)
    return perf_counter() - started_s


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--full", action="store_true", help="a directory of a million rows, too")
    parser.add_argument("--folder", default=".")
    options = parser.parse_args()
    print(common.machine())
    counts = [10_000, 100_000, *([1_000_000] if options.full else [])]
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        results = [
            measure_passes(folder, counts),
            measure_demotion(folder, options.keys, options.files),
            measure_warm_reads(folder, min(options.keys, 50_000), options.seconds),
        ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
