"""What a document holds, which edits are lost with a generation, and what history costs."""

from __future__ import annotations

import pytest
from document_edits import after, edited, made, set_to
from pycrdt import Array, Map, Text

from tierstore.crdt import changes, document
from tierstore.crdt.guard import root_of
from tierstore.crdt.pending import Change
from tierstore.crdt.plain import shared
from tierstore.crdt.types import type_of
from tierstore.crdt.update import DELETED, GC, Struct, Update
from tierstore.errors import DecodingError, EncodingError, InvalidArgumentError
from tierstore.record import DOCUMENT, Record

# Values


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        2**31,
        2**53 - 1,
        -(2**53),
        2**60,
        2**60 + 1,
        2**63 - 2,
        -(2**63),
        0.5,
        -0.0,
        1e300,
        2.0**63,
        float("inf"),
        "",
        "é😀",
        b"",
        b"\0\xff",
        {},
        [],
        {"a": {"b": [1, {"c": None}, []]}},
        [[1], {"x": b"y"}],
    ],
)
def test_values_come_back(value):
    shown = document.value(made(set_to(it=value)))
    assert repr(shown) == repr({"it": value})


def test_whole_floats_come_back_as_integers_and_tuples_as_lists():
    shown = document.value(made(set_to(it=[1.0, (2, 3), 2.0**60])))
    assert repr(shown) == f"{{'it': [1, [2, 3], {2**60}]}}"


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        2**63 - 1,
        -(2**63) - 1,
        "\ud800",
        {"\ud800": 1},
        {1: 2},
        object(),
        {1, 2},
        Text("\ud800"),
        [bytearray(b"x")],
    ],
)
def test_what_a_document_cannot_hold_is_refused(value):
    with pytest.raises(EncodingError):
        shared(value)


def test_what_contains_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(EncodingError, match="64 levels"):
        shared(endless)


def test_a_text_in_a_document_is_refused_another_place():
    def edit(root):
        root["t"] = Text("x")
        root["u"] = shared([root["t"]])

    with pytest.raises(EncodingError, match="already"):
        made(edit)


def test_nesting_has_an_end_whoever_made_it():
    def edit(root):
        for _ in range(70):
            root["x"] = Map()
            root = root["x"]

    with pytest.raises(DecodingError, match="deep"):
        made(edit)


def test_what_only_pycrdt_can_hold_is_refused():
    def edit(root):
        root.doc["other"] = Map({"a": 1})

    with pytest.raises(EncodingError, match="root"):
        made(edit)


# Lives


def test_the_module_is_the_type():
    assert type_of(DOCUMENT) is document
    assert document.CODE == DOCUMENT
    assert document.value(document.empty()) == {}
    assert document.decode(document.encode(document.empty())) == document.empty()


def test_nothing_done_is_no_change():
    state = made(set_to(a=1))
    assert edited(state, lambda root: None) is None


def test_two_that_create_a_document_at_once_are_both_seen():
    left, right = (edited(document.empty(), set_to(**{key: 1})) for key in "ab")
    state = after(document.empty(), left, is_same_life=False)
    assert document.value(after(state, right, is_same_life=False)) == {"a": 1, "b": 1}


def test_an_edit_of_another_generation_is_lost():
    gone = made(set_to(a=1, list=[1]))
    delta = edited(gone, lambda root: root["list"].append(2))
    state = made(set_to(b=2))
    assert after(state, delta, is_same_life=False) is state
    with pytest.raises(DecodingError, match="not there"):
        after(state, delta)


def test_of_an_edit_that_needs_nothing_only_its_deletions_are_lost():
    def edit(root):
        root["c"] = 3
        del root["a"]

    delta = edited(made(set_to(a=1)), edit)
    state = made(set_to(b=2))
    assert document.value(after(state, delta, is_same_life=False)) == {"b": 2, "c": 3}


def test_of_edits_of_another_generation_those_stay_that_need_nothing_of_it():
    gone, state = made(set_to(a=1, list=[1])), made(set_to(b=2))
    opened = document.open_document(gone, 9)
    mark, deltas = document.mark_of(opened, gone), []
    for edit in (set_to(c=3), lambda root: root["list"].append(2), set_to(d=4)):
        edit(root_of(opened))
        deltas.append(document.changes_since(opened, mark))
        mark = document.mark_of(opened)
    own = edited(after(gone, deltas[0]), set_to(e=5))
    one_by_one = composed = None
    for delta in (*deltas, own):
        one_by_one = after(one_by_one or state, delta, is_same_life=False)
        composed = document.compose(composed, delta, is_same_life=True) if composed else delta
    assert document.value(one_by_one) == {"b": 2, "c": 3, "e": 5}  # "d" came after what is lost
    assert after(state, composed, is_same_life=False) == one_by_one


def test_changes_that_wait_for_each_other_do_not_stand():
    def beside(id_):
        return [Struct(0, 1, 8, id_, None, None, None, (b"\x7e",))]

    waiting = Update({4: beside((6, 0)), 5: beside((6, 0)), 6: beside((5, 0))}, {})
    assert after(document.empty(), waiting, is_same_life=False) == document.empty()


def test_of_changes_of_two_generations_the_first_goes_if_it_needs_its_own():
    gone, state = made(set_to(a=[1])), made(set_to(b=2))
    first = edited(gone, lambda root: root["a"].append(2))
    second = edited(state, set_to(c=3))
    composed = document.compose(first, second, is_same_life=False)
    assert composed == second


