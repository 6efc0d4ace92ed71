"""Documents through a store: blocks of edits, merged."""

from __future__ import annotations

import contextlib
import os

import pycrdt
import pytest

import tierstore
from tierstore.crdt import document
from tierstore.errors import (
    EncodingError,
    InvalidArgumentError,
    StoreClosedError,
    TypeMismatchError,
    UnavailableError,
)
from tierstore.testing import FaultPlan, FaultyRegion, ManualRuntime, MemoryRegion, memory_store

POLICY = {"rules": [{"match": "doc/*", "type": "document"}]}


class World:
    """Two stores of one region in memory."""

    def __init__(self):
        self.runtime, self.plan = ManualRuntime(), FaultPlan()
        self.region = MemoryRegion(self.runtime)
        self.a, self.b = (
            memory_store(POLICY, region=FaultyRegion(self.region, self.plan), runtime=self.runtime)
            for _ in "ab"
        )

    def exchange(self):
        """Let both know all."""
        for store in (self.a, self.b):
            store.flush()
        for store in (self.a, self.b):
            store._core.replica.pull()


@pytest.fixture
def world():
    made = World()
    yield made
    for store in (made.a, made.b):
        store.close()


def edit(store, **items):
    with store.document("doc/1").edit() as doc:
        doc.update(items)


def test_a_document_is_what_its_edits_made_it(world):
    handle = world.a.document("doc/1")
    assert handle.json() == {}
    edit(world.a, title="x", tags=["a", {"b": None}], deep={"c": [1, 2.5, True]})
    with handle.edit() as doc:
        del doc["title"]
        doc["tags"].append("z")
        doc["tags"][1]["b"] = "d"
        assert doc.json()["tags"] == ["a", {"b": "d"}, "z"]
    expected = {"deep": {"c": [1, 2.5, True]}, "tags": ["a", {"b": "d"}, "z"]}
    assert handle.json() == world.a.get("doc/1") == expected
    world.exchange()
    assert handle.json() == world.b.document("doc/1").json() == expected
    assert [entry.value for entry in world.b.scan()] == [expected]


def test_edits_at_two_edges_are_merged(world):
    edit(world.a, list=["a"], title="x", text=pycrdt.Text("hello"))
    world.exchange()
    with world.a.document("doc/1").edit() as doc:
        doc["list"].append("b")
        doc["text"].insert(5, " world")
        doc["left"] = 1
    with world.b.document("doc/1").edit() as doc:
        doc["list"].insert(0, "z")
        doc["text"].insert(0, "say ")
        doc["right"] = 2
    world.exchange()
    merged = world.a.document("doc/1").json()
    assert merged == world.b.document("doc/1").json()
    assert (merged["left"], merged["right"], merged["list"]) == (1, 2, ["z", "a", "b"])
    assert merged["text"] == "say hello world"


def test_a_block_that_raises_changes_nothing(world):
    edit(world.a, title="x")
    with contextlib.suppress(ZeroDivisionError), world.a.document("doc/1").edit() as doc:
        doc["title"] = "y"
        raise ZeroDivisionError
    assert world.a.document("doc/1").json() == {"title": "x"}


def test_a_block_that_changes_nothing_writes_nothing(world):
    edit(world.a, title="x")
    world.exchange()
    before = world.a.stats()["tally"]["flushed"] if "tally" in world.a.stats() else None
    with world.a.document("doc/1").edit() as doc:
        assert doc["title"] == "x"
    assert world.a._core.replica.state.outbox.unflushed == 0
    assert before is None or world.a.stats()["tally"]["flushed"] == before


@pytest.mark.parametrize("value", [object(), {1: 2}, 2**63 - 1, "\ud800"])
def test_what_a_document_cannot_hold_is_refused(world, value):
    edit(world.a, title="x")
    with pytest.raises(EncodingError):
        edit(world.a, other=value)
    assert world.a.document("doc/1").json() == {"title": "x"}


