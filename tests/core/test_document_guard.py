"""Malformed changes of documents are refused: without a crash, a hang or memory without bound."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text

from tierstore.crdt import document, guard
from tierstore.crdt.lib0 import UINT_MAX, Reader, write_number, write_text, write_uint
from tierstore.crdt.plain import shared
from tierstore.crdt.update import (
    CLOCK_MAX,
    ROOT,
    Struct,
    Update,
    read_update,
    read_vector,
    write_update,
    write_vector,
)
from tierstore.errors import DecodingError, EncodingError
from tierstore.values.msgpack import pack

# pycrdt panics on the first, reserves 127 MB for the second, waits in silence with the third.
PANICS = bytes.fromhex(
    "0103f5c5cec5bec4c1050008010161017b3fe2352be6007f80000001e4e72801016d0130017c4908610004"
    "0101745768c3ab6c6c6f20342000"
)
RESERVES = bytes.fromhex("80ffff30")
WAITS = write_update(Update({5: [Struct(3, 1, 8, (5, 2), None, None, None, (b"\x7e",))]}, {}))
CASES = {
    "panics": PANICS,
    "reserves": RESERVES,
    "waits": WAITS,
    "many structs": b"\1\xff\xff\xff\x30\5\0",
    "many clients deleted": b"\0\xff\xff\xff\x30",
    "many ranges deleted": b"\0\1\5\xff\xff\xff\x30",
    "many values": b"\1\1\5\0\x28\1\4root\1a\xff\xff\xff\x30",
    "long text": b"\1\1\5\0\x24\1\4root\1a\xff\xff\xff\x30x\0",
    "many items": b"\1\1\5\0\x28\1\4root\1a\1\x75\xff\xff\xff\x30\0",
    "a client twice": b"\2\1\5\0\0\1\1\5\1\0\1\0",
    "a deleted client twice": b"\1\1\5\0\0\1\2\5\1\0\1\5\1\0\1",
    "a skip": b"\1\2\5\0\x0a\1\0\1\0",
    "no length": b"\1\1\5\0\0\0\0",
    "a clock of 54 bits": b"\1\1\5" + b"\xff" * 7 + b"\x7f\0\1\0",
    "a number without end": b"\xff" * 20,
    "clocks above 31 bits": b"\1\1\5" + write_uint(CLOCK_MAX) + b"\0\1\0",
    "a deletion above 31 bits": b"\0\1\5\1" + write_uint(UINT_MAX) + b"\1",
    "another root": b"\1\1\5\0\x28\1\5other\1a\1\x7e\0",
    "XML": b"\1\1\5\0\x27\1\4root\1a\4\0",
    "legacy JSON": b"\1\1\5\0\x22\1\4root\1a\1\1{\0",
    "a subdocument": b"\1\1\5\0\x29\1\4root\1a\1g\x7e\0",
    "a move": b"\1\1\5\0\x2b\1\4root\1a\0\0\0\0",
    "a kind that nobody knows": b"\1\1\5\0\x3f\1\4root\1a\0",
    "a value that nobody knows": b"\1\1\5\0\x28\1\4root\1a\1\x0b\0",
    "text that is no UTF-8": b"\1\1\5\0\x24\1\4root\1a\1\xff\0",
    "an attribute that is no JSON": b"\1\1\5\0\x26\1\4root\1a\1b\1{\0",
    "an attribute with half a pair": b"\1\1\5\0\x26\1\4root\1a\1b\x08" + b'"\\ud800"\0',
    "an attribute without end": b"\1\1\5\0\x26\1\4root\1a\1b\5" + b"1e999\0",
    "an attribute too deep": b"\1\1\5\0\x26\1\4root\1a\1b"
    + write_text("[" * 99 + "]" * 99)
    + b"\0",
    "values too deep": b"\1\1\5\0\x28\1\4root\1a\1" + b"\x75\1" * 99 + b"\x7e\0",
    "in itself": b"\1\1\5\0\x27\0\5\0\0\0",
    "beside itself": b"\1\1\5\0\xa8\5\0\1\x7e\0",
    "two that wait": b"\2\1\6\0\xa8\5\0\1\x7e\1\5\0\xa8\6\0\1\x7e\0",
    "two that wait on the right": b"\2\1\6\0\x68\5\0\1\x7e\1\5\0\x68\6\0\1\x7e\0",
    "in a value": b"\1\2\5\0\x28\1\4root\1a\1\x7e\x08\0\5\0\1\x7e\0",
    "text in an array": b"\1\2\5\0\x27\1\4root\1a\0\4\0\5\0\1x\0",
    "text in a map": b"\1\1\5\0\x24\1\4root\1a\1x\0",
    "a value in a text": b"\1\2\5\0\x27\1\4root\1a\2\x08\0\5\0\1\x7e\0",
    "no key in a map": b"\1\1\5\0\x08\1\4root\1\x7e\0",
    "a key in an array": b"\1\2\5\0\x27\1\4root\1a\0\x28\0\5\0\1b\1\x7e\0",
    "between two keys": b"\1\3\5\0\x28\1\4root\1a\1\x7e\x28\1\4root\1b\1\x7e"
    + b"\xc8\5\0\5\1\1\x7e\0",
    "a deletion of nothing": b"\0\1\5\1\0\1",
    "bytes behind": b"\0\0\0",
    "nothing": b"",
}


def applied(update, state=None):
    state = state or document.empty()
    delta = document.delta_of(update)
    return document.apply(state, delta, origin=1, actor=1, is_same_life=True)


@pytest.mark.parametrize("name", CASES)
def test_what_is_malformed_is_refused(name):
    with pytest.raises(DecodingError):
        applied(CASES[name])
    with pytest.raises(DecodingError):
        document.decode(pack([1, CASES[name]]))


def test_what_waits_for_others_applies_once_they_are_there():
    others = Update({5: [Struct(0, 3, 8, None, None, ROOT, "a", (b"\x7e",) * 3)]}, {})
    state = applied(write_update(others))
    assert document.value(applied(WAITS, state)) == {"a": None}


def test_what_is_cut_is_refused():
    whole = write_update(Update({5: [Struct(0, 1, 8, None, None, ROOT, "a", (b"\x7e",))]}, {}))
    assert document.value(applied(whole)) == {"a": None}
    for end in range(len(whole)):
        with pytest.raises(DecodingError):
            read_update(whole[:end])


# Numbers and values


@given(st.integers(0, UINT_MAX))
def test_numbers_come_back(number):
    reader = Reader(write_uint(number))
    assert reader.uint() == number
    assert reader.at == len(reader.data)


@given(st.floats() | st.integers(-UINT_MAX, UINT_MAX).map(float))
def test_values_are_spelled_in_one_way(number):
    spelled = write_number(number)
    assert Reader(spelled).value() == spelled
    opened = Doc(client_id=5)
    opened[ROOT] = Map({"a": number})
    (struct,) = read_update(opened.get_update()).structs[5]
    assert struct.content == (spelled,)
    (back,) = document.value(applied(opened.get_update())).values()
    assert back == number or (back != back and number != number)


@pytest.mark.parametrize(
    ("spelled", "again"),
    [
        ("7b3ff0000000000000", "7d01"),
        ("7c3f800000", "7d01"),
        ("7d8000", "7d00"),
        ("7d40", "7c80000000"),
        ("7d8001", "7d8001"),
        ("760201627e01617d01", "760201617d0101627e"),
        ("760201617d0001617e", "760101617e"),
        ("7c7fc00001", "7c7fc00000"),
        ("7aff00000000000001", "7aff00000000000001"),
        ("7402ff00", "7402ff00"),
        ("7f", "7f"),
    ],
)
def test_other_spellings_become_the_one(spelled, again):
    assert Reader(bytes.fromhex(spelled)).value().hex() == again


def test_vectors_come_back():
    clocks = {5: 7, UINT_MAX: 1}
    assert read_vector(write_vector(clocks)) == clocks
    with pytest.raises(DecodingError):
        read_vector(write_vector(clocks) + b"\0")


# Exceptions


@pytest.mark.parametrize(
    "stop", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, MemoryError]
)
@pytest.mark.parametrize("translate", [guard.decoding, guard.encoding])
def test_what_stops_us_is_not_translated(stop, translate):
    def ask():
        raise stop

    with pytest.raises(stop):
        translate(ask)


def test_panics_are_translated(capfd):
    opened = Doc(client_id=5)
    root = guard.root_of(opened)

    def panic():
        root["a"] = 1 << 99

    with pytest.raises(EncodingError, match="cannot hold"):
        guard.encoding(panic)
    with pytest.raises(DecodingError, match="malformed"):
        guard.decoding(panic)
    with pytest.raises(DecodingError, match="nothing"):
        guard.decoding(lambda: opened["nothing"])
    assert "panicked" in capfd.readouterr().err


def test_what_pycrdt_makes_of_half_a_character_is_refused():
    opened = document.open_document(document.empty(), 5)
    mark, root = document.mark_of(opened), guard.root_of(opened)
    root["t"] = Text("é")
    root["t"].insert(1, "x")  # it counts in bytes of UTF-8
    with pytest.raises(EncodingError, match="cannot hold"):
        document.changes_since(opened, mark)


# Mutations, in a process of their own


def seeds():
    """Updates of two clients with all that documents hold: whole documents and changes."""
    state, found = document.empty(), []
    for client in (5, 4_000_000_000, 77):
        opened = document.open_document(state, client)
        mark, root = document.mark_of(opened, state), guard.root_of(opened)
        root["t"] = Text("héllo 😀")
        root["t"].insert(3, "bold", {"b": True})
        root["t"].insert_embed(1, {"img": [1, None]})
        root[f"m{client}"] = shared({"a": [1, 2.5, b"x", {"k": None}], "big": 2**60 + 1})
        root["list"] = Array([1, "two", {"z": [True]}])
        del root["list"][1]
        del root["t"][4:6]
        delta = document.changes_since(opened, mark)
        state = document.apply(state, delta, origin=1, actor=1, is_same_life=True)
        found += [document.update_of(delta), document.update_of(state)]
    return found, state


def mutated(chance, update):
    """`update` with up to four bytes changed, cut, or put in."""
    data = bytearray(update)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(data)) if data else 0
        kind = chance.randrange(5)
        if kind == 0:
            data[at:] = b""
        elif kind == 1:
            data[at:at] = chance.randbytes(chance.randrange(1, 6))
        elif kind == 2:
            del data[at : at + chance.randrange(1, 4)]
        elif data:
            data[at] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
    return bytes(data)


CONTENTS = {
    0: lambda chance: (chance.randrange(1, 4), None),
    1: lambda chance: (chance.randrange(1, 4), None),
    3: lambda chance: (1, b"x"),
    4: lambda chance: (2, chance.choice(["ab", "😀"])),
    5: lambda chance: (1, "{}"),
    6: lambda chance: (1, ("b", "true")),
    7: lambda chance: (1, chance.randrange(3)),
    8: lambda chance: (2, (b"\x7e", b"\x7f")),
}


def jumbled(chance):
    """An update of well-formed structs that refer to each other by chance."""
    ids = [(client, clock) for client in (5, 6, 7) for clock in range(6)]
    structs = {client: list(jumble(chance, ids)) for client in (5, 6, 7)[: chance.randrange(1, 4)]}
    deleted = {5: [(1, chance.randrange(2, 5))]} if chance.randrange(4) == 0 else {}
    return write_update(Update(structs, deleted))


def jumble(chance, ids):
    clock = 0
    for _ in range(chance.randrange(1, 5)):
        kind = chance.choice([8, 8, 8, 7, 7, 4, 4, 1, *CONTENTS])
        origin, right = (chance.choice([None, None, chance.choice(ids)]) for _ in range(2))
        parent = sub = None
        if origin is None and right is None:
            parent = chance.choice([ROOT, chance.choice(ids)])
            sub = chance.choice(["a", "b", None]) if parent != ROOT else chance.choice("ab")
        length, content = CONTENTS[kind](chance)
        yield Struct(clock, length, kind, origin, right, parent, sub, content)
        clock += length


def tried(update, state):
    """Whether `update` applies; all that it leads to can be encoded, read and shown."""
    try:
        after = applied(update, state)
    except DecodingError:
        return False
    assert document.decode(document.encode(after)) == after
    document.value(after)
    assert document.join(after, state) == after
    return True


def mutate(count):
    """Try `count` mutated updates within 1 GiB, and as many that are jumbled; print how many
    applied, and were refused.
    """
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    found, state = seeds()
    chance, results = random.Random(2), {True: 0, False: 0}
    for number in range(count):
        base = document.empty() if number % 4 else state
        results[tried(mutated(chance, chance.choice(found)), base)] += 1
        results[tried(jumbled(chance), document.empty())] += 1
    print(json.dumps([results[True], results[False]]))


def test_mutated_changes_apply_or_are_refused():
    command = [sys.executable, str(Path(__file__)), "2000"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr[-4000:]
    applied_count, refused = json.loads(done.stdout)
    assert applied_count + refused == 2 * 2000
    assert applied_count > 50
    assert refused > 1000
    assert "panicked" not in done.stderr


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_chance_bytes_are_refused_or_read(data):
    try:
        update = read_update(data)
    except DecodingError:
        return
    assert read_update(write_update(update)) == update


if __name__ == "__main__":
    mutate(int(sys.argv[1]))
