"""Counters, sets and documents at two shared edges: faults, ends of workers, restarts, losses.

Each change can be told from all others in what a read shows: an increment is one digit of a sum to
the base of 4, so that one that counted twice is seen; an element, or a key of a document, is added
once. What an edge acknowledged shows at each of its workers from then on; after healing everywhere.
"""

from __future__ import annotations

import pytest
from attempts import attempt
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tierstore.errors import OutcomeUnknownError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.apply import Limits
from tierstore.testing import FaultPlan, FaultyRegion, ManualRuntime, MemoryRegion
from tierstore.testing.faulty_shared import FaultyShared
from tierstore.testing.memory_shared import MemoryShared

POLICY = {
    "version": 1,
    "rules": [
        {"match": "n/*", "type": "counter", "durability": "journal"},
        {"match": "m/*", "type": "counter", "durability": "memory"},
        {"match": "s/*", "type": "set", "durability": "journal"},
        {"match": "d/*", "type": "document", "durability": "journal"},
        {"match": "a/*", "type": "set", "read": {"max_age": "1s", "stale_if_error": "3s"}},
    ],
    "replication": {"batch": 3},
}
KEYS = ["n/a", "n/b", "m/a", "s/a", "d/a", "a/a"]
WORKERS = {"A1": "A", "A2": "A", "B1": "B"}
BASE, DIGITS = 4, 30  # an increment has 64 bits
workers = st.sampled_from(sorted(WORKERS))
keys = st.sampled_from(KEYS)


CALLS = ["edge.settle", "region.apply", "edge.write", "edge.fill_typed", "edge.bind"]


class Plan(FaultPlan):
    """One that can spoil the next call of a name."""

    spoilt, kind, times = None, "error", 0

    def run(self, name, call, lost):
        if name == self.spoilt:
            self.spoilt, self.times = None, self.times + 1
            self.arm(1, self.kind)
            name = f"{name} {self.times}"
        return super().run(name, call, lost)


class Worker:
    """A process at an edge."""

    def __init__(self, machine, name):
        self.machine, self.edge, self.plan = machine, WORKERS[name], Plan()
        self.store = None

    def open(self):
        machine = self.machine
        self.store = wire(
            machine.policy,
            machine.runtime,
            region=FaultyRegion(machine.region, self.plan),
            edge=FaultyShared(machine.edges[self.edge], self.plan),
        )


