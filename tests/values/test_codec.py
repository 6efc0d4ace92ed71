"""Values come back, and the two implementations cannot be told apart."""

from __future__ import annotations

import datetime
import math
import struct
import subprocess
import sys
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tierstore import values
from tierstore.errors import DecodingError
from tierstore.values import fast, msgpack, timestamp

EDGES = [2**7, 2**8, 2**15, 2**16, 2**31, 2**32, 2**63]
NEAR_EDGES = [sign * edge + step for edge in EDGES for sign in (1, -1) for step in (-1, 0, 1)]
LENGTHS = [15, 16, 31, 32, 255, 256, 65_535, 65_536]

INTS = st.integers(-(2**63), 2**64 - 1) | st.sampled_from(
    [n for n in (*NEAR_EDGES, -32, -33, 127, 2**64 - 1) if -(2**63) <= n < 2**64]
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
ZONES = st.builds(
    datetime.timezone,
    st.timedeltas(datetime.timedelta(hours=-23), datetime.timedelta(hours=23)),
)
FIRST, LAST = datetime.datetime.min, datetime.datetime.max
A_DAY = datetime.timedelta(days=1)  # no zone is further from UTC
MOMENTS = st.datetimes(FIRST + A_DAY, LAST - A_DAY, timezones=ZONES) | st.datetimes(
    timezones=st.just(datetime.UTC)
)
SCALARS = st.none() | st.booleans() | INTS | st.floats() | TEXTS | st.binary(max_size=40) | MOMENTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(TEXTS, inner, max_size=4)
    ),
    max_leaves=10,
)


def returned(value):
    """What `value` comes back as."""
    if isinstance(value, list | tuple):
        return [returned(item) for item in value]
    if isinstance(value, dict):
        return {key: returned(item) for key, item in value.items()}
    return value.astimezone(datetime.UTC) if isinstance(value, datetime.datetime) else value