def test_of_changes_of_two_generations_the_second_may_need_the_first():
    state = made(set_to(b=2))
    first = edited(made(set_to(a=1)), set_to(c=[3]))
    shown = after(state, first, is_same_life=False)
    second = edited(shown, lambda root: root["c"].append(4))
    composed = document.compose(first, second, is_same_life=False)
    assert document.value(after(state, composed)) == {"b": 2, "c": [3, 4]}


def test_a_gap_between_changes_is_refused():
    state = document.empty()
    opened = document.open_document(state, 5)
    deltas, mark = [], document.mark_of(opened)
    for number in range(3):
        root_of(opened)["n"] = number
        deltas.append(document.changes_since(opened, mark))
        mark = document.mark_of(opened)
    with pytest.raises(DecodingError):
        document.compose(deltas[0], deltas[2], is_same_life=True)
    with pytest.raises(DecodingError):
        after(after(state, deltas[0]), deltas[2])


def test_two_changes_with_one_id_are_refused():
    state = made(set_to(a=1))
    left, right = (edited(state, set_to(x=n), client=77) for n in (1, 2))
    with pytest.raises(DecodingError, match="one id"):
        after(after(state, left), right)
    with pytest.raises(DecodingError, match="one id"):
        document.join(after(state, left), after(state, right))


@pytest.mark.parametrize("client", [0, -1, 2**32, 77])
def test_a_client_is_not_given_again(client):
    state = made(set_to(a=1), client=77)
    assert document.has_client(state, 77)
    with pytest.raises(InvalidArgumentError):
        document.open_document(state, client)


def told(record, delta, seen, *, resets=False):
    """The record of a region after a delta that has seen this generation."""
    payload = None if delta is None else document.encode_delta(delta)
    told = Record(0, 7, payload, type=DOCUMENT, generation=seen)
    return changes.change(record, told, resets=resets, now_ms=0, actor=3)


def test_a_record_of_a_document_lives_one_generation_after_another():
    record = told(None, edited(document.empty(), set_to(a=1, list=[])), 0)
    assert record.generation == 1
    state = document.decode(record.payload)
    late = edited(state, lambda root: root["list"].append(1))
    assert document.value(document.decode(told(record, late, 1).payload)) == {"a": 1, "list": [1]}
    again = told(told(record, None, 1, resets=True), edited(document.empty(), set_to(b=2)), 0)
    assert again.generation == 2
    assert document.value(document.decode(again.payload)) == {"b": 2}
    assert told(again, late, 1) == again
    with pytest.raises(DecodingError):
        told(again, late, 2)


def test_changes_that_wait_add_up():
    first = edited(document.empty(), set_to(a=[1]))
    shown = after(document.empty(), first, is_same_life=False)
    second = edited(shown, lambda root: root["a"].append(2))
    change = Change(first).then(Change(second), document)
    state = after(document.empty(), change.delta, is_same_life=False)
    assert document.value(state) == {"a": [1, 2]}


# History


def fresh_of(state):
    return document.without_past(document.compact(state))


def test_many_edits_by_one_client_leave_nothing_behind():
    opened = document.open_document(document.empty(), 5)
    mark = document.mark_of(opened)
    root = root_of(opened)
    for number in range(2000):
        root["n"] = number % 10
    state = after(document.empty(), document.changes_since(opened, mark))
    fresh = fresh_of(state)
    assert len(document.encode(state)) < 3 * len(document.encode(fresh))
    assert not document.is_bloated(state)


def test_many_clients_bloat_a_document_until_it_is_compact():
    state = document.empty()
    for number in range(300):
        state = made(set_to(n=number), state)
    assert document.is_bloated(state)
    compact = fresh_of(state)
    assert not document.is_bloated(compact)
    assert document.value(compact) == document.value(state)


@pytest.mark.parametrize("kind", ["text", "list"])
def test_scattered_inserts_bloat_a_document_until_it_is_compact(kind):
    opened = document.open_document(document.empty(), 5)
    mark, root = document.mark_of(opened), root_of(opened)
    root["it"] = Text("") if kind == "text" else Array()
    for number in range(700):
        root["it"].insert(number * 7919 % (number + 1), "x")
    state = after(document.empty(), document.changes_since(opened, mark))
    assert document.is_bloated(state)
    compact = fresh_of(state)
    assert not document.is_bloated(compact)
    assert 3 * len(document.encode(compact)) < len(document.encode(state))


def test_what_is_all_content_is_not_bloated():
    fields = {f"key{n}": {"name": "n" * (n % 20), "tags": [1, {"a": 2}]} for n in range(300)}
    state = made(set_to(**fields))
    assert len(document.encode(state)) > document.BLOAT_FREE_BYTES
    assert not document.is_bloated(state)
    assert not document.is_bloated(fresh_of(state))
    once_more = made(set_to(**fields), state)
    assert not document.is_bloated(once_more)


def test_values_that_were_set_at_once_are_forgotten_with_the_next_change():
    long = ["x" * 100 + str(n) for n in range(3)]
    deltas = [edited(document.empty(), set_to(a=text)) for text in long]
    state = document.empty()
    for delta in deltas:
        state = after(state, delta)
    assert all(text.encode() in document.encode(state) for text in long)
    kept = document.encode(made(set_to(b=1), state))
    assert sum(text.encode() in kept for text in long) == 1


def test_what_lies_in_a_deleted_container_loses_its_place():
    base = made(set_to(a=[1, 2, 3]))
    grown = edited(base, lambda root: root["a"].append({"b": 4}))
    gone = edited(base, lambda root: root.pop("a"))
    state = after(after(base, grown), gone)
    assert state == after(after(base, gone), grown)
    kinds = {struct.kind for structs in state.structs.values() for struct in structs}
    assert kinds == {GC, DELETED}
