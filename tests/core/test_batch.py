"""Batches: their bytes, their chain, and what becomes of damaged ones."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import CorruptionError
from tierstore.record import REGISTER, Record
from tierstore.region.batch import (
    PUT,
    TOUCH,
    Batch,
    Delta,
    Heat,
    Poisoned,
    decode_batch,
    decode_delta,
    encode_delta,
    freeze,
)
from tierstore.values.msgpack import pack

GOLDEN = Path(__file__).parent / "golden"
BOUNDED_BYTES = 1 << 20
STAMP = 1_700_000_000_000 << 16

FIRST = freeze(7, 1, b"", [Delta("k", PUT, Record(STAMP, 7, b"\x01"))], [])
CASES = {
    "batch-first": FIRST,
    "batch-second": freeze(
        7,
        2,
        FIRST.digest,
        [
            Delta("gone", PUT, Record(STAMP + 1, 7, None)),
            Delta("k", TOUCH, Record(STAMP, 7, None, 1_700_000_060_000, STAMP + 2)),
            Delta("é", PUT, Record(STAMP + 3, 9, b"\xa0", 5, 0, {"b": "2", "a": "1"})),
        ],
        [Heat("k", 3, 1, 172_800)],
    ),
    "batch-empty": freeze(7, 3, b"p" * 16, [], []),
}


@pytest.mark.parametrize("name", CASES)
def test_the_bytes_are_those_of_this_format(name):
    golden = (GOLDEN / f"{name}.2.bin").read_bytes()
    assert CASES[name].body == golden
    back = decode_batch(golden)
    for field in ("replica", "number", "predecessor", "deltas", "heat", "digest"):
        assert getattr(back, field) == getattr(CASES[name], field)


@pytest.mark.parametrize("name", CASES)
def test_a_batch_of_the_first_format_is_read_without_how_fast_heat_is_forgotten(name):
    back = decode_batch((GOLDEN / f"{name}.bin").read_bytes())
    for field in ("replica", "number", "deltas"):
        assert getattr(back, field) == getattr(CASES[name], field)
    heat = [Heat(item.key, item.reads, item.writes) for item in CASES[name].heat]
    assert back.heat == heat


def test_the_digest_is_of_the_whole_body():
    batch = CASES["batch-second"]
    digests = {
        Batch(1, 1, b"", [], [], batch.body[:at] + bytes([byte ^ 1]) + batch.body[at + 1 :]).digest
        for at, byte in enumerate(batch.body)
    }
    assert len(digests) == len(batch.body)
    assert batch.digest not in digests


@given(st.sampled_from(sorted(CASES)), st.data())
def test_damage_is_corruption_poison_or_another_digest(name, data):
    body = CASES[name].body
    at = data.draw(st.integers(0, len(body) - 1))
    cut = data.draw(st.booleans())
    broken = body[:at] + (b"" if cut else bytes([data.draw(st.integers(0, 255))]) + body[at + 1 :])
    try:
        back = decode_batch(broken)
    except CorruptionError:
        return
    assert (back.digest == CASES[name].digest) == (broken == body)
    assert all(isinstance(delta, (Delta, Poisoned)) for delta in back.deltas)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 2**63)
    | st.text(max_size=3)
    | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=12,
)


@given(st.tuples(values, values, values, st.lists(values, max_size=3), values))
def test_a_header_of_anything_is_a_batch_or_corruption(fields):
    replica, number, predecessor, deltas, heat = fields
    for body in (
        pack([2, replica, number, predecessor, deltas, heat]),
        pack([2, 7, 1, b"", deltas, heat]),
        pack([1, 7, 1, b"", deltas, []]),
    ):
        try:
            back = decode_batch(body)
        except CorruptionError:
            continue
        assert all(isinstance(delta, (Delta, Poisoned)) for delta in back.deltas)
        assert all(isinstance(item, Heat) for item in back.heat)


@given(st.lists(values, min_size=10, max_size=10), st.data())
def test_a_delta_of_anything_is_poisoned_or_in_bounds(noise, data):
    fields = ["k", PUT, REGISTER, 0, STAMP, None, 0, None, None, b"\x01"]
    at = data.draw(st.integers(0, 9))
    fields[at] = noise[at]
    delta = decode_delta(pack(fields), 7)
    if isinstance(delta, Delta):
        assert decode_delta(encode_delta(delta, 7), 7) == delta
    else:
        assert delta.reason


@pytest.mark.parametrize("op", [True, False, 1.0, 4, None])
def test_what_only_equals_an_op_is_not_it(op):
    fields = ["k", op, REGISTER, 0, STAMP, None, 0, None, None, b"\x01"]
    assert isinstance(decode_delta(pack(fields), 7), Poisoned)
    with pytest.raises(CorruptionError):
        decode_batch(pack([True, 7, 1, b"", [], []]))


def test_one_poisoned_delta_leaves_the_others():
    wire = [["k", PUT, REGISTER, 0, STAMP, None, 0, None, None, b"\x01"], ["x"], 5]
    first, second, third = decode_batch(pack([1, 7, 1, b"", wire, []])).deltas
    assert first == FIRST.deltas[0]
    assert isinstance(second, Poisoned)
    assert isinstance(third, Poisoned)


@pytest.mark.parametrize(
    "raw",
    [b"\xdd\xff\xff\xff\xff", b"\x96\x01\x07\x01\xc4\x00\xdd\xff\xff\xff\xff", b"\x91" * 9_999],
)
def test_lengths_that_lie_take_no_memory(raw):
    tracemalloc.start()
    try:
        with pytest.raises(CorruptionError):
            decode_batch(raw)
        assert tracemalloc.get_traced_memory()[1] < BOUNDED_BYTES
    finally:
        tracemalloc.stop()


def test_a_later_format_is_refused():
    with pytest.raises(CorruptionError, match="unknown format"):
        decode_batch(pack([4, 7, 1, b"", [], []]))


def add_missing():
    for name, batch in CASES.items():
        path = GOLDEN / f"{name}.2.bin"
        if not path.exists():
            path.write_bytes(batch.body)


if __name__ == "__main__":
    add_missing()
