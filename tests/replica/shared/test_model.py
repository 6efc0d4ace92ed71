"""Workers of two shared edges of one region against what they were told: faults, ends, time.

Every version that may exist is known from what was sent. A read shows one of them, whole, and
never one older than what an earlier read at that edge showed, or what was acknowledged there.
After healing all workers show the same, and the region stored every version once.
"""

from __future__ import annotations

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

from tests.replica.conftest import RecordingRegion
from tierstore.errors import UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.record import format_version
from tierstore.region.apply import Limits
from tierstore.region.batch import PUT
from tierstore.replica.shared.writes import _put
from tierstore.testing import FaultPlan, FaultyRegion, ManualRuntime
from tierstore.testing.faulty_shared import FaultyShared
from tierstore.testing.memory_shared import MemoryShared
from tierstore.values import decode

MAX_AGE_S, STALE_S, TTL_S = 2, 5, 5
POLICY = {
    "version": 1,
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
KEYS = [f"{kind}/a" for kind in ("mem", "reg", "far", "ttl", "age", "big", "jrn")]
KEYS += ["age/b", "mem/b"]
WORKERS = {"A1": "A", "A2": "A", "B1": "B"}
keys = st.sampled_from(KEYS)
key_sets = st.lists(keys, min_size=1, max_size=4, unique=True)
workers = st.sampled_from(sorted(WORKERS))
edges = st.sampled_from("AB")


def is_private(key):
    """Whether what one worker was shown says nothing of what others will be."""
    return key.startswith(("reg/", "far/"))


class Sent(FaultyShared):
    """An edge that notes every version that it was sent."""

    def __init__(self, inner, plan, note):
        super().__init__(inner, plan)
        self._note = note

    def write(self, deltas, *rest):
        for delta in deltas:
            self._note(delta)
        return super().write(deltas, *rest)


class SentRegion(FaultyRegion):
    """A region that notes every version that it was sent."""

    def __init__(self, inner, plan, note):
        super().__init__(inner, plan)
        self._note = note

    def apply(self, batch, timeout_s):
        for delta in batch.deltas:
            self._note(delta)
        return super().apply(batch, timeout_s)


class Worker:
    """A process at an edge: its store, its faults."""

    def __init__(self, machine, name):
        self.machine, self.name, self.edge = machine, name, WORKERS[name]
        self.plan = FaultPlan()
        self.floors = {}
        self.store = None

    def open(self, *, hears):
        machine = self.machine
        inner = machine.edges[self.edge]
        edge = Sent(inner, self.plan, machine.note)
        region = SentRegion(machine.region, self.plan, machine.note)
        self.store = wire(machine.policy, machine.runtime, region=region, edge=edge)
        replica = self.store._core.replica
        if hears:
            inner._listeners.append(replica.shared.forget_near)
            replica.shared.is_listening = True
        writer, write = replica.writer, replica.writer.write

        def spy(writes, deadline):
            self.stamps = write(writes, deadline)
            return self.stamps

        writer.write = spy
        private, privately = writer._private, writer._private.write

        def note(writes, deadline):
            stamps = privately(writes, deadline)
            for item, stamp in zip(writes, stamps, strict=True):
                machine.note(_put(item, stamp, self.id))
            return stamps

        private.write = note

    @property
    def id(self):
        return self.store._core.replica.state.replica

    def floors_of(self, key):
        return self.floors if is_private(key) else self.machine.floors[self.edge]


class Workers(RuleBasedStateMachine):
    """See the module."""

    @initialize(hears=st.booleans())
    def begin(self, hears):
        self.hears = hears
        self.policy = load(POLICY)
        self.runtime = ManualRuntime(seed=1)
        self.region = RecordingRegion(self.runtime, Limits())
        self.edges = {name: MemoryShared(self.runtime) for name in "AB"}
        self.versions = {key: {} for key in KEYS}  # key -> version -> (value, expiries)
        self.floors = {name: {} for name in "AB"}
        self.rows = {key: [] for key in KEYS}
        self.count = 0
        self.workers = {name: Worker(self, name) for name in WORKERS}
        for worker in self.workers.values():
            worker.open(hears=hears)

    def note(self, delta):
        """A version that may exist from now on, or a lifetime of one."""
        record = delta.record
        version = record.stamp, record.replica
        known = self.versions[delta.key].setdefault(version, [None, set()])
        if delta.op == PUT:
            known[0] = ("deleted",) if record.payload is None else (decode(record.payload),)
        known[1].add(record.expires_at_ms)

    def teardown(self):
        if hasattr(self, "workers"):
            self._heal()
            try:
                self._converge()
            finally:
                for worker in self.workers.values():
                    worker.store.close()

    def _heal(self):
        for worker in self.workers.values():
            worker.plan.arm(0, "error")
            worker.plan.is_region_down = worker.plan.is_edge_down = False
        for edge in self.edges.values():
            edge.is_away = False

    def _converge(self):
        self.runtime.advance(8)  # until nobody is kept from a tier that was away
        for worker in self.workers.values():
            worker.store.get("mem/a")
        self.runtime.advance(8)
        for _ in range(2):
            for worker in self.workers.values():
                worker.store.flush()
            self.runtime.advance(2)
        for key in KEYS:
            shown = {w.store.read(key).version for w in self.workers.values()}
            assert len(shown) == 1, f"{key} differs after healing"
            self.read("A1", key, None)
        applied, kept = self.region.applied, self.region.kept
        assert len(applied) == len(set(applied)), "a batch was applied twice"
        assert len(kept) == len(set(kept)), "a write was stored twice"
        for edge in self.edges.values():
            left = [key for key, copy in edge.copies.items() if copy.number]
            assert left == [], "copies stay dirty"

    # Verbs

    def _attempt(self, worker, work):
        replica = worker.store._core.replica
        links = replica.state.link, replica.shared.link
        is_kept_away = any(link.breaker.retry_in_s() is not None for link in links)
        is_edge_down = worker.plan.is_edge_down or self.edges[worker.edge].is_away
        return attempt(work, worker.plan, is_excused=is_kept_away or is_edge_down)

    def _written(self, name, keys, work):
        worker = self.workers[name]
        worker.stamps = None
        _, error = self._attempt(worker, work)
        if error is None:
            for key, stamp in zip(keys, worker.stamps, strict=True):
                floors = worker.floors_of(key)
                floors[key] = max(floors.get(key, (0, 0)), (stamp, worker.id))

    @rule(name=workers, key=keys, size=st.sampled_from([1, 30]), ttl=st.sampled_from([0, 3, 60]))
    def put(self, name, key, size, ttl):
        self.count += 1
        value = [self.count, "x" * size]
        options = {"ttl": ttl} if ttl else {}
        store = self.workers[name].store
        self._written(name, [key], lambda: store.put(key, value, **options))

    @rule(name=workers, names=key_sets)
    def put_many(self, name, names):
        self.count += 1
        items = {key: [self.count, number] for number, key in enumerate(names)}
        self._written(name, names, lambda: self.workers[name].store.put_many(items))

    @rule(name=workers, key=keys)
    def delete(self, name, key):
        self._written(name, [key], lambda: self.workers[name].store.delete(key))

    @rule(name=workers, key=keys, ttl=st.sampled_from([3, 60]))
    def touch(self, name, key, ttl):
        worker = self.workers[name]
        touched, _ = self._attempt(worker, lambda: worker.store.touch(key, ttl))
        if touched:
            reading, error = self._attempt(worker, lambda: worker.store.read(key))
            if error is None and reading.found:
                self._check(worker, key, reading)
                assert reading.expires_at is not None or is_private(key), "a touch was lost"

    @rule(name=workers, key=keys, max_age=st.sampled_from([None, None, 0, 1]))
    def read(self, name, key, max_age):
        worker = self.workers[name]
        reading, error = self._attempt(worker, lambda: worker.store.read(key, max_age=max_age))
        if error is None:
            self._check(worker, key, reading)
            if key.startswith("age/") and max_age is None:
                self._check_age(key, reading)

    @rule(name=workers, names=key_sets)
    def get_many(self, name, names):
        worker = self.workers[name]
        found, error = self._attempt(worker, lambda: worker.store.get_many(names))
        for key in names if error is None else ():
            if key not in found:
                self._check_absent(worker, key)
            else:
                values = [v for v, _ in self.versions[key].values()]
                assert (found[key],) in values

    @rule(name=workers, reverse=st.booleans(), size=st.integers(1, 5))
    def scan(self, name, reverse, size):
        worker = self.workers[name]
        entries, error = self._attempt(
            worker,
            lambda: [e for p in worker.store.scan(reverse=reverse).pages(size) for e in p.entries],
        )
        if error is not None:
            return
        names = [entry.key for entry in entries]
        assert names == sorted(set(names), reverse=reverse)
        for entry in entries:
            self._check(worker, entry.key, Found(entry))
        for key in set(KEYS) - set(names):
            self._check_absent(worker, key)

    # Judging

    def _check(self, worker, key, reading):
        if not reading.found:
            self._check_absent(worker, key)
            return
        found = [v for v in self.versions[key] if format_version(*v) == reading.version]
        assert found, f"{key} shows a version that nobody wrote"
        (version,) = found
        value, expiries = self.versions[key][version]
        assert value == (reading.value,)
        if not is_private(key):
            at_ms = reading.expires_at and round(reading.expires_at * 1000)
            assert at_ms in expiries
        floors = worker.floors_of(key)
        assert version >= floors.get(key, (0, 0)), f"{key} went back at {worker.name}"
        floors[key] = version

    def _check_absent(self, worker, key):
        floor = worker.floors_of(key).get(key)
        if floor is None:
            return
        now_ms = self.runtime.time_ns() // 1_000_000
        assert any(
            value == ("deleted",) or any(e is not None and e <= now_ms for e in expiries)
            for version, (value, expiries) in self.versions[key].items()
            if version >= floor
        ), f"{key} was lost at {worker.name}"

    def _check_age(self, key, reading):
        limit_s = MAX_AGE_S + (STALE_S if reading.stale else 0)
        at = self.runtime.monotonic() - limit_s - 0.002  # the edge's clock is read in milliseconds
        known = [version for seen_at, version in self.rows[key] if seen_at <= at]
        if reading.found and known:
            shown = [v for v in self.versions[key] if format_version(*v) == reading.version]
            assert shown[0] >= known[-1], f"{key} is too old"

    @invariant()
    def rows_are_seen(self):
        if not hasattr(self, "region"):
            return
        names = [key for key in KEYS if key.startswith("age/")]
        for key, row in self.region.read(names, 0, 1.0).rows.items():
            version = row.record.stamp, row.record.replica
            if not self.rows[key] or self.rows[key][-1][1] != version:
                self.rows[key].append((self.runtime.monotonic(), version))

    # Time, faults, ends

    @rule(seconds=st.sampled_from([0.05, 0.3, 1, 2.5, 6]))
    def wait(self, seconds):
        self.runtime.advance(seconds)

    @rule(name=workers)
    def flush(self, name):
        self._attempt(self.workers[name], self.workers[name].store.flush)

    @rule(name=workers)
    def maintain(self, name):
        self._attempt(self.workers[name], self.workers[name].store.maintain)

    @rule(name=workers, n=st.integers(1, 9), kind=st.sampled_from(["error", "lost"]))
    def disturb(self, name, n, kind):
        self.workers[name].plan.arm(n, kind)

    @rule(name=workers, down=st.booleans(), tier=st.sampled_from(["region", "edge"]))
    def disconnect(self, name, down, tier):
        setattr(self.workers[name].plan, f"is_{tier}_down", down)

    @rule(name=workers, wait=st.sampled_from([0.3, 2.5]))
    def write_elsewhere(self, name, wait):
        """What one edge has, another writes, and the first may not hear of it in time."""
        self.read(name, "age/a", None)
        other = next(w for w in self.workers if WORKERS[w] != WORKERS[name])
        self.put(other, "age/a", 1, 0)
        self.flush(other)
        self.rows_are_seen()
        self.wait(wait)
        self.read(name, "age/a", None)

    @rule(edge=edges)
    def restart_edge(self, edge):
        self.edges[edge].restart()

    @rule(name=workers, clean=st.booleans())
    def end(self, name, clean):
        worker = self.workers[name]
        worker.plan.arm(0, "error")
        replica = worker.store._core.replica
        if self.hears:
            self.edges[worker.edge]._listeners.remove(replica.shared.forget_near)
        if clean:
            try:
                worker.store.close()
            except UnavailableError:
                assert worker.plan.is_region_down
        else:
            self.runtime.drop(replica._driver)
            replica.state.closed = True
        worker.floors.clear()
        worker.open(hears=self.hears)


class Found:
    """An entry of a scan as a reading."""

    found = True

    def __init__(self, entry):
        self.value, self.version, self.expires_at = entry.value, entry.version, entry.expires_at


@pytest.mark.parametrize("examples", [25, pytest.param(1500, marks=pytest.mark.campaign)])
def test_workers_agree_with_what_was_written(examples):
    """Short runs here; many of them as a campaign."""
    run_state_machine_as_test(
        Workers,
        settings=settings(max_examples=examples, stateful_step_count=50, deadline=None),
    )
