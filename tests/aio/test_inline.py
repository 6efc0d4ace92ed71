"""What needs no I/O completes in the caller, without a loop; the rest runs in the store's workers.

A coroutine that gives way to no one can be driven by hand: it ends at the first `send`.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

import tierstore
from tierstore.testing import ManualRuntime


def at_once(coroutine):
    """What `coroutine` returns, which must not wait for anything."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise AssertionError("it waits")


@pytest.fixture
def opened(gated):
    """A store that was opened, outside any loop."""
    astore = gated()
    astore._core.open()
    yield astore
    asyncio.run(astore.close())


def test_memory_writes_and_resident_reads_run_in_the_caller(opened, own_threads):
    view = opened.prefixed("memory/")
    for astore, prefix in ((opened, "memory/"), (view, "")):
        a, b = f"{prefix}a", f"{prefix}b"
        at_once(astore.put(a, "text"))
        at_once(astore.put_many({a: [1], b: 2}, ttl="1h"))
        assert at_once(astore.get(a)) == [1]
        at_once(astore.put(a, b"longer"))
        at_once(astore.put(a, b"short"))
        assert at_once(astore.get(a)) == b"short"
        assert at_once(astore.get(b)) == 2
        assert at_once(astore.read(a)).tier == "edge"
        assert at_once(astore.get(b, type=int)) == 2
        assert at_once(astore.get_many([a, b])) == {a: b"short", b: 2}
        assert at_once(astore.touch(a, 60))
        assert at_once(astore.exists(a))
        at_once(astore.delete(a))
        assert not at_once(astore.exists(a))
        assert at_once(astore.get(a, "gone")) == "gone"
        assert at_once(astore.get_many([a, b])) == {b: 2}
        assert not at_once(astore.touch(a))
    assert own_threads() == []


@pytest.mark.parametrize(
    "work",
    [
        lambda astore: astore.put("journaled", 1),
        lambda astore: astore.get("memory/absent"),
        lambda astore: astore.get("memory/a", max_age=0),
        lambda astore: astore.get_many(["memory/a", "memory/absent"]),
        lambda astore: astore.stats(),
        lambda astore: astore.flush(),
    ],
)
def test_the_rest_waits_for_a_worker(opened, work):
    at_once(opened.put("memory/a", 1))
    with pytest.raises(RuntimeError, match="no running event loop"):
        at_once(work(opened))


def test_nothing_is_local_before_the_store_is_open(gated):
    astore = gated()
    with pytest.raises(RuntimeError, match="no running event loop"):
        at_once(astore.put("memory/a", 1))
    asyncio.run(astore.close())


@pytest.mark.parametrize(
    "call",
    [
        lambda astore: astore.put("memory/a", object()),
        lambda astore: astore.put("journaled", object()),
        lambda astore: astore.put("a", "x" * (26 << 20)),
        lambda astore: astore.get("memory/\ud800"),
        lambda astore: astore.get([]),
        lambda astore: astore.prefixed("memory/a").get(""),
        lambda astore: astore.prefixed("memory/a").put("", b"2"),
        lambda astore: astore.prefixed("memory/a").get_many([""]),
        lambda astore: astore.get("absent", timeout="soon"),
        lambda astore: astore.get_many(["memory/a"], max_age=-1),
        lambda astore: astore.get_many([], timeout=-1),
        lambda astore: astore.put_many({}, timeout=-1),
        lambda astore: astore.delete_many([], timeout="soon"),
        lambda astore: astore.get_many("abc"),
        lambda astore: astore.delete_many("abc"),
        lambda astore: astore.put_many([("memory/a", 1)]),
        lambda astore: astore.touch("memory/a", ttl="soon"),
    ],
)
def test_arguments_are_refused_at_once(opened, call):
    at_once(opened.put("memory/a", 1))
    with pytest.raises(tierstore.TierStoreError):
        at_once(call(opened))


@pytest.mark.parametrize("wrong", [{"limit": -1}, {"timeout": -1}, {"cursor": "x"}, {"start": 7}])
def test_a_scan_refuses_its_arguments_when_called(opened, wrong):
    with pytest.raises(tierstore.TierStoreError):
        opened.scan(**wrong)


def test_a_value_is_taken_before_anyone_else_runs(opened):
    async def change_after_calling():
        value = {"items": [1]}
        task = asyncio.create_task(opened.put("journaled", value))
        await asyncio.sleep(0)
        value["items"].append(2)
        await task
        return await opened.get("journaled")

    assert asyncio.run(change_after_calling()) == {"items": [1]}


def test_a_manual_runtime_needs_no_threads(policy, tmp_path, own_threads):
    async def use():
        runtime = ManualRuntime()
        async with tierstore.open_async(policy, base_dir=tmp_path, runtime=runtime) as astore:
            at_once(astore.put("a", 1, ttl=5))
            at_once(astore.flush())
            assert at_once(astore.get("a", max_age=0)) == 1
            assert [entry.key async for entry in astore.scan()] == ["a"]
            runtime.advance(6)
            assert at_once(astore.get("a")) is None
            assert own_threads() == []

    asyncio.run(use())


async def test_context_variables_reach_the_workers_as_copies(gated, region):
    request = contextvars.ContextVar("request", default="none")
    seen = []

    def note():
        seen.append((request.get(), threading.current_thread().name))
        request.set("changed by a worker")

    region.on_read = note

    async def handle(name):
        request.set(name)
        await astore.get(f"absent/{name}")
        return request.get()

    async with gated() as astore:
        names = ["a", "b", "c"]
        assert await asyncio.gather(*map(handle, names)) == names
    assert sorted(name for name, _ in seen) == names
    assert all(thread.startswith("tierstore-aio") for _, thread in seen)


def test_several_loops_share_a_store(gated):
    astore = gated(workers=2)

    async def use(number):
        mine = astore.prefixed(f"{number}/")
        for index in range(5):
            await mine.put(str(index), index)
        return [entry.value async for entry in mine.scan()]

    results = {}
    threads = [
        threading.Thread(target=lambda n=n: results.update({n: asyncio.run(use(n))}))
        for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(astore.close())
    assert results == {n: list(range(5)) for n in range(3)}
