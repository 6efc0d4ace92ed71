"""Two replicas of one region against plain dicts: every verb, faults, crashes, virtual time.

The model knows every write by its version. A read may show any write that happened, but never one
older than what this replica showed or acknowledged before; after healing, both replicas show the
winner. Writes that a crash may have taken are *maybe* writes until somebody sees them.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from attempts import attempt
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tierstore.errors import OutcomeUnknownError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.record import format_version
from tierstore.region.apply import Limits
from tierstore.testing import (
    FaultPlan,
    FaultyJournalDirectory,
    FaultyRegion,
    ManualRuntime,
    MemoryRegion,
)
from tierstore_sql.region import SqlRegion

MAX_AGE_S, STALE_S, TTL_S = 2, 5, 5
POLICY = {
    "version": 1,
    "tiers": {"edge": {"capacity": "150B", "journal": "journal"}},
    "rules": [
        {"match": "mem/*", "durability": "memory"},
        {"match": "reg/*", "durability": "regional"},
        {"match": "far/*", "durability": "regional", "place": {"never": ["edge"]}},
        {"match": "ttl/*", "ttl": f"{TTL_S}s"},
        {"match": "age/*", "read": {"max_age": f"{MAX_AGE_S}s", "stale_if_error": f"{STALE_S}s"}},
        {"match": "big/*", "edge": {"max_value": "16B"}},
    ],
    "replication": {"batch": 3},
}
KEYS = [
    f"{kind}/{name}" for kind in ("mem", "reg", "far", "ttl", "age", "big", "jrn") for name in "ab"
]
LOSABLE = ("mem/", "far/")  # not in a journal before they are flushed

keys = st.sampled_from(KEYS)
key_sets = st.lists(keys, min_size=1, max_size=4, unique=True)
values = st.one_of(
    st.binary(max_size=24), st.integers(-3, 300), st.lists(st.booleans(), max_size=3)
)
ttls = st.sampled_from(["omitted", None, 1, 3, 60])
sides = st.sampled_from("AB")
metadata = st.sampled_from([None, {"a": "b"}])


class Write:
    """One version of a key, and the lifetimes that touches gave it."""

    def __init__(self, value, metadata, expires_ms, *, deleted=False):
        self.value, self.metadata, self.deleted = value, metadata or {}, deleted
        # (touch stamp, expiry) -> expiry: of touches at one stamp the later expiry wins
        self.lifetimes = {(0, 0): expires_ms}
        self.maybe = False
        self.maybe_touches = set()

    def expiries(self):
        """The expiries that it may end with: those from the last certain touch on."""
        certain = max(t for t in self.lifetimes if t not in self.maybe_touches)
        return {e for t, e in self.lifetimes.items() if t >= certain}


class Replica:
    """One side: its store, its faults, and what it has shown or acknowledged of each key."""

    def __init__(self, machine, name):
        self.machine, self.name = machine, name
        self.plan = FaultPlan()
        self.shown = {}  # key -> the version that no later read may be older than
        self.unflushed = []  # (key, version, touch or None) since the last flush
        self.store = None

    @property
    def stamp(self):
        return self.store._core.replica.state.clock.last

    @property
    def id(self):
        return self.store._core.replica.state.replica

    def open(self):
        machine = self.machine
        folder = machine.folder / ("shared" if machine.is_shared else self.name)
        self.journals = FaultyJournalDirectory(str(folder), self.plan)
        self.region = machine.open_region()
        region = FaultyRegion(self.region, self.plan)
        self.store = wire(machine.policy, machine.runtime, region=region, journals=self.journals)
        core, self.touched = self.store._core, None
        core.touch, core_touch = self._spy, core.touch
        self._core_touch = core_touch

    def _spy(self, key, rule, target, *rest):
        self.touched = target.stamp, target.replica
        return self._core_touch(key, rule, target, *rest)

    def forget(self, is_lost):
        """After the end of the process: what may be gone, and so may be read older again."""
        for key, version, touch in self.unflushed:
            if not is_lost(key):
                continue
            write = self.machine.writes[key][version]
            write.maybe = write.maybe or touch is None
            if touch is not None:
                write.maybe_touches.add(touch)
            self.shown.pop(key, None)
        if self.machine.is_shared:
            self.shown.clear()  # the other process may take this one's journal
        self.unflushed = [item for item in self.unflushed if not is_lost(item[0])]


class Machine(RuleBasedStateMachine):
    """See the module. A subclass says where the region is: `open_region`, `probe`."""

    @initialize(shared=st.booleans())
    def begin(self, shared):
        self.is_shared = shared
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="tierstore", dir=memory))
        self.policy = load(POLICY, str(self.folder))
        self.runtime = ManualRuntime(seed=1)
        self.region = None
        self.writes = {key: {} for key in KEYS}  # key -> version -> Write
        self.rows = {key: [] for key in KEYS}  # key -> [(seen at, version)] of age/ keys
        self.cursors = []
        self.replicas = {name: Replica(self, name) for name in "AB"}
        for replica in self.replicas.values():
            replica.open()

    def teardown(self):
        if hasattr(self, "folder"):
            for replica in self.replicas.values():
                replica.plan.arm(0, "error")
                replica.plan.is_region_down = False
                replica.store.close()
            shutil.rmtree(self.folder)

    # Writing

    def _attempt(self, replica, work):
        """(result, error) of a verb; an error must have a fault for a cause."""
        is_kept_away = replica.store._core.replica.state.link.breaker.retry_in_s() is not None
        return attempt(work, replica.plan, is_excused=is_kept_away)

    def _expiry(self, key, stamp, ttl):
        seconds = (TTL_S if key.startswith("ttl/") else None) if ttl == "omitted" else ttl
        return None if seconds is None else (stamp >> 16) + seconds * 1000

    def _write(self, side, items, ttl, meta, work, *, deleted=False):
        replica = self.replicas[side]
        before = replica.stamp
        _, error = self._attempt(replica, work)
        if isinstance(error, UnavailableError):
            return error
        first = replica.stamp - len(items) + 1
        assert first > before
        for stamp, (key, value) in enumerate(items.items(), first):
            version = (stamp, replica.id)
            expiry = None if deleted else self._expiry(key, stamp, ttl)
            self.writes[key][version] = Write(value, meta, expiry, deleted=deleted)
            replica.shown[key] = max(replica.shown.get(key, (0, 0)), version)
            replica.unflushed.append((key, version, None))
        if isinstance(error, OutcomeUnknownError):
            outcome, _ = self._attempt(replica, lambda: replica.store.outcome(error.operation_id))
            assert outcome in (None, "pending", "applied")
        return error

    @rule(side=sides, key=keys, value=values, ttl=ttls, meta=metadata)
    def put(self, side, key, value, ttl, meta):
        store = self.replicas[side].store
        options = {} if ttl == "omitted" else {"ttl": ttl}
        error = self._write(
            side, {key: value}, ttl, meta, lambda: store.put(key, value, metadata=meta, **options)
        )
        if error is None or isinstance(error, OutcomeUnknownError):
            reading, error = self._attempt(self.replicas[side], lambda: store.read(key))
            if error is None:
                self._check_shown(side, key, reading)

    @rule(side=sides, names=key_sets, value=values, ttl=ttls)
    def put_many(self, side, names, value, ttl):
        store = self.replicas[side].store
        options = {} if ttl == "omitted" else {"ttl": ttl}
        items = {key: [value, number] for number, key in enumerate(names)}
        self._write(side, items, ttl, None, lambda: store.put_many(items, **options))

    @rule(side=sides, key=keys)
    def delete(self, side, key):
        store = self.replicas[side].store
        self._write(side, {key: None}, None, None, lambda: store.delete(key), deleted=True)

    @rule(side=sides, names=key_sets)
    def delete_many(self, side, names):
        store = self.replicas[side].store
        items = dict.fromkeys(names)
        self._write(side, items, None, None, lambda: store.delete_many(names), deleted=True)

    @rule(side=sides, key=keys, ttl=ttls)
    def touch(self, side, key, ttl):
        replica = self.replicas[side]
        options = {} if ttl == "omitted" else {"ttl": ttl}
        replica.touched = None
        touched, error = self._attempt(replica, lambda: replica.store.touch(key, **options))
        if not touched and not isinstance(error, OutcomeUnknownError):
            return
        stamp, version = replica.stamp, replica.touched
        lifetimes = self.writes[key][version].lifetimes
        expires_ms = self._expiry(key, stamp, ttl)
        touch = stamp, math.inf if expires_ms is None else expires_ms
        lifetimes[touch] = expires_ms
        replica.unflushed.append((key, version, touch))
        reading, error = self._attempt(replica, lambda: replica.store.read(key))
        if error is None and self._check_shown(side, key, reading) == version:
            later = {expiry for at, expiry in lifetimes.items() if at >= touch}
            assert _milliseconds(reading.expires_at) in later, f"{key} lost a touch"

    # Reading

    def _parse(self, key, version):
        found = [v for v in self.writes[key] if format_version(*v) == version]
        assert found, f"{key} shows a version that nobody wrote: {version}"
        return found[0]

    def _now_ms(self):
        return self.runtime.time_ns() // 1_000_000

    def _check_shown(self, side, key, reading, *, is_view=False):
        """A reading shows a write, whole, live, and none older than before."""
        replica = self.replicas[side]
        floor = replica.shown.get(key)
        if not reading.found:
            self._check_absent(key, floor)
            return None
        version = self._parse(key, reading.version)
        write = self.writes[key][version]
        assert not write.deleted, f"{key} shows a delete"
        assert (write.value, write.metadata) == (reading.value, dict(reading.metadata))
        expiries = set(write.lifetimes.values())
        expires_ms = _milliseconds(reading.expires_at)
        assert expires_ms in expiries
        assert expires_ms is None or expires_ms > self._now_ms()
        assert floor is None or version >= floor, f"{key} went back on {side}"
        write.maybe = False
        if not is_view:
            replica.shown[key] = version
        return version

    def _check_absent(self, key, floor):
        if floor is None:
            return
        assert any(
            write.deleted
            or any(e is not None and e <= self._now_ms() for e in write.lifetimes.values())
            for version, write in self.writes[key].items()
            if version >= floor
        ), f"{key} was lost"

    def _check_age(self, key, reading):
        """What an age/ key shows was the region's row within the age allowed."""
        limit_s = MAX_AGE_S + (STALE_S if reading.stale else 0)
        at = self.runtime.monotonic() - limit_s
        known = [version for seen_at, version in self.rows[key] if seen_at <= at]
        if reading.found and known:
            assert self._parse(key, reading.version) >= known[-1], f"{key} is too old"

    @rule(side=sides, key=keys, max_age=st.sampled_from([None, None, 0, 1]))
    def read(self, side, key, max_age):
        replica = self.replicas[side]
        reading, error = self._attempt(replica, lambda: replica.store.read(key, max_age=max_age))
        if error is None:
            self._check_shown(side, key, reading)
            if key.startswith("age/") and max_age is None:
                self._check_age(key, reading)

    @rule(side=sides, key=keys)
    def get_and_exists(self, side, key):
        replica = self.replicas[side]
        marker = object()
        value, error = self._attempt(replica, lambda: replica.store.get(key, marker))
        exists, second = self._attempt(replica, lambda: replica.store.exists(key))
        if value is marker:
            self._check_absent(key, replica.shown.get(key))
        elif error is None:
            assert value in [w.value for w in self.writes[key].values() if not w.deleted]
        if error is None and second is None and replica.plan.fired is None:
            assert exists == (value is not marker)

    @rule(side=sides, names=key_sets, prefix=st.sampled_from(["", "mem/", "ttl/"]))
    def get_many(self, side, names, prefix):
        replica = self.replicas[side]
        view = replica.store.prefixed(prefix) if prefix else replica.store
        asked = [key[len(prefix) :] for key in names if key.startswith(prefix)]
        found, error = self._attempt(replica, lambda: view.get_many(asked))
        if error is not None:
            return
        assert set(found) <= set(asked)
        for name in asked:
            key = prefix + name
            if name not in found:
                self._check_absent(key, replica.shown.get(key))
            else:
                assert found[name] in [w.value for w in self.writes[key].values() if not w.deleted]

    @rule(
        side=sides,
        prefix=st.sampled_from(["", "mem/", "big/", "nothing/"]),
        reverse=st.booleans(),
        limit=st.sampled_from([None, 1, 3]),
        size=st.integers(1, 4),
        is_view=st.booleans(),
    )
    def scan(self, side, prefix, reverse, limit, size, is_view):
        replica = self.replicas[side]
        view = replica.store.prefixed(prefix) if is_view and prefix else replica.store
        cut = prefix if view is not replica.store else ""
        options = {"prefix": "" if cut else prefix, "reverse": reverse, "limit": limit}
        entries, error = self._attempt(replica, lambda: _scanned(view, size, options))
        if error is not None:
            return
        names = [cut + entry.key for entry in entries]
        assert names == sorted(set(names), reverse=reverse)
        assert limit is None or len(names) <= limit
        for name, entry in zip(names, entries, strict=True):
            self._check_shown(side, name, _Found(entry), is_view=True)
        if limit is None:
            for key in set(KEYS) - set(names):
                if key.startswith(prefix):
                    self._check_absent(key, replica.shown.get(key))

    @rule(side=sides, key=keys)
    def explain(self, side, key):
        replica = self.replicas[side]
        explanation, error = self._attempt(replica, lambda: replica.store.explain(key))
        if error is not None:
            assert not replica.plan.fired.startswith("region."), "it needs no region"
            return
        assert explanation.key == key
        assert str(explanation).startswith(key)
        if explanation.found:
            self._parse(key, explanation.version)

    # Time, faults, ends

    @rule(seconds=st.sampled_from([0.05, 0.3, 1, 2.5, 6]))
    def wait(self, seconds):
        self.runtime.advance(seconds)

    @rule(side=sides)
    def flush(self, side):
        replica = self.replicas[side]
        _, error = self._attempt(replica, replica.store.flush)
        if error is None:
            replica.unflushed = []

    @rule(side=sides)
    def maintain(self, side):
        replica = self.replicas[side]
        done, error = self._attempt(replica, replica.store.maintain)
        assert error or done.ok or replica.plan.is_region_down or replica.plan.fired

    @rule(side=sides, n=st.integers(1, 6), kind=st.sampled_from(["error", "lost"]))
    def disturb(self, side, n, kind):
        self.replicas[side].plan.arm(n, kind)

    @rule(side=sides, down=st.booleans())
    def disconnect(self, side, down):
        self.replicas[side].plan.is_region_down = down

    @rule(side=sides)
    def reopen(self, side):
        replica = self.replicas[side]
        replica.plan.arm(0, "error")
        try:
            replica.store.close()
        except UnavailableError:
            assert replica.plan.is_region_down
            replica.forget(lambda key: key.startswith(LOSABLE))
        else:
            if replica.plan.is_region_down:
                replica.forget(lambda key: key.startswith(LOSABLE))
        replica.open()

    @rule(side=sides)
    def crash(self, side):
        replica = self.replicas[side]
        replica.plan.arm(0, "error")
        self.runtime.drop(replica.store._core.replica._driver)
        replica.store._core.replica.state.closed = True
        replica.journals.abandon()
        replica.region.close()  # a process that ends loses its connections
        replica.forget(lambda key: key.startswith(LOSABLE))
        replica.open()

    @rule()
    def settle(self):
        """Heal everything; both replicas then show the winner of every key."""
        for replica in self.replicas.values():
            replica.plan.arm(0, "error")
            replica.plan.is_region_down = False
        for _ in range(2):
            for replica in self.replicas.values():
                replica.store.flush()
                assert replica.store._core.replica.adopt() >= 0
                assert replica.store.check().ok
                replica.unflushed = []
        self.runtime.advance(0.001)
        for key in KEYS:
            left, right = (r.store.read(key) for r in self.replicas.values())
            assert (left.version, left.value) == (right.version, right.value), key
            assert left.expires_at == right.expires_at
            self._check_winner(key, left)
            for side in "AB":
                self._check_shown(side, key, left)

    def _check_winner(self, key, reading):
        writes = self.writes[key]
        certain = max((v for v, w in writes.items() if not w.maybe), default=(0, 0))
        allowed = [(v, w) for v, w in writes.items() if v >= certain]
        if reading.found:
            version = self._parse(key, reading.version)
            assert version in [v for v, _ in allowed], f"{key} settled on a loser"
            ends = writes[version].expiries()
            assert _milliseconds(reading.expires_at) in ends, f"{key} lost a touch"
            return
        now_ms = self._now_ms()
        ends = [
            w
            for _, w in allowed
            if w.deleted or any(e is not None and e <= now_ms for e in w.expiries())
        ]
        assert ends or certain == (0, 0), f"{key} was lost"

    @invariant()
    def note_rows(self):
        """Remember which version the region had when, for the bound on ages."""
        if not hasattr(self, "replicas"):
            return
        for key in ("age/a", "age/b"):
            reply = self.probe().read([key], 0, 5.0)
            row = reply.rows.get(key)
            if row is not None:
                version = (row.record.stamp, row.record.replica)
                if not self.rows[key] or self.rows[key][-1][1] != version:
                    self.rows[key].append((self.runtime.monotonic(), version))


