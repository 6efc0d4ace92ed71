"""A prefixed view is the same store, in which every key has more before it."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import InvalidKeyError
from tierstore.testing import memory_store

words = st.text("aä/", max_size=3)


@pytest.fixture(scope="module")
def shared():
    with memory_store() as store:
        yield store


@given(st.lists(words, max_size=3), st.lists(words.filter(bool), min_size=1, unique=True))
def test_a_view_is_the_store_with_longer_keys(shared, prefixes, keys):
    shared.delete_many([entry.key for entry in shared.scan()])
    view = shared
    for prefix in prefixes:
        view = view.prefixed(prefix)
    whole = "".join(prefixes)
    view.put_many({key: key for key in keys})
    assert view.get_many(keys) == {key: key for key in keys}
    assert shared.get_many([whole + key for key in keys]) == {whole + k: k for k in keys}
    ordered = sorted(keys, key=str.encode)
    assert [entry.key for entry in view.scan()] == ordered
    assert [entry.key for entry in view.scan(reverse=True)] == ordered[::-1]
    assert [entry.key for entry in shared.scan(whole)] == [whole + key for key in ordered]


def test_every_verb_of_a_view(shared):
    view = shared.prefixed("tenant/")
    view.put("k", b"1", "1h", {"a": "b"})
    assert view.get("k") == shared.get("tenant/k") == b"1"
    assert view.read("k") == shared.read("tenant/k")
    assert "k" in view
    assert "k" not in shared
    assert view.touch("k", None)
    assert view.explain("k").found
    view.delete("k")
    assert not shared.exists("tenant/k")


EMPTY_KEY = {
    "get": lambda view: view.get(""),
    "read": lambda view: view.read(""),
    "exists": lambda view: view.exists(""),
    "get_many": lambda view: view.get_many([""]),
    "put": lambda view: view.put("", 2),
    "put bytes": lambda view: view.put("", b"2"),
    "put_many": lambda view: view.put_many({"": 2}),
    "delete": lambda view: view.delete(""),
    "touch": lambda view: view.touch("", 5),
    "explain": lambda view: view.explain(""),
}


@pytest.mark.parametrize("verb", EMPTY_KEY)
def test_the_prefix_itself_is_no_key_of_a_view(verb):
    """Though the store may hold a key of that name."""
    with memory_store({"rules": [{"match": "**", "durability": "memory"}]}) as store:
        store.put("a/x", b"1")
        with pytest.raises(InvalidKeyError):
            EMPTY_KEY[verb](store.prefixed("a/x"))
        assert store.get("a/x") == b"1"


def test_rules_match_the_whole_key():
    with memory_store({"rules": [{"match": "a/b/*", "ttl": "1h", "name": "ab"}]}) as store:
        view = store.prefixed("a/").prefixed("b/")
        view.put("k", 1)
        assert view.read("k").rule == "ab"
        assert view.read("k").expires_at is not None


def test_pages_of_a_view_go_on_by_their_cursor(shared):
    view = shared.prefixed("paged/")
    view.put_many({f"{n:02}": n for n in range(10)})
    found, cursor = [], None
    while True:
        page = next(view.scan(cursor=cursor).pages(3))
        found += [entry.value for entry in page.entries]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == list(range(10))


def test_bad_prefixes(shared):
    for bad in ("\ud800", b"a", None, 5):
        with pytest.raises(InvalidKeyError):
            shared.prefixed(bad)


def test_stores_views_and_scans_are_not_pickled(shared):
    for store in (shared, shared.prefixed("a/")):
        with pytest.raises(TypeError, match="a store cannot be pickled: open the policy again"):
            pickle.dumps(store)
    with pytest.raises(TypeError, match="a scan cannot be pickled: hand on the cursor"):
        pickle.dumps(shared.scan())
