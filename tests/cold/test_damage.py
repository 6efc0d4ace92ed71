"""Objects that are not what was written: a typed error or the right answer, never a wrong one."""

from __future__ import annotations

import struct
import tracemalloc
from zlib import crc32

import pytest
import zstandard

from tierstore.errors import CorruptionError
from tierstore.record import ELSEWHERE, Record, digest, encode, hash_payload
from tierstore.region.pointer import Pointer, encode_pointer
from tierstore.region.rows import Row
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing import MemoryObjects
from tierstore.tiers.cold import ColdReader
from tierstore.tiers.segments import pack_segment, pack_value, read_index, verify
from tierstore.tiers.segments import segment as segment_format
from tierstore.tiers.segments import value as value_format
from tierstore.tiers.segments.block import build_block
from tierstore.tiers.segments.frames import Compressor
from tierstore.values.msgpack import pack

T = 5.0
SEGMENT_NAME = "00c0ffee00c0ffee/1-018bcfe56800-0123456789abcdef.seg"
VALUE_NAME = "00c0ffee00c0ffee/1-018bcfe56800-0123456789abcdef.val"
TABLE = {
    "a": Record(1_700_000_000_000 << 16, 7, b"\xa5value"),
    "b": Record(1_700_000_000_001 << 16, 7, b"\xa5other", 5, 6, {"c": "d"}),
    "c": Record(1_700_000_000_002 << 16, 8, None),
}
LARGE = {"a": Record(1_700_000_000_000 << 16, 7, b"\xc4\x20" + bytes(range(32)))}
BOUNDED_BYTES = 4 << 20


class Case:
    """One object, undamaged, and what reading it must give."""

    def __init__(self, packed, table):
        self.packed, self.table, self.name = packed, table, packed.name
        self.whole = b"".join(packed.parts)
        self.rows = {
            key: Row(key, Record(r.stamp, r.replica, ELSEWHERE), cold=encode_pointer(pointer))
            for (key, r), pointer in zip(table.items(), packed.pointers.values(), strict=True)
        }
        self.index = read_index(self.objects(self.whole), self.name, T)

    def objects(self, content):
        objects = MemoryObjects()
        objects.put(self.name, [content], T)
        return objects

    def check(self, content):
        """What can be read of damaged `content` is right, and the rest is named."""
        objects = self.objects(content)
        with pytest.raises(CorruptionError) as caught:
            verify(objects, self.packed, T)
        assert (caught.value.tier, caught.value.object) == ("cold", self.name)
        reply = ColdReader(objects, runtime=ManualRuntime()).read(self.rows, T)
        for key, payload in reply.payloads.items():
            assert payload == self.table[key].payload
        assert reply.payloads.keys() | reply.corrupt.keys() == self.rows.keys()
        assert all(self.name in reason for reason in reply.corrupt.values())
        assert index_or_error(objects, self.name) in (self.index, ("cold", self.name))


def index_or_error(objects, name):
    try:
        return read_index(objects, name, T)
    except CorruptionError as exc:
        return exc.tier, exc.object


@pytest.fixture(scope="module", params=["segment", "value"])
def case(request):
    if request.param == "segment":
        return Case(pack_segment(SEGMENT_NAME, list(TABLE.items())), TABLE)
    return Case(pack_value(VALUE_NAME, "a", LARGE["a"]), LARGE)


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_anywhere(case, mask):
    for at in range(len(case.whole)):
        flipped = case.whole[at] ^ mask
        case.check(case.whole[:at] + bytes([flipped]) + case.whole[at + 1 :])


def test_a_cut_anywhere(case):
    for end in range(len(case.whole)):
        case.check(case.whole[:end])


def test_a_byte_too_many_anywhere(case):
    for at in range(len(case.whole) + 1):
        longer = case.whole[:at] + b"\x5a" + case.whole[at:]
        if longer != case.whole:
            case.check(longer)


def test_zeros_where_a_disk_lost_a_sector(case):
    for at in range(0, len(case.whole), 16):
        zeroed = case.whole[:at] + bytes(len(case.whole[at : at + 16])) + case.whole[at + 16 :]
        if zeroed != case.whole:
            case.check(zeroed)


# What lies about itself: everything is consistent but for one thing


def read_block(frame):
    """What reading a record of the block in this frame answers."""
    objects = MemoryObjects()
    objects.put(SEGMENT_NAME, [frame], T)
    pointer = Pointer(SEGMENT_NAME, "seg", 0, len(frame), 0)
    rows = {"a": Row("a", Record(TABLE["a"].stamp, 7, ELSEWHERE), cold=encode_pointer(pointer))}
    return ColdReader(objects, runtime=ManualRuntime()).read(rows, T)


