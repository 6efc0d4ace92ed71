"""Documents that are made compact while others go on to edit what they were: nothing is lost."""

from __future__ import annotations

import itertools
import random

from document_chances import chances, scripts, some_edits, some_states
from document_edits import after, edited
from hypothesis import given

from tierstore.crdt import document


def shown(state):
    return repr(document.value(state))


def some_state(chance):
    states, _ = some_states(chance)
    state = document.empty()
    for other in states:
        state = document.join(state, other)
    return state


@scripts
@given(chances)
def test_late_edits_show_as_they_would_have(chance):
    """One line of edits of what was there before, and nobody else's."""
    before = some_state(chance)
    now = document.compact(before)
    assert shown(now) == shown(before)
    for _ in range(4):
        if (delta := edited(before, some_edits(chance))) is not None:
            before, now = after(before, delta), after(now, delta)
            assert shown(now) == shown(before)
            assert document.encode(document.decode(document.encode(now))) == document.encode(now)


@scripts
@given(chances)
def test_late_edits_arrive_in_any_order(chance):
    """Those of two who had not heard of it, and of one who has."""
    before = some_state(chance)
    now = document.compact(before)
    lines = []
    for start in (before, before, now):
        line = []
        for _ in range(chance.randrange(1, 3)):
            if (delta := edited(start, some_edits(chance))) is not None:
                start = after(start, delta)
                line.append(delta)
        lines.append(line)
    whole = {document.encode(arrived(now, lines, random.Random(seed))) for seed in range(4)}
    assert len(whole) == 1


def arrived(state, lines, chance):
    waiting = [list(line) for line in lines if line]
    while waiting:
        line = chance.choice(waiting)
        state = after(state, line.pop(0))
        waiting = [line for line in waiting if line]
    return state


def some_regions(chance):
    """Regions that edit, make compact, and hear of each other."""
    start = some_state(chance)
    regions = [start, start, start]
    for step in range(chance.randrange(2, 9)):
        at = chance.randrange(3)
        kind = chance.randrange(4)
        if kind == 0:
            regions[at] = document.join(regions[at], regions[chance.randrange(3)])
        elif kind == 1:
            regions[at] = document.compact(regions[at], step, at, step) or regions[at]
        elif (delta := edited(regions[at], some_edits(chance))) is not None:
            regions[at] = after(regions[at], delta)
        if not chance.randrange(3) and (delta := edited(start, some_edits(chance))) is not None:
            regions[at] = after(regions[at], delta)
    return regions


@scripts
@given(chances)
def test_regions_that_make_it_compact_at_once_come_to_the_same(chance):
    regions = some_regions(chance)
    whole = set()
    for order in itertools.permutations(regions):
        one, two, three = order
        whole.add(document.encode(document.join(document.join(one, two), three)))
        whole.add(document.encode(document.join(one, document.join(two, three))))
    assert len(whole) == 1
    joined = document.decode(whole.pop())
    for part in (*regions, joined):
        assert document.encode(document.join(joined, part)) == document.encode(joined)
        assert document.encode(document.join(part, joined)) == document.encode(joined)
