"""The cold tier on S3 beside boto3 itself: large objects, demoting in segments, scattered ranges.

    python benchmarks/s3.py [--keys 50000] [--puts 2000] [--rounds 5]

Needs the extras `s3` and `test`: the server is SeaweedFS on loopback, in memory where the system
has that, or the one that `TIERSTORE_TEST_S3_URL` names. Values have 1 KiB, half of it random. A
put for each is measured on `--puts` keys from 16 threads; every figure is per key. Each segment is
read back and checked before the next, as the mover does. `pip install obstore` to see it beside.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "servers"))

import boto3
import common
from botocore.config import Config
from cold import REGION, demote, make_records
from common import Contest, Goal
from s3_server import running_server

from tierstore.record import encode
from tierstore.region.objects import SEGMENT, ByteRange, mint_name
from tierstore.region.spans import GAP_BYTES_MAX
from tierstore.runtime import Runtime
from tierstore_s3.objects import S3Objects

LARGE_BYTES = 8 << 20
LARGE_ROUNDS = 30  # of one object each: a server is busy with the last one for a while
THREADS = 16
RANGES, RANGE_BYTES = 100, 1024
TIMEOUT_S = 60.0
LARGE_BOUND = 1.15
PUT = (Goal("put", "boto3 put_object", LARGE_BOUND),)
GOT = (
    Goal("read", "boto3 get_object", LARGE_BOUND),
    Goal("stream", "boto3 get_object", LARGE_BOUND),
)
DEMOTED = (Goal("pack + put + verify", f"boto3, {THREADS} threads", 50, faster=True),)


class Bench:
    """The adapter, and boto3 as one would use it, on one server."""

    def __init__(self, server):
        self.server, self.runtime = server, Runtime()
        prefix = f"bench/{os.urandom(4).hex()}"
        self.objects = S3Objects(server.url(prefix), runtime=self.runtime, base_dir="/")
        self.raw = boto3.session.Session().client(
            "s3",
            endpoint_url=server.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=server.key,
            aws_secret_access_key=server.secret,
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=THREADS),
        )
        self.prefix = f"{prefix}-raw"

    def mint(self):
        return mint_name(self.runtime, REGION, 1, SEGMENT)

    def put(self, content):
        name = self.mint()
        self.objects.put(name, [content], TIMEOUT_S)
        return name

    def put_raw(self, content):
        key = f"{self.prefix}/{self.mint()}"
        self.raw.put_object(Bucket=self.server.bucket, Key=key, Body=content)
        return key

    def get_raw(self, key, **how):
        return self.raw.get_object(Bucket=self.server.bucket, Key=key, **how)["Body"].read()


def measure_large(bench):
    whole = os.urandom(LARGE_BYTES)
    puts = Contest("putting 8 MiB", "boto3 put_object")
    puts.add("boto3 put_object", lambda: bench.put_raw(whole), 1)
    puts.add("put", lambda: bench.put(whole), 1)
    puts.run(LARGE_ROUNDS)
    key, name, asked = bench.put_raw(whole), bench.put(whole), [ByteRange(0, LARGE_BYTES)]

    def stream():  # as what is stored in objects is opened: chunk by chunk, never joined
        return sum(map(len, bench.objects.stream(name, TIMEOUT_S)))

    gets = Contest("getting 8 MiB", "boto3 get_object")
    gets.add("boto3 get_object", lambda: bench.get_raw(key), 1)
    gets.add("read", lambda: bench.objects.read(name, asked, TIMEOUT_S), 1)
    gets.add("stream", stream, 1)
    gets.run(LARGE_ROUNDS)
    return all([puts.report(PUT), gets.report(GOT)])


def obstore_of(server):
    """A store of obstore on the same server, None if it is not installed."""
    try:
        from obstore.store import S3Store
    except ImportError:
        return None
    return S3Store(
        server.bucket,
        endpoint=server.endpoint_url,
        access_key_id=server.key,
        secret_access_key=server.secret,
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )


def measure_demotion(bench, keys, puts, rounds):
    records = make_records(keys)
    encoded = [encode(record) for _, record in records[:puts]]
    contest = Contest("demoting values of 1 KiB, per key", f"boto3, {THREADS} threads")

    def put_each():
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(bench.put_raw, encoded))

    contest.add(f"boto3, {THREADS} threads", put_each, puts)
    other = obstore_of(bench.server)
    if other is None:
        contest.skip(f"obstore, {THREADS} threads")
    else:

        def put_each_by_obstore():
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(lambda each: other.put(f"o/{bench.mint()}", each), encoded))

        contest.add(f"obstore, {THREADS} threads", put_each_by_obstore, puts)
    contest.add(
        "pack + put + verify", lambda: demote(bench.objects, bench.runtime, records), len(records)
    )
    contest.run(rounds)
    return contest.report(DEMOTED)


def measure_ranges(bench, rounds):
    whole = os.urandom(LARGE_BYTES)
    key, name = bench.put_raw(whole), bench.put(whole)
    step = LARGE_BYTES // RANGES
    asked = [ByteRange(start, RANGE_BYTES) for start in range(0, RANGES * step, step)]

    def one_by_one():
        for each in asked:
            bench.get_raw(key, Range=f"bytes={each.start}-{each.end - 1}")

    contest = Contest(f"{RANGES} scattered ranges of 1 KiB, per range", "boto3, one by one")
    contest.add("boto3, one by one", one_by_one, RANGES)
    contest.add("one read", lambda: bench.objects.read(name, asked, TIMEOUT_S), RANGES)
    other = obstore_of(bench.server)
    if other is None:
        contest.skip("obstore, get_ranges")
    else:
        starts, lengths = [each.start for each in asked], [each.length for each in asked]
        contest.add(
            "obstore, get_ranges",
            lambda: other.get_ranges(key, starts=starts, lengths=lengths, coalesce=GAP_BYTES_MAX),
            RANGES,
        )
    contest.run(rounds)
    return contest.report()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--keys", type=int, default=50_000)
    options.add_argument("--puts", type=int, default=2_000)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    print(common.machine(), f"boto3 {boto3.__version__}", sep=", ")
    with running_server() as server:
        bench = Bench(server)
        met = [
            measure_large(bench),
            measure_demotion(bench, chosen.keys, chosen.puts, chosen.rounds),
            measure_ranges(bench, chosen.rounds),
        ]
        bench.objects.close()
        bench.raw.close()
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
