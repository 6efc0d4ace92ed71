"""Watches tell the latest of each key, once it is in the region; resumable, with explicit gaps."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tierstore
from tierstore.aio import watching as aio_watching
from tierstore.errors import InvalidArgumentError, StoreClosedError, UnavailableError
from tierstore.region.apply import Limits
from tierstore.store import watching
from tierstore.store.results import Change, Gap
from tierstore.testing import FaultPlan, FaultyRegion, ManualRuntime, MemoryRegion, memory_store

DAY_S = 86_400
DEADLINE_S = 60.0
POLICY = {"rules": [{"match": "n/*", "type": "counter"}, {"match": "**"}]}


class World:
    """Two stores of one region in memory."""

    def __init__(self, seed=0, **policy):
        self.runtime = ManualRuntime(seed=seed)
        self.region = MemoryRegion(self.runtime, Limits(horizon_ms=DAY_S * 1000))
        self.plan = FaultPlan()
        self.a, self.b = (
            memory_store(
                POLICY | policy, region=FaultyRegion(self.region, self.plan), runtime=self.runtime
            )
            for _ in "ab"
        )

    def close(self):
        for store in (self.a, self.b):
            store.close()


@pytest.fixture
def world():
    made = World()
    yield made
    made.close()


def told(watch):
    """All that a watch has to tell now."""
    found = []
    while (change := watch.next(timeout=0)) is not None:
        found.append(change)
    return found


def test_what_others_write_is_told_once_it_is_flushed(world):
    with world.a.watch("x/") as watch:
        world.b.put_many({"x/1": 1, "y/1": 1})
        assert told(watch) == []
        world.b.flush()
        (change,) = told(watch)
        assert (change.key, change.kind) == ("x/1", "put")
        assert change.version == world.a.read("x/1").version
        world.b.delete("x/1")
        world.a.put("x/2", 2)
        world.a.flush(), world.b.flush()
        assert {(c.key, c.kind) for c in told(watch)} == {("x/1", "delete"), ("x/2", "put")}


def test_of_several_changes_the_latest_is_told(world):
    with world.a.watch() as watch:
        for number in range(5):
            world.b.put("k", number)
            world.b.flush()
        (change,) = told(watch)
        assert change.version == world.a.read("k").version
        assert told(watch) == []


def test_counters_are_told_with_the_version_that_readers_get(world):
    with world.a.watch("n/") as watch:
        world.b.counter("n/1").add(2)
        world.b.flush()
        (change,) = told(watch)
        assert change.version == world.a.read("n/1").version


def test_it_goes_on_after_any_change(world):
    with world.a.watch("x/") as watch:
        for number in range(2500):
            world.b.put(f"x/{number}", number)
        world.b.flush()
        changes = told(watch)
        assert [c.key for c in changes] == sorted({c.key for c in changes}, key=_number)
        assert len(changes) == 2500
    for at in (0, 1, 1234, 2499):
        resumed = world.b.watch("x/", since=changes[at].cursor)
        assert told(resumed) == changes[at + 1 :]


def _number(key):
    return int(key[2:])


def test_views_watch_their_keys(world):
    view = world.a.prefixed("tenant/")
    with view.watch("x/") as watch:
        world.b.put_many({"tenant/x/1": 1, "x/1": 1})
        world.b.flush()
        (change,) = told(watch)
        assert change.key == "x/1"
    assert told(view.watch("x/", since=change.cursor)) == []


def test_cursors_of_something_else_are_refused(world):
    with world.a.watch("x/") as watch:
        world.b.put("x/1", 1)
        world.b.flush()
        (change,) = told(watch)
    for since, prefix in (
        ("", "x/"), ("nonsense", "x/"), ("é", "x/"), (change.cursor, "x"),
        (change.cursor[:-4], "x/"), (world.a.scan("x/").pages, "x/"),
    ):  # fmt: skip
        with pytest.raises(InvalidArgumentError, match="since"):
            world.a.watch(prefix, since=since)
    other = World(seed=7)
    with pytest.raises(InvalidArgumentError, match="another region"):
        other.a.watch("x/", since=change.cursor).begin()
    other.close()


def test_what_was_collected_is_a_gap():
    world = World(replication={"horizon": "1d", "flush": "1h", "pull": "1h"})
    with world.a.watch() as watch:
        world.b.put("k", 1)
        world.b.flush()
        (change,) = told(watch)
    world.b.delete("k")
    world.b.put("other", 1)
    world.b.flush()
    for _ in range(6):
        world.runtime.advance(DAY_S / 2)
        world.a.maintain()
        world.b.maintain()
    assert "k" not in world.region.rows
    resumed = world.a.watch(since=change.cursor)
    (gap,) = told(resumed)
    assert isinstance(gap, Gap)
    world.b.put("k", 2)
    world.b.flush()
    (change,) = told(world.a.watch(since=gap.cursor))
    assert (change.key, change.kind) == ("k", "put")
    world.close()


def test_a_region_that_is_away_ends_a_step_and_loses_nothing(world):
    with world.a.watch() as watch:
        world.b.put("k", 1)
        world.b.flush()
        for n in (1, 2):
            world.plan.arm(n, "error")
            with pytest.raises(UnavailableError):
                watch.next(timeout=0)
        world.runtime.advance(10)
        assert [change.key for change in told(watch)] == ["k"]


def test_a_closed_watch_ends_and_a_closed_store_says_so(world):
    watch = world.a.watch()
    watch.begin()
    watch.close()
    assert list(watch) == []
    with pytest.raises(StoreClosedError):
        watch.next(timeout=0)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(watch)
    other = world.b.watch()
    other.begin()
    world.b.close()
    with pytest.raises(StoreClosedError):
        next(other)


def test_iterating_waits_for_what_comes(tmp_path):
    policy = {"version": 1, "replication": {"flush": "20ms", "pull": "50ms"}}
    other = policy | {"tiers": {"edge": {"journal": "other"}}}
    with (
        tierstore.open(policy, base_dir=tmp_path) as store,
        tierstore.open(other, base_dir=tmp_path) as writer,
        store.watch("x/") as watch,
    ):
        threading.Timer(0.1, lambda: writer.put("x/1", 1)).start()
        change = next(watch)
        assert isinstance(change, Change)
        assert (change.key, change.kind) == ("x/1", "put")


async def test_async_watches_do_the_same(tmp_path):
    policy = {"version": 1, "replication": {"flush": "20ms", "pull": "20ms"}}
    async with (
        tierstore.open_async(policy, base_dir=tmp_path) as astore,
        astore.watch("x/") as watch,
    ):
        await astore.put_many({"x/1": 1, "x/2": 2})
        found = [(await anext(watch)).key, (await anext(watch)).key]
        assert sorted(found) == ["x/1", "x/2"]
        assert await watch.next(timeout=0) is None
        watch.close()
        assert [change async for change in watch] == []


@pytest.mark.parametrize("closes_store", [False, True])
async def test_closing_ends_an_async_watch_that_waits(tmp_path, monkeypatch, closes_store):
    naps = asyncio.Event()

    async def nap(delay_s, *, real=asyncio.sleep):
        naps.set()
        await real(delay_s)

    monkeypatch.setattr(aio_watching, "sleep", nap)
    policy = {"version": 1, "replication": {"pull": "1h"}}
    async with tierstore.open_async(policy, base_dir=tmp_path) as astore:
        watch = astore.watch()
        assert await watch.next(timeout=0) is None
        waiting = asyncio.create_task(anext(aiter(watch)))
        await naps.wait()
        await astore.close() if closes_store else watch.close()
        with pytest.raises(StoreClosedError if closes_store else StopAsyncIteration):
            await asyncio.wait_for(waiting, DEADLINE_S)


async def test_what_is_at_hand_is_told_without_a_worker(tmp_path, monkeypatch):
    policy = {"version": 1, "replication": {"flush": "20ms", "pull": "20ms"}}
    async with (
        tierstore.open_async(policy, base_dir=tmp_path) as astore,
        astore.watch("x/") as watch,
    ):
        await astore.put_many({f"x/{n}": n for n in range(5)})
        await astore.flush()
        first = await watch.next()
        with monkeypatch.context() as patched:
            patched.setattr(astore._workers, "_submit", None)  # whoever asks for a worker fails
            others = [await watch.next(timeout=1) for _ in range(4)]
        assert {change.key for change in (first, *others)} == {f"x/{n}" for n in range(5)}
        assert await watch.next(timeout=0) is None


async def test_a_cancelled_step_of_an_async_watch_tells_nothing_twice(tmp_path, monkeypatch):
    policy = {"version": 1, "replication": {"flush": "20ms", "pull": "20ms"}}
    real, has_asked, may_go_on = watching.look, threading.Event(), threading.Event()

    def slow_at_first(*arguments):
        found = real(*arguments)
        if not has_asked.is_set():
            has_asked.set()
            may_go_on.wait(10)
        return found

    async with (
        tierstore.open_async(policy, base_dir=tmp_path) as astore,
        astore.watch("x/") as watch,
    ):
        await astore.put_many({f"x/{n}": n for n in range(5)})
        await astore.flush()
        monkeypatch.setattr(watching, "look", slow_at_first)
        step = asyncio.ensure_future(watch.next())
        await asyncio.to_thread(has_asked.wait, 10)
        step.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await step
        step = asyncio.ensure_future(watch.next())
        for _ in range(5):
            await asyncio.sleep(0.01)
        may_go_on.set()
        found = [(await step).key]
        while (change := await watch.next(timeout=0)) is not None:
            found.append(change.key)
        assert sorted(found) == [f"x/{n}" for n in range(5)]


steps = st.lists(
    st.tuples(
        st.sampled_from(["put", "delete", "flush", "look", "resume"]),
        st.sampled_from("ab"),
        st.sampled_from(["x/1", "x/2", "y/1"]),
    ),
    max_size=30,
)


@given(steps)
@settings(max_examples=150, deadline=None)
def test_who_keeps_what_a_watch_tells_has_what_the_region_has(steps):
    world = World()
    watch, kept = world.a.watch("x/"), {}
    watch.begin()
    for number, (verb, name, key) in enumerate(steps):
        store = getattr(world, name)
        if verb == "put":
            store.put(key, number)
        elif verb == "delete":
            store.delete(key)
        elif verb == "flush":
            store.flush()
        else:
            cursor = keep(watch, kept)
            if verb == "resume" and cursor:
                watch = store.watch("x/", since=cursor)
    world.a.flush(), world.b.flush()
    keep(watch, kept)
    rows = {k: r for k, r in world.region.rows.items() if k.startswith("x/")}
    assert kept == {key: row.record.payload is not None for key, row in rows.items()}
    world.close()


def keep(watch, kept):
    """Take over what a watch tells; returns its last cursor."""
    cursor = None
    for change in told(watch):
        kept[change.key] = change.kind == "put"
        cursor = change.cursor
    return cursor
