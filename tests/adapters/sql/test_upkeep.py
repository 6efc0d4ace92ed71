"""What is held is applied when due, the silent retire, the dead are collected behind the floor."""

from __future__ import annotations

import pytest

import tierstore_sql.upkeep
from tierstore.errors import OverloadedError
from tierstore.region.outcomes import APPLIED, ASIDE, HELD

TIMEOUT_S = 5.0
DAY_S = 86_400


def maintain(sender, limit=100):
    return sender.region.maintain(limit, TIMEOUT_S)


def test_a_delta_from_the_future_is_held_until_its_time(sender, runtime):
    stamp = sender.stamp(offset_s=3600)
    reply = sender.send(sender.put("k", b"1", stamp=stamp), sender.put("j", b"1"))
    assert list(reply.outcomes) == [HELD, APPLIED]
    assert [entry.kind for entry in sender.region.aside(10, TIMEOUT_S)] == ["held"]
    runtime.advance(3599)
    assert maintain(sender).released == 0
    runtime.advance(2)
    assert maintain(sender).released == 1
    assert maintain(sender).released == 0
    assert sender.payloads("k") == {"k": b"1"}
    assert [change.key for change in sender.changes(reply.position).changes] == ["k"]
    assert sender.region.aside(10, TIMEOUT_S) == []


def test_a_held_delta_joins_what_came_meanwhile(sender, runtime):
    sender.send(sender.put("k", b"held", stamp=sender.stamp(offset_s=3600)))
    runtime.advance(7200)
    sender.send(sender.put("k", b"newer"))
    maintain(sender)
    assert sender.payloads("k") == {"k": b"newer"}


def test_releases_are_bounded_by_the_limit(sender, runtime):
    sender.send(*[sender.put(key, b"1", stamp=sender.stamp(offset_s=600)) for key in "abc"])
    runtime.advance(700)
    assert [maintain(sender, 2).released for _ in range(3)] == [2, 1, 0]


def test_a_held_delta_of_a_damaged_row_waits_for_the_operator(sender, runtime, tamper):
    sender.send(sender.put("k", b"1"))
    sender.send(sender.put("k", b"2", stamp=sender.stamp(offset_s=600)))
    tamper("UPDATE ts_directory SET payload = x'00'")
    runtime.advance(700)
    assert maintain(sender).released == 0
    assert [e.kind for e in sender.region.aside(10, TIMEOUT_S)] == ["quarantined"]


def test_a_delta_older_than_the_horizon_is_kept_aside(sender):
    reply = sender.send(sender.put("k", b"1", stamp=sender.stamp(offset_s=-8 * DAY_S)))
    assert list(reply.outcomes) == [ASIDE]
    (entry,) = sender.region.aside(10, TIMEOUT_S)
    assert (entry.kind, entry.replica, entry.key) == ("aside", 7, "k")


def test_a_silent_replica_retires_and_no_longer_holds_the_floor(
    sender, region, runtime, new_sender
):
    other = new_sender(region, 8, runtime)
    position = sender.send(sender.put("k", b"1")).position
    sender.region.acknowledge(7, position, TIMEOUT_S)
    assert maintain(sender).floor == 0
    runtime.advance(6 * DAY_S)
    sender.region.acknowledge(7, position, TIMEOUT_S)
    runtime.advance(2 * DAY_S)
    done = maintain(sender)
    assert (done.retired, done.floor) == (1, position)
    assert other.send(other.put("k", b"2")).verdict == "retired"
    assert region.register(8, TIMEOUT_S).state.retired
    region.acknowledge(8, position, TIMEOUT_S)
    assert [state.retired for state in region.replicas(TIMEOUT_S)] == [False, True]


def test_a_batch_set_aside_is_kept_once_and_never_merged(sender, region):
    batch = sender.batch(sender.put("k", b"1"), sender.put("j", b"2"))
    for _ in range(2):
        region.set_aside(batch, "it was retired", TIMEOUT_S)
    entries = region.aside(10, TIMEOUT_S)
    assert [(e.kind, e.key, e.reason) for e in entries] == [
        ("retired", "k", "it was retired"),
        ("retired", "j", "it was retired"),
    ]
    assert len(region.aside(1, TIMEOUT_S)) == 1
    assert sender.read("k", "j").rows == {}


def test_what_waits_for_an_operator_is_bounded_and_counted(sender, region, tamper, monkeypatch):
    monkeypatch.setattr(tierstore_sql.upkeep, "ASIDE_COUNT_MAX", 2)
    late = [sender.put(key, b"1", stamp=sender.stamp(offset_s=-8 * DAY_S)) for key in "abc"]
    assert list(sender.send(*late).outcomes) == [ASIDE] * 3
    assert len(region.aside(10, TIMEOUT_S)) == 2
    assert tamper("SELECT aside_total FROM ts_region") == [(3,)]
    with pytest.raises(OverloadedError):
        region.set_aside(sender.batch(sender.put("k", b"1")), "retired", TIMEOUT_S)
    assert tamper("SELECT aside_total FROM ts_region") == [(3,)]


