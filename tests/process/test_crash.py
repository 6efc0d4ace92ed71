"""A writer that is killed loses nothing that it acknowledged, and nothing is applied twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

import tierstore
from tierstore.region.apply import Limits
from tierstore.runtime import Runtime
from tierstore_sql.region import SqlRegion

PROGRAMS = Path(__file__).parent / "programs"
TIMEOUT_S = 60.0
DURABILITIES = ("journal", "regional", "far")
THREADS = 2
POLICY = {
    "timeouts": {"regional": f"{TIMEOUT_S:g}s"},
    "rules": [
        {"match": ["regional/**", "last/regional/**"], "durability": "regional"},
        {
            "match": ["far/**", "last/far/**"],
            "durability": "regional",
            "place": {"never": ["edge"]},
        },
    ],
}
OTHER = POLICY | {"tiers": {"edge": {"url": "memory://", "journal": "another"}}}


class Writer:
    """A writing process, killed `delay_s` after its first acknowledgement, or after its start."""

    def __init__(self, folder, durability, name, delay_s, *, early):
        self.durability, self.name = durability, name
        self.process = subprocess.Popen(
            [sys.executable, PROGRAMS / "writer.py", folder, durability, name, str(THREADS)],
            stdout=subprocess.PIPE,
        )
        first = b"" if early else self.process.stdout.readline()
        self.timer = threading.Timer(delay_s, self.process.kill)
        self.timer.start()
        self.printed = first

    def finish(self):
        """Wait for the end; then `acknowledged` has the last number of each prefix of keys."""
        self.printed += self.process.stdout.read()
        self.process.stdout.close()
        self.timer.join()
        assert self.process.wait(TIMEOUT_S) == -signal.SIGKILL
        self.acknowledged = {f"{self.durability}/{self.name}-{t}": 0 for t in range(THREADS)}
        for line in self.printed.splitlines():
            thread, number = line.decode().split()
            self.acknowledged[f"{self.durability}/{self.name}-{thread}"] = int(number)

    def check(self, store):
        """Everything acknowledged is in `store`; of what came after, at most the next step."""
        for prefix, acknowledged in self.acknowledged.items():
            check_keys(store, prefix, acknowledged)

    def check_versions(self, counts):
        """No write is in the region as two versions, and where each was awaited, every one is."""
        for prefix, acknowledged in self.acknowledged.items():
            for n in range(1, acknowledged + 2):
                assert counts[f"{prefix}/{n}"] <= (2 if n % 10 == 5 else 1)
            last = counts[f"last/{prefix}"]
            assert last <= acknowledged + 1
            assert last >= acknowledged or self.durability == "journal"


def check_keys(store, prefix, acknowledged):
    found = store.get_many(f"{prefix}/{n}" for n in range(1, acknowledged + 3))
    deleted = {f"{prefix}/{n - 5}" for n in range(10, acknowledged + 1, 10)}
    kept = {f"{prefix}/{n}": n for n in range(1, acknowledged + 1)}
    under_way = f"{prefix}/{acknowledged + 1}"
    assert found.keys() - kept.keys() <= {under_way}
    assert not found.keys() & deleted
    undecided = {f"{prefix}/{acknowledged - 4}"} if acknowledged % 10 == 9 else set()
    assert kept.keys() - deleted - found.keys() <= undecided
    assert all(found[key] == kept.get(key, acknowledged + 1) for key in found)
    last = store.get(f"last/{prefix}", 0)
    assert acknowledged <= last <= acknowledged + 1


def run_rounds(folder, counting, rounds, seed):
    """Kill one writer of each durability a round, over one folder, and check what is left."""
    chance = random.Random(seed)
    killed = []
    for number in range(rounds):
        writers = []
        for durability in DURABILITIES:
            early = chance.random() < 0.2
            delay_s = chance.uniform(0.0, 0.2) if early else chance.uniform(0.001, 0.06)
            writers.append(Writer(folder, durability, str(number), delay_s, early=early))
        for writer in writers:
            writer.finish()
        with tierstore.open(POLICY, base_dir=folder) as store:
            assert store.maintain().ok
            for writer in writers:
                writer.check(store)
        killed += writers
    with tierstore.open(OTHER, base_dir=folder) as store:
        for writer in killed:
            writer.check(store)
        check_scan(store)
    assert sum(sum(writer.acknowledged.values()) for writer in killed) > rounds
    check_region(folder, counting, killed)
    check_journals(folder)


def check_scan(store):
    versions = [entry.version for entry in store.scan(values=False)]
    assert len(versions) == len(set(versions))


def check_region(folder, counting, writers):
    """Every batch was applied once, and no key has more versions than there were writes of it."""
    region = open_region(folder)
    try:
        assert region.aside(10, TIMEOUT_S) == []
        counts = Counter(key for key, *_ in counting.check(region.path))
    finally:
        region.close()
    for writer in writers:
        writer.check_versions(counts)


def check_journals(folder):
    """What may not be at the edge never was in a journal, not even its key."""
    files = list(Path(folder).glob("tierstore-data/journal/*"))
    assert files
    for file in files:
        assert b"far/" not in file.read_bytes()


def open_region(folder):
    return SqlRegion(
        "sqlite:///tierstore-data/region.db", runtime=Runtime(), terms=Limits(), base_dir=folder
    )


def test_a_killed_writer_loses_nothing(tmp_path, counting):
    run_rounds(str(tmp_path), counting, rounds=7, seed=1)


@pytest.mark.campaign
def test_two_hundred_killed_writers_lose_nothing(tmp_path, counting):
    run_rounds(str(tmp_path), counting, rounds=67, seed=2)


def start(folder, prefix, flush):
    return subprocess.Popen(
        [sys.executable, PROGRAMS / "only_writes.py", folder, prefix, flush],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def test_a_process_that_only_writes_flushes_what_it_found(tmp_path):
    with start(tmp_path, "old", "1h") as killed:
        assert killed.stdout.readline() == b"written\n"
        killed.kill()
    with start(tmp_path, "new", "10ms") as process:
        assert process.stdout.readline() == b"written\n"
        timer = threading.Timer(TIMEOUT_S / 3, process.kill)
        timer.start()
        assert process.stdout.readline() == b"flushed\n"
        timer.cancel()
        process.kill()
    region = open_region(tmp_path)
    keys = [f"{prefix}/{n}" for prefix in ("old", "new") for n in range(5)]
    try:
        assert region.read(keys, 1, TIMEOUT_S).rows.keys() == {*keys}
    finally:
        region.close()
