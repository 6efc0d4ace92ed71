"""Documents come to the same however their changes travel, and are those of Yjs."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text

from tierstore.crdt import changes, document
from tierstore.crdt.guard import root_of
from tierstore.crdt.pending import Change
from tierstore.crdt.plain import plain, shared
from tierstore.crdt.types import type_of
from tierstore.crdt.union import within, without
from tierstore.crdt.update import CLOCK_MAX, DELETED, GC, ROOT, joined_ranges
from tierstore.errors import DecodingError, EncodingError, InvalidArgumentError
from tierstore.record import DOCUMENT, Record
from tierstore.values.msgpack import pack

GOLDEN = Path(__file__).parent / "golden"
# What Yjs 13.6.33 wrote: a document of client 1001, and what client 4294967295 made of it.
YJS_FIRST = bytes.fromhex(
    "010ce90700280104726f6f74057469746c650177024869280104726f6f74016e017d01280104726f6f74036269"
    "67017a0020000000000001280104726f6f740468616c66017c3f000000280104726f6f7403666172017b7e37e4"
    "3c8800759c270104726f6f74046c697374000800e90705047d01770374776f7e78270104726f6f74036d617001"
    "2300e9070a01620201022800e9070a016f017602017a7d01016175027d417c4f000000270104726f6f74047465"
    "7874020400e9070d0661f09f98806200"
)
YJS_DELTA = bytes.fromhex(
    "0107ffffffff0f00c1e9070ee9070f01c4ffffffff0f00e9070f0158c6ffffffff0f01e9070f04626f6c64046e"
    "756c6c46e9070e04626f6c64047472756545ffffffff0f030b7b22696d67223a2275227da8e907000177034279"
    "6548e9070601760101717d0102ffffffff0f010001e90704000107020a030f01"
)
YJS_SECOND = bytes.fromhex(
    "0207ffffffff0f00c1e9070ee9070f01c4ffffffff0f00e9070f0158c6ffffffff0f01e9070f04626f6c64046e"
    "756c6c46e9070e04626f6c64047472756545ffffffff0f030b7b22696d67223a2275227da8e907000177034279"
    "6548e9070601760101717d010fe90700210104726f6f74057469746c6501280104726f6f74016e017d01280104"
    "726f6f7403626967017a0020000000000001280104726f6f740468616c66017c3f000000280104726f6f740366"
    "6172017b7e37e43c8800759c270104726f6f74046c697374000800e90705017d0181e907060288e90708017821"
    "0104726f6f74036d6170010002270104726f6f740474657874020400e9070d016181e9070e0184e9070f04efbf"
    "bd6202ffffffff0f010001e90704000107020a030f01"
)
NUMBERS = {"big": 2**53 + 1, "far": 1e300, "half": 0.5, "n": 1}
FIRST = {
    **NUMBERS,
    "list": [1, "two", None, True],
    "map": {"b": b"\1\2", "o": {"a": [-1, 2**31], "z": 1}},
    "text": "a😀b",
    "title": "Hi",
}
SECOND = {**NUMBERS, "list": [{"q": 1}, 1, True], "text": "aX\ufffdb", "title": "Bye"}
clients = itertools.count(1000)

scripts = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
chances = st.randoms(use_true_random=False)


def edited(state, edit, client=None):
    """The change that `edit` makes of the root map of a fresh document, or None."""
    opened = document.open_document(state, client or next(clients))
    mark = document.mark_of(opened, state)
    edit(root_of(opened))
    return document.changes_since(opened, mark)


def after(state, delta, **options):
    options = {"origin": 1, "actor": 1, "is_same_life": True, **options}
    return document.apply(state, delta, **options)


def made(edit, state=None, client=None):
    """`state` after `edit`."""
    state = state or document.empty()
    return after(state, edited(state, edit, client))


def set_to(**fields):
    def edit(root):
        for key, value in fields.items():
            root[key] = shared(value)

    return edit


# Edits by chance


def some_value(chance, depth=0):
    kind = chance.randrange(8 if depth < 2 else 4)
    if kind == 0:
        return chance.choice([-5, 7, 2**31, 2**53 - 1, 2**60, -(2**63)])
    if kind == 1:
        return chance.choice(["x", "😀y", "é", ""])
    if kind == 2:
        return chance.choice([None, True, 1.5, b"b", 0.1, -0.0, 1e300, float("inf")])
    if kind == 3:
        return Text(chance.choice(["", "hello", "😀😀z"]))
    count = chance.randrange(4)
    if kind < 6:
        return {chance.choice("abc"): some_value(chance, depth + 1) for _ in range(count)}
    return [some_value(chance, depth + 1) for _ in range(count)]


def edit_some(chance, container):
    """One edit somewhere in a map, array or text."""
    if isinstance(container, Text):
        edit_text(chance, container)
    elif isinstance(container, Map):
        edit_map(chance, container)
    else:
        edit_array(chance, container)


def edit_map(chance, container):
    keys = sorted(container.keys())
    nested = [key for key in keys if isinstance(container[key], Map | Array | Text)]
    if nested and chance.randrange(2):
        edit_some(chance, container[chance.choice(nested)])
    elif not keys or chance.randrange(3):
        container[chance.choice("abc")] = shared(some_value(chance))
    else:
        del container[chance.choice(keys)]


def edit_array(chance, container):
    count = len(container)
    nested = [n for n in range(count) if isinstance(container[n], Map | Array | Text)]
    if nested and chance.randrange(2):
        edit_some(chance, container[chance.choice(nested)])
    elif not count or chance.randrange(3):
        container.insert(chance.randrange(count + 1), shared(some_value(chance)))
    else:
        start = chance.randrange(count)
        del container[start : min(count, start + chance.randrange(1, 3))]


def edit_text(chance, text):
    shown = str(text)
    places = [len(shown[:n].encode()) for n in range(len(shown) + 1)]
    first, last = sorted([chance.choice(places), chance.choice(places)])
    kind = chance.randrange(3) if first < last else 0
    if kind == 0:
        attributes = {"b": True} if chance.randrange(2) else None
        text.insert(first, chance.choice(["ab", "😀", "é"]), attributes)
    elif kind == 1:
        del text[first:last]
    else:
        text.format(first, last, {"b": chance.choice([True, None, "q"])})


def some_edits(chance):
    def edit(root):
        count = chance.randrange(1, 4)
        if chance.randrange(2):
            with root.doc.transaction():
                for _ in range(count):
                    edit_some(chance, root)
            return
        for _ in range(count):
            edit_some(chance, root)

    return edit


def some_states(chance, count=3):
    """States of as many replicas, who edit and hear of each other; and all their changes."""
    states, deltas = [document.empty() for _ in range(count)], []
    for _ in range(chance.randrange(3, 14)):
        replica = chance.randrange(count)
        if not chance.randrange(3):
            states[replica] = document.join(states[replica], states[chance.randrange(count)])
            continue
        delta = edited(states[replica], some_edits(chance))
        if delta is not None:
            states[replica] = after(states[replica], delta)
            deltas.append(delta)
    return states, deltas


# Laws


@scripts
@given(chances)
def test_states_join_in_any_order_and_any_number_of_times(chance):
    (a, b, c), _ = some_states(chance)
    before = [document.encode(state) for state in (a, b, c)]
    joined = document.join(document.join(a, b), c)
    encoded = document.encode(joined)
    assert document.encode(document.join(a, document.join(b, c))) == encoded
    assert document.encode(document.join(c, document.join(b, a))) == encoded
    for part in (joined, a, b, c, document.empty()):
        assert document.encode(document.join(joined, part)) == encoded
        assert document.encode(document.join(part, joined)) == encoded
    assert [document.encode(state) for state in (a, b, c)] == before


@scripts
@given(chances)
def test_a_document_of_pycrdt_that_hears_all_shows_the_same(chance):
    states, deltas = some_states(chance)
    joined = document.empty()
    for state in states:
        joined = document.join(joined, state)
    witness = Doc(client_id=1)
    for delta in deltas:
        witness.apply_update(document.update_of(delta))
    assert repr(document.value(joined)) == repr(plain(root_of(witness)))
    heard = document.delta_of(witness.get_update())
    assert repr(document.value(document.join(joined, after(joined, heard)))) == repr(
        document.value(joined)
    )


@scripts
@given(chances)
def test_a_change_does_what_the_whole_document_does(chance):
    (state, _, _), _ = some_states(chance)
    opened = document.open_document(state, next(clients))
    mark = document.mark_of(opened, state)
    some_edits(chance)(root_of(opened))
    delta = document.changes_since(opened, mark)
    whole = document.delta_of(opened.get_update())
    if delta is None:
        assert repr(plain(root_of(opened))) == repr(document.value(state))
        return
    before = document.encode(state), document.encode_delta(delta)
    changed = after(state, delta)
    assert document.encode(changed) == document.encode(after(state, whole))
    assert repr(document.value(changed)) == repr(plain(root_of(opened)))
    assert document.encode(after(changed, delta)) == document.encode(changed)
    assert (document.encode(state), document.encode_delta(delta)) == before


@scripts
@given(chances)
def test_changes_that_are_made_one_do_what_they_did(chance):
    state = made(some_edits(chance)) if chance.randrange(2) else document.empty()
    opened = document.open_document(state, next(clients))
    mark, composed, one_by_one = document.mark_of(opened, state), None, state
    for _ in range(3):
        some_edits(chance)(root_of(opened))
        delta = document.changes_since(opened, mark)
        if delta is None:
            continue
        mark, one_by_one = document.mark_of(opened), after(one_by_one, delta)
        composed = document.compose(composed, delta, is_same_life=True) if composed else delta
    if composed is not None:
        assert document.encode(after(state, composed)) == document.encode(one_by_one)


@scripts
@given(chances)
def test_states_and_changes_come_back(chance):
    states, deltas = some_states(chance)
    for state in states:
        payload = document.encode(state)
        back = document.decode(payload)
        assert back == state
        assert document.encode(back) == payload
        assert repr(document.value(back)) == repr(document.value(state))
    for delta in deltas:
        payload = document.encode_delta(delta)
        assert document.decode_delta(payload) == delta
        assert document.encode_delta(document.decode_delta(payload)) == payload


@scripts
@given(chances)
def test_a_compact_document_shows_the_same(chance):
    (state, _, _), _ = some_states(chance)
    compact = document.compact(state, 7)
    assert repr(document.value(compact)) == repr(document.value(state))
    assert document.decode(document.encode(compact)) == compact
    assert set(compact.structs) <= {7}
    again = document.compact(compact, 7)
    assert len(document.encode(again)) <= len(document.encode(state)) + 16


clocks = st.sets(st.integers(0, 30))


def ranges(chosen):
    return joined_ranges([(clock, clock + 1) for clock in chosen])


@given(clocks, clocks)
def test_ranges_are_sets_of_clocks(left, right):
    assert without(ranges(left), ranges(right)) == ranges(left - right)
    assert within(ranges(left), ranges(right)) == ranges(left & right)
    assert joined_ranges(ranges(left) + ranges(right)) == ranges(left | right)


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


def test_many_edits_by_one_client_leave_nothing_behind():
    opened = document.open_document(document.empty(), 5)
    mark = document.mark_of(opened)
    root = root_of(opened)
    for number in range(2000):
        root["n"] = number % 10
    state = after(document.empty(), document.changes_since(opened, mark))
    fresh = document.compact(state, 6)
    assert len(document.encode(state)) < 3 * len(document.encode(fresh))
    assert not document.is_bloated(state)


def test_many_clients_bloat_a_document_until_it_is_compact():
    state = document.empty()
    for number in range(300):
        state = made(set_to(n=number), state)
    assert document.is_bloated(state)
    compact = document.compact(state, 6)
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
    compact = document.compact(state, 6)
    assert not document.is_bloated(compact)
    assert 3 * len(document.encode(compact)) < len(document.encode(state))


def test_what_is_all_content_is_not_bloated():
    fields = {f"key{n}": {"name": "n" * (n % 20), "tags": [1, {"a": 2}]} for n in range(300)}
    state = made(set_to(**fields))
    assert len(document.encode(state)) > document.BLOAT_FREE_BYTES
    assert not document.is_bloated(state)
    assert not document.is_bloated(document.compact(state, 6))
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


# Yjs


def test_what_yjs_wrote_is_read():
    state = after(document.empty(), document.delta_of(YJS_FIRST), is_same_life=False)
    assert repr(document.value(state)) == repr(dict(sorted(FIRST.items())))
    changed = after(state, document.delta_of(YJS_DELTA))
    assert document.value(changed) == SECOND
    whole = after(document.empty(), document.delta_of(YJS_SECOND), is_same_life=False)
    assert document.encode(whole) == document.encode(changed)


def as_json(shown):
    """Plain data as `toJSON` and JSON show it: bytes by index, and zero without a sign."""
    if isinstance(shown, bytes):
        return {str(index): byte for index, byte in enumerate(shown)}
    if isinstance(shown, dict):
        return {key: as_json(item) for key, item in shown.items()}
    if isinstance(shown, list):
        return [as_json(item) for item in shown]
    return 0 if shown == 0 and shown is not False else shown


# Each line: what three clients of Yjs 13.6.33 changed at once, and what Yjs shows of all of it.
YJS_CASES = (GOLDEN / "document-yjs.jsonl").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("case", YJS_CASES, ids=range(len(YJS_CASES)))
def test_what_clients_of_yjs_made_at_once_shows_as_yjs_shows_it(case):
    case = json.loads(case)
    deltas = [document.delta_of(bytes.fromhex(update)) for update in case["updates"]]
    state = document.empty()
    for delta in deltas:
        state = after(state, document.decode_delta(document.encode_delta(delta)))
    assert as_json(document.value(state)) == case["shown"]
    assert as_json(document.value(document.compact(state, 7))) == case["shown"]
    composed = deltas[0]
    for delta in deltas[1:]:
        composed = document.compose(composed, delta, is_same_life=True)
    assert document.encode(after(document.empty(), composed)) == document.encode(state)


def test_text_keeps_its_attributes_in_a_compact_document():
    state = after(document.empty(), document.delta_of(YJS_SECOND))
    compact = document.open_document(document.compact(state, 5), 6)
    text = root_of(compact)["text"]
    assert text.diff() == [
        ({"img": "u"}, None),
        ("aX", {"bold": True}),
        ("\ufffdb", None),
    ]


@pytest.mark.parametrize(("name", "update"), [("state", YJS_SECOND), ("delta", YJS_DELTA)])
def test_the_bytes_are_those_of_this_format(name, update):
    golden = (GOLDEN / f"document-{name}.bin").read_bytes()
    delta = document.delta_of(update)
    if name == "delta":
        assert document.encode_delta(delta) == golden
        assert document.decode_delta(golden) == delta
    else:
        assert document.encode(after(document.empty(), delta)) == golden
        assert document.value(document.decode(golden)) == SECOND


def test_bytes_of_another_format_or_order_are_refused():
    golden = (GOLDEN / "document-state.bin").read_bytes()
    update = document.update_of(document.decode(golden))
    for payload in (
        pack([2, update]),
        pack([1]),
        pack([1, "x"]),
        pack(7),
        pack([1, YJS_SECOND]),
        pack([1, YJS_DELTA]),
        golden + b"\0",
    ):
        with pytest.raises(DecodingError):
            document.decode(payload)
    with pytest.raises(DecodingError):
        document.decode_delta(pack([1, b"\0\1\5\1\0" + bytes([0x80 | CLOCK_MAX & 0x7F])]))


READ_BY_YJS = """\
const Y = require('yjs')
const ydoc = new Y.Doc()
for (const hex of process.argv.slice(1)) Y.applyUpdate(ydoc, Buffer.from(hex, 'hex'))
console.log(JSON.stringify(ydoc.getMap('%s').toJSON()))
"""


def read_by_yjs(*updates):
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node")
    command = [node, "-e", READ_BY_YJS % ROOT, *(update.hex() for update in updates)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "Cannot find module 'yjs'" in done.stderr:
        pytest.skip("node has no yjs")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_yjs_reads_what_we_wrote():
    state = document.empty()
    updates = []
    for fields in ({"a": [1, {"b": "😀"}], "t": Text("x")}, {"a": None, "c": 0.5}, {"n": -7}):
        delta = edited(state, set_to(**fields))
        updates.append(document.update_of(delta))
        state = after(state, delta)
    shown = document.value(state)
    assert read_by_yjs(document.update_of(state)) == shown
    assert read_by_yjs(*updates) == shown
