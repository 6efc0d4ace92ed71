"""Bad arguments raise their own error before anything is opened, asked or changed."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import (
    EncodingError,
    InvalidArgumentError,
    InvalidKeyError,
    ValueTooLargeError,
)
from tierstore.region.operations import check_name


class Word(str):
    """What is nearly a key."""

    __slots__ = ()


BAD_KEYS = ["", Word("k"), "k" * 1025, "é" * 513, "\ud800", b"bytes", 7, None, ("a",), True]
BAD_VALUES = [object(), {1: 2}, {"a": {3}}, 2**64, -(2**63) - 1, datetime(2026, 1, 1), "\udfff"]
BAD_TTLS = [0, -1, math.nan, math.inf, True, "30", "soon", "-1s", [], timedelta(0), 1e300]
BAD_METADATA = [{"a": 1}, {1: "a"}, "text", ["a"], 5, {"a": "\ud800"}, {"k": "v" * 1024}]
BAD_TIMEOUTS = [-1, math.nan, "1", True, [], -math.inf]

VERBS = {
    "get": lambda store, key: store.get(key),
    "read": lambda store, key: store.read(key),
    "exists": lambda store, key: store.exists(key),
    "in": lambda store, key: key in store,
    "get_many": lambda store, key: store.get_many([key]),
    "put": lambda store, key: store.put(key, 1),
    "put_many": lambda store, key: store.put_many({key: 1}),
    "delete": lambda store, key: store.delete(key),
    "delete_many": lambda store, key: store.delete_many([key]),
    "touch": lambda store, key: store.touch(key, 5),
    "explain": lambda store, key: store.explain(key),
}
TIMED = {
    "get": lambda store, timeout: store.get("k", timeout=timeout),
    "read": lambda store, timeout: store.read("k", timeout=timeout),
    "exists": lambda store, timeout: store.exists("k", timeout=timeout),
    "put": lambda store, timeout: store.put("k", 1, timeout=timeout),
    "put_many": lambda store, timeout: store.put_many({"k": 1}, timeout=timeout),
    "delete": lambda store, timeout: store.delete("k", timeout=timeout),
    "touch": lambda store, timeout: store.touch("k", 1, timeout=timeout),
    "get_many": lambda store, timeout: store.get_many([], timeout=timeout),
    "put_many of none": lambda store, timeout: store.put_many({}, timeout=timeout),
    "delete_many": lambda store, timeout: store.delete_many([], timeout=timeout),
    "explain": lambda store, timeout: store.explain("k", timeout=timeout),
    "check": lambda store, timeout: store.check(timeout=timeout),
    "scan": lambda store, timeout: store.scan(timeout=timeout),
    "flush": lambda store, timeout: store.flush(timeout),
    "close": lambda store, timeout: store.close(timeout),
    "maintain": lambda store, timeout: store.maintain(timeout),
    "max_age": lambda store, timeout: store.get("k", max_age=timeout),
    "max_age of many": lambda store, timeout: store.get_many([], max_age=timeout),
}


@pytest.fixture
def untouched(store, region, tmp_path):
    """The store; afterwards nothing was asked of the region, nothing lies on the disk."""
    yield store
    assert region.calls == 0
    assert list(tmp_path.iterdir()) == []
    assert store.stats()["outbox"]["unflushed"] == 0


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("key", BAD_KEYS, ids=ascii)
def test_bad_keys(untouched, verb, key):
    with pytest.raises(InvalidKeyError):
        VERBS[verb](untouched, key)


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"get"}))
def test_a_resident_key_opens_no_way_for_what_only_equals_it(store, verb):
    """But for `get`, for which a look at the class would be dear: it finds what is resident."""
    store.put("k", b"1")
    with pytest.raises(InvalidKeyError):
        VERBS[verb](store, Word("k"))
    assert store.get(Word("k")) == b"1"


@pytest.mark.parametrize("part", ["prefix", "start", "end"])
@pytest.mark.parametrize("bad", ["\ud800", 7, b"bytes"], ids=ascii)
def test_bad_bounds_of_a_scan(untouched, part, bad):
    with pytest.raises(InvalidKeyError):
        untouched.scan(**{part: bad})


def test_a_prefix_counts_towards_the_length_of_a_key(store):
    view = store.prefixed("p" * 1000)
    view.put("k" * 24, 1)
    with pytest.raises(InvalidKeyError):
        view.put("k" * 25, 1)
    assert view.get("k" * 24) == 1


MANY = {
    "get_many": lambda store, bad: store.get_many(bad),
    "delete_many": lambda store, bad: store.delete_many(bad),
    "put_many": lambda store, bad: store.put_many(bad),
}
BAD_KEY_SETS = ["abc", "", b"abc", Word("abc"), bytearray(b"abc"), None, 7]
BAD_ITEMS = [*BAD_KEY_SETS, [("a", 1)], ["a"], {"a"}]


@pytest.mark.parametrize(
    ("verb", "bad"),
    [(verb, bad) for verb in MANY for bad in (BAD_ITEMS if verb == "put_many" else BAD_KEY_SETS)],
    ids=ascii,
)
def test_one_text_is_not_several_keys(untouched, verb, bad):
    with pytest.raises(InvalidArgumentError):
        MANY[verb](untouched, bad)


@pytest.mark.parametrize("value", BAD_VALUES, ids=lambda value: type(value).__name__)
def test_bad_values(untouched, value):
    for put in (untouched.put, lambda key, bad: untouched.put_many({key: bad})):
        with pytest.raises(EncodingError):
            put("k", value)


@pytest.mark.parametrize("ttl", BAD_TTLS, ids=str)
def test_bad_ttls(untouched, ttl):
    for verb in (
        lambda: untouched.put("k", 1, ttl),
        lambda: untouched.put_many({"k": 1}, ttl),
        lambda: untouched.touch("k", ttl),
    ):
        with pytest.raises(InvalidArgumentError):
            verb()


@pytest.mark.parametrize("metadata", BAD_METADATA, ids=ascii)
def test_bad_metadata(untouched, metadata):
    with pytest.raises(InvalidArgumentError):
        untouched.put("k", 1, metadata=metadata)


def test_metadata_of_one_kibibyte_is_kept(store):
    metadata = {"name": "v" * 1020}
    store.put("k", 1, metadata=metadata)
    assert store.read("k").metadata == metadata


@pytest.mark.parametrize("verb", TIMED)
@pytest.mark.parametrize("timeout", BAD_TIMEOUTS, ids=str)
def test_bad_timeouts(untouched, verb, timeout):
    with pytest.raises(InvalidArgumentError):
        TIMED[verb](untouched, timeout)


@pytest.mark.parametrize("verb", sorted(set(TIMED) - {"close"}))
@pytest.mark.parametrize("timeout", [math.inf, 1e300, 10**400], ids=["inf", "1e300", "10**400"])
def test_any_longer_timeout_is_for_ever(store, verb, timeout):
    TIMED[verb](store, timeout)
    store.flush(timeout)


@pytest.mark.parametrize("limit", [-1, 1.5, "1", True], ids=ascii)
def test_bad_limits(untouched, limit):
    with pytest.raises(InvalidArgumentError):
        untouched.scan(limit=limit)
    for size in (limit, 0):
        with pytest.raises(InvalidArgumentError):
            next(untouched.scan().pages(size))


@pytest.mark.parametrize("kind", ["k", "memory/k", "regional/k"])
def test_the_largest_value(store, kind):
    """A value of n bytes takes three more when encoded; `limits.value` is 1 KiB."""
    store.put(kind, b"v" * 1021)
    for verb in (store.put, lambda key, value: store.put_many({"a": 1, key: value})):
        with pytest.raises(ValueTooLargeError, match="1025 bytes"):
            verb(kind, b"w" * 1022)
    assert store.get(kind) == b"v" * 1021
    assert store.get("a") is None


def test_a_value_that_is_too_large_is_refused_before_any_io(untouched):
    with pytest.raises(ValueTooLargeError):
        untouched.put("regional/k", b"v" * 1022)


@pytest.fixture
def cursor(store):
    """The cursor after the second of five entries of `a/`."""
    store.put_many({f"a/{n}": n for n in range(5)})
    return next(store.scan("a/").pages(2)).cursor


def test_a_cursor_goes_on(store, cursor):
    assert [entry.value for entry in store.scan("a/", cursor=cursor)] == [2, 3, 4]


def test_the_cursor_of_another_scan(store, cursor):
    for other in (
        lambda: store.scan("", cursor=cursor),
        lambda: store.scan("a/", reverse=True, cursor=cursor),
        lambda: store.prefixed("a/").scan("a/", cursor=cursor),
    ):
        with pytest.raises(InvalidArgumentError):
            other()


def test_every_truncated_cursor(store, cursor):
    for length in range(len(cursor)):
        with pytest.raises(InvalidArgumentError):
            store.scan("a/", cursor=cursor[:length])


@given(garbage=st.text(max_size=40) | st.binary(max_size=20) | st.integers() | st.floats())
def test_garbage_as_a_cursor(shared_store, garbage):
    with pytest.raises(InvalidArgumentError):
        shared_store.scan("a/", cursor=garbage)


@given(garbage=st.text(max_size=40) | st.binary(max_size=20) | st.none() | st.integers())
def test_garbage_as_an_operation_id(shared_store, garbage):
    """What a caller may name an operation is the name of one that has not happened."""
    try:
        check_name(garbage)
    except InvalidArgumentError:
        with pytest.raises(InvalidArgumentError):
            shared_store.outcome(garbage)
    else:
        assert shared_store.outcome(garbage) == "unknown"


@pytest.fixture(scope="module")
def shared_store():
    from tierstore.testing import memory_store

    with memory_store() as store:
        yield store
