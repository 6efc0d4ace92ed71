"""Copies of strong keys: kept for who asks for them, and never earlier than what was shown."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierstore.coordinator.near import Near
from tierstore.record import Record
from tierstore.region.deadline import Deadline
from tierstore.testing import ManualRuntime

LARGE_BYTES, CAPACITY_BYTES = 4_000, 3_000
KEY = "s/a"


def states_of(kinds):
    """The states that a key goes through: first none, then what each of `kinds` makes of it."""
    made = [None]
    for number, kind in enumerate(kinds, 1):
        last = next((row for row in reversed(made) if row is not None), None)
        if kind in ("put", "large") or last is None:
            size = LARGE_BYTES if kind == "large" else 10
            made.append(SimpleNamespace(record=Record(number, 1, b"x", touch=number), size=size))
        elif kind == "touch" and made[-1] is not None:
            old = last.record
            record = Record(old.stamp, old.replica, old.payload, touch=number)
            made.append(SimpleNamespace(record=record, size=last.size))
        else:
            made.append(None)
    return made


MOMENTS = 14
moments = st.lists(st.integers(0, MOMENTS), min_size=3, max_size=3, unique=True).map(sorted)
reads = st.tuples(st.sampled_from([True, True, False]), moments)
writes = st.lists(
    st.tuples(st.sampled_from(["put", "large", "touch", "delete"]), st.booleans(), moments),
    min_size=1,
    max_size=4,
    unique_by=lambda write: write[2][1],
).map(lambda made: sorted(made, key=lambda write: write[2][1]))


@settings(max_examples=400)
@given(st.lists(reads, min_size=2, max_size=5), writes)
def test_a_copy_is_never_earlier_than_what_was_shown(reads, writes):
    """Reads and writes begin, take effect and end at any moments."""
    runtime = ManualRuntime()
    near = Near(runtime, CAPACITY_BYTES)
    states = states_of([kind for kind, _, _ in writes])
    floor, index, seen, sent_s = 0, 0, {}, {}

    def look():
        nonlocal floor
        if (copy := near.find(KEY, 1e9)) is not None:
            floor = max(floor, states[floor : index + 1].index(copy.row) + floor)

    def begin(read, is_named):
        sent_s[read] = runtime.monotonic()
        if is_named:
            near.expect([KEY])

    def end(read, is_named):
        nonlocal floor
        near.note({KEY: states[seen[read]]}, sent_s[read])
        if is_named:
            near.expect_no_more([KEY])
        floor = max(floor, seen[read])

    def acknowledge(written):
        nonlocal floor
        near.forget(KEY)
        floor = max(floor, written)

    for moment in range(MOMENTS + 1):
        for number, (_, is_own, (_, effect, answer)) in enumerate(writes, 1):
            index = number if moment == effect else index
            if is_own and moment == answer:
                acknowledge(number)
        for read, (is_named, (first, snapshot, last)) in enumerate(reads):
            if moment == first:
                begin(read, is_named)
            if moment == snapshot:
                seen[read] = index
            if moment == last:
                end(read, is_named)
        look()
        runtime.advance(1)
    assert not near._expected


@pytest.fixture
def copies(store):
    """A function that tells of which keys the store has copies."""
    return lambda: set(store._core.strong._near._copies)


def test_copies_are_kept_only_for_who_names_an_age(store, other, copies):
    other.put_many({"s/a": 1, "s/b": 1})
    store.get_many(["s/a", "s/b", "s/none"])
    store.read("s/a")
    assert copies() == set()
    store.get_many(["s/a", "s/none"], max_age=60)
    assert copies() == {"s/a", "s/none"}
    other.put_many({"s/a": 2, "s/b": 2, "s/none": 2})
    store.get_many(["s/a", "s/b"])
    assert store.get_many(["s/a", "s/none"], max_age=60) == {"s/a": 2}
    assert copies() == {"s/a", "s/none"}


def test_what_another_deleted_is_not_shown_again(store, other, runtime):
    store.put("s/a", 1)
    other.put("s/a", 2)
    runtime.advance(1)
    assert store.get("s/a", max_age=60) == 2
    other.delete("s/a")
    runtime.advance(1)
    assert store.get("s/a") is None
    assert store.get("s/a", max_age=60) is None


def test_an_absence_after_an_own_delete_is_a_copy_too(store, runtime, plan):
    store.put("s/a", 1)
    store.delete("s/a")
    runtime.advance(1)
    assert store.get("s/a", max_age=60) is None
    plan.is_region_down = True
    assert store.get("s/a", max_age=60) is None


def test_a_slow_read_does_not_hide_a_longer_life(store, runtime, region):
    """The read is answered after the touch, by what was there before it."""
    store.put("s/a", 1, ttl=10)
    runtime.advance(1)
    read = region.read

    def slow(*arguments):
        reply = read(*arguments)
        region.read = read
        runtime.advance(1)
        store._core.strong.touch("s/a", 100_000, Deadline(runtime, 5))
        return reply

    region.read = slow
    store.get("s/a", max_age=60)
    runtime.advance(20)
    assert store.get("s/a", max_age=60) == 1
