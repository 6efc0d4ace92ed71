"""How a region changes: exactly once, in any order of replicas, by its own clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.crdt import register
from tierstore.record import COUNTER, Record
from tierstore.region.apply import Limits, Terms, admit, is_collectable, plan_apply, plan_release
from tierstore.region.batch import PUT, TOUCH, Delta, Heat, Poisoned, freeze
from tierstore.region.outcomes import APPLIED, ASIDE, HELD, QUARANTINED, SUPERSEDED
from tierstore.region.rows import STRONG, ReplicaState, Row
from tierstore.stamp import at_ms

NOW_MS = 1_700_000_000_000
TERMS = Limits(max_drift_ms=60_000, horizon_ms=1_000_000).at(NOW_MS)
BATCH = freeze(7, 5, b"four", [], [])


def put(key, at=NOW_MS, payload=b"\x01", replica=7, **fields):
    return Delta(key, PUT, Record(at_ms(at), replica, payload, **fields))


def batch(*deltas, replica=7, number=1):
    return freeze(replica, number, b"", list(deltas), [])


def outcomes(rows, *deltas):
    return list(plan_apply(rows, batch(*deltas), TERMS).outcomes)


# Admission


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (None, "fenced"),
        (ReplicaState(7, applied=4, digest=b"four"), "apply"),
        (ReplicaState(7, applied=4, digest=b"another four"), "fenced"),
        (ReplicaState(7, applied=5, digest=BATCH.digest), "repeat"),
        (ReplicaState(7, applied=5, digest=b"another five"), "fenced"),
        (ReplicaState(7, applied=3, digest=b"four"), "apply"),
        (ReplicaState(7, applied=3, digest=b"three"), "fenced"),
        (ReplicaState(7, applied=6, digest=BATCH.digest), "fenced"),
        (ReplicaState(7, applied=4, digest=b"four", retired=True), "retired"),
        (ReplicaState(7, applied=5, digest=BATCH.digest, retired=True), "retired"),
    ],
)
def test_only_what_follows_in_the_chain_is_applied(state, verdict):
    assert admit(state, BATCH)[0] == verdict


# Application

keys = st.sampled_from("ab")
records = st.builds(
    lambda at, replica, payload, touch, expiry: Record(
        at_ms(NOW_MS) + at, replica, payload, expiry, touch and at_ms(NOW_MS) + touch
    ),
    st.integers(0, 3),
    st.integers(1, 2),
    st.none() | st.sampled_from([b"\x01", b"\x02"]),
    st.integers(0, 3),
    st.none() | st.integers(NOW_MS, NOW_MS + 2),
)
deltas = st.builds(lambda key, record: Delta(key, PUT, record), keys, records)


def applied(batches):
    """The records after applying batches, and how many rows were written."""
    rows, writes = {}, 0
    for content in batches:
        plan = plan_apply(rows, batch(*content), TERMS)
        assert len(plan.outcomes) == len(content)
        rows.update(plan.writes)
        writes += len(plan.writes)
    return {key: row.record for key, row in rows.items()}, writes


@given(st.lists(st.lists(deltas, max_size=4), max_size=4))
def test_rows_are_the_join_of_all_deltas_in_any_order(batches):
    expected = {}
    for content in batches:
        for delta in content:
            expected[delta.key] = register.join(expected.get(delta.key), delta.record)
    assert applied(batches)[0] == expected
    assert applied(batches[::-1])[0] == expected
    whole = [delta for content in batches for delta in content]
    assert applied([whole])[0] == expected


@given(st.lists(deltas, max_size=6))
def test_what_changes_nothing_takes_no_place_in_the_feed(content):
    once = applied([content])
    assert applied([content, content]) == (once[0], once[1])


@given(st.lists(deltas, min_size=1, max_size=6))
def test_outcomes_say_whose_version_the_row_has(content):
    plan = plan_apply({}, batch(*content), TERMS)
    for index, delta in enumerate(content):
        later = [d.record for d in content[:index] if d.key == delta.key]
        newest = max([(r.stamp, r.replica) for r in later], default=(0, 0))
        own = delta.record.stamp, delta.record.replica
        expected = SUPERSEDED if own < newest else APPLIED
        # A clone's other value under one version may win or lose by its digest.
        if not any((r.stamp, r.replica) == own and r != delta.record for r in later):
            assert plan.outcomes[index] == expected


def test_a_touch_moves_the_expiry_of_its_version_only():
    rows = plan_apply({}, batch(put("k")), TERMS).writes
    version = rows["k"].record
    hit = Record(version.stamp, 7, None, NOW_MS + 5, at_ms(NOW_MS) + 1)
    plan = plan_apply(rows, batch(Delta("k", TOUCH, hit)), TERMS)
    assert list(plan.outcomes) == [APPLIED]
    assert plan.writes["k"].record.expires_at_ms == NOW_MS + 5
    assert plan.writes["k"].record.payload == b"\x01"
    miss = Record(version.stamp - 1, 7, None, NOW_MS + 5, at_ms(NOW_MS) + 1)
    plan = plan_apply(rows, batch(Delta("k", TOUCH, miss), Delta("none", TOUCH, miss)), TERMS)
    assert list(plan.outcomes) == [SUPERSEDED, SUPERSEDED]
    assert not plan.writes


@pytest.mark.parametrize(
    ("offset_ms", "outcome"),
    [(60_000, APPLIED), (60_001, HELD), (-1_000_000, APPLIED), (-1_000_001, ASIDE)],
)
def test_the_regions_clock_decides_what_is_too_early_or_too_late(offset_ms, outcome):
    assert outcomes({}, put("k", NOW_MS + offset_ms)) == [outcome]


def test_a_recent_touch_of_an_old_value_is_not_too_late():
    old = at_ms(NOW_MS - 2_000_000)
    rows = {"k": Row("k", Record(old, 7, b"\x01"))}
    delta = Delta("k", TOUCH, Record(old, 7, None, NOW_MS + 9, at_ms(NOW_MS)))
    assert outcomes(rows, delta) == [APPLIED]
    early = Delta("k", TOUCH, Record(old, 7, None, NOW_MS + 9, at_ms(NOW_MS + 60_001)))
    assert outcomes(rows, early) == [HELD]


def test_held_deltas_are_released_into_what_the_rows_are_then():
    rows = plan_apply({}, batch(put("a", NOW_MS + 5, replica=2)), TERMS).writes
    held = [put("a", NOW_MS + 4), put("b", NOW_MS + 4), put("b", NOW_MS + 6)]
    plan = plan_release(rows, held, TERMS)
    assert list(plan.outcomes) == [SUPERSEDED, APPLIED, APPLIED]
    assert plan.writes["b"].record == held[2].record
    assert "a" not in plan.writes


def test_poison_is_kept_aside_with_its_reason_and_its_neighbours_go_on():
    rows = {
        "strong": Row("strong", Record(1, 1, b"\x01"), STRONG),
        "counter": Row("counter", Record(1, 1, b"\x01", type=COUNTER)),
    }
    content = [
        put("strong"), put("counter"), put("new", type=COUNTER), put(""), put("k" * 2000),
        put("fine"),
    ]  # fmt: skip
    made = batch(*content)
    made.deltas.append(Poisoned("odd", b"raw", "it is odd"))
    plan = plan_apply(rows, made, TERMS)
    assert list(plan.outcomes) == [QUARANTINED] * 5 + [APPLIED, QUARANTINED]
    assert list(plan.writes) == ["fine"]
    assert [(index, kind) for index, kind, _ in plan.aside] == [
        (index, "quarantined") for index in (0, 1, 2, 3, 4, 6)
    ]
    assert all(why for *_, why in plan.aside)


def test_a_row_keeps_what_a_write_does_not_change():
    row = Row("k", Record(at_ms(NOW_MS - 9), 7, b"\x01"), position=3, epoch=4, created_ms=5, heat=6)
    new = plan_apply({"k": row}, batch(put("k", payload=b"\xa5hello")), TERMS).writes["k"]
    assert (new.position, new.epoch, new.created_ms, new.heat) == (3, 4, 5, 6)
    assert new.size == len("k") + len(b"\xa5hello")
    assert new.accessed_ms == 0, "the moment to which its heat is decayed"


def test_a_batch_warms_rows_that_it_does_not_write():
    day_s = 86_400
    row = Row("k", Record(at_ms(NOW_MS - 9), 7, b"\x01"), accessed_ms=NOW_MS - day_s * 1000, heat=6)
    warmed = freeze(7, 1, b"", [], [Heat("k", 2, 1, day_s), Heat("gone", 1, 1, day_s)])
    plan = plan_apply({"k": row}, warmed, TERMS)
    assert not plan.writes
    (heated,) = plan.heated.values()
    assert (heated.heat, heated.accessed_ms, heated.position) == (6 / 2 + 3, NOW_MS, 0)
    assert heated.record == row.record


# Collection


@pytest.mark.parametrize(
    ("record", "floor", "is_dead_enough"),
    [
        (Record(at_ms(NOW_MS - 1_060_001), 7, None), 9, True),
        (Record(at_ms(NOW_MS - 1_060_000), 7, None), 9, False),
        (Record(at_ms(NOW_MS - 1_060_001), 7, None), 8, False),
        (Record(at_ms(NOW_MS - 1_060_001), 7, b"\x01"), 9, False),
        (Record(at_ms(NOW_MS - 9_000_000), 7, b"\x01", NOW_MS - 1_060_001), 9, True),
        (Record(at_ms(NOW_MS - 9_000_000), 7, b"\x01", NOW_MS - 1_060_000), 9, False),
        (Record(at_ms(NOW_MS - 9_000_000), 7, None, touch=at_ms(NOW_MS)), 9, False),
    ],
)
def test_the_dead_are_forgotten_when_nothing_older_can_come(record, floor, is_dead_enough):
    row = Row("k", record, position=9)
    assert is_collectable(row, floor, TERMS) is is_dead_enough


def test_terms_come_from_limits():
    assert Limits().at(5) == Terms(5, 60_000, 7 * 86_400_000)