def digits(number):
    """The places of a sum that counted, each of which may count once."""
    places = {at: number // BASE**at % BASE for at in range(DIGITS)}
    assert number == sum(n * BASE**at for at, n in places.items())
    assert set(places.values()) <= {0, 1}, f"something counted twice: {places}"
    return {at for at, n in places.items() if n}


class Workers(RuleBasedStateMachine):
    """See the module."""

    @initialize()
    def begin(self):
        self.policy, self.runtime = load(POLICY), ManualRuntime(seed=1)
        self.region = MemoryRegion(self.runtime, Limits())
        self.edges = {name: MemoryShared(self.runtime) for name in "AB"}
        self.count = dict.fromkeys(KEYS, 0)
        self.made = {key: set() for key in KEYS}  # that may exist
        self.there = {(edge, key): set() for edge in "AB" for key in KEYS}  # that an edge showed
        self.gone = {(edge, key): set() for edge in "AB" for key in KEYS}  # that it discarded
        self.doubtful = {key: set() for key in KEYS}  # that may be discarded
        self.has_lost = False
        self.workers = {name: Worker(self, name) for name in WORKERS}
        for worker in self.workers.values():
            worker.open()

    def teardown(self):
        if not hasattr(self, "workers"):
            return
        for worker in self.workers.values():
            worker.plan.arm(0, "error")
            worker.plan.spoilt = None
            worker.plan.is_region_down = worker.plan.is_edge_down = False
        try:
            self._converge()
        finally:
            for worker in self.workers.values():
                worker.store.close()

    def _converge(self):
        self.runtime.advance(20)
        for _ in range(2):
            for worker in self.workers.values():
                worker.store.flush()
            self.runtime.advance(3)
        for key in KEYS:
            shown = [self._shown(w, key, max_age=0) for w in self.workers.values()]
            assert all(one == shown[0] for one in shown), f"{key} differs after healing"
            for edge in "AB":
                self._judge(edge, key, shown[0], is_healed=True)
        for edge in self.edges.values():
            assert all(not life.queue for lives in edge.lives.values() for life in lives)

    # Verbs

    def _attempt(self, name, work):
        worker = self.workers[name]
        replica = worker.store._core.replica
        links = replica.state.link, replica.shared.link
        is_kept_away = any(link.breaker.retry_in_s() is not None for link in links)
        return attempt(work, worker.plan, is_excused=is_kept_away or worker.plan.is_edge_down)

    @rule(name=workers, key=keys)
    def change(self, name, key):
        at, store = self.count[key], self.workers[name].store
        if at == DIGITS:
            return
        self.count[key] += 1
        if key[0] in "nm":
            _, error = self._attempt(name, lambda: store.counter(key).add(BASE**at))
        elif key[0] in "sa":
            _, error = self._attempt(name, lambda: store.members(key).add(at))
        else:
            _, error = self._attempt(name, lambda: self._edit(store, key, at))
        if error is None or isinstance(error, OutcomeUnknownError):
            self.made[key].add(at)
        if error is None:
            self.there[WORKERS[name], key].add(at)

    def _edit(self, store, key, at):
        with store.document(key).edit() as doc:
            doc[str(at)] = at

    @rule(name=workers, key=st.sampled_from(["s/a", "d/a", "a/a"]), data=st.data())
    def take_away(self, name, key, data):
        edge, store = WORKERS[name], self.workers[name].store
        known = sorted(self.there[edge, key] - self.doubtful[key])
        if not known:
            return
        at = data.draw(st.sampled_from(known))

        def drop():
            with store.document(key).edit() as doc:
                doc.pop(str(at), None)

        work = drop if key[0] == "d" else lambda: store.members(key).discard(at)
        _, error = self._attempt(name, work)
        if error is None:
            self.gone[edge, key].add(at)
        if error is None or isinstance(error, OutcomeUnknownError):
            self.doubtful[key].add(at)

    @rule(name=workers, key=keys, max_age=st.sampled_from([None, None, 0]))
    def read(self, name, key, max_age):
        shown, error = self._attempt(name, lambda: self._shown(self.workers[name], key, max_age))
        if error is None:
            is_fresh = key[0] != "a" or max_age == 0
            self._judge(WORKERS[name], key, shown, is_fresh=is_fresh)

    @rule(name=workers)
    def read_many(self, name):
        found, error = self._attempt(name, lambda: self.workers[name].store.get_many(KEYS))
        for key in KEYS if error is None else ():
            self._judge(WORKERS[name], key, self._of(key, found.get(key)), is_fresh=key[0] != "a")

    @rule(name=workers)
    def scan(self, name):
        found, error = self._attempt(name, lambda: self._scanned(name))
        for key in KEYS if error is None else ():
            self._judge(WORKERS[name], key, self._of(key, found.get(key)), is_fresh=key[0] != "a")

    def _scanned(self, name):
        return {entry.key: entry.value for entry in self.workers[name].store.scan()}

    def _shown(self, worker, key, max_age):
        return self._of(key, worker.store.get(key, max_age=max_age))

    def _of(self, key, value):
        if key[0] in "nm":
            return digits(value or 0)
        return {int(one) for one in value or ()}

    def _judge(self, edge, key, shown, *, is_fresh=True, is_healed=False):
        assert shown <= self.made[key], f"{key} shows what nobody did"
        if self.has_lost:
            return  # an edge that counts as memory: it may lose, and never doubles
        missing = self.there[edge, key] - self.doubtful[key] - shown
        assert not missing, f"{key} lost {missing} at {edge}"
        back = self.gone[edge, key] & shown
        assert not back, f"{key} shows {back} again at {edge}"
        if is_fresh:
            self.there[edge, key] |= shown
        if is_healed:
            lost = set().union(*(self.there[e, key] for e in "AB")) - self.doubtful[key] - shown
            assert not lost, f"{key} lost {lost}"

    # Time, faults, ends

    @rule(seconds=st.sampled_from([0.05, 0.3, 1, 2.5, 11]))
    def wait(self, seconds):
        self.runtime.advance(seconds)

    @rule(name=workers)
    def flush(self, name):
        self._attempt(name, self.workers[name].store.flush)

    @rule(name=workers, n=st.integers(1, 9), kind=st.sampled_from(["error", "lost"]))
    def disturb(self, name, n, kind):
        self.workers[name].plan.arm(n, kind)

    @rule(name=workers, call=st.sampled_from(CALLS), lost=st.booleans(), key=keys)
    def spoil(self, name, call, lost, key):
        """Something waits, and goes wrong just where it counts; then others look."""
        plan = self.workers[name].plan
        self.change(name, key)
        plan.spoilt, plan.kind = call, "lost" if lost else "error"
        self.flush(name)
        for other in WORKERS:
            self.read(other, key, 0)

    @rule(name=workers, key=st.sampled_from(["s/a", "d/a"]), data=st.data())
    def take_away_in_another_life(self, name, key, data):
        """What was added under one identity is discarded under the next, before it has gone."""
        other = data.draw(st.sampled_from([w for w in WORKERS if WORKERS[w] == WORKERS[name]]))
        self.change(name, key)
        self.restart_edge(WORKERS[name])
        self.take_away(other, key, data)
        self.flush(name)
        self.read(other, key, None)

    @rule(name=workers, key=keys, lost=st.booleans())
    def retire_and_spoil(self, name, key, lost):
        """What waits under a retired identity is sent, and not forgotten; another sends it, too."""
        self.change(name, key)
        self.flush(name)
        self.change(name, key)
        self.retire(WORKERS[name])
        self.spoil(name, "edge.settle", lost, key)
        self.runtime.advance(0.3)
        for other in WORKERS:
            self.flush(other)
            self.read(other, key, 0)

    @rule(name=workers, down=st.booleans(), tier=st.sampled_from(["region", "edge"]))
    def disconnect(self, name, down, tier):
        setattr(self.workers[name].plan, f"is_{tier}_down", down)

    @rule(edge=st.sampled_from("AB"))
    def restart_edge(self, edge):
        self.edges[edge].restart()

    @rule(edge=st.sampled_from("AB"), losing=st.integers(1, 3))
    def fail_over(self, edge, losing):
        if any(life.queue for lives in self.edges[edge].lives.values() for life in lives):
            self.has_lost = True
        self.edges[edge].restart(losing=losing)

    @rule(edge=st.sampled_from("AB"))
    def retire(self, edge):
        for lives in self.edges[edge].lives.values():
            for life in lives:
                self.region.retire(life.replica, 1.0)

    @rule(name=workers, clean=st.booleans())
    def end(self, name, clean):
        worker = self.workers[name]
        worker.plan.arm(0, "error")
        replica = worker.store._core.replica
        if clean:
            try:
                worker.store.close()
            except UnavailableError:
                assert worker.plan.is_region_down
        else:
            self.runtime.drop(replica._driver)
            replica.state.closed = True
        worker.open()


@pytest.mark.parametrize("examples", [20, pytest.param(1500, marks=pytest.mark.campaign)])
def test_every_change_counts_once(examples):
    """Short runs here; many of them as a campaign."""
    run_state_machine_as_test(
        Workers,
        settings=settings(max_examples=examples, stateful_step_count=40, deadline=None),
    )
