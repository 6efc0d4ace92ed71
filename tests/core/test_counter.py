"""The counter by examples; its laws are in tests/testing/laws."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierstore.crdt import counter
from tierstore.errors import DecodingError
from tierstore.record import REPLICA_MAX
from tierstore.values.msgpack import pack

GOLDEN = Path(__file__).parent / "golden"
STATES = {
    "counter-empty": {},
    "counter-two": {7: (3, 0), 101: (0, 5)},
    "counter-largest": {0: (1 << 63, (1 << 63) - 1), REPLICA_MAX: (10**40, 1)},
}
DELTAS = {"counter-add": counter.add(3), "counter-take": counter.add(-(1 << 70))}


def applied(state, number, actor):
    return counter.apply(dict(state), counter.add(number), origin=1, actor=actor, is_same_life=True)


def test_concurrent_increments_add_up():
    both = counter.join(applied({}, 3, 101), applied({}, 4, 102))
    assert counter.value(both) == 7


def test_what_was_heard_twice_counts_once():
    one = applied({}, 3, 101)
    assert counter.join(counter.join(one, one), one) == one


def test_decrements_are_not_lost_to_a_higher_sum():
    before = applied({}, 5, 101)
    after = applied(before, -4, 101)
    assert counter.value(counter.join(after, before)) == 1


def test_adding_nothing_leaves_no_trace():
    assert applied({}, 0, 101) == {}


def test_numbers_have_no_bound():
    state = applied(applied({}, 10**40, 101), -1, 101)
    assert counter.value(counter.decode(counter.encode(state))) == 10**40 - 1


def test_changes_that_wait_are_sent_as_their_sums():
    both = counter.compose(counter.add(5), counter.add(-2), is_same_life=False)
    assert both == (5, 2)


@pytest.mark.parametrize("name", STATES)
def test_the_bytes_of_states_are_those_of_every_version(name):
    golden = (GOLDEN / f"{name}.bin").read_bytes()
    assert counter.encode(STATES[name]) == golden
    assert counter.decode(golden) == STATES[name]


@pytest.mark.parametrize("name", DELTAS)
def test_the_bytes_of_deltas_are_those_of_every_version(name):
    golden = (GOLDEN / f"{name}.bin").read_bytes()
    assert counter.encode_delta(DELTAS[name]) == golden
    assert counter.decode_delta(golden) == DELTAS[name]


@pytest.mark.parametrize(
    "wire",
    [
        None, [], [2], [True], [1.0], [1, 7, 1], [1, 7, 0, 0], [1, -1, 1, 0], [1, 7, -1, 0],
        [1, 8, 1, 0, 7, 1, 0], [1, 7, 1, 0, 7, 1, 0], [1, REPLICA_MAX + 1, 1, 0], [1, True, 1, 0],
        [1, 7, True, 0], [1, 7, b"\x01", 0], [1, 7, 1 << 63, 0],
        [1, 7, b"\x00\x80\x00\x00\x00\x00\x00\x00\x00", 0],
    ],
)  # fmt: skip
def test_other_bytes_are_refused(wire):
    with pytest.raises(DecodingError):
        counter.decode(pack(wire))


@pytest.mark.parametrize("wire", [None, [], [1], [1, 2, 3], [-1, 0], ["1", 0]])
def test_other_deltas_are_refused(wire):
    with pytest.raises(DecodingError):
        counter.decode_delta(pack(wire))
