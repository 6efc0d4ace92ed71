"""Stored bytes: what they are, that keys stay apart, and what becomes of damaged ones."""

from __future__ import annotations

import pytest

from tierstore.errors import CorruptionError, InvalidKeyError
from tierstore.record import Record
from tierstore.region.batch import PUT, TOUCH, Delta
from tierstore.region.shared import Settled, WriteReply, tag_of
from tierstore_redis.copies import DamagedError, decode_copy, encode_parts

T = 10.0
TTL_MS = 3_600_000
GOLDEN_COPY = (
    "01"
    "3830316535636237"  # check of the head
    "0000000000000001" "000000000000004d" "0000000000000000"  # number, identity, fetched
    "0000000000000102" "0000000000000003" "0000000000000004" "0000000000000005"
    "01" "3335396231306138"
    "940100" "81a161a162" "c4020102"
)  # fmt: skip
GOLDEN_ENTRY = "00000000000000019aa16b000100cd010203040581a161a162c4020102"
RECORD = Record(0x102, 3, b"\1\2", 5, 4, {"a": "b"})
NASTY = [
    "a", "A", " ", "  ", "a ", " a", "a\n", "\n", "\r\n", "\0", "a\0", "\0a", "{", "}", "{}",
    "{3}", "{layout}", ":", "c:", ":c:", "a:c:b", "*", "?", "[a]", "\\", "\\*",
    "\xe9", "e\u0301", "\xc9",
    "ß", "ss", "ﬁ", "fi", "😀", "\u202e", "\ufeff", "\x7f", "k" * 1_024, "k" * 1_023,
    "٣",
]  # fmt: skip


@pytest.fixture
def run(edge):
    return edge.connect(T).run


@pytest.fixture
def write(edge, run):
    """Writes records as the identity 77 of their tag: `write({key: record})`."""

    def write(records, op=PUT):
        for key, record in records.items():
            edge.bind(tag_of(key), run, 77, T)
            assert edge.write([Delta(key, op, record)], run, 1 << 20, T).verdict == "written"

    return write


def fill(edge, records, fetched_ms=5, ttl_ms=TTL_MS):
    edge.lease(list(records), 9, T)
    return edge.fill(records, 9, fetched_ms, ttl_ms, T)


def name_of(prefix, key):
    return f"{prefix}:{{{tag_of(key)}}}:c:".encode() + key.encode()


def test_the_bytes_of_a_copy_and_of_an_entry_stay_what_they_are(edge, write, raw, prefix):
    write({"k": RECORD})
    assert raw.get(name_of(prefix, "k")).hex() == GOLDEN_COPY
    assert raw.lindex(f"{prefix}:{{{tag_of('k')}}}:q:77", 0).hex() == GOLDEN_ENTRY
    assert raw.get(f"{prefix}:{{layout}}") == b"2:16"
    assert raw.hgetall(f"{prefix}:{{{tag_of('k')}}}:i") == {
        b"order": b"77", b"run:77": edge.connect(T).run.encode(), b"new:77": b"1",
        b"last:77": b"1", b"count:77": b"1", b"bytes:77": b"21", b"bytes": b"21",
        b"origin": b"77",
    }  # fmt: skip
    edge.lease(["p"], (1 << 64) - 1, T)
    assert raw.get(name_of(prefix, "p")) == b"\x0018446744073709551615"


def test_clean_copies_and_placeholders_go_by_themselves_and_nothing_else_does(
    edge, write, raw, prefix
):
    write({"dirty": RECORD})
    assert fill(edge, {"clean": RECORD}) == {"clean"}
    edge.lease(["held"], 1, T)
    lasting = {name for name in raw.scan_iter(f"{prefix}:*") if raw.pttl(name) == -1}
    tag = tag_of("dirty")
    assert lasting == {
        name_of(prefix, "dirty"), f"{prefix}:{{{tag}}}:i".encode(),
        f"{prefix}:{{{tag}}}:q:77".encode(), f"{prefix}:{{layout}}".encode(),
    }  # fmt: skip
    assert 0 < raw.pttl(name_of(prefix, "held")) <= 30_000
    assert 0 < raw.pttl(name_of(prefix, "clean")) <= TTL_MS
    edge.settle(tag, 77, 1, [Settled("dirty", 1, True)], 5, TTL_MS, T)
    assert 0 < raw.pttl(name_of(prefix, "dirty")) <= TTL_MS


def test_a_clean_copy_that_is_touched_stays_until_the_region_has_it(edge, write, raw, prefix):
    fill(edge, {"k": RECORD})
    write({"k": Record(0x102, 3, None, 9, 6)}, TOUCH)
    assert raw.pttl(name_of(prefix, "k")) == -1
    assert edge.read(["k"], T).copies["k"].record == Record(0x102, 3, b"\1\2", 9, 6, {"a": "b"})


def test_copies_expire(edge, raw, prefix):
    fill(edge, {"k": RECORD}, ttl_ms=1)
    while raw.exists(name_of(prefix, "k")):
        pass
    assert edge.read(["k"], T).copies == {}


