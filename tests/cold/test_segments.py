"""Segments and large values: what goes in comes out, whichever version wrote it."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierstore.errors import CorruptionError, InvalidArgumentError
from tierstore.record import (
    BOUNDED_COUNTER,
    ELSEWHERE,
    REGISTER,
    REPLICA_MAX,
    Record,
    decode,
)
from tierstore.region.objects import SEGMENT, VALUE, ByteRange, mint_name
from tierstore.region.pointer import encode_pointer
from tierstore.region.rows import Row
from tierstore.runtime.manual import ManualRuntime
from tierstore.stamp import STAMP_MAX
from tierstore.testing import MemoryObjects
from tierstore.tiers.cold import ColdReader
from tierstore.tiers.segments import (
    RECORD_BYTES_MAX,
    SEGMENT_RECORDS_MAX,
    pack_segment,
    pack_value,
    read_index,
    split,
    verify,
)
from tierstore.tiers.segments.frames import Compressor, Decompressor
from tierstore.tiers.segments.segment import (
    BLOCK_BYTES,
    SEGMENT_BYTES,
    SEGMENT_RECORDS,
    open_block,
)

T = 5.0
GOLDEN = Path(__file__).parent / "golden"
SEGMENT_NAME = "00c0ffee00c0ffee/1-018bcfe56800-0123456789abcdef.seg"
VALUE_NAME = "00c0ffee00c0ffee/1-018bcfe56800-0123456789abcdef.val"
LARGE_BYTES = 25 << 20
EXTRA_BYTES_MAX = 100 << 20

STAMP = 1_700_000_000_000 << 16
SMALL = {
    "profile/1": Record(STAMP, 7, b"\x81\xa4name\xa3Ada"),
    "profile/2": Record(STAMP + 1, 7, b"\x81\xa4name\xa5Grace", 1_800_000_000_000, STAMP + 5),
    "profile/3": Record(STAMP + 2, 9, None),
    "": Record(5, 6, b"\xc0", None, 0, {"b": "2", "a": "1"}),
    "straße/€": Record(STAMP_MAX, REPLICA_MAX, b"x" * 300, 0, 0, None, BOUNDED_COUNTER, 3),
}
LARGE = Record(STAMP, 7, bytes(range(256)) * 2000, 1_800_000_000_000, 3, {"kind": "image"})

keys = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
numbers = st.integers(0, STAMP_MAX) | st.integers(0, 3)
payloads = (
    st.none()
    | st.binary(min_size=1, max_size=60)
    | st.sampled_from((b"a" * 3000, bytes(BLOCK_BYTES), random.Random(1).randbytes(90_000)))
)
records = st.builds(
    Record,
    stamp=numbers,
    replica=st.integers(0, REPLICA_MAX),
    payload=payloads,
    expires_at_ms=st.none() | numbers,
    touch=numbers,
    metadata=st.none() | st.dictionaries(st.text(max_size=4), st.text(max_size=4), min_size=1),
    type=st.integers(REGISTER, BOUNDED_COUNTER),
    generation=numbers,
)
tables = st.dictionaries(keys, records, min_size=1, max_size=12)


def runtime():
    return ManualRuntime(seed=5)


def row(key, record, pointer):
    """What the directory has of a record: its version, and other lifetimes than the object."""
    payload = None if record.payload is None else ELSEWHERE
    fields = {"type": record.type, "generation": record.generation}
    return Row(
        key, Record(record.stamp, record.replica, payload, 77, 88, **fields),
        cold=encode_pointer(pointer),
    )  # fmt: skip


def stored(name, content):
    objects = MemoryObjects()
    objects.put(name, content, T)
    return objects


def read_all(objects, name):
    """Every record of a segment, as one finds it who has nothing but the segment."""
    found = {}
    for entry in read_index(objects, name, T):
        place = entry.pointer
        (frame,) = objects.read(name, [ByteRange(place.offset, place.length)], T)
        key, envelope = open_block(frame, Decompressor()).entry(place.index)
        record = decode(envelope)
        assert (key.decode(), record.stamp, record.replica) == (
            entry.key, entry.stamp, entry.replica,
        )  # fmt: skip
        found[entry.key] = record
    return found


# Round trips


@given(tables, st.data())
def test_a_segment_is_a_dict(table, data):
    packed = pack_segment(SEGMENT_NAME, list(table.items()))
    objects = stored(SEGMENT_NAME, packed.parts)
    verify(objects, packed, T)
    assert packed.stored_bytes == len(objects.blobs[SEGMENT_NAME])
    assert packed.pointers.keys() == table.keys()
    assert list(packed.pointers) == sorted(table)
    assert read_all(objects, SEGMENT_NAME) == table

    asked = data.draw(st.sets(st.sampled_from(sorted(table))))
    rows = {key: row(key, table[key], packed.pointers[key]) for key in asked}
    reply = ColdReader(objects, runtime=runtime()).read(rows, T)
    assert reply.payloads == {k: table[k].payload for k in asked if table[k].payload is not None}
    assert reply.corrupt.keys() == {k for k in asked if table[k].payload is None}
    assert reply.missing == set()


@given(keys, records.filter(lambda record: record.payload is not None))
def test_a_large_value_comes_back(key, record):
    packed = pack_value(VALUE_NAME, key, record)
    objects = stored(VALUE_NAME, packed.parts)
    verify(objects, packed, T)
    assert packed.stored_bytes == len(objects.blobs[VALUE_NAME])
    assert packed.raw_bytes == len(record.payload)
    (entry,) = read_index(objects, VALUE_NAME, T)
    pointer = packed.pointers[key]
    assert (entry.key, entry.stamp, entry.replica, entry.pointer) == (
        key, record.stamp, record.replica, pointer,
    )  # fmt: skip
    reply = ColdReader(objects, runtime=runtime()).read({key: row(key, record, pointer)}, T)
    assert reply.payloads == {key: record.payload}


@given(tables)
def test_packing_is_deterministic_and_does_not_depend_on_order(table):
    one = pack_segment(SEGMENT_NAME, list(table.items()))
    other = pack_segment(SEGMENT_NAME, list(reversed(table.items())))
    assert list(one.parts) == list(one.parts) == list(other.parts)
    assert one.pointers == other.pointers


def test_many_records_make_several_blocks_of_bounded_size():
    chance = random.Random(2)
    table = {f"k/{n:05}": Record(STAMP + n, 7, chance.randbytes(1 + n % 900)) for n in range(3000)}
    packed = pack_segment(SEGMENT_NAME, list(table.items()))
    objects = stored(SEGMENT_NAME, packed.parts)
    verify(objects, packed, T)
    assert read_all(objects, SEGMENT_NAME).keys() == table.keys()
    blocks = {(p.offset, p.length) for p in packed.pointers.values()}
    assert len(blocks) > 20
    assert max(length for _, length in blocks) <= BLOCK_BYTES + 1024


# Bytes of every version


def golden_records():
    return {"segment": (SEGMENT_NAME, SMALL), "value": (VALUE_NAME, {"image/1": LARGE})}


def packed_of(name, table):
    if name.endswith(SEGMENT):
        return pack_segment(name, list(table.items()))
    ((key, record),) = table.items()
    return pack_value(name, key, record)


@pytest.mark.parametrize("case", ["segment", "value"])
def test_what_any_version_has_written_is_read(case):
    # Compressed bytes may differ between versions of zstd, so what is written is not compared.
    name, table = golden_records()[case]
    objects = stored(name, [(GOLDEN / f"{case}.bin").read_bytes()])
    entries = {entry.key: entry for entry in read_index(objects, name, T)}
    assert entries.keys() == table.keys()
    rows = {key: row(key, table[key], entries[key].pointer) for key in table if table[key].payload}
    reply = ColdReader(objects, runtime=runtime()).read(rows, T)
    assert reply.payloads == {key: table[key].payload for key in rows}
    if case == "segment":
        assert read_all(objects, name) == table


# Size


def test_split_bounds_a_segment_by_count_and_by_bytes():
    small = [(f"k/{n}", Record(n, 1, b"x")) for n in range(2 * SEGMENT_RECORDS + 1)]
    assert [len(group) for group in split(small)] == [SEGMENT_RECORDS, SEGMENT_RECORDS, 1]
    payload = bytes(SEGMENT_BYTES // 4)
    large = [(f"k/{n}", Record(n, 1, payload)) for n in range(7)]
    groups = list(split(large))
    assert [len(group) for group in groups] == [3, 3, 1]
    assert [item for group in groups for item in group] == large
    assert list(split([])) == []
    huge = [("a", Record(1, 1, bytes(2 * SEGMENT_BYTES))), ("b", Record(1, 1, None))]
    assert [len(group) for group in split(huge)] == [1, 1]


@pytest.mark.parametrize("level", ["random", "zeros"])
def test_a_large_value_costs_its_own_size_in_memory(bench, level):
    payload = random.Random(3).randbytes(LARGE_BYTES) if level == "random" else bytes(LARGE_BYTES)
    record = Record(STAMP, 7, payload)
    tracemalloc.start()
    try:
        name = bench.mint(VALUE)
        packed = pack_value(name, "k", record)
        bench.objects.put(name, packed.parts, T)
        verify(bench.objects, packed, T)
        rows = {"k": row("k", record, packed.pointers["k"])}
        assert bench.read(rows).payloads["k"] == payload
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < EXTRA_BYTES_MAX
    assert packed.stored_bytes < LARGE_BYTES * 1.001


def test_packing_and_checking_a_large_file_takes_next_to_nothing(files):
    record = Record(STAMP, 7, random.Random(3).randbytes(LARGE_BYTES))
    tracemalloc.start()
    try:
        packed = pack_value(files.mint(VALUE), "k", record)
        files.objects.put(packed.name, packed.parts, T)
        verify(files.objects, packed, T)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_small_records_compress():
    table = {
        f"user/{n:06}": Record(STAMP + n, 7, b'{"name":"Ada","country":"DE","visits":%d}' % n)
        for n in range(2000)
    }
    packed = pack_segment(SEGMENT_NAME, list(table.items()))
    assert packed.stored_bytes < packed.raw_bytes * 0.5


# Refusals


@pytest.mark.parametrize(
    "table",
    [
        [],
        [("a", Record(1, 1, b"x"))] * 2,
        [("a", Record(1, 1, ELSEWHERE))],
        [("a", Record(-1, 1, b"x"))],
        [("a", Record(1, 1, bytes(RECORD_BYTES_MAX)))],
        [(str(n), Record(1, 1, None)) for n in range(SEGMENT_RECORDS_MAX + 1)],
    ],
    ids=["none", "twice", "elsewhere", "stamp", "large", "many"],
)
def test_what_no_segment_can_hold_is_refused(table):
    with pytest.raises(ValueError, match=r"segment|packed"):
        pack_segment(SEGMENT_NAME, table)


def test_the_largest_record_fits():
    record = Record(STAMP, 7, random.Random(4).randbytes(RECORD_BYTES_MAX - 100))
    packed = pack_segment(SEGMENT_NAME, [("k", record), ("l", Record(1, 1, b"x"))])
    objects = stored(SEGMENT_NAME, packed.parts)
    verify(objects, packed, T)
    assert read_all(objects, SEGMENT_NAME)["k"] == record


@pytest.mark.parametrize(
    "record",
    [
        Record(1, 1, None),
        Record(1, 1, ELSEWHERE),
        Record(1, -1, b"x"),
        Record(1, 1, b"x", metadata={"a": "b" * (1 << 20)}),
    ],
)
def test_what_no_value_can_be_is_refused(record):
    with pytest.raises(ValueError, match=r"cannot be packed|too large"):
        pack_value(VALUE_NAME, "k", record)


def test_names_of_the_other_kind_are_refused():
    record = Record(1, 1, b"x")
    with pytest.raises(ValueError, match="name of a segment"):
        pack_segment(VALUE_NAME, [("k", record)])
    with pytest.raises(ValueError, match="name of a large value"):
        pack_value(SEGMENT_NAME, "k", record)
    with pytest.raises(InvalidArgumentError):
        pack_value("../x", "k", record)


# Verifying


def test_a_missing_object_is_not_verified():
    for packed in (packed_of(*case) for case in golden_records().values()):
        with pytest.raises(CorruptionError, match="missing") as caught:
            verify(MemoryObjects(), packed, T)
        assert (caught.value.tier, caught.value.object) == ("cold", packed.name)


@given(st.data())
@settings(max_examples=30)
def test_no_other_object_is_verified(data):
    case = data.draw(st.sampled_from(("segment", "value")))
    name, table = golden_records()[case]
    packed = packed_of(name, table)
    key = data.draw(st.sampled_from(sorted(table)))
    changed = data.draw(records.filter(lambda record: record.payload and record != table[key]))
    other = packed_of(name, {**table, key: changed})
    with pytest.raises(CorruptionError):
        verify(stored(name, other.parts), packed, T)


def test_a_compressor_that_errs_is_found_out(monkeypatch):
    sound = Compressor.compress

    def err(self, raw):
        return sound(self, bytes(raw).replace(b"Ada", b"Eve"))

    monkeypatch.setattr(Compressor, "compress", err)
    packed = pack_segment(SEGMENT_NAME, list(SMALL.items()))
    with pytest.raises(CorruptionError, match="index does not describe"):
        verify(stored(SEGMENT_NAME, packed.parts), packed, T)


def test_names_are_minted_for_the_golden_files():
    assert mint_name(runtime(), "00c0ffee00c0ffee", 1, SEGMENT).startswith(SEGMENT_NAME[:19])


def add_missing():
    for case, (name, table) in golden_records().items():
        path = GOLDEN / f"{case}.bin"
        if not path.exists():
            path.write_bytes(b"".join(packed_of(name, table).parts))


if __name__ == "__main__":
    add_missing()