def test_reads_and_edits_need_the_state(world):
    edit(world.b, title="x")
    world.exchange()
    assert world.b.document("doc/1").json() == {"title": "x"}  # so that it has a copy
    world.plan.is_region_down = True
    handle = world.a.document("doc/1")
    with pytest.raises(UnavailableError):
        handle.json()
    with pytest.raises(UnavailableError), handle.edit():
        pass
    with world.b.document("doc/1").edit() as doc:
        doc["title"] = "y"
    assert world.b.document("doc/1").json() == {"title": "y"}
    world.plan.is_region_down = False
    world.runtime.advance(10)
    world.exchange()
    assert handle.json() == {"title": "y"}


def test_a_delete_begins_anew_and_what_edits_the_old_one_is_lost(world):
    edit(world.a, title="x", list=["a"])
    world.exchange()
    assert world.b.document("doc/1").json()
    world.a.delete("doc/1")
    with world.b.document("doc/1").edit() as doc:
        doc["list"].append("b")
    world.exchange()
    assert world.a.document("doc/1").json() == world.b.document("doc/1").json()
    assert "list" not in world.a.document("doc/1").json()
    edit(world.a, title="new")
    world.exchange()
    assert world.b.document("doc/1").json()["title"] == "new"


def test_other_verbs_are_refused(world):
    with pytest.raises(TypeMismatchError, match=r"store.document\(key\)"):
        world.a.put("doc/1", {})
    with pytest.raises(TypeMismatchError):
        world.a.document("other")


def test_a_document_outlives_its_process(tmp_path):
    with tierstore.open({"version": 1, **POLICY}, base_dir=tmp_path) as store:
        edit(store, title="x")
        edit(store, list=[1])
    with tierstore.open({"version": 1, **POLICY}, base_dir=tmp_path) as store:
        with store.batch() as batch:
            edit(batch, more=True)
        assert store.document("doc/1").json() == {"list": [1], "more": True, "title": "x"}
        assert repr(store.document("doc/1")) == "<tierstore.Document 'doc/1'>"


async def test_async_documents_do_the_same(tmp_path):
    async with tierstore.open_async(POLICY, base_dir=tmp_path) as astore:
        handle = astore.document("doc/1")
        async with handle.edit() as doc:
            doc["title"] = "x"
        async with handle.edit():
            pass
        with contextlib.suppress(ZeroDivisionError):
            async with handle.edit() as doc:
                doc["title"] = "y"
                raise ZeroDivisionError
        assert await handle.json() == {"title": "x"}
        assert repr(handle) == "<tierstore.AsyncDocument 'doc/1'>"


def clients(store):
    """Who has edited the document, as its state tells."""
    store.flush()
    record = (
        store._core.replica.state.link.read(["doc/1"], store._core.deadline(None))
        .rows["doc/1"]
        .record
    )
    return len(document.decode(record.payload).structs)


def test_an_editor_keeps_its_name_as_long_as_nobody_else_edits(world):
    for number in range(30):
        edit(world.a, title=number)
        if number % 7 == 0:
            world.exchange()
    assert clients(world.a) == 1
    assert len(world.region.rows["doc/1"].record.payload) < 60
    edit(world.b, other=1)
    world.exchange()
    edit(world.a, title="x")
    edit(world.a, title="y")
    assert clients(world.a) == 3
    assert world.a.document("doc/1").json() == {"other": 1, "title": "y"}


def test_a_name_is_not_kept_for_edits_that_were_dropped_or_for_another_life(world):
    edit(world.a, title="x")
    with contextlib.suppress(ZeroDivisionError), world.a.batch() as batch:
        edit(batch, title="dropped")
        raise ZeroDivisionError
    edit(world.a, other=1)
    assert world.a.document("doc/1").json() == {"other": 1, "title": "x"}
    world.a.delete("doc/1")
    edit(world.a, new=1)
    world.exchange()
    assert world.a.document("doc/1").json() == world.b.document("doc/1").json() == {"new": 1}


