"""What a region takes over of another one's rows, by examples; more is in the conformance suite."""

from __future__ import annotations

import pytest

from tierstore.crdt import changes, counter
from tierstore.record import COUNTER, Record, decode, encode
from tierstore.region.apply import Terms
from tierstore.region.joining import GENERATION_MAX, QUARANTINED_STATE, plan_join
from tierstore.region.outcomes import APPLIED, QUARANTINED
from tierstore.region.rows import Row
from tierstore.stamp import STAMP_MAX

NOW_MS = 1_800_000_000_000


def told(generation, payload):
    return Row("k", Record((NOW_MS - 1) << 16, 7, payload, type=COUNTER, generation=generation))


@pytest.mark.parametrize("payload", [None, counter.encode({5: (1, 0)})])
def test_a_generation_after_which_there_is_none_is_quarantined(payload):
    plan = plan_join({}, [told(STAMP_MAX, payload)], Terms(NOW_MS), is_late=False)
    assert list(plan.outcomes) == [QUARANTINED]
    assert plan.writes == {}
    assert plan.aside == [(0, QUARANTINED_STATE, "its generation is out of bounds")]


def test_what_is_joined_can_be_deleted_and_read():
    row = told(GENERATION_MAX, counter.encode({5: (1, 0)}))
    plan = plan_join({}, [row], Terms(NOW_MS), is_late=False)
    assert list(plan.outcomes) == [APPLIED]
    deletion = Record(0, 9, None, type=COUNTER)
    gone = changes.change(plan.writes["k"].record, deletion, resets=True, now_ms=NOW_MS, actor=101)
    assert decode(encode(gone)).generation == GENERATION_MAX + 1