def alike(left, right):
    """Equal in value, in type, in order, in zone; two NaN are equal, 0.0 and -0.0 are not."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return struct.pack(">d", left) == struct.pack(">d", right) or left != left != right
    if isinstance(left, list):
        return len(left) == len(right) and all(map(alike, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(map(alike, left.values(), right.values()))
    if isinstance(left, datetime.datetime):
        return left == right and left.tzinfo is right.tzinfo
    return left == right


def verdict(unpack, payload):
    try:
        return unpack(payload)
    except DecodingError:
        return DecodingError


def containers(value):
    if isinstance(value, list):
        yield value
        for item in value:
            yield from containers(item)
    elif isinstance(value, dict):
        yield value
        for item in value.values():
            yield from containers(item)


def check_both_write_the_same(value):
    payload = msgpack.pack(value)
    assert fast.pack(value) == payload
    assert values.encode(value) == payload
    assert values.encoded_size(value) == len(payload)


def check_comes_back(value):
    payload, expected = msgpack.pack(value), returned(value)
    for unpack in (msgpack.unpack, fast.unpack, values.decode):
        assert alike(unpack(payload), expected)


@given(VALUES)
def test_both_write_the_same_bytes(value):
    check_both_write_the_same(value)


@given(VALUES)
def test_a_value_comes_back_from_both(value):
    check_comes_back(value)


@given(st.lists(VALUES, max_size=3), st.binary(max_size=3))
def test_values_in_a_row_are_read_one_after_the_other(row, before):
    payload = before + b"".join(map(msgpack.pack, row))
    offset = len(before)
    for value in row:
        back, offset = msgpack.unpack_from(payload, offset)
        assert alike(back, returned(value))
    assert offset == len(payload)


@given(st.lists(SCALARS, max_size=20))
def test_a_header_makes_packed_items_one_array(items):
    payload = msgpack.array_header(len(items)) + b"".join(map(msgpack.pack, items))
    assert payload == msgpack.pack(items)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(
    "make", [bytes, lambda n: "a" * n, lambda n: "é" * n, lambda n: [None] * n]
)
def test_every_length_of_header(make, length):
    check_both_write_the_same(make(length))
    check_comes_back(make(length))


@pytest.mark.parametrize("length", LENGTHS)
def test_every_length_of_map_and_key(length):
    for value in ({str(n): n for n in range(length)}, {"k" * length: 1}):
        check_both_write_the_same(value)
        check_comes_back(value)


@given(VALUES, st.data())
def test_a_mutated_payload_gets_the_same_verdict_from_both(value, data):
    payload = bytearray(msgpack.pack(value))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload)))
        payload[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    check_same_verdict(bytes(payload))


@given(
    st.lists(
        st.sampled_from([bytes((n,)) for n in (*range(0x7E, 0xA3), *range(0xC0, 0xE1))])
        | st.binary(min_size=1, max_size=8),
        max_size=12,
    ).map(b"".join)
)
@example(b"\x81\xc4\x01a\x01")  # a key of bytes
@example(b"\x81\x01\x01")  # a key of int
@example(b"\x81\x80\x01")  # a key that cannot be hashed
@example(b"\x82\xa1a\x01\xa1a\x02")  # a repeated key
@example(b"\xd9\x01a")  # a longer spelling
@example(b"\xca\x3f\x80\x00\x00")  # float 32
@example(b"\xd4\x01\x00")  # another extension
@example(b"\xd7\xff" + (500 << 34 | 5).to_bytes(8, "big"))  # half a microsecond
@example(b"\xd7\xff" + (5).to_bytes(8, "big"))  # a longer timestamp
@example(b"\xc7\x0c\xff" + struct.pack(">Iq", 0, 2**40))  # after the year 9999
@example(b"\xa3\xed\xa0\x80")  # a surrogate
@example(b"")
def test_any_bytes_get_the_same_verdict_from_both(payload):
    check_same_verdict(payload)


INSIDE = {"alone": b"", "item": b"\x91", "key": b"\x81", "value": b"\x81\xa1a"}
FORMS = [f">{form}" for form in "BHIQbhiq"]


@pytest.mark.parametrize("place", INSIDE)
def test_every_opcode_gets_the_same_verdict_from_both(place):
    tails = [byte * size for byte in (b"\x00", b"\x01", b"\xff") for size in range(18)]
    for opcode in range(256):
        for tail in tails:
            check_same_verdict(INSIDE[place] + bytes((opcode,)) + tail)


@pytest.mark.parametrize(("opcode", "form"), list(enumerate(FORMS, 0xCC)))
def test_an_int_has_one_spelling(opcode, form):
    for number in (0, 1, 127, -1, -32, -33, *NEAR_EDGES):
        try:
            payload = bytes((opcode,)) + struct.pack(form, number)
        except struct.error:
            continue
        accepted = verdict(msgpack.unpack, payload) is not DecodingError
        assert accepted is (msgpack.pack(number) == payload)
        check_same_verdict(payload)


@pytest.mark.parametrize("nanoseconds", [0, 999, 10**9 - 1, 10**9, 2**32 - 1])
@pytest.mark.parametrize("edge", [timestamp.SECONDS_MIN, 0, timestamp.SECONDS_MAX])
@pytest.mark.parametrize("step", [-1, 0, 1])
def test_the_ends_of_time_get_the_same_verdict_from_both(nanoseconds, edge, step):
    check_same_verdict(b"\xc7\x0c\xff" + struct.pack(">Iq", nanoseconds, edge + step))


def check_same_verdict(payload):
    pure = verdict(msgpack.unpack, payload)
    assert alike(pure, verdict(fast.unpack, payload))
    assert alike(pure, verdict(values.decode, payload))
    if pure is not DecodingError:
        assert msgpack.pack(pure) == payload, "a value has one spelling"


@given(VALUES, st.integers(1, 10))
def test_a_payload_cut_short_or_too_long_is_refused(value, extra):
    payload = msgpack.pack(value)
    cuts = {payload[:at] for at in range(0, len(payload), max(1, len(payload) // 50))}
    for wrong in (*cuts, payload + bytes(extra)):
        for unpack in (msgpack.unpack, fast.unpack):
            assert verdict(unpack, wrong) is DecodingError
    for cut in cuts:
        with pytest.raises(DecodingError):
            msgpack.unpack_from(cut, 0)


def test_depth_64_is_read_and_65_refused():
    for opener in (b"\x91", b"\x81\xa1a"):
        assert verdict(msgpack.unpack, opener * 64 + b"\xc0") is not DecodingError
        check_same_verdict(opener * 64 + b"\xc0")
        for depth in (65, 100_000):
            assert verdict(msgpack.unpack, opener * depth + b"\xc0") is DecodingError
            check_same_verdict(opener * depth + b"\xc0")


@pytest.mark.parametrize("opcode", [0xC6, 0xDB, 0xDD, 0xDF])
@pytest.mark.parametrize("unpack", [msgpack.unpack, fast.unpack])
def test_a_declared_length_allocates_nothing(unpack, opcode):
    payload = bytes((opcode,)) + b"\x7f\xff\xff\xff" + b"\xc0" * 100
    tracemalloc.start()
    try:
        assert verdict(unpack, payload) is DecodingError
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@given(VALUES)
def test_a_mutable_value_is_a_fresh_object(value):
    payload = msgpack.pack(value)
    for unpack in (msgpack.unpack, fast.unpack):
        first, second = unpack(payload), unpack(payload)
        shared = {id(part) for part in containers(first)}
        assert not any(id(part) in shared for part in containers(second))


@given(VALUES)
def test_what_may_be_shared_comes_back_as_it_is(value):
    if values.is_immutable(value):
        assert alike(values.decode(values.encode(value)), value)
        assert not list(containers(value))
    else:
        assert isinstance(value, list | tuple | dict | datetime.datetime)


def test_subclasses_and_naive_moments_are_not_shared():
    class Number(int):
        pass

    assert not values.is_immutable(Number(1))
    assert not values.is_immutable(datetime.datetime(2020, 1, 1))


def test_a_nan_keeps_its_bits():
    payload = b"\xcb" + struct.pack(">Q", 0x7FF8_0000_DEAD_BEEF)
    for unpack in (msgpack.unpack, fast.unpack):
        back = unpack(payload)
        assert math.isnan(back)
        assert msgpack.pack(back) == fast.pack(back) == payload


@pytest.mark.parametrize("blocked", [False, True])
def test_msgspec_is_used_only_when_it_is_there(blocked):
    program = f"""if True:
        import sys
        blocked = {blocked}
        from tierstore import values
        values.encode({{"a": [1]}})
        assert "msgspec" not in sys.modules and "datetime" not in sys.modules
        if blocked:
            sys.modules["msgspec"] = None
            payload = values.encode({{"a": [1]}})
        else:
            import msgspec
            payload = values.encode({{"a": [1]}})
        assert ("tierstore.values.fast" in sys.modules) is not blocked
        assert values.use_msgspec() is not blocked
        assert values.use_msgspec() is not blocked
        assert payload == b"\\x81\\xa1a\\x91\\x01"
        assert values.decode(payload) == {{"a": [1]}}
    """
    subprocess.run([sys.executable, "-c", program], check=True)
