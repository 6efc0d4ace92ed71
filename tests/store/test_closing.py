"""Closing: once, for every view, with everything released; and what becomes of unflushed writes."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import warnings

import pytest

import tierstore
from tierstore.errors import StoreClosedError, UnavailableError

VERBS = {
    "get": lambda store: store.get("k"),
    "read": lambda store: store.read("k"),
    "exists": lambda store: store.exists("k"),
    "in": lambda store: "k" in store,
    "get_many": lambda store: store.get_many(["k"]),
    "get_many of none": lambda store: store.get_many([]),
    "put_many of none": lambda store: store.put_many({}),
    "delete_many of none": lambda store: store.delete_many([]),
    "prefixed": lambda store: store.prefixed("a/"),
    "with": lambda store: store.__enter__(),
    "scan": lambda store: store.scan(),
    "put": lambda store: store.put("k", 1),
    "put bytes": lambda store: store.put("k", b"1"),
    "put_many": lambda store: store.put_many({"k": 1}),
    "delete": lambda store: store.delete("k"),
    "delete_many": lambda store: store.delete_many(["k"]),
    "touch": lambda store: store.touch("k", 5),
    "explain": lambda store: store.explain("k"),
    "stats": lambda store: store.stats(),
    "check": lambda store: store.check(),
    "flush": lambda store: store.flush(),
    "maintain": lambda store: store.maintain(),
    "outcome": lambda store: store.outcome("o1-1-1-6b"),
}
# Opens the policy of its first argument in the folder of its second and prints `k`.
READER = """
import json, sys, tierstore
with tierstore.open(json.loads(sys.argv[1]), base_dir=sys.argv[2]) as store:
    print(store.get("k"), store.stats()["journal"]["path"].rpartition("/")[2])
"""


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("used", [False, True], ids=["unused", "used"])
def test_a_closed_store_refuses_every_verb(store, verb, used):
    view = store.prefixed("")
    nested = store.prefixed("a/").prefixed("b/")
    if used:
        store.put("k", b"0")
        store.put("a/b/k", b"0")
    store.close()
    for closed in (store, view, nested):
        with pytest.raises(StoreClosedError):
            VERBS[verb](closed)


def test_a_scan_begun_before_ends_with_the_store(store):
    store.put_many({str(n): n for n in range(3)})
    pages = store.scan().pages(1)
    next(pages)
    store.close()
    with pytest.raises(StoreClosedError):
        next(pages)


def test_closing_again_does_nothing(store, region):
    view = store.prefixed("a/")
    with store:
        store.put("k", 1)
        view.close()
        calls, closed = region.calls, region.closed_count
        store.close()
        view.close()
    assert (region.calls, region.closed_count) == (calls, closed) == (calls, 1)


def test_a_flush_that_breaks_leaves_nothing_open(store, region, open_store, monkeypatch):
    def broken(*_):
        raise TypeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(region, "apply", broken)
        store.put("k", 1)
        with pytest.raises(TypeError, match="a bug"):
            store.close()
    assert region.closed_count == 1
    again = open_store()
    assert again.get("k") == 1
    assert again.stats()["journal"]["path"].endswith("worker-0001.journal")


@pytest.fixture
def lossy(open_store, region):
    """A store that cannot be closed without a loss."""
    store = open_store()
    store.put("memory/a", 1)
    region.is_out = True
    return store


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3)])
def test_the_exception_of_the_block_is_the_one_that_leaves_it(lossy, caplog, error):
    with pytest.raises(type(error)) as caught, lossy:
        raise error
    assert caught.value is error
    (note,) = error.__notes__
    assert "in memory only and is lost" in note
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    with pytest.raises(StoreClosedError):
        lossy.get("memory/a")


def test_without_an_exception_the_failure_of_closing_is_one(lossy):
    with pytest.raises(UnavailableError, match="in memory only and is lost"), lossy:
        pass


def test_closing_flushes(store, region, open_store):
    store.put_many({"memory/a": 1, "b": 2, "regional/c": 3})
    store.close()
    assert {key: row.record.payload for key, row in region.rows.items()}.keys() == {
        "memory/a", "b", "regional/c",
    }  # fmt: skip


def test_unflushed_memory_writes_are_named_after_all_is_released(store, region, open_store):
    store.put_many({"journaled": 1, "memory/a": 2, "memory/b": 3})
    region.is_out = True
    with pytest.raises(UnavailableError, match=r"2 unflushed writes .* out of order"):
        store.close()
    assert region.closed_count == 1
    with pytest.raises(StoreClosedError):
        store.get("journaled")
    store.close()
    region.is_out = False
    again = open_store()
    assert again.get_many(["journaled", "memory/a", "memory/b"]) == {"journaled": 1}
    assert again.stats()["journal"]["path"].endswith("worker-0001.journal")


def test_what_is_journaled_needs_no_region_to_close(store, region, open_store):
    region.is_out = True
    store.put_many({str(n): n for n in range(10)})
    store.close()
    again = open_store()
    assert again.get("7") == 7
    assert again.stats()["outbox"]["unflushed"] == 10
    region.is_out = False
    again.flush()
    assert len(region.rows) == 10


def test_a_closed_store_holds_no_lock_and_no_file(tmp_path):
    policy = {"timeouts": {"regional": "60s"}}
    with tierstore.open(policy, base_dir=tmp_path) as store:
        store.put("k", "here")
    done = subprocess.run(
        [sys.executable, "-c", READER, json.dumps(policy), tmp_path],
        capture_output=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (b"here worker-0001.journal\n", b"")


def drop(open_unheld):
    """The messages of the warnings when a store that nothing holds any more is collected."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_unheld()
        gc.collect()
    assert {warning.category for warning in caught} <= {ResourceWarning}
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize(("keys", "said"), [("l", "1 write was"), ("kl", "2 writes were")])
def test_an_unclosed_store_warns_of_what_is_unflushed(tmp_path, keys, said):
    def unclosed():
        store = tierstore.open({"replication": {"flush": "1h"}}, base_dir=tmp_path)
        for key in keys:
            store.put(key, 2)

    (message,) = drop(unclosed)
    named = ", ".join(map(repr, sorted(keys)))
    assert message.endswith(f"was not closed: {said} not flushed ({named})")
    with tierstore.open({"timeouts": {"regional": "60s"}}, base_dir=tmp_path) as store:
        assert store.get("l") == 2
        assert store.stats()["journal"]["path"].endswith("worker-0001.journal")


def test_an_unclosed_store_is_released_though_its_warning_is_an_error(tmp_path, monkeypatch):
    raised = []
    monkeypatch.setattr(sys, "unraisablehook", raised.append)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tierstore.open(base_dir=tmp_path).put("k", 1)
        gc.collect()
    assert [type(one.exc_value) for one in raised] == [ResourceWarning]
    raised.clear()
    with tierstore.open({"timeouts": {"regional": "60s"}}, base_dir=tmp_path) as store:
        store.put("l", 2)
        assert store.stats()["journal"]["path"].endswith("worker-0001.journal")


def test_a_store_that_was_never_used_needs_no_closing(tmp_path):
    assert drop(lambda: tierstore.open(base_dir=tmp_path)) == []
    assert list(tmp_path.iterdir()) == []
