"""Ctrl-C, other threads and closing, at the moments when they hurt most."""

from __future__ import annotations

import contextlib
import threading
from itertools import count

import pytest

import tierstore.replica.outbox as outbox_module
import tierstore.store.core as core_module
from tierstore.edge.entry import Entry
from tierstore.errors import (
    CorruptionError,
    DeadlineExceededError,
    StoreClosedError,
    UnavailableError,
    ValueTooLargeError,
)
from tierstore.replica.outbox import Outbox
from tierstore.runtime import Runtime
from tierstore.testing import MemoryRegion
from tierstore.testing import memory_store as make_store

MEMORY = {"rules": [{"match": "**", "durability": "memory"}]}
DEADLINE_S = 10.0


@pytest.fixture
def memory_store():
    """Makes stores in memory and closes them in the end."""
    stores = []

    def make(*arguments, **named):
        stores.append(make_store(*arguments, **named))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def interrupt_at(monkeypatch, owner, name, number):
    """Let the `number`-th call of `owner.name` from now on raise KeyboardInterrupt; whether."""
    real, calls = getattr(owner, name), count(1)
    struck = threading.Event()

    def call(*arguments, **named):
        if next(calls) == number:
            struck.set()
            raise KeyboardInterrupt
        return real(*arguments, **named)

    monkeypatch.setattr(owner, name, call)
    return struck


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Entry, "freeze"),
        (outbox_module, "chunks"),
        (outbox_module.Frozen, "__init__"),
        (Outbox, "_clean"),
    ],
)
def test_ctrl_c_while_freezing_loses_nothing(new_node, monkeypatch, owner, name):
    for number in count(1):
        node = new_node()
        keys = [f"jrn/{number}/{i}" for i in range(5)]
        node.store.put_many({key: key for key in keys})
        with monkeypatch.context() as patch:
            struck = interrupt_at(patch, owner, name, number)
            with contextlib.suppress(KeyboardInterrupt):
                node.store.flush()
        node.store.put(keys[0], "again")
        node.crash()
        node.open()
        node.store.flush()
        expected = {key: key for key in keys} | {keys[0]: "again"}

        assert expected == node.store.get_many(keys)
        assert all(node.region.value(key) is not None for key in keys)
        node.crash()
        if not struck.is_set():
            assert number > 1
            return


def test_a_regional_put_is_not_confirmed_while_it_is_being_frozen(monkeypatch, memory_store):
    region = MemoryRegion(Runtime())
    rules = [{"match": "**", "durability": "regional", "place": {"never": ["edge"]}}]
    policy = {"rules": rules, "replication": {"flush": "1h"}}
    store = memory_store(policy, region=region, runtime=Runtime())
    store.put("warm", 1)
    freezing, go = threading.Event(), threading.Event()
    real = Entry.freeze

    def slow(entry):
        if threading.current_thread().name == "flusher":
            freezing.set()
            go.wait(DEADLINE_S)
        return real(entry)

    confirm, seen = core_module.confirm, []

    def confirming(replica, writes, deadline):
        flusher.start()
        freezing.wait(DEADLINE_S)
        threading.Timer(0.05, go.set).start()
        confirm(replica, writes, deadline)
        seen.append("r" in region.rows)

    flusher = threading.Thread(target=store.flush, name="flusher")
    monkeypatch.setattr(Entry, "freeze", slow)
    monkeypatch.setattr(core_module, "confirm", confirming)
    store.put("r", b"paid")
    flusher.join(DEADLINE_S)
    store.close()

    assert seen == [True]


def test_what_a_dead_process_left_is_flushed_though_nobody_reads(new_node):
    node = new_node()
    node.store.put("jrn/a", 1)
    node.crash()
    node.open()
    node.store.put("jrn/b", 2)
    node.runtime.advance(5)

    assert {"jrn/a", "jrn/b"} <= set(node.region.rows)


def test_a_put_that_comes_while_the_store_closes_is_flushed_or_refused(memory_store):
    region = MemoryRegion(Runtime())
    store = memory_store(MEMORY, region=region, runtime=Runtime())
    store.put("first", 1)
    replica = store._core.replica
    flush, refused = replica._flush_at_close, []

    def late_put():
        try:
            store.put("late", 2)
        except StoreClosedError:
            refused.append(True)

    def flush_then_put(timeout_s):
        failure = flush(timeout_s)
        thread = threading.Thread(target=late_put)
        thread.start()
        thread.join(DEADLINE_S)
        return failure

    replica._flush_at_close = flush_then_put
    store.close()

    assert refused or "late" in region.rows


@pytest.mark.parametrize("verb", ["put", "put_many", "delete", "touch", "rewrite"])
def test_a_write_that_was_under_way_when_the_store_closed_is_refused(new_node, verb):
    node = new_node()
    store = node.store
    key = "mem/k" if verb == "rewrite" else "jrn/k"
    store.put(key, b"value")
    writer, state = store._core.replica.writer, store._core.replica.state
    entry = state.edge.resident[key]
    target = entry.record()
    store.close()
    with pytest.raises(StoreClosedError):
        late_write(store, writer, entry, target, verb)


