"""A key that began anew in one region, and what another one still knows of its former life.

Regions forget one after the other what is dead. Generations begin at the lowest where none is
known, so a new life would lose to the end of the old one if that counted for ever.
"""

from __future__ import annotations

import pytest

from tierstore.crdt import counter
from tierstore.record import COUNTER, Record
from tierstore.region.apply import Limits
from tierstore.region.joining import plan_join
from tierstore.region.rows import Row
from tierstore.stamp import at_ms

HOUR_MS = 3_600_000
LIMITS = Limits(max_drift_ms=60_000, horizon_ms=24 * HOUR_MS)
NOW_MS = 1_700_000_000_000
TERMS = LIMITS.at(NOW_MS, has_mover=False, actor=9)
AGO_MS = NOW_MS - LIMITS.horizon_ms
OLD, NEW = {1: (5, 0)}, {2: (7, 0)}


def row(generation, at, state, expires_ms=None):
    payload = None if state is None else counter.encode(state)
    record = Record(at_ms(at), 3, payload, expires_ms, type=COUNTER, generation=generation)
    return Row("k", record)


def joined(known, told, **more):
    """The row after joining what is told; the one that is known if that stays."""
    plan = plan_join({"k": known}, [told], TERMS, **{"is_late": False} | more)
    return plan.writes.get("k", known).record


DEAD = [
    row(2, AGO_MS - 2 * HOUR_MS, None),
    row(1, AGO_MS - 3 * HOUR_MS, OLD, AGO_MS - 2 * HOUR_MS),
]
LATER = row(1, NOW_MS - HOUR_MS, NEW)


@pytest.mark.parametrize("dead", DEAD, ids=["deleted", "expired"])
def test_a_new_life_outlives_what_may_be_forgotten_whoever_tells_whom(dead):
    for record in (joined(dead, LATER), joined(LATER, dead)):
        assert (record.generation, counter.decode(record.payload)) == (1, NEW)


def test_what_died_lately_ends_what_it_knew():
    dead = row(2, NOW_MS - 2 * HOUR_MS, None)
    assert joined(dead, LATER).payload is None
    assert joined(LATER, dead).payload is None


def test_what_was_written_before_all_knew_of_the_end_does_not_come_back():
    dead = row(2, AGO_MS - 2 * HOUR_MS, None)
    early = row(1, AGO_MS - HOUR_MS, OLD)
    assert joined(dead, early).payload is None
    assert joined(early, dead).payload is None


def test_a_region_that_was_away_begins_nothing_anew():
    assert joined(DEAD[0], LATER, is_late=True).payload is None


def test_a_higher_generation_wins_as_ever():
    later = row(3, NOW_MS - HOUR_MS, NEW)
    assert joined(DEAD[0], later).generation == joined(later, DEAD[0]).generation == 3
