"""Closing, waiting for room, waiting for a worker: what happens while workers are busy."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
import warnings

import pytest

import tierstore
from tierstore.aio.opening import connect


async def turns(count=5):
    """Let other tasks take some steps."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_closing_waits_for_what_is_under_way_and_refuses_what_is_not(
    gated, region, own_threads
):
    astore = gated(workers=1)
    await astore.put_many({"journaled": 1, "memory/a": b"longer"})
    await astore.flush()
    region.close = lambda: closed_while_shut.append(not region.gate.is_set())
    closed_while_shut = []
    region.shut()
    under_way = asyncio.create_task(astore.get("journaled", max_age=0))
    await region.has_entered()
    queued = [asyncio.create_task(astore.get(f"absent/{n}")) for n in range(3)]
    queued.append(asyncio.create_task(astore.put("late", 1)))
    await turns()
    closing = [asyncio.create_task(astore.close(timeout=60)) for _ in range(2)]
    for task in queued:
        with pytest.raises(tierstore.StoreClosedError):
            await task
    for key in ("memory/a", "memory/late", "journaled"):
        with pytest.raises(tierstore.StoreClosedError):
            await astore.put(key, b"")
    await turns()
    region.gate.set()
    assert await under_way == 1
    assert await asyncio.gather(*closing) == [None, None]
    assert own_threads() == []
    assert closed_while_shut == [False]


async def test_cancelled_while_connecting_it_closes_once_that_has_ended(gated, region, own_threads):
    register = region.register
    region.register = lambda *known: (region._pass(), register(*known))[1]
    region.close = lambda: closed_while_shut.append(not region.gate.is_set())
    closed_while_shut = []
    region.shut()
    connecting = asyncio.create_task(connect(gated()))
    await region.has_entered()
    connecting.cancel()
    await turns()
    region.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert own_threads() == []
    assert closed_while_shut == [False]


async def test_closing_cancelled_once_completes(gated, region, own_threads):
    astore = gated()
    await astore.put("memory/a", 1)
    region.shut()
    closing = asyncio.create_task(astore.close(timeout=60))
    await region.has_entered()
    closing.cancel()
    await turns()
    assert not closing.done()
    region.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert own_threads() == []
    assert region.rows["memory/a"]


async def test_closing_cancelled_twice_goes_on_unobserved(gated, region):
    astore = gated()
    await astore.put("memory/a", 1)
    region.shut()
    closing = asyncio.create_task(astore.close(timeout=60))
    await region.has_entered()
    for _ in range(2):
        closing.cancel()
        await turns()
    assert closing.cancelled()
    region.gate.set()
    await astore.close()
    assert region.rows["memory/a"]
    assert region.closed_count == 1


async def test_what_is_stuck_is_left_behind(gated, region):
    astore = gated()
    region.shut()
    stuck = asyncio.create_task(astore.get("absent"))
    await region.has_entered()
    await astore.close(timeout=0.0)
    assert not stuck.done()
    region.gate.set()
    assert await stuck is None


async def test_unflushed_memory_writes_are_reported_by_close(gated, region):
    def fail(batch, timeout_s):
        raise tierstore.UnavailableError("gone")

    region.apply = fail
    nothing_on_disk = {
        "tiers": {"edge": {"journal": "none"}},
        "rules": [{"match": "**", "durability": "memory"}],
    }
    astore = gated(**nothing_on_disk)
    await astore.put("memory/a", 1)
    with pytest.raises(tierstore.UnavailableError, match="is lost: gone"):
        await astore.close()
    await astore.close()


@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(3), asyncio.CancelledError()])
@pytest.mark.parametrize("is_awaited", [False, True], ids=["entered", "awaited"])
async def test_the_exception_of_the_block_is_the_one_that_leaves_it(tmp_path, error, is_awaited):
    (tmp_path / "file").write_text("")
    lossy = {
        "tiers": {"regional": {"url": "sqlite:///file/region.db"}},
        "rules": [{"match": "memory/**", "durability": "memory"}],
    }
    opening = tierstore.open_async(lossy, base_dir=tmp_path)

    async def use():
        async with await opening if is_awaited else opening as astore:
            await astore.put("memory/a", 1)
            raise error

    with pytest.raises(type(error)) as caught:
        await use()
    assert caught.value is error
    assert "in memory only and is lost" in error.__notes__.pop()


