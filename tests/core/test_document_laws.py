"""Documents against pycrdt itself, in edits by chance; other laws are in tests/testing/laws."""

from __future__ import annotations

from document_chances import chances, scripts, some_edits, some_states
from document_edits import after, clients
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc

from tierstore.crdt import document
from tierstore.crdt.guard import root_of
from tierstore.crdt.plain import plain
from tierstore.crdt.union import within, without
from tierstore.crdt.update import joined_ranges


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
def test_a_compact_document_shows_the_same(chance):
    (state, _, _), _ = some_states(chance)
    compact = document.compact(state, 5, 6, 7)
    assert repr(document.value(compact)) == repr(document.value(state))
    assert document.decode(document.encode(compact)) == compact
    assert document.compact(compact) is None
    alone = document.without_past(compact)
    assert set(alone.structs) == {compact.past.client}
    again = document.without_past(document.compact(alone))
    assert repr(document.value(again)) == repr(document.value(state))
    mentions = 3 * len(alone.structs[compact.past.client])  # of the client, by a byte more or less
    assert len(document.encode(again)) <= len(document.encode(alone)) + 8 + mentions


clocks = st.sets(st.integers(0, 30))


def ranges(chosen):
    return joined_ranges([(clock, clock + 1) for clock in chosen])


@given(clocks, clocks)
def test_ranges_are_sets_of_clocks(left, right):
    assert without(ranges(left), ranges(right)) == ranges(left - right)
    assert within(ranges(left), ranges(right)) == ranges(left & right)
    assert joined_ranges(ranges(left) + ranges(right)) == ranges(left | right)
