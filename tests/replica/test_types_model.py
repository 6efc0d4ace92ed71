"""Counters and sets of two replicas against plain models: faults, crashes, virtual time.

Every increment is another power of four, so that a sum tells which increments it is made of, and
one counted twice shows. What a replica acknowledged, or was shown, is in its sums from then on;
after healing, both sides show every certain increment once. Of a set, an element is where the last
word on it says, where both sides had heard of each other or only one spoke.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from attempts import attempt
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tierstore.edge.entry import CLEAN
from tierstore.errors import UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.apply import Limits
from tierstore.replica.overlay import DELTA_OVERHEAD_BYTES, delta_size
from tierstore.testing import (
    FaultPlan,
    FaultyJournalDirectory,
    FaultyRegion,
    ManualRuntime,
    MemoryRegion,
)

ADDS_MAX = 30  # of one key, so that sums stay within 64 bits
POLICY = {
    "version": 1,
    "tiers": {"edge": {"capacity": "300B", "journal": "journal"}},
    "rules": [
        {"match": "mem/n/*", "type": "counter", "durability": "memory"},
        {"match": "reg/n/*", "type": "counter", "durability": "regional"},
        {
            "match": "far/n/*",
            "type": "counter",
            "durability": "regional",
            "place": {"never": ["edge"]},
        },
        {"match": "age/n/*", "type": "counter", "read": {"max_age": "2s"}},
        {"match": "jrn/n/*", "type": "counter"},
        {"match": "mem/s/*", "type": "set", "durability": "memory"},
        {"match": "jrn/s/*", "type": "set"},
    ],
    "replication": {"batch": 2},
}
COUNTERS = [f"{kind}/n/{name}" for kind in ("mem", "reg", "far", "age", "jrn") for name in "ab"]
SETS = ["mem/s/a", "jrn/s/a", "jrn/s/b"]
ELEMENTS = ["x", b"x", 1]
LOSABLE = ("mem/", "far/")

sides = st.sampled_from("AB")
counters = st.sampled_from(COUNTERS)
sets = st.sampled_from(SETS)
elements = st.sampled_from(ELEMENTS)


class Side:
    """One replica, and which increments its sums must contain."""

    def __init__(self, machine, name):
        self.machine, self.name = machine, name
        self.plan = FaultPlan()
        self.known = {key: set() for key in COUNTERS}
        self.unflushed = []  # (key, number of the increment)

    def open(self):
        """A process over the files of the one before."""
        machine = self.machine
        self.journals = FaultyJournalDirectory(str(machine.folder / self.name), self.plan)
        region = FaultyRegion(machine.region, self.plan)
        self.store = wire(machine.policy, machine.runtime, region=region, journals=self.journals)

    def forget(self):
        """A process ended that may have had unflushed writes in its memory only."""
        for key, number in self.unflushed:
            if key.startswith(LOSABLE):
                self.machine.maybe[key].add(number)
        lost = {key for key, _ in self.unflushed if key.startswith(LOSABLE)}
        for key in lost:
            self.known[key] -= self.machine.maybe[key]
        for key in SETS:
            if key.startswith(LOSABLE):
                self.machine.doubt(key)
        self.unflushed = [item for item in self.unflushed if not item[0].startswith(LOSABLE)]


class Machine(RuleBasedStateMachine):
    """See the module."""

    @initialize()
    def begin(self):
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="tierstore", dir=memory))
        self.policy = load(POLICY, str(self.folder))
        self.runtime = ManualRuntime(seed=1)
        self.region = MemoryRegion(self.runtime, Limits())
        self.issued = dict.fromkeys(COUNTERS, 0)
        self.maybe = {key: set() for key in COUNTERS}
        self.present = {(key, element): False for key in SETS for element in ELEMENTS}
        self.spoken = {}  # (key, element) -> {side: its last word since both sides were alike}
        self.sides = {name: Side(self, name) for name in "AB"}
        for side in self.sides.values():
            side.open()

    def teardown(self):
        if hasattr(self, "folder"):
            for side in self.sides.values():
                side.plan.arm(0, "error")
                side.plan.is_region_down = False
                side.store.close()
            shutil.rmtree(self.folder)

    def _attempt(self, side, work):
        is_kept_away = side.store._core.replica.state.link.breaker.retry_in_s() is not None
        return attempt(work, side.plan, is_excused=is_kept_away)

    # Counters

    @rule(side=sides, key=counters)
    def add(self, side, key):
        side = self.sides[side]
        number = self.issued[key]
        if number == ADDS_MAX:
            return
        self.issued[key] += 1
        counter = side.store.counter(key)
        _, error = self._attempt(side, lambda: counter.add(4**number))
        if isinstance(error, UnavailableError):
            self.maybe[key].add(None)  # it did not happen: a sum with it is wrong
            self._never(key, number)
            return
        side.known[key].add(number)
        side.unflushed.append((key, number))
        self._see(side, key)

    def _never(self, key, number):
        self.__dict__.setdefault("never", set()).add((key, number))

    @rule(side=sides, key=counters)
    def get(self, side, key):
        self._see(self.sides[side], key)

    def _see(self, side, key):
        total, error = self._attempt(side, lambda: side.store.counter(key).get())
        if error is None:
            self._check_sum(side, key, total)

    def _check_sum(self, side, key, total):
        seen = set()
        for number in range(self.issued[key] + 1):
            digit = total // 4**number % 4
            assert digit < 2, f"{key}: increment {number} was counted {digit} times"
            if digit:
                seen.add(number)
        assert total < 4 ** self.issued[key] or not total
        assert side.known[key] <= seen, f"{key} on {side.name} lacks {side.known[key] - seen}"
        wrong = {n for n in seen if (key, n) in getattr(self, "never", ())}
        assert not wrong, f"{key} contains {wrong}, which did not happen"
        side.known[key] |= seen
        self.maybe[key] -= seen

    @rule(side=sides, prefix=st.sampled_from(["", "mem/", "jrn/n/"]))
    def scan(self, side, prefix):
        side = self.sides[side]
        entries, _ = self._attempt(side, lambda: list(side.store.scan(prefix)))
        for entry in entries or ():
            if entry.key in COUNTERS:
                self._check_sum(side, entry.key, entry.value)

    # Sets

    @rule(side=sides, key=sets, element=elements, adds=st.booleans())
    def speak(self, side, key, element, adds):
        name, side = side, self.sides[side]
        members = side.store.members(key)
        verb = members.add if adds else members.discard
        before, error = self._attempt(side, lambda: members.contains(element))
        _, failed = self._attempt(side, lambda: verb(element))
        if failed is not None:
            return
        if adds or error is not None or before:
            self.spoken.setdefault((key, element), {})[name] = adds
        shown, error = self._attempt(side, lambda: members.contains(element))
        assert error is not None or shown is adds, f"{element!r} of {key} is not as it was left"

    def doubt(self, key):
        """Words on `key` may be lost: what is there in the end decides."""
        for element in ELEMENTS:
            self.spoken.setdefault((key, element), {})["?"] = None

    @rule(side=sides, key=sets)
    def look(self, side, key):
        side = self.sides[side]
        found, error = self._attempt(side, lambda: side.store.members(key).all())
        assert error is not None or found <= set(ELEMENTS)

    # Time, faults, ends

    @rule(seconds=st.sampled_from([0.05, 0.3, 1, 2.5]))
    def wait(self, seconds):
        self.runtime.advance(seconds)

    @rule(side=sides)
    def flush(self, side):
        side = self.sides[side]
        _, error = self._attempt(side, side.store.flush)
        if error is None:
            side.unflushed = []
        self._check_books(side, is_flushed=error is None)

    def _check_books(self, side, *, is_flushed):
        """Bytes that wait are those of what waits, and clean entries those of the edge's copies."""
        state = side.store._core.replica.state
        outbox, edge = state.outbox, state.edge
        waiting = sum(e.waiting_bytes + DELTA_OVERHEAD_BYTES for e in outbox.dirty.values())
        waiting += sum(delta_size(d) for ended in outbox.ended.values() for _, d in ended)
        assert outbox.dirty_bytes == waiting
        assert outbox.frozen_bytes == sum(frozen.size_bytes for frozen in outbox.frozen)
        assert not is_flushed or outbox.unflushed_bytes == 0
        clean = [entry for entry in edge if entry.dirty == CLEAN]
        assert edge.used_bytes == sum(entry.size for entry in clean) <= edge.capacity_bytes
        assert all(entry.where for entry in clean), "a clean copy that nothing evicts"

    @rule(side=sides)
    def pull(self, side):
        side = self.sides[side]
        self._attempt(side, side.store._core.replica.pull)
        self._check_books(side, is_flushed=False)

    @rule(side=sides, n=st.integers(1, 6), kind=st.sampled_from(["error", "lost"]))
    def disturb(self, side, n, kind):
        self.sides[side].plan.arm(n, kind)

    @rule(side=sides, down=st.booleans())
    def disconnect(self, side, down):
        self.sides[side].plan.is_region_down = down

    @rule(side=sides)
    def crash(self, side):
        side = self.sides[side]
        side.plan.arm(0, "error")
        replica = side.store._core.replica
        self.runtime.drop(replica._driver)
        replica.state.closed = True
        side.journals.abandon()
        side.forget()
        side.open()

    @rule()
    def heal(self):
        """Both sides, flushed and pulled, show the same, and all that is certain."""
        for side in self.sides.values():
            side.plan.arm(0, "error")
            side.plan.is_region_down = False
        self.runtime.advance(10)
        for _ in range(2):
            for side in self.sides.values():
                side.store.flush()
                side.store._core.replica.pull()
        for side in self.sides.values():
            side.unflushed = []
        for key in COUNTERS:
            self._check_healed(key)
        for key in SETS:
            self._check_set(key)
        self.spoken = {}

    def _check_healed(self, key):
        certain = self.sides["A"].known[key] | self.sides["B"].known[key]
        totals = set()
        for side in self.sides.values():
            side.known[key] |= certain
            total = side.store.counter(key).get()
            self._check_sum(side, key, total)
            totals.add(total)
        assert len(totals) == 1, f"{key} differs: {totals}"

    def _check_set(self, key):
        left, right = (side.store.members(key).all() for side in self.sides.values())
        assert left == right, f"{key} differs: {left} and {right}"
        for element in ELEMENTS:
            words = set(self.spoken.get((key, element), {}).values())
            is_there = element in left
            if words and len(words) == 1 and words != {None}:
                assert is_there in words, f"{element!r} of {key} is {is_there} after {words}"
            elif not words:
                assert is_there is self.present[key, element]
            self.present[key, element] = is_there


def run(cases, steps):
    """The machine, so many times and so long."""
    profile = settings(max_examples=cases, stateful_step_count=steps, deadline=None)
    run_state_machine_as_test(Machine, settings=profile)


def test_types_against_models():
    run(60, 40)
