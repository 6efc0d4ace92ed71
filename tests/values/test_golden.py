"""The bytes of values, pinned: what any version has written, every later one reads and writes.

`golden/index.txt` shows each file: its name, the value, its bytes in hexadecimal. A new case is
added by `python tests/values/test_golden.py`, which refuses to change one that exists.
"""

from __future__ import annotations

import datetime
import math
from pathlib import Path

import pytest

from tierstore.values import decode, encode, fast, msgpack

GOLDEN = Path(__file__).parent / "golden"
UTC = datetime.UTC
EAST = datetime.timezone(datetime.timedelta(hours=5, minutes=30))

CASES = {
    "nil": None,
    "false": False,
    "true": True,
    "int-0": 0,
    "int-127": 127,
    "int-128": 128,
    "int-255": 255,
    "int-256": 256,
    "int-65535": 65_535,
    "int-65536": 65_536,
    "int-2e32-less-1": 2**32 - 1,
    "int-2e32": 2**32,
    "int-2e64-less-1": 2**64 - 1,
    "int-minus-1": -1,
    "int-minus-32": -32,
    "int-minus-33": -33,
    "int-minus-128": -128,
    "int-minus-129": -129,
    "int-minus-32768": -32_768,
    "int-minus-32769": -32_769,
    "int-minus-2e31": -(2**31),
    "int-minus-2e31-less-1": -(2**31) - 1,
    "int-minus-2e63": -(2**63),
    "float-1.5": 1.5,
    "float-minus-0": -0.0,
    "float-inf": math.inf,
    "float-nan": math.nan,
    "str-empty": "",
    "str-nul": "\x00",
    "str-text": "na\u00efve \u20ac \U0001f600",
    "str-decomposed": "e\u0301",
    "str-31": "a" * 31,
    "str-32": "a" * 32,
    "str-256": "a" * 256,
    "bytes-empty": b"",
    "bytes-3": b"\x00\xff\x80",
    "bytes-256": b"\x01" * 256,
    "list-empty": [],
    "list-15": list(range(15)),
    "list-16": list(range(16)),
    "tuple": (1, (2, ())),
    "map-empty": {},
    "map-order": {"b": 1, "a": 2, "": None},
    "map-16": {f"{n:x}": n for n in range(16)},
    "map-key-32": {"k" * 32: True},
    "time-1970": datetime.datetime(1970, 1, 1, tzinfo=UTC),
    "time-2038": datetime.datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
    "time-microsecond": datetime.datetime(2026, 11, 23, 12, 0, 0, 1, tzinfo=UTC),
    "time-before-1970": datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    "time-2106": datetime.datetime(2106, 2, 7, 6, 28, 16, tzinfo=UTC),
    "time-2514": datetime.datetime(2514, 5, 30, 1, 53, 4, tzinfo=UTC),
    "time-first": datetime.datetime(1, 1, 1, tzinfo=UTC),
    "time-last": datetime.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    "time-elsewhere": datetime.datetime(2026, 11, 23, 12, 0, tzinfo=EAST),
    "profile": {"name": "Ada", "tags": ["a", "b"], "photo": b"\xff", "score": 0.5, "next": None},
}
_SHOWN_BYTES = 40


def shown(text):
    return text if len(text) <= 2 * _SHOWN_BYTES else text[: 2 * _SHOWN_BYTES] + "..."


def index():
    lines = []
    for name, value in CASES.items():
        payload = (GOLDEN / f"{name}.bin").read_bytes()
        lines.append(f"{name}: {len(payload)} bytes\n    {shown(ascii(value))}\n")
        lines.append(f"    {shown(payload.hex())}\n")
    return "".join(lines)


def test_every_file_has_a_case_and_the_index_shows_it():
    assert {path.stem for path in GOLDEN.glob("*.bin")} == set(CASES)
    assert (GOLDEN / "index.txt").read_text(encoding="ascii") == index()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("write", [encode, msgpack.pack, fast.pack])
def test_the_bytes_are_written(write, name):
    assert write(CASES[name]) == (GOLDEN / f"{name}.bin").read_bytes()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("read", [decode, msgpack.unpack, fast.unpack])
def test_the_bytes_are_read(read, name):
    payload = (GOLDEN / f"{name}.bin").read_bytes()
    value = read(payload)
    assert msgpack.pack(value) == payload
    if name == "tuple":
        assert value == [1, [2, []]]
    elif name != "float-nan":
        assert value == CASES[name]


def add_missing():
    for name, value in CASES.items():
        path = GOLDEN / f"{name}.bin"
        if not path.exists():
            path.write_bytes(msgpack.pack(value))
    (GOLDEN / "index.txt").write_text(index(), encoding="ascii")


if __name__ == "__main__":
    add_missing()