def late_write(store, writer, entry, target, verb):
    if verb == "rewrite":
        assert not writer.rewrite(entry, b"other")
        store.put(entry.key, b"other")
    elif verb == "touch":
        writer.touch(entry.key, entry.rule, target, 1000)
    elif verb == "put_many":
        writer.write([store_write(entry, deletes=False)], None)
    else:
        writer.write_one(store_write(entry, deletes=verb == "delete"), lambda: None)


def store_write(entry, *, deletes):
    from tierstore.replica.write import Write

    return Write(entry.key, entry.rule, None if deletes else 1, None, None, delete=deletes)


def test_closing_lets_everything_go_though_the_journal_cannot_be_closed(new_node):
    node = new_node()
    node.store.put("jrn/k", 1)
    node.store.flush()
    closed = node.region.closed_count
    journal = node.state.journal
    close, failed = journal.close, []

    def fail(stamp):
        failed.append(True)
        close(stamp)
        raise UnavailableError("the disk is gone")

    journal.close = fail
    with pytest.raises(UnavailableError):
        node.store.close()

    assert failed
    assert node.region.closed_count == closed + 1
    node.store.close()


def test_a_damaged_key_leaves_the_others_of_a_get_many_readable(memory_store):
    store = memory_store()
    store.put("z", 1)
    store._core.replica.state.corrupt["b"] = "fails its checksum"
    with pytest.raises(CorruptionError, match="'b'"):
        store.get_many(["a", "b"])

    assert store.get("a") is None
    store._core.replica.state.corrupt.clear()


def glimpse(store):
    """What a reader without a lock finds at `k` right now; None if it would take the long way."""
    entry = store._core.replica.state.edge.resident["k"]
    now_ms = store._core.runtime.time_ns() // 1_000_000
    return entry.value if entry.expires_at is None or entry.expires_at > now_ms else None


def test_an_expired_value_does_not_come_back_while_bytes_are_put_over_it(memory_store):
    store = memory_store(MEMORY)
    store.put("k", b"old!", ttl=1)
    store.flush()
    runtime = store._core.runtime
    runtime.advance(5)
    writer, seen = store._core.replica.writer, []
    for name in ("_begin_rewrite", "_show"):
        real = getattr(writer, name)
        writer.__dict__[name] = lambda *a, real=real: (real(*a), seen.append(glimpse(store)))[0]
    store.put("k", b"new!")

    assert b"old!" not in seen
    assert store.get("k") == b"new!"


def test_concurrent_puts_of_shorter_bytes_keep_the_sizes_right(memory_store):
    store = memory_store(MEMORY, runtime=Runtime())
    store.put("k", b"x" * 1000)
    state = store._core.replica.state
    state.lock.acquire()
    threads = [threading.Thread(target=store.put, args=("k", b"y")) for _ in range(4)]
    for thread in threads:
        thread.start()
    threading.Event().wait(0.05)
    state.lock.release()
    for thread in threads:
        thread.join(DEADLINE_S)
    entry = state.edge.resident["k"]
    store.flush()

    assert 1 + len(b"y") <= entry.size <= 1 + 2 + len(b"y") + 1
    assert state.edge.used_bytes == entry.size
    store.close()


def test_a_put_waits_for_the_journal_no_longer_than_its_timeout(tmp_path):
    import tierstore

    with tierstore.open(base_dir=tmp_path) as store:
        store.put("a", 1)
        lock = store._core.replica.state.journal_lock
        with lock:
            for verb in (
                lambda: store.put("a", 2, timeout=0.01),
                lambda: store.put_many({"a": 2}, timeout=0.01),
                lambda: store.touch("a", 60, timeout=0.01),
            ):
                with pytest.raises(DeadlineExceededError, match="journal"):
                    verb()

        assert store.get("a") == 1


def test_more_than_the_limit_at_once_is_refused_for_good(memory_store):
    store = memory_store({"limits": {"value": "1KiB", "unflushed": "4KiB"}})
    with pytest.raises(ValueTooLargeError, match="write less at a time") as caught:
        store.put_many({f"k{i}": b"x" * 900 for i in range(10)})

    assert caught.value.retry == "never"


def test_views_made_by_many_threads_are_all_closed(memory_store):
    store = memory_store(MEMORY, runtime=Runtime())
    store.put("p/k", b"v")
    views = []

    def make():
        views.extend(store.prefixed("p/") for _ in range(100))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    store.close()
    for view in views:
        with pytest.raises(StoreClosedError):
            view.get("k")


def test_views_that_are_gone_are_forgotten(memory_store):
    store = memory_store(MEMORY)
    for _ in range(100):
        store.prefixed("p/")

    assert len(store._core._views) < 10
