"""A writer that is killed loses nothing that it acknowledged, and nothing is applied twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import tierstore
from tierstore.region.apply import Limits
from tierstore.runtime import Runtime
from tierstore_sql.region import SqlRegion

WRITER = Path(__file__).parent / "programs" / "writer.py"
TIMEOUT_S = 60.0
POLICY = {
    "timeouts": {"regional": f"{TIMEOUT_S:g}s"},
    "rules": [
        {"match": "regional/**", "durability": "regional"},
        {"match": "last/regional/**", "durability": "regional"},
    ],
}


OTHER = POLICY | {"tiers": {"edge": {"url": "memory://", "journal": "another"}}}


class Writer:
    """A writing process, killed `delay_s` after its first acknowledgement, or after its start."""

    def __init__(self, folder, durability, name, delay_s, *, early):
        self.durability, self.name = durability, name
        self.process = subprocess.Popen(
            [sys.executable, WRITER, folder, durability, name], stdout=subprocess.PIPE
        )
        first = b"" if early else self.process.stdout.readline()
        self.timer = threading.Timer(delay_s, self.process.kill)
        self.timer.start()
        self.printed = first

    def finish(self):
        """The last number that was acknowledged; 0 if none was."""
        self.printed += self.process.stdout.read()
        self.process.stdout.close()
        self.timer.join()
        assert self.process.wait(TIMEOUT_S) == -signal.SIGKILL
        return int(self.printed.splitlines()[-1]) if self.printed else 0

    def check(self, store, acknowledged):
        """Everything acknowledged is in `store`; of what came after, at most the next step."""
        prefix = f"{self.durability}/{self.name}"
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


def run_pairs(folder, pairs, seed):
    """Kill one writer of each durability at a time, over one folder, and check what is left."""
    chance = random.Random(seed)
    acknowledged = {}
    for number in range(pairs):
        writers = []
        for durability in ("journal", "regional"):
            early = chance.random() < 0.2
            delay_s = chance.uniform(0.0, 0.2) if early else chance.uniform(0.001, 0.06)
            writers.append(Writer(folder, durability, str(number), delay_s, early=early))
        acknowledged.update({writer: writer.finish() for writer in writers})
        with tierstore.open(POLICY, base_dir=folder) as store:
            assert store.maintain().ok
            for writer in writers:
                writer.check(store, acknowledged[writer])
    with tierstore.open(OTHER, base_dir=folder) as store:
        for writer, number in acknowledged.items():
            writer.check(store, number)
        check_versions(store)
    assert sum(acknowledged.values()) > pairs
    check_region(folder)


def check_versions(store):
    versions = [entry.version for entry in store.scan(values=False)]
    assert len(versions) == len(set(versions))


def check_region(folder):
    """Each key that was written once took one position, or two if it was deleted."""
    region = SqlRegion(
        "sqlite:///tierstore-data/region.db", runtime=Runtime(), terms=Limits(), base_dir=folder
    )
    try:
        batches = sum(state.applied for state in region.replicas(TIMEOUT_S))
        page = region.changes(0, 1_000_000, 1, TIMEOUT_S)
        assert region.aside(10, TIMEOUT_S) == []
        keys = [change.key for change in page.changes if not change.key.startswith("last/")]
        tombstones = sum(key.endswith("5") for key in keys)
        # `last/…` takes at most one position a batch.
        assert page.position <= len(keys) + tombstones + batches
    finally:
        region.close()


def test_a_killed_writer_loses_nothing(tmp_path):
    run_pairs(str(tmp_path), pairs=10, seed=1)


@pytest.mark.campaign
def test_two_hundred_killed_writers_lose_nothing(tmp_path):
    run_pairs(str(tmp_path), pairs=100, seed=2)
