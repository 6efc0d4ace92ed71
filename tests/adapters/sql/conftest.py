"""A region in a file of its own, on virtual time, and replicas that write to it."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager

import pytest

from tierstore.record import Record
from tierstore.region.apply import Limits
from tierstore.region.batch import PUT, TOUCH, Delta, freeze
from tierstore.runtime import now_ms
from tierstore.runtime.manual import ManualRuntime
from tierstore.stamp import at_ms
from tierstore_sql.region import SqlRegion

TIMEOUT_S = 5.0


class Sender:
    """A replica's side of the protocol: numbered batches that name their predecessor."""

    def __init__(self, region, replica, runtime):
        self.region, self.replica, self.runtime = region, replica, runtime
        self.number, self.digest, self.count = 0, b"", 0
        self.region.register(replica, TIMEOUT_S)

    def stamp(self, offset_s=0.0):
        """A stamp of now, each higher than the one before."""
        self.count += 1
        return at_ms(now_ms(self.runtime) + round(offset_s * 1000)) + self.count

    def put(self, key, payload, *, stamp=None, **fields):
        """A delta that writes `payload`, None to delete."""
        stamp = self.stamp() if stamp is None else stamp
        return Delta(key, PUT, Record(stamp, self.replica, payload, **fields))

    def touch(self, delta, expires_at_ms):
        """A delta that moves the expiry of what `delta` wrote."""
        old = delta.record
        return Delta(
            delta.key, TOUCH, Record(old.stamp, old.replica, None, expires_at_ms, self.stamp())
        )

    def batch(self, *deltas):
        """The next batch, not sent."""
        return freeze(self.replica, self.number + 1, self.digest, list(deltas), [])

    def sent(self, batch):
        """The region's answer to `batch`, from which the next one follows."""
        reply = self.region.apply(batch, TIMEOUT_S)
        if reply.verdict == "applied":
            self.number, self.digest = batch.number, batch.digest
        return reply

    def send(self, *deltas):
        """The region's answer to a batch of `deltas`."""
        return self.sent(self.batch(*deltas))

    def read(self, *keys):
        """What the region replies for `keys`."""
        return self.region.read(keys, self.replica, TIMEOUT_S)

    def payloads(self, *keys):
        """The payloads that the region has of `keys`."""
        return {key: row.record.payload for key, row in self.read(*keys).rows.items()}

    def changes(self, cursor, limit=1000):
        """A page of the feed."""
        return self.region.changes(cursor, limit, self.replica, TIMEOUT_S)

    def scan(self, start="", end=None, *, limit=1000, reverse=False, values=True):
        """A page of a scan."""
        return self.region.scan(start, end, limit, reverse, values, self.replica, TIMEOUT_S)


@pytest.fixture
def runtime():
    return ManualRuntime(seed=1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "region.db"


@pytest.fixture
def open_region(tmp_path, runtime):
    opened = []

    def open_one(url="sqlite:///data/region.db", runtime=runtime):
        opened.append(SqlRegion(url, runtime=runtime, terms=Limits(), base_dir=str(tmp_path)))
        return opened[-1]

    yield open_one
    for region in opened:
        region.close()


@pytest.fixture
def region(open_region):
    return open_region()


@pytest.fixture
def sender(region, runtime):
    return Sender(region, 7, runtime)


@pytest.fixture(scope="session")
def new_sender():
    """Makes a replica's side: `new_sender(region, replica, runtime)`."""
    return Sender


@pytest.fixture(scope="session")
def fresh_region(tmp_path_factory):
    """A context that yields an empty region and its runtime, for examples of a property."""

    @contextmanager
    def fresh():
        runtime = ManualRuntime(seed=1)
        folder = str(tmp_path_factory.mktemp("region"))
        region = SqlRegion("sqlite:///r.db", runtime=runtime, terms=Limits(), base_dir=folder)
        try:
            yield region, runtime
        finally:
            region.close()

    return fresh


@pytest.fixture
def tamper(path):
    """Runs a statement on the database behind the region's back."""

    def run(statement, *parameters):
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()

    return run
