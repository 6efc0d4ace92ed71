"""Unflushed bytes are bounded: a write first makes room by flushing, then is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import OverloadedError, UnavailableError
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing import MemoryRegion, memory_store

LIMITS = {"limits": {"unflushed": "2KiB", "value": "1KiB"}}
KINDS = ["memory/", "journal/"]


def fill(store, kind):
    """The keys that were accepted before one was refused."""
    for n in range(1000):
        try:
            store.put(f"{kind}{n}", b"v" * 100)
        except OverloadedError:
            return [f"{kind}{number}" for number in range(n)]
    raise AssertionError("nothing is refused")


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_write_changes_nothing(open_store, region, kind):
    store = open_store(**LIMITS)
    region.is_out = True
    accepted = fill(store, kind)
    assert 5 < len(accepted) < 21
    refused = f"{kind}{len(accepted)}"
    assert store.get_many(accepted) == dict.fromkeys(accepted, b"v" * 100)
    with pytest.raises(UnavailableError):
        store.get(refused)
    for verb in (
        lambda: store.put(accepted[0], b"w" * 1000),
        lambda: store.put_many({accepted[0]: b"w" * 500, accepted[1]: b"w" * 500}),
    ):
        with pytest.raises(OverloadedError, match=r"limits\.unflushed"):
            verb()
    assert store.get(accepted[0]) == b"v" * 100
    assert store.stats()["outbox"]["unflushed_bytes"] <= 2048


@pytest.mark.parametrize("kind", KINDS)
def test_a_write_makes_room_itself(open_store, region, kind):
    store = open_store(**LIMITS)
    for n in range(100):
        store.put(f"{kind}{n}", b"v" * 100)
    assert len(region.rows) > 80
    assert store.stats()["outbox"]["unflushed_bytes"] <= 2048


def test_it_goes_on_when_the_region_is_back(open_store, region):
    store = open_store(**LIMITS)
    region.is_out = True
    accepted = fill(store, "journal/")
    region.is_out = False
    store.put("journal/more", 1)
    store.flush()
    assert region.rows.keys() == {*accepted, "journal/more"}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 300)), max_size=60))
def test_the_bound_holds_and_no_byte_is_counted_twice(writes):
    runtime = ManualRuntime(seed=1)
    region = MemoryRegion(runtime)
    with memory_store(LIMITS, region=region, runtime=runtime) as store:
        for key, size in writes:
            store.put(str(key), b"v" * size)
            assert store.stats()["outbox"]["unflushed_bytes"] <= 2048
        store.flush()
        assert store.stats()["outbox"]["unflushed_bytes"] == 0
