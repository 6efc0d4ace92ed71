"""A region and a cold tier, processes that open stores over them, and what must always hold."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tierstore.errors import TierStoreError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.policy.model import is_tiered
from tierstore.region.apply import Limits
from tierstore.region.pointer import decode_pointer
from tierstore.runtime import now_ms
from tierstore.testing import (
    FaultPlan,
    FaultyObjects,
    FaultyRegion,
    ManualRuntime,
    MemoryObjects,
    MemoryRegion,
)
from tierstore.tiers.cold import ColdReader
from tierstore.tiers.files import FileObjects
from tierstore_sql.region import SqlRegion

TIMEOUT_S = 600.0
INTERVAL_S = 10
LEASE_S = 60
RETAIN_S = 3600
RULE = {
    "match": "**",
    "durability": "memory",
    "hotness": {"cold": "60/h", "half_life": "1min"},
    "min_residency": {"regional": "1min", "edge": "0s"},
}
EPOCH_MAX = 1 << 60


@cache
def load_policy(fields):
    """The policy with these fields, as JSON."""
    given = json.loads(fields)
    tiers = {"edge": {"journal": "none"}}
    movement = {"interval": f"{INTERVAL_S}s", **given.pop("movement", {})}
    timeouts = given.pop("timeouts", {"regional": "10min", "cold": "10min"})
    rules = given.pop("rules", [{}])
    return load(
        {
            "version": 1,
            "tiers": tiers,
            "movement": movement,
            "timeouts": timeouts,
            "cold": {"retain": f"{RETAIN_S}s"},
            "rules": [{**RULE, **rule} for rule in rules],
            **given,
        }
    )


class Process:
    """A store, and the mover and sweeper beside it, which go wrong as `plan` says."""

    def __init__(self, site, policy, plan):
        self.site, self.runtime, self.plan = site, site.runtime, plan
        site.limits = Limits(is_tiered=is_tiered(policy))
        region = FaultyRegion(site.open_region(), plan)
        objects = FaultyObjects(site.open_objects(), plan)
        self.store = wire(policy, site.runtime, region=region, objects=objects)

    @property
    def replica(self):
        """The engine below the store."""
        return self.store._core.replica

    @property
    def moving(self):
        """The mover and sweeper."""
        return self.replica.moving

    def step(self, times=1):
        """Move and sweep, an interval after the other; other background steps do not run."""
        for _ in range(times):
            self.runtime.sleep(INTERVAL_S)
            self.moving.step()

    def heat(self, *keys, times=40):
        """Read keys at the region many times, and tell it so."""
        for key in keys * times:
            self.store.get(key, max_age=0)
        self.replica.walk()

    def crash(self):
        """End the process without a word."""
        if self.replica._driver is not None:
            self.runtime.drop(self.replica._driver)
        self.replica.state.closed = True


class Site:
    """One region and its cold tier, in memory."""

    def __init__(self):
        self.runtime = ManualRuntime(seed=1)
        self.limits = Limits(is_tiered=True)
        self.processes = []
        self.make()

    def make(self):
        self.region = MemoryRegion(self.runtime, self.limits)
        self.objects = MemoryObjects()

    def open_region(self):
        self.region._limits = self.limits
        return self.region

    def open_objects(self):
        return self.objects

    def open(self, *, plan=None, **fields):
        """A process with a policy of these fields."""
        policy = load_policy(json.dumps(fields))
        self.processes.append(Process(self, policy, plan or FaultPlan()))
        return self.processes[-1]

    def close(self):
        for process in self.processes:
            process.crash()

    # Looking at the tiers around any store

    def now_ms(self):
        return now_ms(self.runtime)

    @property
    def id(self):
        return self.region.connect(TIMEOUT_S).region

    def rows(self):
        """Every row by key, as the region stores it."""
        page = self.region.scan("", None, 10_000, False, True, 0, TIMEOUT_S)
        assert not page.corrupt
        return {row.key: row for row in page.rows}

    def blobs(self):
        """The names of all objects but the mark."""
        return self.names() - {self.region.marker(TIMEOUT_S)}

    def marks(self):
        """The names of all objects that no row needs."""
        return self.names() - {item.name for item in self.region.objects(9999, TIMEOUT_S)}

    def names(self):
        """The names of all objects, and of the mark."""
        return {found.name for found in self.objects.list(f"{self.id}/", "", 9999, 9.0).objects}

    def cold_keys(self):
        """Keys whose payload lies in an object."""
        return {key for key, row in self.rows().items() if row.cold is not None}

    def state(self):
        """What no move may change, by key: version, type, payload, lifetime, metadata, place."""
        found = {}
        for key, row in self.rows().items():
            record = row.record
            found[key] = (
                record.stamp, record.replica, record.type, record.generation,
                self.payload(row), record.expires_at_ms, record.touch, record.metadata,
                row.position, row.size, row.created_ms,
            )  # fmt: skip
        return found

    def payload(self, row):
        """The one payload of a row, wherever it is."""
        if row.cold is None:
            assert row.record.payload != b"", f"{row.key} is neither here nor there"
            return row.record.payload
        assert row.record.payload == b"", f"{row.key} is here and there"
        reply = ColdReader(self.objects, runtime=self.runtime).read({row.key: row}, TIMEOUT_S)
        assert row.key in reply.payloads, f"{row.key} is lost: {reply}"
        return reply.payloads[row.key]

    def check_objects(self, *, is_swept=True):
        """Counts of objects are those of the rows; swept, there is nothing that no row needs."""
        rows = self.rows()
        pointers = [decode_pointer(r.cold, key=k) for k, r in rows.items() if r.cold is not None]
        live = Counter(pointer.name for pointer in pointers)
        stored = {item.name: item for item in self.region.objects(9999, TIMEOUT_S)}
        assert {name: item.live for name, item in stored.items() if item.live} == dict(live)
        assert all((item.dead_ms is None) is (item.live > 0) for item in stored.values())
        assert set(live) <= self.blobs()
        if is_swept:
            assert set(stored) == set(live) == self.blobs(), "something was not swept"
            assert self.region.stale_intents(EPOCH_MAX, 99, TIMEOUT_S) == []

    def settle(self, **fields):
        """Let a new process take over, move, and sweep until nothing old is left."""
        process = self.open(**fields)
        self.runtime.sleep(LEASE_S + 1)
        for _ in range(3):
            process.step(3)
            self.runtime.sleep(RETAIN_S + 1)
        process.step(3)
        return process


class SqlSite(Site):
    """The same on SQLite and in files; each process has adapters of its own."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.opened = []
        super().__init__()

    def make(self):
        self.region = self.open_region()
        self.objects = self.open_objects()

    def open_region(self):
        url = "sqlite:///region.db"
        region = SqlRegion(url, runtime=self.runtime, terms=self.limits, base_dir=self.folder)
        self.opened.append(region)
        return region

    def open_objects(self):
        return FileObjects("file:cold", runtime=self.runtime, base_dir=self.folder)

    def close(self):
        super().close()
        for region in self.opened:
            region.close()


@pytest.fixture
def folder():
    """A folder, in memory where the system has that: objects and databases sync much."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="tierstore", dir=memory) as path:
        yield Path(path)


@pytest.fixture
def new_site(folder):
    """Makes a site, in memory or on SQLite and files; closes it at the end."""
    sites = []

    def make(*, is_sql=False):
        folder_of_one = folder / str(len(sites))
        folder_of_one.mkdir()
        sites.append(SqlSite(folder_of_one) if is_sql else Site())
        return sites[-1]

    yield make
    for site in sites:
        site.close()


@pytest.fixture
def site(new_site):
    return new_site()


@pytest.fixture
def tolerant():
    """Runs a function, whatever error of tierstore's own it raises."""

    def run(function):
        try:
            return function()
        except TierStoreError:
            return None

    return run
