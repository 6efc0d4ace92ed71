"""The set by examples; its laws are in tests/testing/laws."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierstore.crdt import set as sets
from tierstore.errors import DecodingError, EncodingError
from tierstore.record import REPLICA_MAX
from tierstore.values.msgpack import pack

GOLDEN = Path(__file__).parent / "golden"
LOOK_ALIKE = ["1", b"1", 1]


def changed(state, delta, *, origin=11, actor=101, is_same_life=True):
    """A state of its own after `delta`."""
    copy = sets.decode(sets.encode(state))
    return sets.apply(copy, delta, origin=origin, actor=actor, is_same_life=is_same_life)


def added(state, *elements, origin=11, actor=101):
    return changed(state, sets.add(elements), origin=origin, actor=actor)


def discarded(state, *elements, origin=11, actor=101):
    return changed(state, sets.discard(state, elements), origin=origin, actor=actor)


def test_an_add_wins_over_a_concurrent_discard():
    first = added(sets.empty(), "x")
    gone = discarded(first, "x", actor=101)
    again = added(first, "x", origin=12, actor=102)
    assert sets.value(sets.join(gone, again)) == ["x"]


def test_a_discard_removes_exactly_what_was_seen():
    a = added(sets.empty(), "foo", "bar")
    b = added(sets.empty(), "baz", origin=12, actor=102)
    c = sets.join(a, b)
    a = discarded(a, "bar")
    assert sets.value(sets.join(a, c)) == ["baz", "foo"]
    assert sets.join(a, c) == sets.join(c, a)


def test_an_own_add_is_removed_before_its_dot_is_known():
    shown = sets.apply(sets.empty(), sets.add(["x"]), origin=11, actor=0, is_same_life=True)
    region = added(sets.empty(), "x")
    region = changed(region, sets.discard(shown, ["x"]))
    assert sets.value(region) == []


def test_the_add_of_another_is_not_removed_unseen():
    mine = sets.apply(sets.empty(), sets.add(["x"]), origin=11, actor=0, is_same_life=True)
    region = added(added(sets.empty(), "x"), "x", origin=12)
    region = changed(region, sets.discard(mine, ["x"]))
    assert sets.value(region) == ["x"]


def test_what_is_added_again_after_a_removal_stays():
    first = added(sets.empty(), "x")
    again = added(discarded(first, "x"), "x")
    assert sets.value(sets.join(again, first)) == ["x"]


def test_a_removal_leaves_nothing_behind_but_the_context():
    state = discarded(added(sets.empty(), "x"), "x")
    assert (state.elements, state.context) == ({}, {101: 1})


def test_a_removal_from_another_generation_is_void():
    state = added(sets.empty(), "x", origin=12)
    stale = sets.discard(state, ["x"])
    assert sets.value(changed(state, stale, is_same_life=False)) == ["x"]


def test_elements_that_look_alike_are_not_the_same():
    state = added(sets.empty(), *LOOK_ALIKE)
    assert len(sets.value(state)) == 3
    assert sets.value(discarded(state, 1)) == ["1", b"1"]


@pytest.mark.parametrize("element", [True, None, 1.0, ["x"], 1 << 64])
def test_other_elements_are_refused(element):
    with pytest.raises(EncodingError):
        sets.check_element(element)


def test_changes_that_wait_are_sent_as_the_last_word():
    state = added(sets.empty(), "x")
    both = sets.compose(sets.discard(state, ["x"]), sets.add(["x"]), is_same_life=True)
    assert both == {"x": (True, frozenset({(101, 1)}))}
    void = sets.compose(sets.discard(state, ["x"]), sets.add(["y"]), is_same_life=False)
    assert void == {"x": (False, frozenset()), "y": (True, frozenset())}


def is_eleven(actor, origin):
    return (actor, origin) == (101, 11)


def test_origins_that_are_gone_are_forgotten():
    state = added(added(sets.empty(), "x"), "x", origin=12)
    lighter = sets.lightened(state, is_eleven)
    assert lighter.elements == {"x": ((101, 1, 0), (101, 2, 12))}
    assert sets.value(sets.join(state, lighter)) == ["x"]
    assert sets.join(state, lighter) == lighter
    elsewhere = added(sets.empty(), "x", actor=102)
    assert sets.lightened(elsewhere, is_eleven) == elsewhere


def test_of_adds_of_which_nobody_is_left_the_last_stands_for_all():
    state = sets.empty()
    for origin in (12, 11, 13, 11, 14):
        state = added(state, "x", origin=origin)
    lighter = sets.lightened(state, lambda actor, origin: origin != 14)
    assert lighter.elements == {"x": ((101, 4, 0), (101, 5, 14))}
    assert sets.lightened(state, is_eleven).elements == {"x": ((101, 4, 0), (101, 5, 14))}, (
        "what a replica may still remove by its origin is kept only above"
    )


def states():
    several = added(sets.empty(), *LOOK_ALIKE, -1, "")
    joined = sets.join(several, added(added(sets.empty(), "x", actor=102), "1", actor=102))
    return {"set-empty": sets.empty(), "set-several": several,
            "set-joined": discarded(joined, "", "x")}  # fmt: skip


def deltas():
    return {"set-add": sets.add(LOOK_ALIKE),
            "set-discard": sets.discard(states()["set-joined"], LOOK_ALIKE)}  # fmt: skip


@pytest.mark.parametrize("name", states())
def test_the_bytes_of_states_are_those_of_every_version(name):
    golden = (GOLDEN / f"{name}.bin").read_bytes()
    assert sets.encode(states()[name]) == golden
    assert sets.decode(golden) == states()[name]


@pytest.mark.parametrize("name", deltas())
def test_the_bytes_of_deltas_are_those_of_every_version(name):
    golden = (GOLDEN / f"{name}.bin").read_bytes()
    assert sets.encode_delta(deltas()[name]) == golden
    assert sets.decode_delta(golden) == deltas()[name]


@pytest.mark.parametrize(
    "wire",
    [
        None, [], [1], [2, []], [True, []], [1, [1]], [1, [7, 0]], [1, [8, 1, 7, 1]],
        [1, [7, 1, 7, 1]], [1, [-1, 1]], [1, [7, 1], "x", []], [1, [7, 1], "x", [7, 2, 1]],
        [1, [7, 1], "x", [7, 0, 1]], [1, [7, 1], "x", [7, 1]], [1, [7, 1], True, [7, 1, 1]],
        [1, [7, 2], "y", [7, 1, 1], "x", [7, 2, 1]], [1, [7, 1], "x", [7, 1, 1, 7, 1, 1]],
        [1, [7, 2], "x", [7, 2, 1, 7, 1, 1]], [1, [7, 1], "x", [7, 1, 1, 7, 1, 2]],
    ],
)  # fmt: skip
def test_other_bytes_are_refused(wire):
    with pytest.raises(DecodingError):
        sets.decode(pack(wire))


@pytest.mark.parametrize(
    "wire", [None, ["x"], ["x", 1, []], ["x", True, [1]], ["y", True, [], "x", True, []]]
)
def test_other_deltas_are_refused(wire):
    with pytest.raises(DecodingError):
        sets.decode_delta(pack(wire))


def test_a_set_whose_dots_are_all_given_refuses_adds_and_can_still_be_read():
    told = sets.decode(pack([1, [101, REPLICA_MAX], "x", [101, REPLICA_MAX, 11]]))
    with pytest.raises(DecodingError, match="no dots left"):
        added(told, "y")
    assert sets.value(added(told, "y", actor=102)) == ["x", "y"]
    assert sets.value(discarded(told, "x")) == []
