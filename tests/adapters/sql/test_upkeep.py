"""What is held is applied when due, the silent retire, the dead are collected behind the floor."""

from __future__ import annotations

import pytest

import tierstore_sql.upkeep
from tierstore.errors import OverloadedError
from tierstore.region.outcomes import ASIDE

TIMEOUT_S = 5.0
DAY_S = 86_400


def maintain(sender, limit=100):
    return sender.region.maintain(limit, TIMEOUT_S)


def test_a_held_delta_of_a_damaged_row_waits_for_the_operator(sender, runtime, tamper):
    sender.send(sender.put("k", b"1"))
    sender.send(sender.put("k", b"2", stamp=sender.stamp(offset_s=600)))
    tamper("UPDATE ts_directory SET payload = x'00'")
    runtime.advance(700)
    assert maintain(sender).released == 0
    assert [e.kind for e in sender.region.aside(10, TIMEOUT_S)] == ["quarantined"]


def test_what_waits_for_an_operator_is_bounded_and_counted(sender, region, tamper, monkeypatch):
    monkeypatch.setattr(tierstore_sql.upkeep, "ASIDE_COUNT_MAX", 2)
    late = [sender.put(key, b"1", stamp=sender.stamp(offset_s=-8 * DAY_S)) for key in "abc"]
    assert list(sender.send(*late).outcomes) == [ASIDE] * 3
    assert len(region.aside(10, TIMEOUT_S)) == 2
    assert tamper("SELECT aside_total FROM ts_region") == [(3,)]
    with pytest.raises(OverloadedError):
        region.set_aside(sender.batch(sender.put("k", b"1")), "retired", TIMEOUT_S)
    assert tamper("SELECT aside_total FROM ts_region") == [(3,)]


def test_a_damaged_dead_row_is_not_forgotten(sender, region, runtime, tamper):
    sender.send(sender.put("dead", None))
    tamper("UPDATE ts_directory SET header = x'00'")
    runtime.advance(8 * DAY_S)
    region.acknowledge(7, 1, TIMEOUT_S)
    assert maintain(sender).collected == 0


def test_collecting_and_the_feed_use_an_index(tamper, sender):
    sender.send(sender.put("k", None))
    plans = [
        tamper("EXPLAIN QUERY PLAN " + statement, *parameters)
        for statement, parameters in (
            (tierstore_sql.statements.DEAD_ROWS, (1, 1, 1)),
            (tierstore_sql.statements.CHANGES, (1, 1)),
            (tierstore_sql.statements.HELD_DUE, (1, 1)),
            (tierstore_sql.statements.READ_ONE, (b"k", 1)),
        )
    ]
    assert "ts_directory_dead" in str(plans[0])
    assert "ts_directory_position" in str(plans[1])
    assert "ts_held_due" in str(plans[2])
    assert "TEMP B-TREE" not in str(plans)
    assert "SCAN d" not in str(plans[3])
