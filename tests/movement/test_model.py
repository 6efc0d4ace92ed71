"""Two replicas whose keys go cold and come back all the time, against plain dicts.

The model numbers every write and every touch. A read may show any state that is not older than
what this replica was shown or told before; whatever moves, crashes and fails meanwhile, a key has
one payload, and objects are counted rightly.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tierstore.errors import OutcomeUnknownError, UnavailableError
from tierstore.testing import FaultPlan

RULES = [
    {"match": "mem/*", "hotness": {"cold": "60/h", "half_life": "1min"}},
    {"match": "reg/*", "durability": "regional", "read": {"max_age": "0s"}},
    {"match": "hot/*", "hotness": {"hot": "300/h", "cold": "60/h", "half_life": "1min"}},
    {"match": "big/*", "edge": {"max_value": "64B"}},
    {"match": "far/*", "durability": "regional", "place": {"never": ["edge"]}},
    {"match": "old/*", "place": {"only": ["cold", "edge"]}},
    {"match": "**", "hotness": {"cold": "never"}},
]
KEYS = [f"{kind}/{name}" for kind in ("mem", "reg", "hot", "big", "far", "old") for name in "ab"]
KEYS.append("own/a")
SIZES = {"big": 200}
LARGE_BYTES = 140_000
FLUSH_S = 15
FAILURES = UnavailableError, OutcomeUnknownError

keys = st.sampled_from(KEYS)
names = st.sampled_from("ab")


class State:
    """One state of a key: what a write or a touch made of it."""

    def __init__(self, number, value, expires_ms, replica):
        self.number, self.value, self.expires_ms, self.replica = number, value, expires_ms, replica
        self.in_region = False

    def at(self, now_ms):
        is_over = self.expires_ms is not None and self.expires_ms <= now_ms
        return None if is_over else self.value


class Machine(RuleBasedStateMachine):
    """`site_made` is set by the test."""

    site_made = None

    def __init__(self):
        super().__init__()
        self.site = type(self).site_made()
        self.runtime = self.site.runtime
        self.states = {key: [State(0, None, None, None)] for key in KEYS}
        self.least = {(name, key): 0 for name in "ab" for key in KEYS}
        self.number = 0
        self.plans = {name: FaultPlan() for name in "ab"}
        self.processes = {name: self.open(name) for name in "ab"}

    def open(self, name):
        self.plans[name].arm(0, "error")
        return self.site.open(
            plan=self.plans[name],
            rules=RULES,
            movement={"interval": "20s"},
            replication={"flush": f"{FLUSH_S}s", "pull": f"{FLUSH_S}s"},
            timeouts={"regional": "5s", "cold": "5s"},
        )

    def store(self, name):
        return self.processes[name].store

    # Writes

    def add(self, key, value, ttl_s, name):
        """The next state of a key, made at replica `name`."""
        self.number += 1
        expires_ms = None if ttl_s is None else self.site.now_ms() + ttl_s * 1000
        state = State(self.number, value, expires_ms, name)
        self.states[key].append(state)
        self.least[name, key] = self.number
        if key.startswith(("reg", "far")):
            self.flushed(name, [key])
        return state

    def flushed(self, name, keys=KEYS):
        for key in keys:
            for state in self.states[key]:
                if state.replica == name:
                    state.in_region = True

    def all_flushed(self):
        for name in "ab":
            self.flushed(name)

    def value(self, key, *, large=False):
        size = LARGE_BYTES if large else SIZES.get(key[:3], 1)
        return f"{self.number + 1}:" + "x" * size

    def write(self, name, key, value, ttl_s):
        self.runtime.sleep(0.002)
        store = self.store(name)
        if value is None:
            store.delete(key)
        else:
            store.put(key, value, ttl=ttl_s)
        self.add(key, value, ttl_s if value is not None else None, name)

    @rule(name=names, key=keys, ttl_s=st.none() | st.sampled_from([30, 300]), large=st.booleans())
    def put(self, name, key, ttl_s, large):
        self.write(name, key, self.value(key, large=large and key[:3] in ("mem", "big")), ttl_s)

    @rule(name=names, key=keys)
    def delete(self, name, key):
        self.write(name, key, None, None)

    @rule(name=names, some=st.sets(keys, min_size=1, max_size=4))
    def put_many(self, name, some):
        self.runtime.sleep(0.002)
        values = {}
        for key in sorted(some):
            values[key] = f"{self.number + 1 + len(values)}:" + "x" * SIZES.get(key[:3], 1)
        self.store(name).put_many(values)
        for key, value in values.items():
            self.add(key, value, None, name)

    @rule(name=names, key=keys, ttl_s=st.sampled_from([60, 600]))
    def touch(self, name, key, ttl_s):
        """Where all agree on what is touched."""
        self.synchronize()
        self.runtime.sleep(0.002)
        last = self.states[key][-1]
        is_live = last.at(self.site.now_ms()) is not None
        assert self.store(name).touch(key, ttl_s) is is_live
        if is_live:
            self.add(key, last.value, ttl_s, name)
            self.flush(name)

    # Reads

    def allowed(self, name, key, *, in_region=False):
        """Values that replica `name` may show, by the number of their state."""
        least = self.least[name, key]
        if in_region:
            told = [s.number for s in self.states[key] if s.in_region]
            least = max([least, *told])
        now_ms = self.site.now_ms()
        return {s.number: s.at(now_ms) for s in self.states[key] if s.number >= least}

    def check(self, name, key, shown, *, in_region=False, fills=True):
        """A scan fills no copy, so a later read may show an older one that is here."""
        allowed = self.allowed(name, key, in_region=in_region)
        assert shown in allowed.values(), (name, key, shown, allowed)
        if (
            fills and shown is not None
        ):  # values of two writes differ, those of touches do not matter
            self.least[name, key] = min(n for n, value in allowed.items() if value == shown)

    @rule(name=names, key=keys)
    def get(self, name, key):
        self.check(name, key, self.store(name).get(key), in_region=key.startswith("reg"))

    @rule(name=names, key=keys)
    def get_now(self, name, key):
        self.check(name, key, self.store(name).get(key, max_age=0), in_region=True)

    @rule(name=names, key=keys, times=st.integers(3, 30))
    def heat(self, name, key, times):
        for _ in range(times):
            self.store(name).get(key, max_age=0)
        self.processes[name].replica.walk()
        self.flush(name)

    @rule(name=names)
    def get_many(self, name):
        found = self.store(name).get_many(KEYS)
        for key in KEYS:
            self.check(name, key, found.get(key))

    @rule(name=names, key=keys)
    def read(self, name, key):
        reading = self.store(name).read(key)
        self.check(name, key, reading.value if reading.found else None)

    @rule(name=names, prefix=st.sampled_from(["", "mem/", "big/"]))
    def scan(self, name, prefix):
        found = {entry.key: entry.value for entry in self.store(name).scan(prefix)}
        assert list(found) == sorted(found)
        for key in KEYS:
            if key.startswith(prefix):
                self.check(name, key, found.pop(key, None), in_region=True, fills=False)
        assert not found

    # Travel, time, ends

    @rule(name=names)
    def flush(self, name):
        self.store(name).flush()
        self.flushed(name)

    @rule(name=names)
    def pull(self, name):
        self.processes[name].replica.pull()
        for key in KEYS:
            told = [s.number for s in self.states[key] if s.in_region]
            self.least[name, key] = max([self.least[name, key], *told])

    def synchronize(self):
        for name in "ab":
            self.flush(name)
        for name in "ab":
            self.pull(name)

    @rule(delay_s=st.sampled_from([1, 20, 70, 400, 4000]))
    def advance(self, delay_s):
        """Background steps run: movers and sweepers, too."""
        self.runtime.advance(delay_s)
        if delay_s > FLUSH_S:
            self.all_flushed()

    @rule(name=names)
    def move(self, name):
        with suppress(*FAILURES):
            self.processes[name].moving.step()

    @rule(delay_s=st.sampled_from([30, 100]))
    def advance_without_cold_tier(self, delay_s):
        for plan in self.plans.values():
            plan.is_cold_down = True
        self.runtime.advance(delay_s)
        for plan in self.plans.values():
            plan.is_cold_down = False
        self.all_flushed()

    @rule(name=names)
    def restart(self, name):
        self.store(name).close()
        self.flushed(name)
        self.processes[name] = self.open(name)

    @rule(name=names)
    def crash(self, name):
        """What was in memory alone is gone, if no background step had brought it to the region."""
        self.processes[name].crash()
        rows = self.site.rows()
        for key in KEYS:
            row = rows.get(key)
            kept = self.site.payload(row) if row is not None else None
            lost = [s for s in self.states[key] if s.replica == name and not s.in_region]
            while lost and row is not None and kept in [self.encoded(s) for s in lost]:
                lost.pop(0).in_region = True
            self.states[key] = [s for s in self.states[key] if s not in lost]
            self.least[name, key] = 0
        self.processes[name] = self.open(name)

    def encoded(self, state):
        from tierstore.values import encode

        return None if state.value is None else encode(state.value)

    # What always holds

    @invariant()
    def one_payload_each(self):
        state = self.site.state()
        for key, found in state.items():
            values = {self.encoded(s) for s in self.states[key]}
            assert found[4] in values, (key, found)
        self.site.check_objects(is_swept=False)

    def teardown(self):
        for plan in self.plans.values():
            plan.is_cold_down = False
        self.runtime.advance(10)
        self.synchronize()
        now_ms = self.site.now_ms()
        for key in KEYS:
            expected = self.states[key][-1].at(now_ms)
            for name in "ab":
                assert self.store(name).get(key) == expected, (name, key)
        for process in self.processes.values():
            process.crash()
        self.site.settle(rules=RULES)
        self.site.check_objects()
        self.site.close()


def run(new_site, examples, steps, *, is_sql=False):
    machine = type("Moving", (Machine,), {})
    machine.site_made = staticmethod(lambda: new_site(is_sql=is_sql))
    options = settings(max_examples=examples, stateful_step_count=steps)
    run_state_machine_as_test(machine, settings=options)


def test_replicas_of_tiers_agree_with_the_model(new_site):
    run(new_site, 50, 40)


def test_replicas_of_sqlite_and_files_agree_with_the_model(new_site):
    run(new_site, 6, 25, is_sql=True)


@pytest.mark.campaign
@pytest.mark.parametrize("is_sql", [False, True])
def test_long_runs_agree_with_the_model(new_site, is_sql):
    run(new_site, 60 if is_sql else 500, 60, is_sql=is_sql)
