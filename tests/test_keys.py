"""Keys: their limits, and the joining of parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import InvalidKeyError
from tierstore.keys import KEY_BYTES_MAX, check_key, check_prefix, key, split_key

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
# Dense in what escaping has to tell apart.
PARTS = st.lists(TEXT | st.text("/%25Fa", max_size=6), min_size=1, max_size=4).filter(
    lambda parts: parts != [""]
)
CHARACTERS = {"a": 1, "\x00": 1, "é": 2, "€": 3, "😀": 4}


def accepts(check, text):
    try:
        check(text)
    except InvalidKeyError:
        return False
    return True


@given(st.text(st.characters(), max_size=40) | st.text(min_size=250, max_size=1100))
def test_a_key_is_1_to_1024_bytes_of_utf8(text):
    try:
        expected = 1 <= len(text.encode()) <= 1024
    except UnicodeEncodeError:
        expected = False
    assert accepts(check_key, text) is expected
    assert accepts(check_prefix, text) is (expected or text == "")


@pytest.mark.parametrize("character", CHARACTERS)
@pytest.mark.parametrize("size_bytes", [KEY_BYTES_MAX - 1, KEY_BYTES_MAX, KEY_BYTES_MAX + 1])
def test_the_limit_counts_bytes_not_characters(character, size_bytes):
    count, rest = divmod(size_bytes, CHARACTERS[character])
    text = character * count + "a" * rest
    assert len(text.encode()) == size_bytes
    assert accepts(check_key, text) is (size_bytes <= KEY_BYTES_MAX)
    assert accepts(check_prefix, text) is (size_bytes <= KEY_BYTES_MAX)


class Name(str):
    __slots__ = ()


@pytest.mark.parametrize("wrong", [None, 7, b"a", Name("a"), ["a"]])
@pytest.mark.parametrize("check", [check_key, check_prefix, split_key])
def test_a_key_is_exactly_a_str(check, wrong):
    with pytest.raises(InvalidKeyError, match="exactly a str"):
        check(wrong)


@pytest.mark.parametrize("text", ["", "a" * 1025, "é" * 513, "secret\ud800"])
def test_the_message_does_not_repeat_the_key(text):
    with pytest.raises(InvalidKeyError) as caught:
        check_key(text)
    assert len(str(caught.value)) < 80
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_composed_and_decomposed_characters_stay_different_keys():
    assert key("\u00e9") != key("e\u0301")


@given(PARTS)
def test_split_is_the_inverse_of_key(parts):
    assert split_key(key(*parts)) == parts


@given(PARTS, PARTS)
def test_different_parts_make_different_keys(left, right):
    assert (key(*left) == key(*right)) is (left == right)


@given(TEXT.filter(bool) | st.text("/%25Fa", min_size=1, max_size=9))
def test_what_splits_joins_to_the_same_key(text):
    try:
        parts = split_key(text)
    except InvalidKeyError:
        assert "%" in text
    else:
        assert key(*parts) == text


@given(PARTS)
def test_each_part_is_one_segment(parts):
    assert key(*parts).count("/") == len(parts) - 1


@given(st.integers())
def test_an_int_is_written_in_decimal(number):
    assert key("a", number) == f"a/{number}"


@pytest.mark.parametrize("parts", [(), ("",), (True,), (1.5,), (None,), (b"a",), ("a" * 1025,)])
def test_other_parts_are_refused(parts):
    with pytest.raises(InvalidKeyError):
        key(*parts)
