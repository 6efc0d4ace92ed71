"""What is printed as JSON reads back as the same value."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.cli.document import UnfitError, dumps, loads

NAMES = st.text(max_size=5) | st.sampled_from(["$bytes", "$datetime", "$float", "$literal"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_every_value_reads_back(value):
    assert loads(dumps(value)) == value


@given(VALUES)
def test_what_is_printed_is_strict_json_on_one_ascii_line(value):
    text = dumps(value)
    assert text.isascii()
    assert "\n" not in text
    json.loads(text, parse_constant=pytest.fail)


def test_marks():
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert dumps([b"\0\xff", at]) == (
        '[{"$bytes": "AP8="}, {"$datetime": "2026-01-02T03:04:05+00:00"}]'
    )
    assert math.isnan(loads(dumps(math.nan)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "NaN",
        "[Infinity]",
    ],
)
def test_what_is_not_json_is_refused(text):
    with pytest.raises(ValueError, match=r".+") as caught:
        loads(text)
    assert caught.type is not UnfitError


@pytest.mark.parametrize(
    "text",
    [
        "1e400",
        "[-1e999]",
        "7" * 5000,
        '{"a": 1, "a": 2}',
        '{"$bytes": "not base64!"}',
        '{"$bytes": 7}',
        '{"$datetime": "yesterday"}',
        '{"$float": "1"}',
        '{"$literal": 1}',
        '[{"$literal": {"a": {"$bytes": "!!"}}}]',
        "[" * 100_000,
        "[" * 900 + "]" * 900,
    ],
)
def test_json_that_stands_for_no_value_is_refused_as_such(text):
    with pytest.raises(UnfitError, match=r"^.{5,80}$"):
        loads(text)
