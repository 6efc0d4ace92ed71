"""A coordinator in another database than the region's: what is where, and what goes on without."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tierstore
from tierstore.errors import (
    ConsistencyMismatchError,
    CorruptionError,
    PolicyError,
    UnavailableError,
)
from tierstore.region.apply import Limits
from tierstore.testing import (
    FaultPlan,
    FaultyRegion,
    ManualRuntime,
    MemoryObjects,
    MemoryRegion,
    memory_store,
)

RULES = [
    {"match": "s/**", "consistency": "strong"},
    {"match": "stock/*", "type": "bounded_counter"},
]
POLICY = {"rules": RULES, "replication": {"flush": "1h", "pull": "1h"}}


class World:
    """A region, a coordinator that can be taken away, and stores over both."""

    def __init__(self):
        self.runtime = ManualRuntime(seed=11)
        self.region, self.plan = MemoryRegion(self.runtime), FaultPlan()
        self.central = MemoryRegion(self.runtime)
        self.opened = []

    def open(self):
        store = memory_store(
            POLICY,
            region=self.region,
            coordinator=FaultyRegion(self.central, self.plan),
            runtime=self.runtime,
        )
        self.opened.append(store)
        return store

    def close(self):
        self.plan.arm(0, "error")
        for store in self.opened:
            store.close()


@pytest.fixture
def world():
    made = World()
    yield made
    made.close()


@pytest.fixture
def store(world):
    return world.open()


def write_both(store):
    store.put_many({"a": 1, "s/a": 2, "t": 3, "s/b": 4})
    store.flush()


def test_each_key_is_in_the_database_of_its_rule(world, store):
    write_both(store)
    assert set(world.region.rows) == {"a", "t"}
    assert set(world.central.rows) == {"s/a", "s/b"}
    assert store.get_many(["a", "s/a", "t", "s/b", "x"]) == {"a": 1, "s/a": 2, "t": 3, "s/b": 4}
    store.delete_many(["a", "s/a"])
    assert not store.exists("s/a")
    assert store.touch("s/b", ttl="1h")
    store.flush()
    assert world.region.rows["a"].record.payload is None
    assert world.central.rows["s/a"].record.payload is None


def test_leases_and_numbers_are_the_coordinators(world, store):
    other = world.open()
    with store.lease("job"), pytest.raises(tierstore.LeaseHeldError), other.lease("job"):
        pass
    assert store.sequence("orders").next() != other.sequence("orders").next()
    store.bounded_counter("stock/lamp").give(5)
    other.bounded_counter("stock/lamp").take(3)
    assert other.bounded_counter("stock/lamp").get() == 2
    assert not world.region.rows


keys = st.sampled_from([f"{first}{last}" for first in ("a/", "s/", "s", "t") for last in "abcd"])


@settings(max_examples=40, deadline=None)
@given(
    wanted=st.sets(keys),
    prefix=st.sampled_from(["", "s", "s/", "a/"]),
    size=st.integers(1, 5),
    reverse=st.booleans(),
)
def test_scans_show_all_keys_in_order(wanted, prefix, size, reverse):
    world = World()
    store = world.open()
    store.put_many(dict.fromkeys(wanted, 1))
    pages = list(store.scan(prefix, reverse=reverse).pages(size))
    assert all(len(page.entries) <= size for page in pages)
    found = [entry.key for page in pages for entry in page.entries]
    within = [key for key in wanted if key.startswith(prefix)]
    assert found == sorted(within, reverse=reverse)
    limited = [entry.key for entry in store.scan(prefix, reverse=reverse, limit=size)]
    assert limited == found[:size]
    world.close()


def test_keys_of_the_other_kind_are_not_shown(world, store):
    """Those that another policy has put into one of the databases."""
    with memory_store(POLICY, region=world.central, runtime=world.runtime) as stranger:
        stranger.put_many({"a": "not here", "s/a": 2})
    with memory_store(POLICY, region=world.region, runtime=world.runtime) as stranger:
        stranger.put_many({"a": 1, "s/a": "not here"})
    assert {entry.key: entry.value for entry in store.scan()} == {"a": 1, "s/a": 2}
    assert store.get_many(["a", "s/a"]) == {"a": 1, "s/a": 2}


def test_a_watch_is_of_one_kind(world, store):
    with store.watch("s/") as strong, store.watch("a") as eventual:
        write_both(store)
        assert strong.next(0).key == "s/a"
        assert strong.next(0).key == "s/b"
        assert strong.next(0) is None
        assert eventual.next(0).key == "a"
        assert eventual.next(0) is None
    for prefix in ("", "s"):
        with pytest.raises(ConsistencyMismatchError, match="another database"):
            store.watch(prefix)


def test_explain_asks_the_database_of_the_key(store):
    write_both(store)
    assert store.explain("s/a").home == "regional"
    assert store.explain("s/a").version == store.read("s/a").version
    assert store.explain("a").found
    told = {key: "coordinator's database" in str(store.explain(key)) for key in ("a", "s/a")}
    assert told == {"a": False, "s/a": True}


def test_eventual_keys_go_on_while_the_coordinator_is_away(world):
    world.plan.is_region_down = True
    store = world.open()
    store.put_many({"a": 1, "t": 2})
    store.flush()
    assert store.get("a") == 1
    assert store.get_many(["a", "t", "x"]) == {"a": 1, "t": 2}
    assert [entry.key for entry in store.scan("a")] == ["a"]
    with store.watch("a") as watch:
        store.put("a", 3)
        store.flush()
        assert watch.next(0).key == "a"
    began_s = world.runtime.monotonic()
    for verb in (
        lambda: store.get("s/a"),
        lambda: store.put("s/a", 1),
        lambda: store.get_many(["a", "s/a"]),
        lambda: list(store.scan()),
        lambda: list(store.scan("s/")),
        lambda: store.compare_and_set("s/a", 1, expected=None),
        lambda: store.sequence("orders").next(),
    ):
        with pytest.raises(UnavailableError):
            verb()
    assert world.runtime.monotonic() - began_s < 60
    assert any("coordinator" in reason for reason in store.explain("s/a").reasons)
    world.plan.is_region_down = False
    world.runtime.sleep(10)
    store.put("s/a", 5)
    assert store.get("s/a") == 5


def test_strong_keys_go_on_while_the_region_is_away():
    runtime, plan = ManualRuntime(seed=3), FaultPlan()
    region = FaultyRegion(MemoryRegion(runtime), plan)
    with memory_store(
        POLICY, region=region, coordinator=MemoryRegion(runtime), runtime=runtime
    ) as store:
        plan.is_region_down = True
        store.put("s/a", 1)
        assert store.get("s/a") == 1
        assert [entry.key for entry in store.scan("s/")] == ["s/a"]
        plan.is_region_down = False


def test_who_closes_is_not_waited_for(world, store):
    write_both(store)
    store.get("s/a")
    assert len(world.central.replicas(1.0)) == 1
    store.close()
    assert not [state for state in world.central.replicas(1.0) if not state.retired]


def test_a_store_with_another_cold_tier_moves_nothing_and_says_so():
    """The database keeps the mark of the tier of its first mover."""
    runtime = ManualRuntime(seed=2)
    central = MemoryRegion(runtime, Limits(is_tiered=True))
    cold = {"hotness": {"cold": "1/d"}, "min_residency": {"regional": "0s"}}
    policy = {"rules": [{"match": "s/**", "consistency": "strong", **cold}]}

    def open_one():
        region = MemoryRegion(runtime, Limits(is_tiered=True))
        return memory_store(
            policy, region=region, coordinator=central, objects=MemoryObjects(), runtime=runtime
        )

    def idle(store):
        for _ in range(10):
            runtime.sleep(4 * 86_400)
            store.maintain()

    with open_one() as eu:
        eu.put("s/a", 1)
        idle(eu)
        assert eu.explain("s/a").home == "cold"
        assert eu.check().ok
    with open_one() as us:
        us.put("s/b", 1)
        idle(us)
        assert us.explain("s/b").home == "regional"
        found = {finding.subject: finding for finding in us.check().findings}
        assert not found["coordinator moves"].ok
        assert us.stats()["coordinator"]["moves"]["last_error"]
        with pytest.raises(CorruptionError, match=r"object .* is missing"):
            us.get("s/a")


# Over SQLite


def policy_for(tmp_path, url):
    return {**POLICY, "coordinator": {"url": url}}


def test_two_files(tmp_path):
    policy = policy_for(tmp_path, "sqlite:///central.db")
    with tierstore.open(policy, base_dir=tmp_path) as store:
        write_both(store)
        with store.transaction() as tx:
            tx.put("s/a", tx.get("s/a") + 1)
        assert store.maintain().ok
        assert store.check().ok
    with tierstore.open(
        {
            **POLICY,
            "tiers": {"edge": {"journal": "other"}, "regional": {"url": "sqlite:///central.db"}},
        },
        base_dir=tmp_path,
    ) as store:
        assert [entry.key for entry in store.scan()] == ["s/a", "s/b"]


@pytest.mark.parametrize(
    "url", ["regional", "sqlite:///r.db", "${env:TIERSTORE_R}", "${env:TIERSTORE_W}"]
)
def test_the_regions_own_url_is_one_engine(tmp_path, monkeypatch, url):
    monkeypatch.setenv("TIERSTORE_R", "sqlite:///r.db")
    monkeypatch.setenv("TIERSTORE_W", "regional")
    policy = policy_for(tmp_path, url) | {"tiers": {"regional": {"url": "sqlite:///r.db"}}}
    with tierstore.open(policy, base_dir=tmp_path) as store:
        write_both(store)
        assert not store._core.homes.is_elsewhere
        store.watch("")


def test_a_url_that_the_environment_lacks_is_named_only_when_it_is_needed(tmp_path, monkeypatch):
    monkeypatch.delenv("TIERSTORE_C", raising=False)
    with tierstore.open(policy_for(tmp_path, "${env:TIERSTORE_C}"), base_dir=tmp_path) as store:
        store.put("a", 1)
        store.flush()
        with pytest.raises(PolicyError, match="TIERSTORE_C is not set"):
            store.get("s/a")


def test_no_error_tells_the_password(tmp_path, monkeypatch):
    pytest.importorskip("psycopg")
    monkeypatch.setenv("TIERSTORE_C", "postgresql+psycopg://me:hunter2@127.0.0.1:1/db")
    policy = policy_for(tmp_path, "${env:TIERSTORE_C}") | {"timeouts": {"regional": "2s"}}
    with tierstore.open(policy, base_dir=tmp_path) as store:
        with pytest.raises(UnavailableError) as caught:
            store.put("s/a", 1)
        told = f"{caught.value!r} {store.check()} {store.stats()} {store.explain('s/a')}"
        assert "hunter2" not in told