class _Found:
    """An entry of a scan, as the reading it amounts to."""

    found = True

    def __init__(self, entry):
        self.value, self.version = entry.value, entry.version
        self.metadata, self.expires_at = entry.metadata, entry.expires_at


def _milliseconds(seconds):
    return None if seconds is None else round(seconds * 1000)


def _scanned(view, size, options):
    """All entries of a scan; without a limit by way of cursors, a page each."""
    if options["limit"] is not None:
        return list(view.scan(**options))
    entries, cursor = [], None
    while (page := next(view.scan(**options, cursor=cursor).pages(size), None)) is not None:
        entries.extend(page.entries)
        cursor = page.cursor
        if cursor is None:
            break
    return entries


class InMemory(Machine):
    """On the model region."""

    def open_region(self):
        return self.probe()

    def probe(self):
        if self.region is None:
            self.region = MemoryRegion(self.runtime)
        return self.region


class InSqlite(Machine):
    """On SQLite, each replica with connections of its own."""

    def __init__(self):
        super().__init__()
        self.opened = []

    def open_region(self):
        base_dir = str(self.folder)
        region = SqlRegion(
            "sqlite:///r.db", runtime=self.runtime, terms=Limits(), base_dir=base_dir
        )
        self.opened.append(region)
        return region

    def probe(self):
        if self.region is None:
            self.region = self.open_region()
        return self.region

    def teardown(self):
        super().teardown()
        for region in self.opened:
            region.close()


def test_replicas_agree_with_the_model():
    run_state_machine_as_test(InMemory, settings=settings(max_examples=60, stateful_step_count=40))


def test_replicas_on_sqlite_agree_with_the_model():
    run_state_machine_as_test(InSqlite, settings=settings(max_examples=15, stateful_step_count=30))


@pytest.mark.campaign
@pytest.mark.parametrize("machine", [InMemory, InSqlite])
def test_long_runs_agree_with_the_model(machine):
    run_state_machine_as_test(machine, settings=settings(max_examples=3000, stateful_step_count=80))
