"""The cold tier on S3 by obstore beside the same tier by boto3, on one server.

    python benchmarks/object_clients.py [--objects 800] [--rounds 5]

Needs the extras `s3`, `obstore` and `test`: the server is SeaweedFS on loopback, in memory where
the system has that, or the one that `TIERSTORE_TEST_S3_URL` names. Both are asked as the core asks
a cold tier, with their checks and repetitions; small objects have 1 KiB, and 16 threads ask at the
same time. Client and server share the machine.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "servers"))

import common
from cold import REGION
from common import Contest, Goal
from s3_server import running_server

from tierstore.region.objects import SEGMENT, ByteRange, mint_name
from tierstore.runtime import Runtime
from tierstore.tiers.registry import load_objects

SMALL_BYTES, LARGE_BYTES = 1 << 10, 8 << 20
LARGE_ROUNDS = 20  # of one object each
THREADS = 16
RANGES, RANGE_BYTES = 100, 1024
TIMEOUT_S = 60.0
FASTER = (Goal("obstore", "boto3", 3, faster=True),)
NO_SLOWER = (Goal("obstore", "boto3", 1.15),)


class Bench:
    """The tier by one client."""

    def __init__(self, server, client):
        self.runtime = Runtime()
        url = server.url(f"bench/{os.urandom(4).hex()}")
        self.objects = load_objects("s3", client)(url, runtime=self.runtime, base_dir="/")
        self.put(b"so that the server was probed")

    def put(self, content):
        name = mint_name(self.runtime, REGION, 1, SEGMENT)
        self.objects.put(name, [content], TIMEOUT_S)
        return name

    def read(self, name, *asked):
        return self.objects.read(name, asked, TIMEOUT_S)


def measure_small(benches, count, rounds):
    content, met = os.urandom(SMALL_BYTES), []
    whole = ByteRange(0, SMALL_BYTES)
    with ThreadPoolExecutor(THREADS) as pool:
        puts = Contest(f"putting 1 KiB, {THREADS} threads, per object", "boto3")
        gets = Contest(f"reading 1 KiB, {THREADS} threads, per object", "boto3")
        for name, bench in benches.items():
            names = list(pool.map(bench.put, [content] * count))

            def put_all(bench=bench):
                list(pool.map(bench.put, [content] * count))

            def get_all(bench=bench, names=names):
                list(pool.map(lambda each: bench.read(each, whole), names))

            puts.add(name, put_all, count)
            gets.add(name, get_all, count)
        for contest in (puts, gets):
            contest.run(rounds)
            met.append(contest.report(FASTER))
    return all(met)


def measure_large(benches):
    content, met = os.urandom(LARGE_BYTES), []
    whole = ByteRange(0, LARGE_BYTES)
    puts, gets = Contest("putting 8 MiB", "boto3"), Contest("reading 8 MiB", "boto3")
    streams = Contest("streaming 8 MiB", "boto3")
    for name, bench in benches.items():
        stored = bench.put(content)

        def stream(bench=bench, stored=stored):
            return sum(map(len, bench.objects.stream(stored, TIMEOUT_S)))

        puts.add(name, lambda bench=bench: bench.put(content), 1)
        gets.add(name, lambda bench=bench, stored=stored: bench.read(stored, whole), 1)
        streams.add(name, stream, 1)
    for contest in (puts, gets, streams):
        contest.run(LARGE_ROUNDS)
        met.append(contest.report(NO_SLOWER))
    return all(met)


def measure_ranges(benches, rounds):
    content, step = os.urandom(LARGE_BYTES), LARGE_BYTES // RANGES
    asked = [ByteRange(start, RANGE_BYTES) for start in range(0, RANGES * step, step)]
    contest = Contest(f"one read of {RANGES} scattered ranges of 1 KiB, per range", "boto3")
    for name, bench in benches.items():
        stored = bench.put(content)
        contest.add(name, lambda bench=bench, stored=stored: bench.read(stored, *asked), RANGES)
    contest.run(rounds * 4)
    return contest.report()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--objects", type=int, default=800)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    clients = ("boto3", "obstore")
    print(common.machine(), *[f"{name} {version(name)}" for name in clients], sep=", ")
    with running_server() as server:
        benches = {client: Bench(server, client) for client in clients}
        met = [
            measure_small(benches, chosen.objects, chosen.rounds),
            measure_large(benches),
            measure_ranges(benches, chosen.rounds),
        ]
        for bench in benches.values():
            bench.objects.close()
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
