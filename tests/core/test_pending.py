"""Changes that wait, as one: what the last says, and what of the first still holds."""

from __future__ import annotations

from tierstore.crdt import counter
from tierstore.crdt import set as sets
from tierstore.crdt.pending import Change

DELETE = Change(None, resets=True)


def told(change):
    return change.delta, change.resets, change.seen, change.touch, change.expires_at_ms


def test_deltas_are_composed():
    both = Change(counter.add(1), seen=3).then(Change(counter.add(2), seen=3), counter)
    assert told(both) == ((3, 0), False, 3, 0, None)


def test_a_deletion_undoes_what_waits():
    assert Change(counter.add(1), seen=3).then(DELETE, counter) is DELETE


def test_what_comes_after_a_deletion_begins_anew():
    both = DELETE.then(Change(counter.add(1), expires_at_ms=9), counter)
    assert told(both) == ((1, 0), True, 0, 0, 9)


def test_the_lifetime_is_that_of_the_first_change():
    first = Change(counter.add(1), expires_at_ms=9)
    assert first.then(Change(counter.add(1), expires_at_ms=20), counter).expires_at_ms == 9


def test_a_touch_moves_the_lifetime_and_the_later_touch_wins():
    first = Change(counter.add(1), expires_at_ms=9)
    early = Change(None, touch=5, expires_at_ms=20)
    late = Change(None, touch=6, expires_at_ms=15)
    assert told(first.then(early, counter).then(late, counter)) == ((1, 0), False, 0, 6, 15)


def test_a_touch_of_a_generation_that_is_over_is_dropped():
    touch = Change(counter.add(1), seen=3, touch=5, expires_at_ms=20)
    both = touch.then(Change(counter.add(1), seen=4, expires_at_ms=9), counter)
    assert told(both) == ((2, 0), False, 4, 0, 9)


def test_what_was_seen_in_a_generation_that_is_over_is_dropped():
    seen = Change({"x": (False, frozenset({(101, 1)}))}, seen=3)
    later = Change(sets.add(["y"]), seen=4)
    both = seen.then(later, sets)
    assert both.delta == {"x": (False, frozenset()), "y": (True, frozenset())}
    assert both.seen == 4


def test_who_has_seen_nothing_speaks_of_the_same_generation():
    seen = Change({"x": (False, frozenset({(101, 1)}))}, seen=3)
    both = seen.then(Change(sets.add(["y"])), sets)
    assert both.delta["x"] == (False, frozenset({(101, 1)}))
    assert both.seen == 3
