"""What cannot be stored is refused by both implementations, with its place and advice."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore import values
from tierstore.errors import EncodingError
from tierstore.values import fast, msgpack

UTC = datetime.UTC


class Text(str):
    __slots__ = ()


class Colour(enum.IntEnum):
    RED = 1


class Vague(datetime.tzinfo):
    def utcoffset(self, moment):
        return None


class Liar:
    """Says that it is a dict."""

    __class__ = dict


def nested(depth):
    value = None
    for _ in range(depth):
        value = [value]
    return value


EAST = datetime.timezone(datetime.timedelta(hours=1))
ENDLESS: list[object] = []
ENDLESS.append(ENDLESS)
NAIVE = datetime.datetime(2020, 1, 1)

REFUSED = {
    "naive": (NAIVE, "naive datetime; give it a timezone"),
    "vague zone": (datetime.datetime(2020, 1, 1, tzinfo=Vague()), "naive datetime"),
    "year 0": (datetime.datetime(1, 1, 1, tzinfo=EAST), "outside the years 1 to 9999"),
    "date": (datetime.date(2020, 1, 1), "date cannot be stored; use a str or an aware datetime"),
    "set": ({1}, "set cannot be stored; use a list"),
    "frozenset": (frozenset(), "use a list"),
    "bytearray": (bytearray(b"a"), "bytearray cannot be stored; use bytes"),
    "memoryview": (memoryview(b"a"), "use bytes"),
    "decimal": (decimal.Decimal(1), "Decimal cannot be stored; use a str or a float"),
    "uuid": (uuid.UUID(int=1), "use a str or bytes"),
    "complex": (1j, "complex cannot be stored; use JSON-like data"),
    "object": (object(), "object cannot be stored"),
    "liar": (Liar(), "Liar cannot be stored"),
    "subclass": (Text("a"), "Text, a subclass of str; convert it to str"),
    "enum": (Colour.RED, "Colour, a subclass of int; convert it to int"),
    "dict subclass": (collections.OrderedDict(), "a subclass of dict; convert it to dict"),
    "tuple subclass": (collections.namedtuple("Point", "x")(1), "a subclass of tuple"),
    "too large": (2**64, "int of more than 64 bits"),
    "too small": (-(2**63) - 1, "int of more than 64 bits"),
    "surrogate": ("ab\ud800", "lone surrogate at character 2"),
    "key of int": ({1: 1}, "key of type int; keys must be exactly str"),
    "key of a subclass": ({Text("a"): 1}, "key of type Text"),
    "key with a surrogate": ({"\ud800": 1}, r"key '\\ud800': lone surrogate at character 0"),
    "deep": (nested(65), "nested deeper than 64 levels"),
    "endless": (ENDLESS, "nested deeper than 64 levels"),
}


def refusal(pack, value):
    with pytest.raises(EncodingError) as caught:
        pack(value)
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("pack", [msgpack.pack, fast.pack, values.encode, values.encoded_size])
def test_it_is_refused_with_a_reason(pack, name):
    value, reason = REFUSED[name]
    message = refusal(pack, value)
    assert message.startswith("value")
    assert reason.replace(r"\\", "\\") in message


@pytest.mark.parametrize("pack", [msgpack.pack, fast.pack])
def test_the_place_is_named(pack):
    value = {"fine": 1, "items": [0, 1, 2, {"when": NAIVE}]}
    assert refusal(pack, value) == "value.items[3].when: naive datetime; give it a timezone"
    assert refusal(pack, ({"a b": {1}},)).startswith("value[0]['a b']: set ")
    assert len(refusal(pack, {"k" * 10_000: {1}})) < 120


PLACES = st.lists(st.integers(0, 3) | st.text("abc", min_size=1, max_size=3), max_size=62)


@given(PLACES, st.sampled_from(sorted(set(REFUSED) - {"deep", "endless"})))
def test_the_place_is_named_at_any_depth(steps, name):
    value, place = REFUSED[name][0], "value"
    for step in reversed(steps):
        value = {step: value} if isinstance(step, str) else [*[None] * step, value, None]
    for step in steps:
        place += f".{step}" if isinstance(step, str) else f"[{step}]"
    for pack in (msgpack.pack, fast.pack):
        assert refusal(pack, value).startswith(f"{place}: ")


def test_depth_64_is_stored():
    for pack in (msgpack.pack, fast.pack):
        assert pack(nested(64)) == b"\x91" * 64 + b"\xc0"


@pytest.mark.parametrize("pack", [msgpack.pack, fast.pack])
def test_the_ends_of_time_are_stored(pack):
    ends = [datetime.datetime.min.replace(tzinfo=UTC), datetime.datetime.max.replace(tzinfo=UTC)]
    assert values.decode(pack(ends)) == ends
