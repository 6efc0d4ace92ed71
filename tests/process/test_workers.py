"""Pre-forked workers over one policy, one of them killed: all that they acknowledged is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import tierstore

PREFORK = Path(__file__).parent / "programs" / "prefork.py"
TIMEOUT_S = 60.0
POLICY = {"timeouts": {"regional": f"{TIMEOUT_S:g}s"}}
OTHER = POLICY | {"tiers": {"edge": {"url": "memory://", "journal": "another"}}}
WORKERS, KEYS_MAX = 4, 300  # as in the program


class Output:
    """What the workers print: their process ids, and the last number that each acknowledged."""

    def __init__(self, stream):
        self._stream = stream
        self.pids = {}
        self.acknowledged = defaultdict(int)

    def read_until(self, condition):
        while not condition():
            line = self._stream.readline()
            assert line, "the workers ended early"
            self._take(line)

    def read_all(self):
        for line in self._stream:
            self._take(line)

    def _take(self, line):
        first, *rest = line.split()
        if first == b"pid":
            self.pids[int(rest[1])] = int(rest[0])
        else:
            self.acknowledged[int(first)] = int(rest[0])


def run_workers(folder, killed):
    """What each worker acknowledged, worker `killed` until SIGKILL, the others until told to."""
    process = subprocess.Popen(
        [sys.executable, PREFORK, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    output = Output(process.stdout)
    output.read_until(
        lambda: (
            len(output.pids) == len(output.acknowledged) == WORKERS
            and min(output.acknowledged.values()) >= 5
        )
    )
    os.kill(output.pids[killed], signal.SIGKILL)
    wanted = {w: min(n + 5, KEYS_MAX) for w, n in output.acknowledged.items() if w != killed}
    output.read_until(lambda: all(output.acknowledged[w] >= n for w, n in wanted.items()))
    process.stdin.write(b"stop\n")
    process.stdin.close()
    output.read_all()
    process.stdout.close()
    assert process.wait(TIMEOUT_S) == 0
    return dict(output.acknowledged)


def expected(acknowledged):
    return {
        f"{kind}/{worker}/{n}": n
        for worker, last in acknowledged.items()
        for n in range(1, last + 1)
        for kind in ("inherited", "own")
    }


def test_one_of_four_forked_workers_is_killed(tmp_path, counting):
    acknowledged = run_workers(str(tmp_path), killed=2)
    wanted = expected(acknowledged)
    with tierstore.open(POLICY, base_dir=tmp_path) as store:
        assert store.maintain().ok
        assert store.stats()["counts"]["adopted"] >= 1
        with tierstore.open(OTHER, base_dir=tmp_path) as other:
            for replica in (store, other):
                found = replica.get_many(wanted)
                assert found == wanted
                assert replica.get("parent") == "after"
            scanned = {entry.key: entry.value for entry in other.scan()}
    surplus = scanned.keys() - wanted.keys() - {"parent"}
    assert surplus <= {f"{kind}/2/{acknowledged[2] + 1}" for kind in ("inherited", "own")}
    versions = Counter(key for key, *_ in counting.check(tmp_path / "tierstore-data" / "region.db"))
    assert all(count == 1 for key, count in versions.items() if key != "parent")