async def test_a_write_without_room_waits_in_a_worker(gated, region):
    value = b"x" * 400
    async with gated(limits={"unflushed": "1KiB", "value": "1KiB"}) as astore:
        await astore.get("absent")
        region.shut()
        await astore.put("memory/a", value)
        await astore.put("memory/b", value)
        waiting = asyncio.create_task(astore.put("memory/c", value))
        await region.has_entered()  # it flushes in a worker, and the loop goes on
        await turns()
        assert not waiting.done()
        assert await astore.get("memory/a") == value
        region.gate.set()
        await waiting
        assert await astore.get("memory/c") == value


async def test_a_write_that_finds_no_room_is_refused(gated, region):
    def fail(batch, timeout_s):
        raise tierstore.UnavailableError("gone")

    astore = gated(limits={"unflushed": "1KiB", "value": "1KiB"})
    region.apply, apply = fail, region.apply
    await astore.put("memory/a", b"x" * 900)
    with pytest.raises(tierstore.OverloadedError):
        await astore.put("memory/b", b"x" * 900)
    assert await astore.get("memory/b", "absent") == "absent"
    region.apply = apply
    await astore.close()


async def test_waiting_for_a_worker_counts_against_the_timeout(gated, region):
    async with gated(workers=1) as astore:
        region.shut()
        first = asyncio.create_task(astore.get("absent"))
        await region.has_entered()
        with pytest.raises(tierstore.DeadlineExceededError, match="none of 1 workers was free"):
            await astore.put("journaled", 1, timeout=0.01)
        with pytest.raises(tierstore.DeadlineExceededError):
            await anext(aiter(astore.scan(timeout=0.01)))
        region.gate.set()
        assert await first is None
        assert await astore.get("journaled", "absent") == "absent"


async def test_what_no_worker_has_begun_never_happens_once_cancelled(gated, region):
    async with gated(workers=1) as astore:
        region.shut()
        first = asyncio.create_task(astore.get("absent"))
        await region.has_entered()
        queued = asyncio.create_task(astore.put("journaled", 1))
        await turns()
        queued.cancel()
        await turns()
        region.gate.set()
        await first
        assert await astore.get("journaled", "absent") == "absent"


async def test_what_a_worker_has_begun_goes_on_once_cancelled(gated, region):
    async with gated() as astore:
        await astore.put("memory/a", 1)
        region.shut()
        flushing = asyncio.create_task(astore.flush())
        await region.has_entered()
        flushing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await flushing
        region.gate.set()
        await astore.flush()
        assert region.rows["memory/a"]


async def test_a_store_that_is_not_closed_says_so_and_leaves_no_worker(gated):
    astore = gated()
    await astore.put("memory/a", 1)
    await astore.stats()
    workers = [t for t in threading.enumerate() if t.name.startswith("tierstore-aio")]
    assert workers
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del astore
        until_s = time.monotonic() + 30
        while not caught and time.monotonic() < until_s:
            gc.collect()  # a worker may be about to let go of its last job
    assert [w.category for w in caught] == [ResourceWarning]
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive()


FORKING = """
import asyncio, os, sys, tierstore

policy = {"timeouts": {"regional": "60s"}}

async def use(astore, key):
    await astore.put(key, key)
    await astore.flush()
    return await astore.get(key, max_age=0)

async def main():
    astore = await tierstore.open_async(policy, base_dir=sys.argv[1])
    return astore, await use(astore, "before")

astore, value = asyncio.run(main())
child = os.fork()
assert asyncio.run(use(astore, "child" if child == 0 else "parent"))
asyncio.run(astore.close())
if child:
    assert os.waitpid(child, 0)[1] == 0
    with tierstore.open(policy, base_dir=sys.argv[1]) as store:
        print(sorted(entry.key for entry in store.scan()))
"""


def test_a_forked_child_gets_workers_of_its_own(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FORKING, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['before', 'child', 'parent']"