def test_an_edit_is_one_block(world):
    block = world.a.document("doc/1").edit()
    with block as doc:
        doc["outer"] = 1
        with pytest.raises(InvalidArgumentError), block:
            pass
    with pytest.raises(InvalidArgumentError), block:
        pass
    assert world.a.document("doc/1").json() == {"outer": 1}


def test_what_is_left_of_a_block_edits_nothing(world):
    with world.a.document("doc/1").edit() as doc:
        doc["map"], doc["list"], doc["text"] = {}, [1], pycrdt.Text("x")
        inner = doc["map"], doc["list"], doc["text"]
    uses = [
        lambda: doc.update(late=1),
        lambda: inner[0].update(late=1),
        lambda: inner[1].append(2),
        lambda: inner[2].insert(0, "late"),
        lambda: doc["map"],
        doc.json,
    ]
    with world.a.document("doc/1").edit() as other:
        for use in uses:  # also in a block of another edit of the same document
            with pytest.raises(StoreClosedError):
                use()
        other["more"] = 1
    assert "ended" in repr(doc)
    expected = {"list": [1], "map": {}, "more": 1, "text": "x"}
    assert world.a.document("doc/1").json() == expected


async def test_an_async_edit_is_one_block(tmp_path):
    policy = {"version": 1, **POLICY}
    async with tierstore.open_async(policy, base_dir=tmp_path) as astore:
        block = astore.document("doc/1").edit()
        async with block as doc:
            doc["outer"] = 1
            with pytest.raises(InvalidArgumentError):
                await block.__aenter__()
        with pytest.raises(StoreClosedError):
            doc["late"] = 1
        assert await astore.document("doc/1").json() == {"outer": 1}


def test_a_large_document_is_shown_without_the_lock(world, monkeypatch):
    """What others need is not held while one is made plain."""
    edit(world.a, title="x" * 300_000)  # too large for a copy at the edge
    edit(world.b, small="x")
    world.exchange()
    for store in (world.a, world.b):
        lock, shown = store._core.replica.state.lock, []
        value = document.value
        monkeypatch.setattr(
            document,
            "value",
            lambda state: shown.append(lock.locked()) or value(state),  # noqa: B023
        )
        assert store.get("doc/1")["small"] == store.document("doc/1").json()["small"] == "x"
        assert shown == [False, False]
        monkeypatch.undo()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="cannot fork")
def test_a_child_that_was_forked_within_an_edit_acknowledges_nothing(tmp_path):
    with tierstore.open({"version": 1, **POLICY}, base_dir=tmp_path) as store:
        block = store.document("doc/1").edit()
        doc = block.__enter__()
        child = os.fork()
        doc["by"] = "child" if child == 0 else "parent"  # two changes of one name
        if child == 0:
            try:
                block.__exit__(None, None, None)
            except StoreClosedError:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        block.__exit__(None, None, None)
        store.flush()
        assert store.document("doc/1").json() == {"by": "parent"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="cannot fork")
def test_a_forked_child_edits_under_a_name_of_its_own(tmp_path):
    with tierstore.open(POLICY, base_dir=tmp_path) as store:
        edit(store, title="x")
        store.flush()
        child = os.fork()
        if not child:
            edit(store, child=1)
            store.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        edit(store, parent=1)
        store.flush()
        store.maintain()
        assert store.document("doc/1").json() == {"child": 1, "parent": 1, "title": "x"}


def test_others_need_not_wait_while_a_document_is_shown(tmp_path, monkeypatch):
    """Showing a large one takes long: not under the lock that every write takes."""
    real, was_free = document.value, []
    with tierstore.open({"version": 1, **POLICY}, base_dir=tmp_path) as opened:
        state = opened._core.replica.state

        def value(shown):
            was_free.append(state.lock.acquire(False))
            if was_free[-1]:
                state.lock.release()
            return real(shown)

        with opened.document("doc/a").edit() as doc:
            doc["title"] = "x"
        opened.flush()
        opened.document("doc/a").json()
        monkeypatch.setattr(document, "value", value)
        assert opened.document("doc/a").json() == {"title": "x"}
    assert was_free == [True]
