"""The laws of the register: a join of a lattice, and touches that commute with it."""

from __future__ import annotations

from functools import reduce
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from tierstore.crdt.register import join, touch
from tierstore.record import ELSEWHERE, Record, encode

small = st.integers(0, 3)
expiries = st.none() | small
records = st.builds(
    Record,
    stamp=small,
    replica=st.integers(1, 2),
    payload=st.none() | st.sampled_from([b"\x01", b"\x02"]),
    expires_at_ms=expiries,
    touch=small,
    metadata=st.none() | st.just({"a": "b"}),
)
targets = st.builds(
    lambda stamp, replica, expiry, at: Record(stamp, replica, None, expiry, at),
    small,
    st.integers(1, 2),
    expiries,
    small,
)


def is_at_least(left, right):
    return join(left, right) == left


@given(records, records)
def test_join_commutes(left, right):
    assert join(left, right) == join(right, left)


@given(records, records, records)
def test_join_is_associative(a, b, c):
    assert join(join(a, b), c) == join(a, join(b, c))


@given(records)
def test_join_is_idempotent(record):
    assert join(record, record) == record
    assert join(None, record) is record


@given(records, records)
def test_join_never_goes_back(left, right):
    joined = join(left, right)
    assert is_at_least(joined, left)
    assert is_at_least(joined, right)
    assert joined in (left, right)


@given(records, records, records)
def test_join_is_monotone(low, high, other):
    high = join(low, high)
    assert is_at_least(join(high, other), join(low, other))


@given(records, records)
def test_the_later_write_wins_whatever_it_says(left, right):
    if (left.stamp, left.replica) < (right.stamp, right.replica):
        assert join(left, right) == right


@given(records, targets, targets)
def test_touches_commute_repeat_and_only_add(state, one, two):
    assert touch(touch(state, one), two) == touch(touch(state, two), one)
    assert touch(touch(state, one), one) == touch(state, one)
    assert is_at_least(touch(state, one), state)


@given(records, records, targets)
def test_a_touch_may_come_before_or_after_a_join(left, right, target):
    assert touch(join(left, right), target) == join(touch(left, target), touch(right, target))


@given(records, targets)
def test_a_touch_keeps_version_value_and_metadata(state, target):
    touched = touch(state, target)
    assert (touched.stamp, touched.replica) == (state.stamp, state.replica)
    assert (touched.payload, touched.metadata) == (state.payload, state.metadata)
    if (target.stamp, target.replica) != (state.stamp, state.replica) or state.payload is None:
        assert touched is state
    assert touch(None, target) is None


@given(st.lists(records, min_size=1, max_size=5), st.lists(targets, max_size=2))
def test_replicas_that_saw_the_same_agree(states, touches):
    ends = set()
    for order in list(permutations(states))[:24]:
        end = reduce(join, order[1:], order[0])
        ends.add(encode(reduce(touch, touches, end)))
    assert len(ends) == 1


@given(records)
def test_a_payload_that_lies_elsewhere_is_no_conflict(record):
    if record.payload is not None:
        bare = Record(
            record.stamp, record.replica, ELSEWHERE, record.expires_at_ms, record.touch,
            record.metadata,
        )  # fmt: skip
        assert join(record, bare) is record
        assert join(bare, record) is bare
