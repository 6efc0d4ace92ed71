"""Generated values have the exact size of the trace, and no write is like another."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tierstore.trace.values import make_value
from tierstore.values import encode

keys = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=30)
sizes = st.integers(0, 600) | st.integers(65_000, 66_000) | st.integers(0, 300_000)
versions = st.integers(0, 2**32 - 1)


@given(key=keys, version=versions, size_bytes=sizes)
@example("k", 1, 1 + 258)  # no header of binary data makes these three
@example("k", 1, 1 + 65_539)
@example("k", 1, 1 + 65_540)
def test_key_and_value_have_the_size(key, version, size_bytes):
    key_bytes = len(key.encode())
    encoded = encode(make_value(key, version, size_bytes))
    assert key_bytes + len(encoded) == max(size_bytes, key_bytes + 1)


@given(key=keys, version=versions, other=versions, room=st.integers(6, 400))
def test_versions_differ(key, version, other, room):
    size_bytes = len(key.encode()) + room
    same = make_value(key, version, size_bytes) == make_value(key, other, size_bytes)
    assert same == (version == other)


@given(key=keys, version=st.integers(0, 2**31), step=st.integers(1, 100), room=st.integers(0, 5))
def test_versions_near_each_other_differ_even_in_a_byte(key, version, step, room):
    size_bytes = len(key.encode()) + room
    assert make_value(key, version, size_bytes) != make_value(key, version + step, size_bytes)


@given(key=keys, other=keys, version=versions, room=st.integers(10, 400))
def test_keys_differ(key, other, version, room):
    values = {k: make_value(k, version, len(k.encode()) + room) for k in (key, other)}
    assert (values[key] == values[other]) == (key == other)


def test_a_value_can_be_made_again():
    assert make_value("a", 7, 300) == make_value("a", 7, 300)
