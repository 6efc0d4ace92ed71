"""Sessions go from replica to replica and never back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tierstore
from tierstore.errors import InvalidArgumentError, StaleReplicaError, UnavailableError
from tierstore.region.apply import Limits
from tierstore.testing import FaultPlan, FaultyRegion, ManualRuntime, MemoryRegion, memory_store

DAY_S = 86_400
POLICY = {
    "rules": [
        {"match": "n/*", "type": "counter"},
        {"match": "stale/*", "read": {"max_age": "1s", "stale_if_error": "1h"}},
    ],
    "replication": {"flush": "1h", "pull": "1h"},
}


class World:
    """Three stores of one region in memory, which exchange nothing by themselves."""

    def __init__(self, names="abc", seed=0):
        self.runtime = ManualRuntime(seed=seed)
        self.region = MemoryRegion(self.runtime, Limits(horizon_ms=DAY_S * 1000))
        self.plans = {name: FaultPlan() for name in names}
        self.stores = {name: self.open(name) for name in names}

    def open(self, name):
        return memory_store(
            POLICY, region=FaultyRegion(self.region, self.plans[name]), runtime=self.runtime
        )

    def pull(self, name):
        self.stores[name]._core.replica.pull()

    def close(self):
        for name, store in self.stores.items():
            self.plans[name].is_region_down = False
            store.close()


@pytest.fixture
def world():
    made = World()
    yield made
    made.close()


def follow(world, session, name):
    """The session, gone on at another replica."""
    return world.stores[name].session(session.session_token)


def test_a_session_sees_its_writes_at_another_replica(world):
    world.stores["a"].put("x", 1)
    world.stores["a"].flush()
    assert world.stores["b"].get("x") == 1
    here = world.stores["a"].session()
    here.put("x", 2)
    there = follow(world, here, "b")
    with pytest.raises(StaleReplicaError, match="not in the region yet") as caught:
        there.get("x", timeout=0.1)
    assert (caught.value.lost, caught.value.retry) == (False, "later")
    world.stores["a"].flush()
    assert world.stores["b"].get("x") == 1  # what this replica shows to others
    assert there.get("x") == 2


def test_a_rule_bounds_age_within_a_session_too(world):
    world.stores["a"].put_many({"stale/x": 1, "x": 1})
    world.stores["a"].flush()
    there = follow(world, world.stores["a"].session(), "b")
    there.exists("none")
    world.runtime.advance(1)
    assert there.get_many(["stale/x", "x"]) == {"stale/x": 1, "x": 1}
    world.stores["a"].put_many({"stale/x": 2, "x": 2})
    world.stores["a"].flush()
    world.runtime.advance(5)
    assert there.get_many(["stale/x", "x"]) == {"stale/x": 2, "x": 1}
    world.stores["a"].put("stale/x", 3)
    world.stores["a"].flush()
    world.runtime.advance(5)
    assert (there.get("stale/x"), there.get("x")) == (3, 1)


def test_what_was_flushed_needs_no_waiting_and_no_batch(world):
    here = world.stores["a"].session()
    here.put("x", 2)
    world.stores["a"].flush()
    token = here.session_token
    world.stores["a"].close()
    assert world.stores["b"].session(token).get("x") == 2


def test_a_session_never_goes_back(world):
    world.stores["a"].put("x", 1)
    world.stores["a"].flush()
    assert world.stores["b"].get("x") == 1
    world.stores["a"].put("x", 2)
    world.stores["a"].flush()
    here = world.stores["a"].session()
    assert here.get("x") == 2
    there = follow(world, here, "b")
    assert there.get("x") == 2
    assert [entry.value for entry in there.scan("x")] == [2]
    assert there.get_many(["x"]) == {"x": 2}


def test_each_page_of_a_scan_is_noted(world):
    """A later page may show what was written here after the first one, and is nowhere else."""
    a = world.stores["a"]
    a.put_many({"k/1": 1, "k/2": 1})
    a.flush()
    here = a.session()
    pages = here.scan("k/").pages(1)
    assert [entry.key for entry in next(pages).entries] == ["k/1"]
    a.put("k/2", 2)
    assert [entry.value for entry in next(pages).entries] == [2]
    there = follow(world, here, "b")
    with pytest.raises(StaleReplicaError):
        there.get("k/2", timeout=0.05)
    a.flush()
    assert there.get("k/2") == 2


def test_each_page_of_a_scan_waits_for_what_the_session_wrote_elsewhere(world):
    a, b = world.stores["a"], world.stores["b"]
    here = a.session()
    here.put("k/1", 1)
    there = follow(world, here, "b")
    scan = there.prefixed("k/").scan(timeout=0.05)
    for _ in range(2):
        with pytest.raises(StaleReplicaError):
            list(scan)
    a.flush()
    assert [(entry.key, entry.value) for entry in scan] == [("1", 1)]
    with b.batch():
        assert [entry.key for entry in there.scan("k/")] == ["k/1"]


def test_what_it_saw_of_others_unflushed_goes_with_it(world):
    world.stores["a"].put("x", 1)
    here = world.stores["a"].session()
    assert here.get("x") == 1
    there = follow(world, here, "b")
    with pytest.raises(StaleReplicaError):
        there.get("x", timeout=0.1)
    world.stores["a"].flush()
    assert there.get("x") == 1


def test_handles_touches_deletes_and_views_are_noted(world):
    for verb, expected in (
        (lambda s: s.counter("n/1").add(3), {"n/1": 3}),
        (lambda s: s.put_many({"p/1": 1, "p/2": 2}), {"p/1": 1, "p/2": 2}),
        (lambda s: s.prefixed("q/").put("1", 1), {"q/1": 1}),
        (lambda s: s.delete("p/1"), {}),
        (lambda s: s.touch("p/2", ttl=60), {"p/2": 2}),
    ):
        here = world.stores["a"].session()
        verb(here)
        there = follow(world, here, "b")
        with pytest.raises(StaleReplicaError):
            there.get("other", timeout=0.05)
        world.stores["a"].flush()
        assert there.get_many(expected) == expected
    assert not world.stores["b"].session(here.session_token).exists("p/1")


def test_a_copy_suffices_once_it_was_compared(world):
    world.stores["a"].put("x", 1)
    world.stores["a"].flush()
    here = world.stores["a"].session()
    here.get("x")
    assert world.stores["b"].get("x") == 1
    there = follow(world, here, "b")
    there.exists("other")
    world.runtime.sleep(1)
    assert there.read("x").tier == "regional"
    assert there.read("x").tier == "edge"


def test_a_stale_copy_is_not_shown_to_who_may_have_seen_more(world):
    world.stores["a"].put("stale/x", 1)
    world.stores["a"].flush()
    assert world.stores["b"].get("stale/x") == 1
    here = world.stores["a"].session()
    here.get("stale/x")
    there = follow(world, here, "b")
    there.exists("other")
    world.runtime.sleep(5)
    world.plans["b"].is_region_down = True
    assert world.stores["b"].read("stale/x").stale
    with pytest.raises((StaleReplicaError, UnavailableError)):
        there.get("stale/x")


def test_what_died_with_a_process_is_lost_and_can_be_forgotten(world):
    here = world.stores["a"].session()
    here.put("x", 1)
    token = here.session_token
    replica = world.stores["a"]._core.replica
    world.runtime.drop(replica._driver)
    replica.state.closed = True
    world.runtime.advance(3 * DAY_S)
    for _ in range(2):
        world.region.maintain(100, 1.0)
    there = world.stores["b"].session(token)
    with pytest.raises(StaleReplicaError, match="forget") as caught:
        there.get("x")
    assert caught.value.lost
    there.forget()
    assert there.get("x") is None


def test_a_session_goes_on_after_a_restart(tmp_path):
    policy = {"version": 1, "replication": {"flush": "1h"}}
    with tierstore.open(policy, base_dir=tmp_path) as store:
        session = store.session()
        session.put("x", 1)
        token = session.session_token
    with tierstore.open(policy, base_dir=tmp_path) as store:
        assert store.session(token).get("x") == 1


def test_tokens_are_short_and_checked(world):
    here = world.stores["a"].session()
    here.put("x", 1)
    token = here.session_token
    assert len(token) < 256
    for wrong in ("", "x", "é", token[:-3], token + "AAAA"):
        with pytest.raises(InvalidArgumentError, match="token"):
            world.stores["b"].session(wrong)
    other = World("a", seed=9)
    stranger = other.stores["a"].session(token)
    other.stores["a"].session().put("y", 1)
    with pytest.raises(StaleReplicaError):
        stranger.get("x", timeout=0.05)
    other.close()


def test_bad_input_is_refused_first(world):
    session = world.stores["a"].session()
    for call in (lambda: session.get("x", max_age=-1), lambda: session.get("")):
        with pytest.raises((InvalidArgumentError, tierstore.InvalidKeyError)):
            call()


def test_what_a_batch_of_a_session_reads_is_the_sessions(world):
    a, b = world.stores["a"], world.stores["b"]
    a.put("x", 1)
    a.counter("n/1").add(1)
    a.flush()
    assert (b.get("x"), b.counter("n/1").get()) == (1, 1)
    session = a.session()
    session.put("x", 2)
    session.counter("n/1").add(1)
    a.flush()
    there = follow(world, session, "b")
    with there.batch() as batch:
        assert (batch.get("x"), batch.counter("n/1").get()) == (2, 2)
        assert batch.prefixed("").get_many(["x", "n/1"]) == {"x": 2, "n/1": 2}
        batch.put("y", 3)
    with there.batch() as outer, outer.batch() as inner:
        assert inner.read("x").value == 2

    b.flush()
    assert follow(world, there, "c").get("y") == 3


async def test_what_an_async_batch_of_a_session_reads_is_the_sessions(tmp_path):
    left = {"version": 1, "tiers": {"edge": {"journal": "left"}}, "replication": {"pull": "1h"}}
    right = left | {"tiers": {"edge": {"journal": "right"}}}
    async with (
        tierstore.open_async(left, base_dir=tmp_path) as a,
        tierstore.open_async(right, base_dir=tmp_path) as b,
    ):
        await a.put("x", 1)
        await a.flush()
        assert await b.get("x") == 1
        here = a.session()
        await here.put("x", 2)
        await a.flush()
        async with b.session(here.session_token).batch() as batch:
            assert await batch.get("x") == 2


async def test_async_sessions_do_the_same(tmp_path):
    left = {"version": 1, "tiers": {"edge": {"journal": "left"}}, "replication": {"flush": "1h"}}
    right = left | {"tiers": {"edge": {"journal": "right"}}}
    async with (
        tierstore.open_async(left, base_dir=tmp_path) as a,
        tierstore.open_async(right, base_dir=tmp_path) as b,
    ):
        assert await b.get("x") is None
        here = a.session()
        await here.put("x", 1)
        assert await here.get("x") == 1
        there = b.session(here.session_token)
        with pytest.raises(StaleReplicaError):
            await there.get("x", timeout=0.05)
        await a.flush()
        assert await there.get("x") == 1
        assert await there.prefixed("").get_many(["x"]) == {"x": 1}
        assert [entry.key async for entry in there.scan()] == ["x"]
        there.forget()


steps = st.lists(
    st.tuples(
        st.sampled_from(["put", "get", "go", "flush", "pull", "other"]),
        st.sampled_from("abc"),
        st.sampled_from("xy"),
    ),
    max_size=30,
)


@given(steps)
@settings(max_examples=200, deadline=None)
def test_no_session_goes_back_or_misses_what_it_wrote(steps):
    """One client against the highest value that it wrote or saw of each key; values only grow."""
    world, known = World(), {"x": 0, "y": 0}
    session = world.stores["a"].session()
    for number, (verb, name, key) in enumerate(steps, 1):
        try:
            world.runtime.sleep(0.001)
            if verb == "put":
                session.put(key, number, timeout=0.05)
                known[key] = number
            elif verb == "get":
                value = session.get(key, 0, timeout=0.05)
                assert value >= known[key], f"{key}: {value} after {known[key]}"
                known[key] = value
            elif verb == "go":
                session = world.stores[name].session(session.session_token)
            elif verb == "flush":
                world.stores[name].flush()
            elif verb == "pull":
                world.pull(name)
            else:
                world.stores[name].put(key, number)
        except StaleReplicaError:
            continue
    world.close()