def test_keys_stay_distinct(edge, write):
    assert len(set(NASTY)) == len(NASTY) == 40
    records = {key: Record(number, 1, b"%d" % number) for number, key in enumerate(NASTY, 1)}
    half = dict(list(records.items())[::2])
    assert fill(edge, half) == set(half)
    write({key: record for key, record in records.items() if key not in half})
    found = edge.read(NASTY, T)
    assert {key: copy.record for key, copy in found.copies.items()} == records
    edge.clear_clean(T)
    assert edge.read(NASTY, T).copies.keys() == records.keys() - half.keys()


def test_a_key_that_is_no_utf8_is_refused(edge):
    with pytest.raises(InvalidKeyError, match="lone surrogate at character 1"):
        edge.read(["a\ud800"], T)


DAMAGES = {
    "format": lambda raw: b"\7" + raw[1:],
    "head": lambda raw: raw[:20] + b"\xff" + raw[21:],
    "body": lambda raw: raw[:-1] + b"\xff",
    "cut": lambda raw: raw[:-1],
    "short": lambda raw: raw[:30],
    "longer": lambda raw: raw + b"x",
    "foreign": lambda raw: b"hello",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("is_dirty", [False, True])
def test_damage_is_told_of_its_key_alone(edge, write, raw, prefix, damage, is_dirty):
    name, others = name_of(prefix, "k"), {"other": RECORD, "k2": RECORD}
    if is_dirty:
        write({"k": RECORD})
    fill(edge, {"k": RECORD, **others})
    raw.set(name, DAMAGES[damage](raw.get(name)))
    found = edge.read(["k", *others], T)
    assert set(found.damaged) == {"k"}
    assert found.copies.keys() == others.keys()
    edge.lease(["k"], 4, T)
    newer = Record(0x999, 3, b"new")
    edge.notice({"k": (0x999, 3, 0), **dict.fromkeys(others, (1, 1, 1))}, T)
    edge.withdraw(["k"], T)
    assert edge.read(["k"], T).damaged == {}
    assert fill(edge, {"k": newer}) == {"k"}


def test_a_write_takes_the_place_of_a_damaged_copy(edge, write, raw, prefix):
    raw.set(name_of(prefix, "k"), b"\1damaged")
    write({"k": RECORD})
    assert edge.read(["k"], T).copies["k"].record == RECORD


def test_what_is_no_string_is_replaced(edge, write, raw, prefix):
    raw.rpush(name_of(prefix, "k"), b"x")
    raw.rpush(name_of(prefix, "k2"), b"x")
    assert edge.read(["k", "k2"], T).copies == {}
    assert fill(edge, {"k": RECORD}) == {"k"}
    write({"k2": RECORD})
    assert set(edge.read(["k", "k2"], T).copies) == {"k", "k2"}


def test_foreign_queues_are_corruption(edge, raw, prefix):
    raw.set(f"{prefix}:{{3}}:q:77", b"x")
    with pytest.raises(CorruptionError, match="not as tierstore leaves them"):
        edge.queue(3, 77, 5, T)


def test_an_entry_that_cannot_be_understood_is_handed_out_as_it_is(edge, write, raw, prefix):
    write({"k": RECORD})
    raw.rpush(f"{prefix}:{{{tag_of('k')}}}:q:77", b"\0" * 7 + b"\2junk")
    good, bad = edge.queue(tag_of("k"), 77, 5, T)
    assert good.delta == Delta("k", PUT, RECORD)
    assert (bad.number, bad.delta, bad.raw) == (2, None, b"junk")
    edge.settle(tag_of("k"), 77, 2, [], 0, TTL_MS, T)
    assert edge.queue(tag_of("k"), 77, 5, T) == []


@pytest.mark.parametrize(
    "body", [b"", b"\x93\1\0\xc0", b"\x94\x63\0\xc0\xc0", b"\x94\1\0\xc0\xc0\0", b"\xc1"]
)
def test_a_body_that_makes_no_sense_is_damage(body):
    from tierstore_redis.copies import check_of, pack_number

    parts = encode_parts(RECORD)
    rest = pack_number(0) * 3 + parts.version + parts.expires + b"\1" + check_of(body)
    with pytest.raises(DamagedError):
        decode_copy(b"\1" + check_of(rest) + rest + body)


def test_damaged_counts_are_corruption(edge, raw, prefix):
    raw.hset(f"{prefix}:{{3}}:i", "order", "77")
    raw.hset(f"{prefix}:{{standing}}", "cursor", "x")
    with pytest.raises(CorruptionError, match="tag 3"):
        edge.identities(3, T)
    with pytest.raises(CorruptionError, match="region is damaged"):
        edge.standing(T)


def test_a_touch_of_what_is_not_here_ends_a_fill(edge, write):
    edge.lease(["k"], 9, T)
    write({"k": Record(0x102, 3, None, 9, 6)}, TOUCH)
    assert edge.fill({"k": RECORD}, 9, 5, TTL_MS, T) == set()


def test_a_queue_may_be_as_full_as_was_said_and_no_fuller(edge, run):
    edge.bind(tag_of("k"), run, 77, T)
    delta = Delta("k", PUT, RECORD)
    assert edge.write([delta], run, 20, T) == WriteReply("full", queued_bytes=0)
    assert edge.write([delta], run, 21, T) == WriteReply("written", 0, (1, 1), 21, 77)
