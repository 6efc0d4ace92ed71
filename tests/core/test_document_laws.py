"""Documents come to the same however their changes travel: edits by chance of three replicas."""

from __future__ import annotations

from document_edits import after, clients, edited, made
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text

from tierstore.crdt import document
from tierstore.crdt.guard import root_of
from tierstore.crdt.plain import plain, shared
from tierstore.crdt.union import within, without
from tierstore.crdt.update import joined_ranges

scripts = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
chances = st.randoms(use_true_random=False)


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
