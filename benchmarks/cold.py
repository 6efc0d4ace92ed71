"""The cold tier: demoting in segments beside a file per key, reading many keys beside one by one.

    python benchmarks/cold.py [--keys 100000] [--files 2000] [--rounds 5] [--folder .]
    python benchmarks/cold.py --compression

Values have 1 KiB, half of it random. A file per key is written as an object is: a temporary file,
synced, renamed, the folder synced. It is measured on `--files` keys; every figure is per key. Each
segment is read back and checked before the next, as the mover does.

`--compression` prints what the decisions on levels, block sizes and dictionaries rest on.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).resolve().parent))

import common
from common import Contest, Goal

from tierstore.record import ELSEWHERE, Record, encode
from tierstore.region.objects import SEGMENT, mint_name
from tierstore.region.pointer import encode_pointer
from tierstore.region.rows import Row
from tierstore.runtime import Runtime
from tierstore.tiers.cold import ColdReader
from tierstore.tiers.files import FileObjects
from tierstore.tiers.segments import pack_segment, split, verify
from tierstore.tiers.segments.segment import BLOCK_BYTES
from tierstore.values import encode as encode_value

REGION = "00c0ffee00c0ffee"
VALUE_BYTES = 1024
TIMEOUT_S = 60.0
READ_AT_ONCE = 500
STAMP = 1_700_000_000_000 << 16
DEMOTED = (Goal("pack + put + verify", "a synced file per key", 20, faster=True),)
READ = (Goal(f"{READ_AT_ONCE} keys in one call", "one call per key", 10, faster=True),)


def make_records(count):
    half = VALUE_BYTES // 2
    noise = common.values(count, half)
    return [
        (f"user/{n:07d}", Record(STAMP + n, 7, noise[n] + bytes(VALUE_BYTES - half)))
        for n in range(count)
    ]


def demote(objects, runtime, records):
    """Every pointer, by key, after all records went into verified segments."""
    pointers = {}
    for group in split(records):
        packed = pack_segment(mint_name(runtime, REGION, 1, SEGMENT), group)
        objects.put(packed.name, packed.parts, TIMEOUT_S)
        verify(objects, packed, TIMEOUT_S)
        pointers.update(packed.pointers)
    return pointers


def write_files(folder, records):
    """One durable file per record."""
    made = tempfile.mkdtemp(dir=folder)
    for number, (_, record) in enumerate(records):
        temporary, name = f"{made}/{number}.tmp", f"{made}/{number}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, encode(record))
        os.fsync(descriptor)
        os.close(descriptor)
        os.rename(temporary, name)
        parent = os.open(made, os.O_RDONLY)
        os.fsync(parent)
        os.close(parent)


def measure_demotion(folder, objects, runtime, records, files, rounds):
    contest = Contest("demoting values of 1 KiB, per key", "a synced file per key")
    some = records[:files]
    contest.add("a synced file per key", lambda: write_files(folder, some), files)
    contest.add("pack + put + verify", lambda: demote(objects, runtime, records), len(records))
    contest.run(rounds)
    return contest.report(DEMOTED)


def measure_reading(objects, runtime, records, rounds):
    pointers = demote(objects, runtime, records[: 20 * READ_AT_ONCE])
    rows = {
        key: Row(key, Record(record.stamp, 7, ELSEWHERE), cold=encode_pointer(pointers[key]))
        for key, record in records[7 * READ_AT_ONCE : 8 * READ_AT_ONCE]
    }
    reader = ColdReader(objects, runtime=runtime)
    assert reader.read(rows, TIMEOUT_S).payloads == {k: dict(records)[k].payload for k in rows}

    def one_by_one():
        for key, row in rows.items():
            reader.read({key: row}, TIMEOUT_S)

    contest = Contest("cold reads of neighbours, per key", "one call per key")
    contest.add("one call per key", one_by_one, len(rows))
    name = f"{READ_AT_ONCE} keys in one call"
    contest.add(name, lambda: reader.read(rows, TIMEOUT_S), len(rows))
    contest.run(rounds)
    return contest.report(READ)


# Compression


WORDS = """the of to and in is it you that he was for on are with as his they at be this from
have or by one had not but what all were when we there can an your which their said if do will each
about how up out them then she many some so these would other into has more her two like him see
time could no make than first been its who now people my made over did down only way find use may
water""".split()


def profile(chance, number):
    """About 110 bytes: a small document with repeated field names."""
    return {
        "id": number,
        "name": f"{chance.choice(WORDS)} {chance.choice(WORDS)}",
        "email": f"user{number}@example.com",
        "country": chance.choice(["DE", "US", "FR", "IN"]),
        "joined": 1_600_000_000 + chance.randrange(10**8),
        "score": chance.random(),
        "tags": chance.sample(WORDS, 3),
    }


def session(chance, number):
    """About 190 bytes: a random token and a short list."""
    return {
        "user": chance.randrange(10**6),
        "token": chance.randbytes(16).hex(),
        "agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
        "cart": [
            {"sku": chance.randrange(10**5), "n": 1, "price": chance.randrange(10**5) / 100}
            for _ in range(chance.randrange(5))
        ],
    }


def article(chance, number):
    """About 490 bytes: text."""
    text = " ".join(chance.choices(WORDS, k=chance.randrange(40, 160)))
    return {"id": number, "title": " ".join(chance.choices(WORDS, k=6)), "body": text}


def raw_records(make, count, seed):
    chance = random.Random(seed)
    for number in range(count):
        stamp = STAMP + (chance.randrange(10**8) << 16)
        record = Record(stamp, chance.getrandbits(53), encode_value(make(chance, number)))
        yield f"{make.__name__}/{number:07d}".encode() + encode(record)


def blocks_of(raw, block_bytes):
    block, size_bytes = [], 0
    for record in raw:
        if block and size_bytes + len(record) > block_bytes:
            yield b"".join(block)
            block, size_bytes = [], 0
        block.append(record)
        size_bytes += len(record)
    yield b"".join(block)


def compress(raw, block_bytes, level, dictionary):
    """(The share of the size that is left, the dictionary included, MB/s)."""
    import zstandard

    compressor = zstandard.ZstdCompressor(level=level, dict_data=dictionary, write_checksum=True)
    blocks = list(blocks_of(raw, block_bytes))
    begin_s = process_time()
    stored = sum(len(compressor.compress(block)) for block in blocks)
    elapsed_s = process_time() - begin_s
    total = sum(map(len, raw))
    stored += len(dictionary.as_bytes()) if dictionary else 0
    return stored / total, total / elapsed_s / 1e6


def compare_compression(count=8000):
    import zstandard

    for make in (profile, session, article):
        raw = list(raw_records(make, count, 1))
        print(f"\n{make.__name__}, {sum(map(len, raw)) / count:.0f} bytes a record")
        trained = zstandard.train_dictionary(16 << 10, list(raw_records(make, count // 2, 2)))
        for block_bytes, level, dictionary in (
            *((BLOCK_BYTES, level, None) for level in (1, 3, 6, 9, 12)),
            (BLOCK_BYTES // 4, 3, None),
            (BLOCK_BYTES * 4, 3, None),
            (BLOCK_BYTES, 3, trained),
            (BLOCK_BYTES // 4, 3, trained),
        ):
            share, speed = compress(raw, block_bytes, level, dictionary)
            what = f"blocks of {block_bytes >> 10} KiB, level {level}"
            what += ", dictionary of 16 KiB" if dictionary else ""
            print(f"  {what:<48}{share:>8.1%}{speed:>8.0f} MB/s")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=2_000, help="keys that get a file each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default=".", help="on the disk to be measured")
    parser.add_argument("--compression", action="store_true")
    options = parser.parse_args()
    print(common.machine())
    if options.compression:
        return compare_compression()
    runtime, records = Runtime(), make_records(options.keys)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        objects = FileObjects("file:cold", runtime=runtime, base_dir=folder)
        met = [
            measure_demotion(folder, objects, runtime, records, options.files, options.rounds),
            measure_reading(objects, runtime, records, options.rounds),
        ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
