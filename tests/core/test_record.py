"""The envelope: its bytes, its digest, and what becomes of damaged ones."""

from __future__ import annotations

import tracemalloc
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import CorruptionError
from tierstore.record import (
    BOUNDED_COUNTER,
    ELSEWHERE,
    REGISTER,
    REPLICA_MAX,
    Record,
    decode,
    digest,
    encode,
    find_fault,
    format_version,
    from_fields,
    hash_payload,
    version,
)
from tierstore.stamp import STAMP_MAX
from tierstore.values.msgpack import pack, unpack

GOLDEN = Path(__file__).parent / "golden"
CASES = {
    "record-plain": Record(1_700_000_000_000 << 16, 7, b"\xa3Ada"),
    "record-tombstone": Record((1_700_000_000_000 << 16) + 3, REPLICA_MAX, None),
    "record-full": Record(
        5, 6, b"\x93\x01\x02\x03", 1_700_000_000_000, 9, {"b": "2", "a": "1"}, REGISTER, 4
    ),
    "record-largest": Record(
        STAMP_MAX, REPLICA_MAX, b"\xc0", STAMP_MAX, STAMP_MAX, None, BOUNDED_COUNTER, STAMP_MAX
    ),
}
BOUNDED_BYTES = 1 << 20

numbers = st.integers(0, STAMP_MAX) | st.integers(0, 3)
records = st.builds(
    Record,
    stamp=numbers,
    replica=st.integers(0, REPLICA_MAX) | st.integers(0, 2),
    payload=st.none() | st.binary(min_size=1, max_size=40),
    expires_at_ms=st.none() | numbers,
    touch=numbers,
    metadata=st.none() | st.dictionaries(st.text(max_size=4), st.text(max_size=4), min_size=1),
    type=st.integers(REGISTER, BOUNDED_COUNTER),
    generation=numbers,
)


@st.composite
def damaged(draw, whole):
    """Bytes that differ from `whole`: flipped, cut, or with something put in."""
    at = draw(st.integers(0, len(whole) - 1))
    kind = draw(st.sampled_from(["flip", "cut", "insert", "append"]))
    if kind == "flip":
        flipped = whole[at] ^ draw(st.integers(1, 255))
        return whole[:at] + bytes([flipped]) + whole[at + 1 :]
    if kind == "cut":
        return whole[:at]
    extra = draw(st.binary(min_size=1, max_size=5))
    return whole + extra if kind == "append" else whole[:at] + extra + whole[at:]


@pytest.mark.parametrize("name", CASES)
def test_the_bytes_are_those_of_every_version(name):
    golden = (GOLDEN / f"{name}.bin").read_bytes()
    assert encode(CASES[name]) == golden
    assert decode(golden) == CASES[name]


@given(records)
def test_a_record_comes_back(record):
    back = decode(encode(record))
    assert back == record
    assert version(back) == version(record)
    if record.type == REGISTER or not record.payload:
        assert version(record) == format_version(record.stamp, record.replica)
    assert find_fault([*record.fields(), record.payload]) is None
    assert from_fields(list(record.fields()), record.payload) == record


@given(records, records)
def test_digests_are_equal_if_and_only_if_records_are(left, right):
    assert (digest(left) == digest(right)) == (left == right)
    assert (encode(left) == encode(right)) == (left == right)
    assert digest(left, hash_payload(left.payload)) == digest(left)


@given(records, st.data())
def test_one_changed_field_changes_the_digest(record, data):
    name = data.draw(st.sampled_from(sorted(Record.__slots__)))
    changed = decode(encode(record))
    setattr(changed, name, getattr(data.draw(records), name))
    assert (digest(changed) == digest(record)) == (changed == record)


def test_metadata_in_any_order_has_the_same_bytes():
    one, other = (
        Record(1, 1, b"\x01", metadata=dict(m)) for m in ("12 34".split(), "34 12".split())
    )
    assert encode(one) == encode(other)


@given(records, st.data())
def test_damage_is_corruption_and_nothing_else(record, data):
    envelope = encode(record)
    broken = data.draw(damaged(envelope))
    if broken != envelope:
        with pytest.raises(CorruptionError) as caught:
            decode(broken, key="k", tier="edge")
        assert (caught.value.key, caught.value.tier) == ("k", "edge")


@given(st.binary(max_size=60))
def test_no_other_bytes_are_a_record(raw):
    with pytest.raises(CorruptionError):
        decode(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff" + b"\xa0" * 64,
        b"\xc6\xff\xff\xff\xff" + b"x" * 64,
        b"\xdb\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\xdd\x00\x0f\xff\xff" * 1000,
    ],
    ids=["array", "map", "bytes", "text", "depth", "nested arrays"],
)
def test_lengths_that_lie_take_no_memory(raw):
    tracemalloc.start()
    try:
        with pytest.raises(CorruptionError):
            decode(raw)
        assert tracemalloc.get_traced_memory()[1] < BOUNDED_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("index", "bad"),
    [
        (1, 0), (1, 6), (1, True), (2, -1), (3, STAMP_MAX + 1), (3, None), (4, REPLICA_MAX + 1),
        (5, "1"), (6, -1), (7, {"a": 1}), (7, []), (8, "text"), (8, ELSEWHERE), (9, b""), (9, None),
    ],
)  # fmt: skip
def test_fields_out_of_bounds_are_refused(index, bad):
    record = CASES["record-full"]
    fields = unpack(encode(record))
    assert decode(pack(fields)) == record
    fields[index] = bad
    with pytest.raises(CorruptionError):
        decode(pack(fields))


@pytest.mark.parametrize("metadata", [{}, {"b": "2", "a": "1"}])
def test_metadata_that_is_not_as_written_is_refused(metadata):
    header = [1, REGISTER, 0, 5, 6, 0, None, metadata]
    hashed = blake2b(pack(header) + hash_payload(b"\x01"), digest_size=16).digest()
    with pytest.raises(CorruptionError):
        decode(pack([*header, b"\x01", hashed]))


@pytest.mark.parametrize("lookalike", [True, 1.0])
def test_what_only_equals_the_format_is_not_it(lookalike):
    record = CASES["record-full"]
    with pytest.raises(CorruptionError):
        decode(pack([lookalike, *record.fields(), record.payload, digest(record)]))


def test_a_later_format_is_named():
    with pytest.raises(CorruptionError, match="format 2; this version reads 1"):
        decode(pack([2, "whatever"]))


def add_missing():
    for name, record in CASES.items():
        path = GOLDEN / f"{name}.bin"
        if not path.exists():
            path.write_bytes(encode(record))


if __name__ == "__main__":
    add_missing()