def reason_for(frame):
    reply = read_block(frame)
    assert reply.payloads == {}
    ((_, reason),) = reply.corrupt.items()
    return reason


ENTRY = (b"a", encode(TABLE["a"]))
SOUND = build_block([ENTRY])


def test_the_sound_block_is_read():
    assert read_block(Compressor().compress(SOUND)).payloads == {"a": TABLE["a"].payload}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\0", "cut off"),
        (b"\0\0\0\0", "has no record 0"),
        (b"\xff\xff\xff\xff" + SOUND[4:], "cut off"),
        (SOUND + b"x", "add up"),
        (SOUND[:-1], "add up"),
        (build_block([(b"b", ENTRY[1])]), "another key"),
        (build_block([(b"a", ENTRY[1][:-1] + b"\0")]), "digest"),
        (build_block([(b"a", encode(TABLE["b"]))]), "another version"),
        (build_block([(b"a", encode(Record(TABLE["a"].stamp, 7, None)))]), "tombstone"),
        (build_block([(b"a", encode(Record(TABLE["a"].stamp, 7, b"x", type=2)))]), "version"),
    ],
)
def test_a_block_that_lies_is_corrupt(raw, reason):
    assert reason in reason_for(Compressor().compress(raw))


def test_a_frame_that_would_swell_is_corrupt_before_memory_is_taken():
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(64 << 20))
    endless = zstandard.ZstdCompressor().compressobj()
    unsized = endless.compress(SOUND) + endless.flush()
    claims = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 1 << 60) + b"\x01\x00\x00"
    tracemalloc.start()
    try:
        for frame in (bomb, unsized, claims, b"", b"\x28\xb5\x2f\xfd", b"junk" * 10):
            if frame:
                assert reason_for(frame)
        assert tracemalloc.get_traced_memory()[1] < BOUNDED_BYTES
    finally:
        tracemalloc.stop()


def test_what_follows_a_frame_is_corrupt():
    frame = Compressor().compress(SOUND)
    assert reason_for(frame + b"x")
    assert reason_for(frame + frame)


def segment_with(index, *, raw_bytes=None, version=1, offset=None, checksum=None):
    """A segment whose checksums are right, whatever it says."""
    body = segment_format.HEADER.pack(segment_format.MAGIC, version) + Compressor().compress(SOUND)
    raw = pack(index(len(body)))
    frame = Compressor().compress(raw)
    at = len(body) if offset is None else offset
    place = segment_format.PLACE.pack(
        at, len(frame), raw_bytes or len(raw), checksum or crc32(frame)
    )
    return body + frame + place + struct.pack(">I8s", crc32(place), segment_format.MAGIC)


def block_info(end, **changes):
    info = {
        "offset": 12, "length": end - 12, "raw_bytes": len(SOUND), "checksum": crc32(SOUND),
        "keys": ["a"], "stamps": [1], "replicas": [2],
    }  # fmt: skip
    return [list({**info, **changes}.values())]


def index_of(content):
    objects = MemoryObjects()
    objects.put(SEGMENT_NAME, [content], T)
    return read_index(objects, SEGMENT_NAME, T)


def test_the_sound_index_is_read():
    (entry,) = index_of(segment_with(block_info))
    assert (entry.key, entry.stamp, entry.replica) == ("a", 1, 2)


@pytest.mark.parametrize(
    "index",
    [
        lambda end: None,
        lambda end: [],
        lambda end: {"a": 1},
        lambda end: [[]],
        lambda end: block_info(end, offset=13),
        lambda end: block_info(end, length=end),
        lambda end: block_info(end, length=True),
        lambda end: block_info(end, keys="a"),
        lambda end: block_info(end, keys=[], stamps=[], replicas=[]),
        lambda end: block_info(end, keys=["a", "b"]),
        lambda end: block_info(end, keys=[b"a"]),
        lambda end: block_info(end, stamps=[-1]),
        lambda end: block_info(end, stamps=[None]),
        lambda end: block_info(end, replicas=[1 << 53]),
        lambda end: block_info(end, checksum="0"),
        lambda end: block_info(end) * 2,
    ],
)
def test_an_index_that_lies_is_corrupt(index):
    with pytest.raises(CorruptionError, match="index"):
        index_of(segment_with(index))


