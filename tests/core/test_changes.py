"""Generations and lifetimes of the record of a key, by examples."""

from __future__ import annotations

import pytest

from tierstore.crdt import counter
from tierstore.crdt.changes import change, join
from tierstore.errors import DecodingError
from tierstore.record import COUNTER, Record

NOW_MS = 100


def delta(number=None, *, expires_at_ms=None, touch=0, seen=0):
    payload = None if number is None else counter.encode_delta(counter.add(number))
    return Record(0, 11, payload, expires_at_ms, touch, None, COUNTER, seen)


def record(number, *, stamp=1, expires_at_ms=None, touch=0, generation=1, actor=101):
    payload = None if number is None else counter.encode({actor: counter.add(number)})
    return Record(stamp, actor, payload, expires_at_ms, touch, None, COUNTER, generation)


def after(state, told, *, resets=False, now_ms=NOW_MS):
    return change(state, told, resets=resets, now_ms=now_ms, actor=101)


def value(state):
    return counter.value(counter.decode(state.payload))


def test_the_first_change_begins_the_first_generation():
    begun = after(None, delta(3, expires_at_ms=150))
    assert (begun.generation, value(begun), begun.expires_at_ms) == (1, 3, 150)


def test_a_later_change_keeps_the_lifetime():
    state = after(record(3, expires_at_ms=150), delta(4, expires_at_ms=500))
    assert (value(state), state.expires_at_ms) == (7, 150)


def test_a_change_of_an_expired_record_begins_the_next_generation():
    state = after(record(3, expires_at_ms=100), delta(4, expires_at_ms=500))
    assert (state.generation, value(state), state.expires_at_ms) == (2, 4, 500)


def test_a_deletion_begins_the_next_generation_and_wins_over_older_ones():
    old = record(3)
    gone = after(old, delta(), resets=True)
    assert (gone.generation, gone.payload) == (2, None)
    assert join(record(9, stamp=5, actor=102), gone) is gone


def test_a_change_after_a_deletion_comes_in_one():
    state = after(record(3), delta(4), resets=True)
    assert (state.generation, value(state)) == (2, 4)


def test_what_changes_nothing_returns_the_record_itself():
    old = record(3)
    assert after(old, delta(0)) is old
    assert after(None, delta(touch=5)) is None


def test_a_touch_moves_the_lifetime_that_was_seen():
    old = record(3, expires_at_ms=150, generation=2)
    assert after(old, delta(touch=5, expires_at_ms=200, seen=2)).expires_at_ms == 200
    assert after(old, delta(touch=5, expires_at_ms=200, seen=1)) is old


def test_a_touch_that_comes_too_late_is_void():
    old = record(3, expires_at_ms=100)
    assert after(old, delta(touch=5, expires_at_ms=200, seen=1)) is old


def test_an_older_touch_is_void():
    old = record(3, expires_at_ms=150, touch=6)
    assert after(old, delta(touch=5, expires_at_ms=200, seen=1)) is old


def test_of_two_generations_the_later_wins_whole():
    older, newer = record(9, stamp=8), record(1, stamp=2, generation=2)
    assert join(older, newer) is newer
    assert join(newer, older) is newer


def test_records_of_one_generation_join():
    joined = join(record(3), record(4, actor=102))
    assert (value(joined), joined.stamp, joined.replica) == (7, 1, 102)
    assert join(None, joined) is joined


def test_the_lifetime_is_that_of_the_latest_touch():
    touched = record(3, touch=5, expires_at_ms=150)
    newer = record(4, stamp=9, actor=102, expires_at_ms=120)
    for joined in (join(touched, newer), join(newer, touched)):
        assert (joined.stamp, joined.touch, joined.expires_at_ms) == (9, 5, 150)


def test_a_tombstone_of_the_same_generation_shortens_nothing():
    living = record(3, expires_at_ms=150)
    joined = join(record(None, stamp=9), living)
    assert (value(joined), joined.expires_at_ms) == (3, 150)


def test_a_change_that_is_no_delta_is_refused():
    broken = Record(0, 11, b"\xc0", type=COUNTER)
    with pytest.raises(DecodingError):
        after(record(3), broken)