def test_only_what_all_have_seen_and_none_may_resend_is_collected(sender, region, runtime):
    put = sender.put("expiring", b"1", expires_at_ms=sender.runtime.time_ns() // 10**6 + 1000)
    sender.send(sender.put("dead", None), put, sender.put("live", b"1"))
    runtime.advance(7 * DAY_S)
    region.acknowledge(7, 3, TIMEOUT_S)
    assert maintain(sender).collected == 0
    runtime.advance(120)
    assert [maintain(sender, 1).collected for _ in range(3)] == [1, 1, 0]
    assert list(sender.read("dead", "expiring", "live").rows) == ["live"]


def test_a_dead_row_above_the_floor_stays(sender, region, runtime):
    sender.send(sender.put("dead", None))
    for _ in range(3):
        runtime.advance(5 * DAY_S)
        region.acknowledge(7, 0, TIMEOUT_S)
    assert maintain(sender).collected == 0
    region.acknowledge(7, 1, TIMEOUT_S)
    assert maintain(sender).collected == 1


def test_a_damaged_dead_row_is_not_forgotten(sender, region, runtime, tamper):
    sender.send(sender.put("dead", None))
    tamper("UPDATE ts_directory SET header = x'00'")
    runtime.advance(8 * DAY_S)
    region.acknowledge(7, 1, TIMEOUT_S)
    assert maintain(sender).collected == 0


def test_the_floor_and_acknowledgements_never_go_back(sender, region, runtime, new_sender):
    sender.send(sender.put("k", b"1"))
    region.acknowledge(7, 1_000, TIMEOUT_S)
    region.acknowledge(7, 0, TIMEOUT_S)
    assert region.replicas(TIMEOUT_S)[0].acknowledged == 1
    assert maintain(sender).floor == 1
    assert new_sender(region, 8, runtime).region.replicas(TIMEOUT_S)[1].acknowledged == 1


def test_seen_times_do_not_go_back_with_the_clock(sender, region, runtime):
    before = region.replicas(TIMEOUT_S)[0].seen_ms
    runtime.jump(-DAY_S)
    sender.send(sender.put("k", b"1"))
    region.register(9, TIMEOUT_S)
    assert [state.seen_ms for state in region.replicas(TIMEOUT_S)] == [before, before]


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


def test_the_retired_are_forgotten_after_another_horizon(sender, region, runtime, new_sender):
    new_sender(region, 8, runtime)
    waiting = new_sender(region, 9, runtime)
    region.set_aside(waiting.batch(waiting.put("k", b"1")), "retired", TIMEOUT_S)
    held = new_sender(region, 10, runtime)
    held.send(held.put("k", b"1", stamp=held.stamp(offset_s=90 * DAY_S)))
    done = []
    for _ in range(3):
        runtime.advance(5 * DAY_S)
        region.acknowledge(7, 0, TIMEOUT_S)
        done.append(maintain(sender))
    assert [(step.retired, step.forgotten) for step in done] == [(0, 0), (3, 0), (0, 1)]
    assert [state.replica for state in region.replicas(TIMEOUT_S)] == [7, 9, 10]


def test_only_a_new_replica_is_entered(region):
    gone = region.register(8, TIMEOUT_S, False)
    assert (gone.forgotten, gone.state.retired) == (True, True)
    assert region.replicas(TIMEOUT_S) == []
    known = region.register(8, TIMEOUT_S)
    again = region.register(8, TIMEOUT_S, False)
    assert (known.forgotten, again.forgotten) == (False, False)
    assert again.state.registered_ms == known.state.registered_ms


def test_who_leaves_is_forgotten_and_holds_no_floor(sender, region, runtime, new_sender):
    leaving = new_sender(region, 8, runtime)
    position = sender.send(sender.put("k", b"1")).position
    region.acknowledge(7, position, TIMEOUT_S)
    for _ in range(2):
        region.leave(8, TIMEOUT_S)
    assert maintain(sender).floor == position
    assert [state.replica for state in region.replicas(TIMEOUT_S)] == [7]
    assert leaving.send(leaving.put("k", b"2")).verdict == "fenced"
    assert region.register(8, TIMEOUT_S, False).forgotten


def test_who_leaves_something_for_the_operator_is_retired(region, runtime, new_sender):
    leaving = new_sender(region, 8, runtime)
    region.set_aside(leaving.batch(leaving.put("k", b"1")), "retired", TIMEOUT_S)
    region.leave(8, TIMEOUT_S)
    assert [state.retired for state in region.replicas(TIMEOUT_S)] == [True]
