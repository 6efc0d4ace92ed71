"""While masters fail over and the slot moves to and fro, no number stands for two writes."""

from __future__ import annotations

import random
import threading
from contextlib import suppress

import pytest
import valkey_cluster

from tierstore.errors import OutcomeUnknownError, UnavailableError
from tierstore.record import Record
from tierstore.region.batch import PUT, Delta
from tierstore.region.shared import tag_of
from tierstore_redis.topology import SLOT_OF_HOME

T = 3.0
TAG = 3
SLOT = SLOT_OF_HOME[TAG]
BYTES_MAX = 1 << 30
KEYS = [key for key in map(str, range(1_000)) if tag_of(key) == TAG][:3]


class Worker:
    """Does one thing again and again, whatever happens to the cluster, until it is stopped."""

    def __init__(self, edge):
        self.edge, self.failure, self.done = edge, None, 0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._ends.set()
        self._thread.join(30)
        assert self.failure is None

    def _work(self):
        try:
            while not self._ends.is_set():
                with suppress(UnavailableError, OutcomeUnknownError):
                    self.do()
                    self.done += 1
        except Exception as error:
            self.failure = error


class Writer(Worker):
    """Writes a key of its own with ever higher stamps."""

    def __init__(self, edge, key, seed):
        super().__init__(edge)
        self.key, self.stamp, self.run = key, 0, ""
        self.chance = random.Random(seed)

    def do(self):
        self.stamp += 1
        delta = Delta(self.key, PUT, Record(self.stamp, 1, b"%d" % self.stamp))
        verdict = self.edge.write([delta], self.run, BYTES_MAX, T).verdict
        if verdict == "unbound":
            self.run = self.edge.connect(T).run
            self.edge.bind(TAG, self.run, self.chance.randrange(1, 1 << 53), T)


class Looker(Worker):
    """Notes what every number of every identity was seen to stand for."""

    def __init__(self, edge):
        super().__init__(edge)
        self.seen, self.doubled = {}, []

    def do(self):
        for one in self.edge.identities(TAG, T)[-3:]:
            entries = self.edge.queue(TAG, one.replica, 100_000, T)
            for entry in entries:
                what = entry.delta.key, entry.delta.record.stamp
                if self.seen.setdefault((one.replica, entry.number), what) != what:
                    self.doubled.append((one.replica, entry.number))


def fail_over(cluster):
    """Let the replica take over at once, from a master that goes on writing until it hears."""
    master = cluster.owner(SLOT)
    (replica,) = {cluster.nodes[0], cluster.nodes[3]} - {master}
    valkey_cluster.wait_until(lambda: "up" in cluster._link(replica))
    replica.ask("CLUSTER", "FAILOVER", "FORCE")
    valkey_cluster.wait_until(lambda: cluster.owner(SLOT) is replica)


def to_and_fro(cluster):
    """Move the slot to another master, and back."""
    source, target = cluster.owner(SLOT), cluster.nodes[1]
    cluster.move(SLOT, source, target)
    cluster.move(SLOT, target, source)


@pytest.mark.parametrize("rounds", [pytest.param(1), pytest.param(20, marks=pytest.mark.campaign)])
def test_no_number_stands_for_two_writes(own_cluster, open_edge, rounds):
    cluster = own_cluster(replicas=1, appendonly="no")
    workers = [Writer(open_edge(cluster.url), key, at) for at, key in enumerate(KEYS)]
    looker = Looker(open_edge(cluster.url))
    for worker in (*workers, looker):
        worker.start()

    def go_on():
        goal = [worker.done + 20 for worker in workers]
        looks = looker.done + 2
        valkey_cluster.wait_until(
            lambda: (
                looker.done >= looks
                and all(one.done >= least for one, least in zip(workers, goal, strict=True))
            )
        )

    for _ in range(rounds):
        for event in (fail_over, to_and_fro, fail_over):
            go_on()
            event(cluster)
    go_on()
    for worker in (*workers, looker):
        worker.stop()
    assert looker.doubled == []
    assert len({replica for replica, _ in looker.seen}) >= 4
