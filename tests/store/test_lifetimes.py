"""TTL and touch, on two replicas and in virtual time, beside a dict of what must be alive."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.opening import wire
from tierstore.policy import load
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing import MemoryRegion, memory_store

KEYS = ["a", "b", "c"]
RULES = {"rules": [{"match": "rule/**", "ttl": "1min"}]}

steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(KEYS), st.none() | st.integers(1, 10)),
        st.tuples(st.just("touch"), st.sampled_from(KEYS), st.none() | st.integers(1, 10)),
        st.tuples(st.just("delete"), st.sampled_from(KEYS)),
        st.tuples(st.just("wait"), st.integers(1, 5)),
        st.tuples(st.just("sync")),
    ),
    max_size=20,
)


class Model:
    """What must be alive: key -> (value, when it expires or None)."""

    def __init__(self):
        self.now_s = 0
        self.alive = {}

    def live(self):
        return {
            key: value
            for key, (value, at_s) in self.alive.items()
            if at_s is None or at_s > self.now_s
        }

    def put(self, key, value, ttl):
        self.alive[key] = value, None if ttl is None else self.now_s + ttl

    def touch(self, key, ttl):
        if key not in self.live():
            return False
        self.put(key, self.alive[key][0], ttl)
        return True


@given(steps)
def test_lifetimes_are_those_of_the_model(steps):
    runtime = ManualRuntime(seed=1)
    region = MemoryRegion(runtime)
    quiet = {
        "replication": {"flush": "1h", "pull": "1h"},
        "rules": [{"match": "**", "read": {"negative_ttl": "0s"}}],
    }
    store, other = (memory_store(quiet, region=region, runtime=runtime) for _ in range(2))
    model = Model()
    with store, other:
        for number, (name, *arguments) in enumerate(steps):
            run(store, other, runtime, model, number, name, arguments)
            assert store.get_many(KEYS) == model.live()
            assert {e.key: e.value for e in store.scan()} == model.live()
        run(store, other, runtime, model, None, "sync", ())
        assert other.get_many(KEYS) == model.live()


def run(store, other, runtime, model, number, name, arguments):
    """Do one step to the store and to the model."""
    if name == "put":
        key, ttl = arguments
        store.put(key, number, ttl)
        model.put(key, number, ttl)
    elif name == "touch":
        assert store.touch(*arguments) == model.touch(*arguments)
    elif name == "delete":
        store.delete(*arguments)
        model.alive.pop(*arguments, None)
    elif name == "wait":
        runtime.advance(*arguments)
        model.now_s += arguments[0]
    else:
        store.flush()
        other.maintain()
        assert other.get_many(KEYS) == model.live()


def expiry_in_s(store, runtime, key):
    return store.read(key).expires_at - runtime.time_ns() / 1e9


@pytest.fixture
def ruled(runtime):
    with memory_store(RULES, runtime=runtime) as store:
        yield store


def test_an_omitted_ttl_is_the_rules_and_none_is_for_ever(ruled, runtime):
    ruled.put("rule/omitted", 1)
    ruled.put("rule/none", 1, None)
    ruled.put("rule/own", 1, "30s")
    ruled.put("free", 1)
    assert expiry_in_s(ruled, runtime, "rule/omitted") == pytest.approx(60, abs=0.01)
    assert expiry_in_s(ruled, runtime, "rule/own") == pytest.approx(30, abs=0.01)
    runtime.advance(3600)
    assert ruled.get_many(["rule/omitted", "rule/none", "rule/own", "free"]).keys() == {
        "rule/none", "free",
    }  # fmt: skip


@pytest.mark.parametrize("ttl", [90, 90.0, timedelta(seconds=90), "90s", "1.5min"])
def test_the_forms_of_a_ttl(ruled, runtime, ttl):
    ruled.put("k", 1, ttl)
    assert expiry_in_s(ruled, runtime, "k") == pytest.approx(90, abs=0.01)


def test_a_put_replaces_ttl_and_metadata(ruled):
    ruled.put("k", 1, "1h", {"name": "text"})
    ruled.put("k", 2)
    reading = ruled.read("k")
    assert (reading.value, reading.expires_at, reading.metadata) == (2, None, {})


def test_a_touch_keeps_value_version_and_metadata(ruled):
    ruled.put("k", [1], "1h", {"name": "text"})
    before = ruled.read("k")
    assert ruled.touch("k", None)
    after = ruled.read("k")
    assert after.expires_at is None
    assert (after.value, after.version, after.metadata) == (
        before.value, before.version, before.metadata,
    )  # fmt: skip


def test_a_touch_of_what_is_not_there(ruled, runtime):
    ruled.put("expired", 1, 1)
    ruled.put("deleted", 1)
    ruled.delete("deleted")
    runtime.advance(1)
    assert [ruled.touch(key, 60) for key in ("absent", "expired", "deleted")] == [False] * 3
    assert ruled.get_many(["absent", "expired", "deleted"]) == {}


@pytest.mark.parametrize("durability", ["memory", "journal", "regional"])
def test_a_touch_of_a_key_that_is_not_resident_asks_the_region(tmp_path, runtime, durability):
    region = MemoryRegion(runtime)
    policy = {"rules": [{"match": "**", "durability": durability}]}
    with memory_store(policy, region=region, runtime=runtime) as writer:
        writer.put("k", 1, 5)
    with wire(load(policy, tmp_path), runtime, region=region) as store:
        assert store.touch("k", 60)
        store.flush()
        runtime.advance(10)
        assert store.get("k") == 1
    with memory_store(policy, region=region, runtime=runtime) as reader:
        assert reader.get("k") == 1
