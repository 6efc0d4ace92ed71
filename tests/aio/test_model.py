"""Concurrent tasks over a region in SQLite against plain dicts, undisturbed and cancelled.

Every task has keys of its own, so a dict says what it must see at any moment, whatever the others
do; keys that all share must hold something that some task wrote there.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

import tierstore

POLICY = {
    "rules": [
        {"match": "*/memory/*", "durability": "memory"},
        {"match": "*/regional/*", "durability": "regional"},
    ],
    "timeouts": {"regional": "60s"},
}
EXAMPLES = settings().max_examples // 4  # each opens and reopens a database
NAMES = st.builds(
    "{}/{}".format, st.sampled_from(["memory", "journal", "regional"]), st.sampled_from("ab")
)
VALUES = st.one_of(st.integers(0, 99), st.lists(st.integers(0, 9), max_size=2))
OPERATIONS = st.one_of(
    st.tuples(st.just("put"), st.dictionaries(NAMES, VALUES, min_size=1, max_size=1)),
    st.tuples(st.just("put_many"), st.dictionaries(NAMES, VALUES, min_size=1, max_size=4)),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("share"), NAMES),
    st.tuples(st.sampled_from(["get", "read", "exists", "touch"]), NAMES),
    st.tuples(st.sampled_from(["get_many", "scan", "flush"]), st.none()),
    st.tuples(st.just("pause"), st.integers(1, 3)),
)
TASKS = st.lists(st.lists(OPERATIONS, min_size=1, max_size=8), min_size=1, max_size=4)


class Actor:
    """One task: a view with a prefix of its own, and the dict that this view must equal."""

    def __init__(self, astore, name):
        self.view = astore.prefixed(f"{name}/")
        self.shared = astore.prefixed("shared/")
        self.name = name
        self.model = {}
        self.in_doubt = {}  # what the write under way would make of its keys; None is a delete

    async def run(self, operations):
        for verb, argument in operations:
            await getattr(self, verb)(argument)

    async def _writing(self, changes, coroutine):
        self.in_doubt = changes
        await coroutine
        for key, value in changes.items():
            self.model.pop(key, None)
            if value is not None:
                self.model[key] = value
        self.in_doubt = {}

    async def put(self, items):
        ((key, value),) = items.items()
        await self._writing(items, self.view.put(key, value))

    async def put_many(self, items):
        await self._writing(items, self.view.put_many(items))

    async def delete(self, key):
        await self._writing({key: None}, self.view.delete(key))

    async def share(self, key):
        await self.shared.put(key, self.name)
        assert await self.shared.get(key) in {str(n) for n in range(4)}

    async def get(self, key):
        assert await self.view.get(key, "absent") == self.model.get(key, "absent")

    async def read(self, key):
        reading = await self.view.read(key, max_age=0.0)
        assert (reading.found, reading.value) == (key in self.model, self.model.get(key))

    async def exists(self, key):
        assert await self.view.exists(key) is (key in self.model)

    async def touch(self, key):
        assert await self.view.touch(key, "1h") is (key in self.model)

    async def get_many(self, _):
        names = [f"{kind}/{name}" for kind in ("memory", "journal", "regional") for name in "ab"]
        assert await self.view.get_many(names) == self.model

    async def scan(self, _):
        assert {entry.key: entry.value async for entry in self.view.scan()} == self.model

    async def flush(self, _):
        await self.view.flush()

    async def pause(self, count):
        for _ in range(count):
            await asyncio.sleep(0)


def complaints_of(main):
    """What the event loop had to complain of while it ran `main`."""
    complaints = []

    async def watched():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        await main()
        gc.collect()

    asyncio.run(watched())
    return complaints


def own_threads():
    return [t.name for t in threading.enumerate() if t.name.startswith("tierstore-aio")]


def what_is_there(base_dir):
    """All entries of the store in `base_dir`, opened anew."""
    with tierstore.open(POLICY, base_dir=base_dir) as store:
        return {entry.key: entry.value for entry in store.scan()}


@settings(max_examples=EXAMPLES)
@given(tasks=TASKS, workers=st.integers(1, 3))
def test_concurrent_tasks_agree_with_their_models(tasks, workers):
    with tempfile.TemporaryDirectory() as base_dir:
        actors = []

        async def main():
            opening = tierstore.open_async(POLICY, base_dir=base_dir, workers=workers)
            async with opening as astore:
                actors.extend(Actor(astore, str(n)) for n in range(len(tasks)))
                await asyncio.gather(*(a.run(t) for a, t in zip(actors, tasks, strict=True)))

        assert complaints_of(main) == []
        assert own_threads() == []
        expected = {f"{a.name}/{key}": v for a in actors for key, v in a.model.items()}
        found = what_is_there(base_dir)
        assert {k: v for k, v in found.items() if not k.startswith("shared/")} == expected


@settings(max_examples=EXAMPLES)
@given(tasks=TASKS, workers=st.integers(1, 2), steps=st.integers(0, 40))
def test_cancelled_tasks_leave_all_or_nothing_of_one_verb(tasks, workers, steps):
    with tempfile.TemporaryDirectory() as base_dir:
        actors = []

        async def main():
            opening = tierstore.open_async(POLICY, base_dir=base_dir, workers=workers)
            async with opening as astore:
                actors.extend(Actor(astore, str(n)) for n in range(len(tasks)))
                running = [
                    asyncio.create_task(a.run(t)) for a, t in zip(actors, tasks, strict=True)
                ]
                for _ in range(steps):
                    await asyncio.sleep(0)
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
                for task in running:
                    assert task.cancelled() or task.exception() is None

        assert complaints_of(main) == []
        assert own_threads() == []
        found = what_is_there(base_dir)
        for actor in actors:
            cut = len(actor.name) + 1
            mine = {k[cut:]: v for k, v in found.items() if k.startswith(f"{actor.name}/")}
            after = {k: v for k, v in (actor.model | actor.in_doubt).items() if v is not None}
            assert mine in (actor.model, after)


@settings(max_examples=EXAMPLES)
@given(steps=st.integers(0, 12), connect=st.booleans())
def test_opening_and_closing_can_be_cancelled_anywhere(steps, connect):
    with tempfile.TemporaryDirectory() as base_dir:

        async def use():
            async with tierstore.open_async(POLICY, base_dir=base_dir, connect=connect) as astore:
                await astore.put("0/memory/a", 1)

        async def main():
            task = asyncio.create_task(use())
            for _ in range(steps):
                await asyncio.sleep(0.0005)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled() or task.exception() is None

        assert complaints_of(main) == []
        assert own_threads() == []
        assert what_is_there(base_dir) in ({}, {"0/memory/a": 1})
