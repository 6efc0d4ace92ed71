"""A durable server that is killed again and again loses nothing that it acknowledged."""

from __future__ import annotations

import random
import threading
import time

import pytest

from tierstore.errors import OutcomeUnknownError, UnavailableError
from tierstore.record import Record
from tierstore.region.batch import PUT, Delta
from tierstore.region.shared import tag_of

T = 5.0
TAG = 3
BYTES_MAX = 1 << 30
KEYS = [key for key in map(str, range(1_000)) if tag_of(key) == TAG][:4]


class Writer:
    """Writes a key of its own with ever higher stamps, whatever happens to the server."""

    def __init__(self, edge, key, seed):
        self.acknowledged, self.unknown, self.failure = {}, 0, None
        self._edge, self._key, self._chance = edge, key, random.Random(seed)
        self._run, self._replica = "", 0
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self):
        stamp, deadline = 0, time.monotonic() + 60
        try:
            while not self.ends.is_set() and time.monotonic() < deadline:
                stamp += 1
                while not self._has_written(stamp) and time.monotonic() < deadline:
                    self.ends.wait(0.001)
        except Exception as error:
            self.failure = error

    def _has_written(self, stamp):
        delta = Delta(self._key, PUT, Record(stamp, 1, b"%d" % stamp))
        try:
            reply = self._edge.write([delta], self._run, BYTES_MAX, T)
            if reply.verdict == "unbound":
                self._run = self._edge.connect(T).run
                mine = self._chance.randrange(1, 1 << 53)
                self._edge.bind(TAG, self._run, mine, T)
                return False
        except OutcomeUnknownError:
            self.unknown += 1
            return False
        except UnavailableError:
            return False
        assert reply.verdict == "written", reply
        self.acknowledged[stamp] = reply.numbers
        return True


@pytest.mark.parametrize("seed", range(2))
def test_acknowledged_writes_survive_and_no_number_stands_for_two(own_server, open_edge, seed):
    server = own_server()
    edges = [open_edge(server.url) for _ in range(2)]
    writers = [Writer(edges[at % 2], key, seed + at) for at, key in enumerate(KEYS)]
    for _ in range(4):
        goal = [len(writer.acknowledged) + 30 for writer in writers]
        while any(
            len(writer.acknowledged) < least for writer, least in zip(writers, goal, strict=True)
        ):
            assert not [writer.failure for writer in writers if writer.failure]
            time.sleep(0.005)
        server.kill()
        server.start()
    for writer in writers:
        writer.ends.set()
        writer.thread.join(T)
    assert not [writer.failure for writer in writers if writer.failure]
    check(edges[0], writers)


def check(edge, writers):
    """Every acknowledged write is queued once, in order, and shown if it is the latest."""
    edge.connect(T)
    identities = edge.identities(TAG, T)
    assert len(identities) >= 4
    assert len({one.run for one in identities}) == len(identities)
    queued = [
        entry.delta for one in identities for entry in edge.queue(TAG, one.replica, 100_000, T)
    ]
    for one in identities:
        numbers = [entry.number for entry in edge.queue(TAG, one.replica, 100_000, T)]
        assert numbers == list(range(1, one.waiting + 1))
    shown = edge.read(KEYS, T).copies
    for key, writer in zip(KEYS, writers, strict=True):
        stamps = [delta.record.stamp for delta in queued if delta.key == key]
        assert stamps == sorted(set(stamps))
        assert writer.acknowledged.keys() <= set(stamps)
        assert shown[key].record.stamp == stamps[-1]
        assert shown[key].number
