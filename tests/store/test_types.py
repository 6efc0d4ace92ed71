"""The verbs of counters and sets, and batches, through a store."""

from __future__ import annotations

import contextlib
import pickle

import pytest

import tierstore
from tierstore.errors import (
    EncodingError,
    InvalidArgumentError,
    InvalidKeyError,
    StoreClosedError,
    TypeMismatchError,
    ValueTooLargeError,
)

POLICY = {
    "version": 1,
    "rules": [
        {"match": "n/*", "type": "counter"},
        {"match": "m/*", "type": "counter", "durability": "memory"},
        {"match": "r/*", "type": "counter", "durability": "regional"},
        {"match": "s/*", "type": "set"},
    ],
    "limits": {"value": "1KiB"},
}


@pytest.fixture
def store(tmp_path):
    with tierstore.open(POLICY, base_dir=tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("key", ["n/a", "m/a", "r/a"])
def test_a_counter_counts(store, key):
    counter = store.counter(key)
    assert counter.get() == 0
    for number in (5, -2, 0, 2**63 - 1):
        counter.add(number)
    counter.add()
    assert counter.get() == 2**63 + 3
    assert store.get(key) == 2**63 + 3
    store.flush()
    assert counter.get() == 2**63 + 3


@pytest.mark.parametrize("number", [1.0, True, "1", None, 2**63, -(2**63)])
def test_what_is_no_number_is_refused_before_anything_happens(store, number):
    with pytest.raises(InvalidArgumentError, match="64 bits"):
        store.counter("n/a").add(number)
    assert not store.exists("n/a")


def test_a_set_holds_elements(store):
    members = store.members("s/a")
    assert members.all() == set()
    assert members
    members.add("x", b"x", 1, "x")
    members.add()
    members.discard("nobody")
    assert members.all() == {"x", b"x", 1}
    assert members.count() == len(members) == 3
    assert "x" in members
    assert not members.contains("1")
    assert sorted(map(repr, members)) == ["'x'", "1", "b'x'"]
    members.discard("x", 1)
    assert members.all() == {b"x"}
    members.discard(b"x")
    assert (members.count(), store.exists("s/a"), store.get("s/a")) == (0, True, [])
    store.delete("s/a")
    assert not store.exists("s/a")


@pytest.mark.parametrize("element", [1.0, True, None, ("x",), 2**64, "\ud800"])
def test_what_is_no_element_is_refused_before_anything_happens(store, element):
    members = store.members("s/a")
    for verb in (members.add, members.discard, members.contains):
        with pytest.raises(EncodingError):
            verb(element)
    assert not store.exists("s/a")


def test_other_verbs_and_handles_are_refused(store):
    with pytest.raises(TypeMismatchError, match=r"store.counter\(key\)"):
        store.put("n/a", 1)
    with pytest.raises(TypeMismatchError, match=r"store.members\(key\)"):
        store.put_many({"x": 1, "s/a": 1})
    assert not store.exists("x")
    with pytest.raises(TypeMismatchError, match=r"store.put\(key, value\)"):
        store.counter("x")
    with pytest.raises(TypeMismatchError):
        store.members("n/a")
    with pytest.raises(InvalidKeyError):
        store.counter("")


def test_generic_verbs_work_on_every_type(store):
    store.counter("n/a").add(2)
    store.members("s/a").add("b", "a")
    store.put("x", "y")
    assert store.get_many(["n/a", "s/a", "x"]) == {"n/a": 2, "s/a": ["a", "b"], "x": "y"}
    assert [(e.key, e.value) for e in store.scan()] == [("n/a", 2), ("s/a", ["a", "b"]), ("x", "y")]
    assert [e.key for e in store.scan(values=False)] == ["n/a", "s/a", "x"]
    assert store.touch("n/a", ttl=60)
    reading = store.read("n/a")
    assert (reading.value, reading.found, reading.rule) == (2, True, "n/*")
    assert reading.expires_at is not None
    assert "counter" in str(store.explain("n/a"))
    store.delete_many(["n/a", "s/a", "x"])
    assert list(store.scan()) == []
    store.flush()
    assert list(store.scan()) == []


def test_versions_change_with_the_content_and_only_with_it(store):
    versions = set()
    for number in (1, -1, 1):
        store.counter("n/a").add(number)
        store.flush()
        store.maintain()
        versions.add(store.read("n/a").version)
        store.touch("n/a", ttl=60)
        versions.add(store.read("n/a").version)
    assert len(versions) == 3


def test_too_large_a_set_is_refused(store):
    members = store.members("s/a")
    with pytest.raises(ValueTooLargeError):
        members.add("x" * 2000)
    members.add("x")
    assert members.count() == 1  # now it is known how large it is
    with pytest.raises(ValueTooLargeError):
        fill(members)
    assert 10 < members.count() < 60


def fill(members):
    for number in range(100):
        members.add(f"{number:020}")


def test_explain_sees_changes_that_wait(store):
    store.counter("n/a").add(1)
    told = store.explain("n/a")
    assert (told.found, told.unflushed, told.tiers) == (True, True, ())
    store.flush()
    store.counter("n/a").add(1)
    told = store.explain("n/a")
    assert (told.found, told.unflushed) == (True, True)
    store.flush()
    store.delete("n/a")
    told = store.explain("n/a")
    assert (told.found, told.unflushed) == (False, True)


def test_views_have_handles(store):
    view = store.prefixed("n/")
    view.counter("a").add(3)
    assert store.counter("n/a").get() == view.counter("a").get() == 3
    assert repr(view.counter("a")) == "<tierstore.Counter 'a'>"


def test_handles_end_with_their_store_and_do_not_pickle(tmp_path):
    store = tierstore.open(POLICY, base_dir=tmp_path)
    handles = [store.counter("n/a"), store.counter("m/a"), store.members("s/a")]
    store.counter("m/a").add(1)
    for handle in handles:
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(handle)
    store.close()
    for use in (
        handles[0].get, handles[0].add, handles[1].add, handles[2].all,
        lambda: handles[2].add("x"), lambda: store.members("s/a"),
    ):  # fmt: skip
        with pytest.raises(StoreClosedError):
            use()


def test_a_store_opens_with_what_the_last_one_left(tmp_path):
    with tierstore.open(POLICY, base_dir=tmp_path) as store:
        store.counter("n/a").add(2)
        store.members("s/a").add("x")
    with tierstore.open(POLICY, base_dir=tmp_path) as store:
        store.counter("n/a").add(3)
        assert (store.counter("n/a").get(), store.members("s/a").all()) == (5, {"x"})


def test_a_batch_is_one_commit_at_its_end(store, monkeypatch):
    store.put("x", 0)
    journal, commits = store._core.replica.state.journal, []
    append = journal.append_many
    monkeypatch.setattr(journal, "append_many", lambda *a: commits.append(a) or append(*a))
    with store.batch() as batch:
        batch.put("x", 1)
        batch.put("y", b"bytes")
        batch.delete("x")
        batch.counter("n/a").add(2)
        batch.counter("n/a").add(3)
        batch.prefixed("s/").members("a").add("x")
        assert (store.get("x"), batch.get("y"), store.counter("n/a").get()) == (0, None, 0)
        assert commits == []
    assert len(commits) == 1
    assert (store.get("x"), store.get("y"), store.counter("n/a").get()) == (None, b"bytes", 5)
    assert store.members("s/a").all() == {"x"}


def test_a_batch_whose_block_raises_writes_nothing(store):
    with contextlib.suppress(ZeroDivisionError), store.batch() as batch:
        batch.put("x", 1)
        batch.counter("m/a").add(1)
        raise ZeroDivisionError
    assert not store.exists("x")
    assert store.counter("m/a").get() == 0


def test_bad_input_in_a_batch_is_refused_at_once_and_takes_nothing_along(store):
    with store.batch() as batch:
        batch.put("x", 1)
        with pytest.raises(EncodingError):
            batch.put("y", object())
    assert store.get("x") == 1


def test_a_batch_is_over_with_its_block(store):
    batch = store.batch()
    with batch as view:
        counter = view.counter("n/a")
        counter.add(1)
    for late in (lambda: counter.add(1), lambda: view.put("x", 1), lambda: view.delete("n/a")):
        with pytest.raises(StoreClosedError, match="the block of this batch has ended"):
            late()
    with pytest.raises(InvalidArgumentError, match="a batch is one block"), batch:
        pass
    assert store.counter("n/a").get() == 1


def test_a_batch_refuses_touches_and_reads_what_the_store_has(store):
    store.put("x", b"old")
    with store.batch() as batch:
        with pytest.raises(InvalidArgumentError, match="does not collect touches"):
            batch.touch("x", ttl=1)
        assert batch.get("x") == b"old"
    batch = store.batch().__enter__()
    store.close()
    with pytest.raises(StoreClosedError):
        batch.get("x")


async def test_an_async_batch_is_over_with_its_block(tmp_path):
    async with tierstore.open_async(POLICY, base_dir=tmp_path) as astore:
        batch = astore.batch()
        async with batch as view:
            counter = view.counter("m/a")
            await counter.add(1)
        with pytest.raises(StoreClosedError, match="the block of this batch has ended"):
            await counter.add(1)
        with pytest.raises(InvalidArgumentError, match="a batch is one block"):
            await batch.__aenter__()
        with pytest.raises(TypeError, match="a batch cannot be pickled"):
            pickle.dumps(batch)
        assert await astore.counter("m/a").get() == 1


async def test_the_async_twins_do_the_same(tmp_path):
    async with tierstore.open_async(POLICY, base_dir=tmp_path) as astore:
        counter, fast, members = astore.counter("n/a"), astore.counter("m/a"), astore.members("s/a")
        for _ in range(3):
            await counter.add(2)
            await fast.add()
        await members.add("x", "y")
        await members.discard("x")
        assert (await counter.get(), await fast.get()) == (6, 3)
        assert await members.all() == {"y"}
        assert (await members.contains("y"), await members.count()) == (True, 1)
        async with astore.batch() as batch:
            await batch.put("x", 1)
            await batch.counter("m/a").add(10)
            assert await astore.get("x") is None
        assert (await astore.get("x"), await fast.get()) == (1, 13)
        with contextlib.suppress(ZeroDivisionError):
            async with astore.batch() as batch:
                await batch.put("x", 2)
                raise ZeroDivisionError
        assert await astore.get("x") == 1
        assert repr(counter) == "<tierstore.AsyncCounter 'n/a'>"
