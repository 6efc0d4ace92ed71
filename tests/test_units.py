"""Durations, sizes and rates: what is read, what is refused and with which words."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore import units
from tierstore.errors import InvalidArgumentError

UNIT_S = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "min": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
    "w": Fraction(604800),
}
PARSERS = [
    units.parse_duration_s,
    units.parse_size_bytes,
    units.parse_rate_per_s,
    units.parse_byte_rate_per_s,
]
decimals = st.decimals(0, 1000, places=2).map(lambda d: format(d, "f"))


@given(decimals, st.sampled_from(sorted(UNIT_S)), st.sampled_from(["", " "]))
def test_duration_is_number_times_unit(number, unit, space):
    expected = Fraction(number) * UNIT_S[unit]
    assert units.parse_duration_s(f"{number}{space}{unit}") == float(expected)


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_compound_duration_is_the_sum(h, m, s):
    assert units.parse_duration_s(f"{h}h{m}min {s}s") == h * 3600 + m * 60 + s


@given(st.integers(0, 10**13))
def test_duration_round_trips_on_milliseconds(ms):
    if ms / 1000 <= units.DURATION_MAX_S:
        assert units.parse_duration_s(units.format_duration(ms / 1000)) == ms / 1000


@given(st.integers(0, units.SIZE_MAX_BYTES))
def test_size_round_trips(size_bytes):
    assert units.parse_size_bytes(units.format_size(size_bytes)) == size_bytes


@given(st.integers(1, 10**6), st.sampled_from(["s", "min", "h", "d", "w"]))
def test_rate_round_trips(count, unit):
    rate_per_s = units.parse_rate_per_s(f"{count}/{unit}")
    assert rate_per_s == float(count / UNIT_S[unit])
    assert units.parse_rate_per_s(units.format_rate(rate_per_s)) == rate_per_s


@given(st.text(max_size=12) | st.text("0123456789.-+eE/ hdmswkKMGiB", max_size=12))
def test_any_text_is_read_or_refused_with_value_error(text):
    for parse in PARSERS:
        told = ""
        try:
            assert parse(text) >= 0
        except ValueError as exc:
            told = str(exc)
        assert told == "" or told.startswith("expected ")


@pytest.mark.parametrize("value", [5, 5.0, None, True, b"5s", ["5s"], timedelta(1)])
def test_what_is_not_text_is_refused_with_value_error(value):
    for parse in PARSERS:
        with pytest.raises(ValueError, match=r"^expected "):
            parse(value)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("0B", 0), ("64KiB", 65536), ("1.5GiB", 1610612736), ("25MB", 25_000_000), ("1kB", 1000)],
)
def test_sizes(text, size_bytes):
    assert units.parse_size_bytes(text) == size_bytes


def test_byte_rates():
    assert units.parse_byte_rate_per_s("32MiB/s") == 32 * 2**20
    assert units.parse_byte_rate_per_s("3600B/h") == 1


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (
            units.parse_duration_s,
            "5",
            'expected a duration like "5min", got "5";'
            " a unit is missing: units are ms, s, m or min, h, d, w",
        ),
        (
            units.parse_duration_s,
            30,
            'expected a duration like "5min", got 30;'
            " a unit is missing: units are ms, s, m or min, h, d, w",
        ),
        (units.parse_duration_s, "", 'expected a duration like "5min", got ""'),
        (units.parse_duration_s, "-5s", 'expected a duration like "5min", got "-5s"'),
        (units.parse_duration_s, "1e3s", 'expected a duration like "5min", got "1e3s"'),
        (
            units.parse_duration_s,
            "5 fortnights",
            'expected a duration like "5min", got "5 fortnights"',
        ),
        (units.parse_duration_s, "30s5min", 'expected a duration like "5min", got "30s5min"'),
        (units.parse_duration_s, "5s5s", 'expected a duration like "5min", got "5s5s"'),
        (units.parse_duration_s, "١s", 'expected a duration like "5min", got "١s"'),
        (
            units.parse_duration_s,
            "36600d",
            'expected a duration of at most 100 years, got "36600d"',
        ),
        (units.parse_size_bytes, "64K", 'expected a size like "64KiB", got "64K"'),
        (units.parse_size_bytes, "0.3B", 'expected a whole number of bytes, got "0.3B"'),
        (
            units.parse_size_bytes,
            "1048577TiB",
            'expected a size of at most 1 EiB, got "1048577TiB"',
        ),
        (units.parse_rate_per_s, "6", 'expected a rate like "6/h", got "6"'),
        (units.parse_rate_per_s, "6x/h", 'expected a rate like "6/h", got "6x/h"'),
        (
            units.parse_rate_per_s,
            "9999999999/s",
            'expected a rate of at most 1000000000/s, got "9999999999/s"',
        ),
        (units.parse_byte_rate_per_s, "6/s", 'expected a rate of bytes like "32MiB/s", got "6/s"'),
        (
            units.parse_duration_s,
            "redis://:secret@host",
            'expected a duration like "5min", got what looks like a url or an address',
        ),
    ],
)
def test_refusals(parse, text, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.2, "200ms"), (90, "90s"), (5400, "90min"), (604800, "7d"), (5e-4, "0.5ms")],
)
def test_format_duration(seconds, text):
    assert units.format_duration(seconds) == text


def test_format_rate_of_no_whole_number():
    assert units.format_rate(0.123456) == "0.123456/s"


@given(st.floats(min_value=1e-6, max_value=1e9))
def test_ttl_seconds_takes_numbers(seconds):
    assert units.ttl_seconds(seconds) == seconds


def test_ttl_seconds_takes_what_people_write():
    assert units.ttl_seconds("30d") == 30 * 86400
    assert units.ttl_seconds(timedelta(hours=1)) == 3600
    assert units.ttl_seconds(3600) == 3600


@pytest.mark.parametrize(
    "ttl",
    [0, -1, float("nan"), float("inf"), 10**400, True, "0s", "5", "x", timedelta(0), b"1s", [1]],
)
def test_ttl_seconds_refuses(ttl):
    with pytest.raises(InvalidArgumentError, match=r"^ttl: "):
        units.ttl_seconds(ttl)


@pytest.mark.parametrize(
    ("ttl", "told"),
    [("0s", '"0s"'), (timedelta(0), "a timedelta of 0 seconds"), (-1.5, "-1.5"), (True, "True")],
)
def test_ttl_seconds_tells_what_it_got_once(ttl, told):
    with pytest.raises(InvalidArgumentError) as caught:
        units.ttl_seconds(ttl)
    assert str(caught.value).count("ttl: ") == 1
    assert f"got {told}" in str(caught.value)


@given(st.text(max_size=200))
def test_shown_is_short_and_printable(text):
    shown = units.shown(text)
    assert len(shown) <= 10 * 42
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("rate", "beside", "text"),
    [
        ("14.23/h", "6/h", "14.2/h"),
        ("0.3/d", "1/d", "0.3/d"),
        ("1/w", "1/d", "0.143/d"),
        ("123456/h", "6/h", "123456/h"),
        ("5.9999/h", "6/h", "just under 6/h"),
        ("6.0001/h", "6/h", "just over 6/h"),
        ("6/h", "6/h", "6/h"),
        ("0.001/w", "1/s", "less than 0.001/s"),
        ("1/s", "0.3/s", "60/min"),
    ],
)
def test_a_measured_rate_is_told_in_the_unit_beside_it(rate, beside, text):
    rate_per_s, beside_per_s = units.parse_rate_per_s(rate), units.parse_rate_per_s(beside)
    assert units.rough_rate(rate_per_s, beside_per_s) == text


def test_no_rate_is_told_as_zero():
    assert units.rough_rate(0.0, units.parse_rate_per_s("6/h")) == "0/h"


@given(st.floats(0, units.DURATION_MAX_S))
def test_a_measured_duration_is_rounded_down(seconds):
    told_s = units.parse_duration_s(units.rough_duration(seconds))
    assert told_s <= seconds + 1e-9
    assert told_s >= seconds * 0.9 - 0.001


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.0005, "0s"),
        (0.25, "250ms"),
        (59.99, "59.9s"),
        (60, "1min"),
        (9000, "2.5h"),
        (8e5, "9.2d"),
    ],
)
def test_a_measured_duration_is_told_in_its_longest_unit(seconds, text):
    assert units.rough_duration(seconds) == text
