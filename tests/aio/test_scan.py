"""Async scans give what scans give, page by page, and lose no page to a cancelled step."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.aio.store import AsyncStore
from tierstore.aio.workers import Workers
from tierstore.testing import ManualRuntime, memory_store

KEYS = st.text("ab/é\U0001f600", min_size=1, max_size=4)


@pytest.fixture(scope="module")
def make_pair():
    """A function that gives a sync store with `values` and an async store on top of it."""
    stores = []

    def make(values):
        runtime = ManualRuntime()
        store = memory_store(runtime=runtime)
        stores.append(store)
        if values:
            store.put_many(values)
        return store, AsyncStore(store, Workers(runtime, 1))

    yield make
    for store in stores:
        store.close()


@given(
    values=st.dictionaries(KEYS, st.integers(0, 9), max_size=12),
    prefix=st.text("ab", max_size=1),
    arguments=st.fixed_dictionaries(
        {"reverse": st.booleans(), "values": st.booleans()},
        optional={"start": KEYS, "end": KEYS, "limit": st.integers(0, 5)},
    ),
    size=st.integers(1, 4),
)
def test_async_scans_are_scans(make_pair, values, prefix, arguments, size):
    store, astore = make_pair(values)

    async def listed():
        entries = [entry async for entry in astore.scan(prefix, **arguments)]
        pages = [page async for page in astore.scan(prefix, **arguments).pages(size)]
        return entries, pages

    entries, pages = asyncio.run(listed())
    assert entries == list(store.scan(prefix, **arguments))
    assert pages == list(store.scan(prefix, **arguments).pages(size))


async def test_a_cancelled_step_is_repeated(astore):
    wanted = {f"key/{n}": n for n in range(7)}
    await astore.put_many(wanted)
    found = []
    entries = aiter(astore.scan("key/").pages(2))
    while True:
        step = asyncio.ensure_future(anext(entries))
        await asyncio.sleep(0)  # it has begun: the page is on its way
        step.cancel()
        assert isinstance((await asyncio.gather(step, return_exceptions=True))[0], BaseException)
        try:
            page = await anext(entries)
        except StopAsyncIteration:
            break
        found += [(entry.key, entry.value) for entry in page.entries]
    assert found == list(wanted.items())


async def test_pages_can_be_resumed_by_another_scan(astore):
    await astore.put_many({f"key/{n}": n for n in range(5)})
    first = await anext(astore.scan("key/", reverse=True).pages(2))
    rest = [e.value async for e in astore.scan("key/", reverse=True, cursor=first.cursor)]
    assert [e.value for e in first.entries] + rest == [4, 3, 2, 1, 0]


async def test_every_pass_begins_anew(astore):
    await astore.put_many({"a": 1, "b": 2})
    scan = astore.prefixed("").scan()
    assert [e.key async for e in scan] == [e.key async for e in scan] == ["a", "b"]
