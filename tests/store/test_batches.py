"""Batches: what a block writes is one commit, whoever in its context writes it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tierstore
from tierstore.errors import (
    InvalidArgumentError,
    StaleReplicaError,
    StoreClosedError,
    UnavailableError,
)
from tierstore.testing import ManualRuntime, MemoryRegion, memory_store

POLICY = {
    "version": 1,
    "rules": [
        {"match": "n/*", "type": "counter"},
        {"match": "m/*", "type": "counter", "durability": "memory"},
        {"match": "mem/*", "durability": "memory"},
        {"match": "s/*", "type": "set"},
        {"match": "doc/*", "type": "document"},
    ],
    "replication": {"flush": "1h", "pull": "1h"},
}


@pytest.fixture
def store(tmp_path):
    with tierstore.open(POLICY, base_dir=tmp_path) as opened:
        yield opened


@pytest.fixture
def commits(store, monkeypatch):
    """How many writes each commit of the journal has had."""
    store.put("first", 0)  # begins the journal
    return count_commits(store, monkeypatch)


def count_commits(store, monkeypatch):
    journal, made = store._core.replica.state.journal, []
    append, append_many = journal.append, journal.append_many
    monkeypatch.setattr(journal, "append", lambda *a: made.append(1) or append(*a))
    monkeypatch.setattr(
        journal, "append_many", lambda rows, *a: made.append(len(rows)) or append_many(rows, *a)
    )
    return made


def test_what_the_store_writes_in_the_block_is_one_commit(store, commits):
    counter, view = store.counter("n/a"), store.prefixed("s/")
    fast = store.counter("m/a")
    fast.add(1)
    store.put("mem/x", b"old")
    with store.batch():
        store.put("x", 1)
        store.put_many({"y": 2, "z": 3})
        store.delete("first")
        counter.add(2)
        fast.add(10)
        store.put("mem/x", b"new")  # both would take the short way
        view.members("a").add("x")
        with store.document("doc/a").edit() as doc:
            doc["title"] = "t"
        assert store.get_many(["x", "y", "z", "first"]) == {"first": 0}
        assert (counter.get(), fast.get(), store.get("mem/x")) == (0, 1, b"old")
        assert commits == []
    assert commits == [7]  # what is in memory only needs no journal
    assert store.get_many(["x", "y", "z", "first"]) == {"x": 1, "y": 2, "z": 3}
    assert (counter.get(), fast.get(), store.get("mem/x")) == (2, 11, b"new")
    assert store.members("s/a").all() == {"x"}
    assert store.document("doc/a").json() == {"title": "t"}
    fast.add(1)
    store.put("mem/x", b"newer")
    assert (fast.get(), store.get("mem/x")) == (12, b"newer")


def test_the_view_and_the_store_write_into_one_batch_in_order(store, commits):
    with store.batch() as batch:
        store.put("x", 1)
        batch.put("x", 2)
        store.put("y", 2)
        batch.put("y", 1)
    assert commits == [4]
    assert store.get_many(["x", "y"]) == {"x": 2, "y": 1}


def test_a_block_that_raises_writes_nothing(store, commits):
    store.put("mem/x", b"old")
    with contextlib.suppress(ZeroDivisionError), store.batch():
        store.put("x", 1)
        store.put("mem/x", b"new")
        raise ZeroDivisionError
    assert commits == []
    assert not store.exists("x")
    assert store.get("mem/x") == b"old"
    store.put("x", 2)
    assert commits == [1]


def test_a_batch_within_another_adds_to_it(store, commits):
    with store.batch() as outer:
        store.put("a", 1)
        with store.batch():
            store.put("b", 1)
        with contextlib.suppress(ZeroDivisionError), store.batch():
            store.put("c", 1)
            raise ZeroDivisionError
        with outer.batch() as inner:
            inner.put("d", 1)
            store.put("e", 1)
        assert store.get_many([*"abcde"]) == {}
    assert commits == [4]
    assert store.get_many([*"abcde"]) == dict.fromkeys("abde", 1)


def test_batches_of_two_stores_are_kept_apart(store, commits, tmp_path, monkeypatch):
    with tierstore.open(POLICY, base_dir=tmp_path / "other") as other:
        other.put("first", 0)
        others = count_commits(other, monkeypatch)
        with store.batch():
            other.put("x", 1)
            assert (commits, others) == ([], [1])
            with other.batch():
                store.put("x", 1)
                other.put_many({"y": 1, "z": 1})
            assert (commits, others) == ([], [1, 2])
        assert commits == [1]


def test_a_touch_is_refused_and_reads_are_not(store):
    store.put("x", 1)
    with store.batch():
        with pytest.raises(InvalidArgumentError, match="does not collect touches"):
            store.touch("x", ttl=60)
        assert store.get("x") == 1
        store.put("x", 2)
    assert store.get("x") == 2
    assert store.touch("x", ttl=60)


def test_other_threads_write_at_once_and_copies_of_the_context_do_not(store, commits):
    def run(target, *arguments):
        thread = threading.Thread(target=target, args=arguments)
        thread.start()
        thread.join()

    with store.batch() as batch:
        run(store.put, "other", 1)
        assert store.get("other") == 1
        run(contextvars.copy_context().run, store.put, "copied", 1)
        run(batch.put, "view", 1)
        assert store.get_many(["copied", "view"]) == {}
        late = contextvars.copy_context()
    assert commits == [1, 2]
    assert store.get_many(["copied", "view"]) == {"copied": 1, "view": 1}
    late.run(store.put, "late", 1)
    assert store.get("late") == 1
    assert late.run(store.touch, "late", ttl=60)


def test_who_outlives_a_batch_still_writes_into_the_one_around_it(store, commits):
    with store.batch():
        with store.batch():
            store.put("x", 1)
            late = contextvars.copy_context()
        late.run(store.put, "late", 1)
        assert not store.exists("late")
    assert commits == [2]
    assert store.exists("late")


def test_a_store_that_was_closed_in_the_block_says_so(store):
    with contextlib.suppress(StoreClosedError), store.batch():
        store.put("x", 1)
        store.close()
        for write in (lambda: store.put("y", 1), lambda: store.delete("x")):
            with pytest.raises(StoreClosedError, match="the store is closed"):
                write()


def test_a_batch_that_ends_in_another_context_ends_too(store):
    def block():
        with store.batch():
            yield

    generator = block()
    next(generator)
    contextvars.Context().run(generator.close)
    store.put("x", 1)
    assert store.get("x") == 1


async def test_tasks_of_the_block_write_into_its_batch(tmp_path, monkeypatch):
    async with tierstore.open_async(POLICY, base_dir=tmp_path) as astore:
        await astore.put("first", 0)
        await astore.counter("m/a").add(1)
        await astore.put("mem/x", b"old")
        commits = count_commits(astore._store, monkeypatch)
        outside = asyncio.Event()

        async def other():
            await outside.wait()
            await astore.put("other", 1)

        task = asyncio.create_task(other())
        async with astore.batch():
            await astore.put("x", 1)
            await astore.put("mem/x", b"new")
            await astore.counter("m/a").add(1)
            await asyncio.gather(*[astore.put_many({f"t/{n}": n}) for n in range(3)])
            await astore.counter("n/a").add(2)
            await astore.members("s/a").add("x")
            async with astore.document("doc/a").edit() as doc:
                doc["title"] = "t"
            with pytest.raises(InvalidArgumentError, match="does not collect touches"):
                await astore.touch("first", ttl=60)
            outside.set()
            await task
            assert commits == [1]
            assert await astore.get_many(["x", "mem/x", "t/1", "n/a"]) == {"mem/x": b"old"}
            async with astore.batch():
                await astore.prefixed("t/").put("3", 3)
            with contextlib.suppress(ZeroDivisionError):
                async with astore.batch():
                    await astore.put("never", 1)
                    raise ZeroDivisionError
        assert commits == [1, 8]
        assert await astore.get_many(["x", "mem/x", "t/3", "never"]) == {
            "x": 1, "mem/x": b"new", "t/3": 3,
        }  # fmt: skip
        assert await astore.counter("m/a").get() == 2


@pytest.mark.parametrize("block_of", ["store", "session"])
def test_a_session_remembers_what_it_wrote_in_a_batch_at_its_end(block_of):
    runtime = ManualRuntime(seed=1)
    region = MemoryRegion(runtime)
    with (
        memory_store(POLICY, region=region, runtime=runtime) as a,
        memory_store(POLICY, region=region, runtime=runtime) as b,
    ):
        session = a.session()
        with a.batch(), {"store": a, "session": session}[block_of].batch():
            session.put("x", 1)
            session.counter("n/a").add(1)
            assert b.session(session.session_token).get("x") is None
        assert session.get("x") == 1
        token = a.session(session.session_token).session_token
        with pytest.raises(StaleReplicaError):
            b.session(token).get("x", timeout=0.05)
        a.flush()
        assert b.session(token).get_many(["x", "n/a"]) == {"x": 1, "n/a": 1}


async def test_an_async_session_does_so_too(tmp_path):
    left = POLICY | {"tiers": {"edge": {"journal": "left"}}}
    right = POLICY | {"tiers": {"edge": {"journal": "right"}}}
    async with (
        tierstore.open_async(left, base_dir=tmp_path) as a,
        tierstore.open_async(right, base_dir=tmp_path) as b,
    ):
        session = a.session()
        async with a.batch():
            await session.put("x", 1)
            assert await a.get("x") is None
        with pytest.raises(StaleReplicaError):
            await b.session(session.session_token).get("x", timeout=0.05)
        await a.flush()
        assert await b.session(session.session_token).get("x") == 1


class DroppedError(Exception):
    """Ends a block."""


def test_batches_of_many_threads_are_each_their_own(store):
    """No write of a block that is dropped takes a short way while others end theirs."""
    fast = store.counter("m/a")
    fast.add(0)

    def work():
        view = store.prefixed("m/")
        for turn in range(100):
            with contextlib.suppress(DroppedError), store.batch():
                fast.add(1)
                view.counter("a").add(10)
                if turn % 2:
                    raise DroppedError
            fast.add(100)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fast.get() == 4 * (50 * 11 + 100 * 100)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="cannot fork")
def test_a_forked_child_writes_what_it_collected_itself(tmp_path):
    with tierstore.open(POLICY, base_dir=tmp_path) as store:
        counter = store.counter("n/a")
        with store.batch():
            counter.add(1)
            child = os.fork()
            if child:
                counter.add(10)
            else:
                counter.add(100)
        if not child:
            store.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        store.flush()
        store.maintain()
        assert counter.get() == 111


writes = st.tuples(st.sampled_from(["mem/x", "m/a"]), st.integers(0, 99))
blocks = st.recursive(
    writes,
    lambda inner: st.tuples(st.booleans(), st.lists(inner, max_size=4)),
    max_leaves=12,
)


def run(store, step):
    """Do what a write or a tree of blocks says; which writes of it are kept, in order."""
    if isinstance(step[0], str):
        write(store, *step)
        return [step]
    raises, inner = step
    kept = []
    with contextlib.suppress(DroppedError), store.batch():
        for one in inner:
            kept += run(store, one)
        if raises:
            kept = []
            raise DroppedError
    return kept


def write(store, key, number):
    if key == "m/a":
        store.counter(key).add(number)
    else:
        store.put(key, b"%d" % number)


def result(steps):
    puts = [number for key, number in steps if key == "mem/x"]
    return puts[-1] if puts else 0, sum(number for key, number in steps if key == "m/a")


@given(st.lists(blocks, max_size=4))
@settings(max_examples=100, deadline=None)
def test_nested_blocks_are_what_their_survivors_wrote(steps):
    with memory_store(POLICY, runtime=ManualRuntime(seed=1)) as store:
        kept = []
        for step in [("mem/x", 0), ("m/a", 0), *steps, ("m/a", 1)]:
            kept += run(store, step)
            assert (int(store.get("mem/x", 0)), store.counter("m/a").get()) == result(kept)


def test_a_batch_that_cannot_be_written_happens_not_at_all(store, monkeypatch):
    def refuse(*arguments):
        raise UnavailableError("no")

    batch = store.batch()
    batch.__enter__()
    store.put("x", 1)
    store.put("y", 1)
    with monkeypatch.context() as patched:
        patched.setattr(store._core.replica.writer, "write", refuse)
        with pytest.raises(UnavailableError):
            batch.__exit__(None, None, None)
    assert store.get_many(["x", "y"]) == {}
    store.put("x", 2)
    assert store.get("x") == 2
