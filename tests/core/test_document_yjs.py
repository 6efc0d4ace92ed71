"""Documents are those of Yjs: its clients read what we write, and we what they do."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from document_edits import after, edited, set_to
from pycrdt import Text

from tierstore.crdt import document
from tierstore.crdt.guard import root_of
from tierstore.crdt.update import CLOCK_MAX, ROOT
from tierstore.errors import DecodingError
from tierstore.values.msgpack import pack

GOLDEN = Path(__file__).parent / "golden"
# What Yjs 13.6.33 wrote: a document of client 1001, and what client 4294967295 made of it.
YJS_FIRST = bytes.fromhex(
    "010ce90700280104726f6f74057469746c650177024869280104726f6f74016e017d01280104726f6f74036269"
    "67017a0020000000000001280104726f6f740468616c66017c3f000000280104726f6f7403666172017b7e37e4"
    "3c8800759c270104726f6f74046c697374000800e90705047d01770374776f7e78270104726f6f74036d617001"
    "2300e9070a01620201022800e9070a016f017602017a7d01016175027d417c4f000000270104726f6f74047465"
    "7874020400e9070d0661f09f98806200"
)
YJS_DELTA = bytes.fromhex(
    "0107ffffffff0f00c1e9070ee9070f01c4ffffffff0f00e9070f0158c6ffffffff0f01e9070f04626f6c64046e"
    "756c6c46e9070e04626f6c64047472756545ffffffff0f030b7b22696d67223a2275227da8e907000177034279"
    "6548e9070601760101717d0102ffffffff0f010001e90704000107020a030f01"
)
YJS_SECOND = bytes.fromhex(
    "0207ffffffff0f00c1e9070ee9070f01c4ffffffff0f00e9070f0158c6ffffffff0f01e9070f04626f6c64046e"
    "756c6c46e9070e04626f6c64047472756545ffffffff0f030b7b22696d67223a2275227da8e907000177034279"
    "6548e9070601760101717d010fe90700210104726f6f74057469746c6501280104726f6f74016e017d01280104"
    "726f6f7403626967017a0020000000000001280104726f6f740468616c66017c3f000000280104726f6f740366"
    "6172017b7e37e43c8800759c270104726f6f74046c697374000800e90705017d0181e907060288e90708017821"
    "0104726f6f74036d6170010002270104726f6f740474657874020400e9070d016181e9070e0184e9070f04efbf"
    "bd6202ffffffff0f010001e90704000107020a030f01"
)
NUMBERS = {"big": 2**53 + 1, "far": 1e300, "half": 0.5, "n": 1}
FIRST = {
    **NUMBERS,
    "list": [1, "two", None, True],
    "map": {"b": b"\1\2", "o": {"a": [-1, 2**31], "z": 1}},
    "text": "a😀b",
    "title": "Hi",
}
SECOND = {**NUMBERS, "list": [{"q": 1}, 1, True], "text": "aX\ufffdb", "title": "Bye"}


def test_what_yjs_wrote_is_read():
    state = after(document.empty(), document.delta_of(YJS_FIRST), is_same_life=False)
    assert repr(document.value(state)) == repr(dict(sorted(FIRST.items())))
    changed = after(state, document.delta_of(YJS_DELTA))
    assert document.value(changed) == SECOND
    whole = after(document.empty(), document.delta_of(YJS_SECOND), is_same_life=False)
    assert document.encode(whole) == document.encode(changed)


def as_json(shown):
    """Plain data as `toJSON` and JSON show it: bytes by index, and zero without a sign."""
    if isinstance(shown, bytes):
        return {str(index): byte for index, byte in enumerate(shown)}
    if isinstance(shown, dict):
        return {key: as_json(item) for key, item in shown.items()}
    if isinstance(shown, list):
        return [as_json(item) for item in shown]
    return 0 if shown == 0 and shown is not False else shown


# Each line: what three clients of Yjs 13.6.33 changed at once, and what Yjs shows of all of it.
YJS_CASES = (GOLDEN / "document-yjs.jsonl").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("case", YJS_CASES, ids=range(len(YJS_CASES)))
def test_what_clients_of_yjs_made_at_once_shows_as_yjs_shows_it(case):
    case = json.loads(case)
    deltas = [document.delta_of(bytes.fromhex(update)) for update in case["updates"]]
    state = document.empty()
    for delta in deltas:
        state = after(state, document.decode_delta(document.encode_delta(delta)))
    assert as_json(document.value(state)) == case["shown"]
    assert as_json(document.value(document.compact(state))) == case["shown"]
    composed = deltas[0]
    for delta in deltas[1:]:
        composed = document.compose(composed, delta, is_same_life=True)
    assert document.encode(after(document.empty(), composed)) == document.encode(state)


def test_text_keeps_its_attributes_in_a_compact_document():
    state = after(document.empty(), document.delta_of(YJS_SECOND))
    compact = document.open_document(document.compact(state), 6)
    text = root_of(compact)["text"]
    assert text.diff() == [
        ({"img": "u"}, None),
        ("aX", {"bold": True}),
        ("\ufffdb", None),
    ]


@pytest.mark.parametrize(("name", "update"), [("state", YJS_SECOND), ("delta", YJS_DELTA)])
def test_the_bytes_are_those_of_this_format(name, update):
    golden = (GOLDEN / f"document-{name}.bin").read_bytes()
    delta = document.delta_of(update)
    if name == "delta":
        assert document.encode_delta(delta) == golden
        assert document.decode_delta(golden) == delta
    else:
        assert document.encode(after(document.empty(), delta)) == golden
        assert document.value(document.decode(golden)) == SECOND


def test_bytes_of_another_format_or_order_are_refused():
    golden = (GOLDEN / "document-state.bin").read_bytes()
    update = document.update_of(document.decode(golden))
    for payload in (
        pack([2, update]),
        pack([1]),
        pack([1, "x"]),
        pack(7),
        pack([1, YJS_SECOND]),
        pack([1, YJS_DELTA]),
        golden + b"\0",
    ):
        with pytest.raises(DecodingError):
            document.decode(payload)
    with pytest.raises(DecodingError):
        document.decode_delta(pack([1, b"\0\1\5\1\0" + bytes([0x80 | CLOCK_MAX & 0x7F])]))


READ_BY_YJS = """\
const Y = require('yjs')
const ydoc = new Y.Doc()
for (const hex of process.argv.slice(1)) Y.applyUpdate(ydoc, Buffer.from(hex, 'hex'))
console.log(JSON.stringify(ydoc.getMap('%s').toJSON()))
"""


def read_by_yjs(*updates):
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node")
    command = [node, "-e", READ_BY_YJS % ROOT, *(update.hex() for update in updates)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "Cannot find module 'yjs'" in done.stderr:
        pytest.skip("node has no yjs")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_yjs_reads_what_we_wrote():
    state = document.empty()
    updates = []
    for fields in ({"a": [1, {"b": "😀"}], "t": Text("x")}, {"a": None, "c": 0.5}, {"n": -7}):
        delta = edited(state, set_to(**fields))
        updates.append(document.update_of(delta))
        state = after(state, delta)
    shown = document.value(state)
    assert read_by_yjs(document.update_of(state)) == shown
    assert read_by_yjs(*updates) == shown
