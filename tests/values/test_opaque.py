"""Opaque text holds what was put in, has one spelling, and is refused by name if it is no such."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import InvalidArgumentError
from tierstore.values.opaque import Opaque

NUMBERS = st.integers(-(2**63), 2**64 - 1)
PLACE = Opaque("place", "one of a walk", {1: (str,), 3: (int, str, bool, bytes)})


@given(st.tuples(NUMBERS, st.text(st.characters(codec="utf-8")), st.booleans(), st.binary()))
def test_fields_come_back(fields):
    text = PLACE.encode(3, *fields)
    assert PLACE.decode(text) == [3, *fields]
    assert text.isascii()
    assert not set(text) & set("+/= \n")


@given(st.text() | st.binary() | st.none())
def test_whatever_is_no_such_text_is_refused_by_name(junk):
    with pytest.raises(InvalidArgumentError, match=r"^place: "):
        PLACE.decode(junk)


@given(st.data())
def test_a_text_has_one_spelling(data):
    """Of what a decoder would pass over, nothing is taken."""
    text = PLACE.encode(1, data.draw(st.text(st.characters(codec="utf-8"), max_size=9)))
    at = data.draw(st.integers(0, len(text)))
    other = text[:at] + data.draw(st.sampled_from("\n =+/.é")) + text[at:]
    with pytest.raises(InvalidArgumentError, match="place: not one of a walk"):
        PLACE.decode(other)


@pytest.mark.parametrize("fields", [(2, "x"), ("1", "x"), (True, "x"), (None,)])
def test_another_format_is_told_apart(fields):
    with pytest.raises(InvalidArgumentError, match="place: of a format that this version"):
        PLACE.decode(PLACE.encode(*fields))


@pytest.mark.parametrize("fields", [(1,), (1, 2), (1, "x", "x"), (3, True, "", True, b"")])
def test_other_fields_than_the_format_has_are_refused(fields):
    with pytest.raises(InvalidArgumentError, match="place: not one of a walk"):
        PLACE.decode(PLACE.encode(*fields))