def test_an_index_of_too_many_is_corrupt():
    many = 20_000
    columns = {"keys": [str(n) for n in range(many)], "stamps": [1] * many, "replicas": [1] * many}
    with pytest.raises(CorruptionError, match="index"):
        index_of(segment_with(lambda end: block_info(end, **columns)))


@pytest.mark.parametrize(
    ("kwargs", "reason"),
    [
        ({"version": 2}, "format 2; this version reads 1"),
        ({"raw_bytes": (1 << 32) - 1}, "trailer"),
        ({"raw_bytes": 3}, "size"),
        ({"checksum": 1}, "index"),
        ({"offset": 12}, "trailer"),
        ({"offset": 1 << 60}, "trailer"),
    ],
)
def test_a_trailer_that_lies_is_corrupt(kwargs, reason):
    with pytest.raises(CorruptionError, match=reason):
        index_of(segment_with(block_info, **kwargs))


def value_with(*, version=1, pieces=None, header=None, **changes):
    """The object of a large value whose checksums are right, whatever it says."""
    payload = LARGE["a"].payload
    record = Record(LARGE["a"].stamp, 7, ELSEWHERE)
    hashed = hash_payload(payload)
    fields = {
        "key": "a", "type": 1, "generation": 0, "stamp": record.stamp, "replica": 7, "touch": 0,
        "expires_at_ms": None, "metadata": None, "payload_bytes": len(payload),
        "payload_hash": hashed, "digest": digest(record, hashed),
    }  # fmt: skip
    header = pack(list({**fields, **changes}.values())) if header is None else header
    prelude = struct.pack(">8sIII", value_format.MAGIC, version, len(header), crc32(header))
    frames = [Compressor().compress(piece) for piece in ([payload] if pieces is None else pieces)]
    body = b"".join((prelude, header, *(struct.pack(">I", len(f)) + f for f in frames), bytes(4)))
    return body + hash_payload(body) + value_format.MAGIC


def read_value(content):
    objects = MemoryObjects()
    objects.put(VALUE_NAME, [content], T)
    pointer = Pointer(VALUE_NAME, "val", 0, len(LARGE["a"].payload), 0)
    rows = {"a": Row("a", Record(LARGE["a"].stamp, 7, ELSEWHERE), cold=encode_pointer(pointer))}
    return ColdReader(objects, runtime=ManualRuntime()).read(rows, T)


def test_the_sound_value_is_read():
    assert read_value(value_with()).payloads == {"a": LARGE["a"].payload}
    halves = [LARGE["a"].payload[:3], LARGE["a"].payload[3:]]
    assert read_value(value_with(pieces=halves)).payloads == {"a": LARGE["a"].payload}


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"header": b""},
        {"header": b"\xc1"},
        {"header": pack([1, 2])},
        {"key": "b"},
        {"key": 7},
        {"stamp": 5},
        {"replica": True},
        {"touch": -1},
        {"payload_bytes": 0},
        {"payload_bytes": 33},
        {"payload_bytes": 1 << 50},
        {"payload_hash": bytes(16)},
        {"payload_hash": "text"},
        {"digest": bytes(16)},
        {"pieces": []},
        {"pieces": [b"x" * 34]},
        {"pieces": [LARGE["a"].payload, b"x"]},
        {"pieces": [LARGE["a"].payload + b"x"]},
        {"pieces": [bytes(1 << 20)]},
    ],
)
def test_a_value_that_lies_is_corrupt(changes):
    reply = read_value(value_with(**changes))
    assert reply.payloads == {}
    assert VALUE_NAME in reply.corrupt["a"]


def test_a_piece_that_claims_to_be_large_takes_no_memory():
    sound = value_with(pieces=[])
    head = sound[: -len(value_format.MAGIC) - 16 - 4]
    content = head + struct.pack(">I", (1 << 32) - 1) + bytes(4 * BOUNDED_BYTES)
    tracemalloc.start()
    try:
        assert read_value(content).corrupt["a"].endswith("has a piece that is too large")
        # Joining the parts in memory takes what the object has; reading takes no more.
        assert tracemalloc.get_traced_memory()[1] < len(content) + BOUNDED_BYTES
    finally:
        tracemalloc.stop()


def test_what_is_of_the_other_kind_is_corrupt():
    segment = b"".join(pack_segment(SEGMENT_NAME, list(TABLE.items())).parts)
    value = value_with()
    assert "not that of a large value" in read_value(segment).corrupt["a"]
    with pytest.raises(CorruptionError, match="not a segment"):
        index_of(value)
