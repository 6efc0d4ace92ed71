"""Minted names and pointers: what they carry, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import CorruptionError, InvalidArgumentError
from tierstore.region.objects import (
    INCARNATION_MAX,
    SEGMENT,
    VALUE,
    ObjectName,
    mint_name,
    parse_name,
)
from tierstore.region.pointer import (
    INDEX_MAX,
    LENGTH_MAX,
    OFFSET_MAX,
    Pointer,
    decode_pointer,
    encode_pointer,
)
from tierstore.runtime import now_ms
from tierstore.runtime.manual import ManualRuntime
from tierstore.values.msgpack import pack, unpack

GOLDEN = Path(__file__).parent / "golden"
NAME = "00c0ffee00c0ffee/1a-018bcfe56800-0123456789abcdef."
POINTERS = {
    "pointer-segment": Pointer(NAME + "seg", SEGMENT, 12, 40_000, 63),
    "pointer-value": Pointer(NAME + "val", VALUE, 0, 26_214_400, 0),
}

kinds = st.sampled_from((SEGMENT, VALUE))
regions = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=64)
incarnations = st.integers(0, INCARNATION_MAX) | st.integers(0, 3)
names = st.builds(
    lambda seed, region, incarnation, kind: mint_name(
        ManualRuntime(seed=seed), region, incarnation, kind
    ),
    st.integers(0, 1000),
    regions,
    incarnations,
    kinds,
)


@given(regions, incarnations, kinds, st.integers(0, 2**48 - 1))
def test_a_name_says_what_it_was_made_of(region, incarnation, kind, at_ms):
    runtime = ManualRuntime(start_s=0)
    runtime._wall_ns = at_ms * 1_000_000
    name = mint_name(runtime, region, incarnation, kind)
    assert parse_name(name) == ObjectName(region, incarnation, now_ms(runtime), kind)


def test_names_do_not_repeat():
    runtime = ManualRuntime()
    assert len({mint_name(runtime, "a", 1, SEGMENT) for _ in range(1000)}) == 1000


def test_a_clock_before_1970_still_mints():
    runtime = ManualRuntime()
    runtime.jump(-3_000_000_000)
    assert parse_name(mint_name(runtime, "a", 1, SEGMENT)).minted_ms == 0


@pytest.mark.parametrize(
    ("region", "incarnation", "kind"),
    [
        ("", 1, SEGMENT), ("A", 1, SEGMENT), ("../a", 1, SEGMENT), ("a/b", 1, SEGMENT),
        ("a" * 65, 1, SEGMENT), ("a", -1, SEGMENT), ("a", 1 << 63, SEGMENT), ("a", 1, "txt"),
        ("a", 1, ""), ("a\n", 1, SEGMENT),
    ],
)  # fmt: skip
def test_what_no_name_can_carry_is_refused(region, incarnation, kind):
    with pytest.raises(InvalidArgumentError):
        mint_name(ManualRuntime(), region, incarnation, kind)


@given(names, st.data())
def test_a_changed_name_is_foreign_or_another(name, data):
    at = data.draw(st.integers(0, len(name)))
    extra = data.draw(st.sampled_from(("", "/", ".", "-", "0", "G", "\0", "\n", "é")))
    changed = name[:at] + extra + name[at + data.draw(st.integers(0, 1)) :]
    parsed = parse_name(changed)
    if parsed is not None:
        assert changed.count("/") == 1
        assert ".." not in changed
        rest = f"{parsed.region}/{parsed.incarnation:x}-{parsed.minted_ms:012x}-"
        assert changed.startswith(rest)
        assert changed.endswith(f".{parsed.kind}")


@st.composite
def pointers(draw):
    name = draw(names)
    kind = VALUE if name.endswith("val") else SEGMENT
    numbers = (st.integers(0, OFFSET_MAX), st.integers(1, LENGTH_MAX), st.integers(0, INDEX_MAX))
    return Pointer(name, kind, *(draw(number) for number in numbers))


@given(pointers())
def test_a_pointer_comes_back(pointer):
    assert decode_pointer(encode_pointer(pointer), key="k") == pointer


@pytest.mark.parametrize("name", POINTERS)
def test_the_bytes_are_those_of_every_version(name):
    golden = (GOLDEN / f"{name}.bin").read_bytes()
    assert encode_pointer(POINTERS[name]) == golden
    assert decode_pointer(golden, key="k") == POINTERS[name]


@given(pointers(), st.data())
def test_damage_is_corruption_or_another_sound_pointer(pointer, data):
    raw = encode_pointer(pointer)
    at, mask = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(1, 255))
    for broken in (raw[:at], raw[:at] + bytes([raw[at] ^ mask]) + raw[at + 1 :], raw + b"\0"):
        assert encoded_or_error(broken) in (broken, ("k/1", "cold"))


def encoded_or_error(raw):
    try:
        return encode_pointer(decode_pointer(raw, key="k/1"))
    except CorruptionError as exc:
        return exc.key, exc.tier


@given(st.binary(max_size=80))
def test_no_other_bytes_are_a_pointer(raw):
    with pytest.raises(CorruptionError):
        decode_pointer(raw, key="k")


@pytest.mark.parametrize(
    ("index", "bad"),
    [
        (0, True), (0, 2), (0, None), (1, b"x"), (1, NAME), (1, NAME + "txt"), (1, None),
        (2, -1), (2, OFFSET_MAX + 1), (2, True), (3, 0), (3, LENGTH_MAX + 1), (3, 1.0),
        (4, -1), (4, INDEX_MAX + 1), (4, None),
    ],
)  # fmt: skip
def test_fields_out_of_bounds_are_refused(index, bad):
    fields = unpack(encode_pointer(POINTERS["pointer-segment"]))
    fields[index] = bad
    with pytest.raises(CorruptionError):
        decode_pointer(pack(fields), key="k")
    with pytest.raises(CorruptionError):
        decode_pointer(pack([*fields, 0]), key="k")


def test_a_later_format_is_named():
    with pytest.raises(CorruptionError, match="format 3; this version reads 1 and 2"):
        decode_pointer(pack([3, "whatever"]), key="k")


def add_missing():
    for name, pointer in POINTERS.items():
        path = GOLDEN / f"{name}.bin"
        if not path.exists():
            path.write_bytes(encode_pointer(pointer))


if __name__ == "__main__":
    add_missing()
