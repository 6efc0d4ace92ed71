"""A row whose stored bytes changed is reported as corrupt; the others are intact."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import CorruptionError, UnavailableError
from tierstore.record import Record
from tierstore.region.apply import Limits
from tierstore.region.rows import Row
from tierstore_sql.region import SqlRegion
from tierstore_sql.rows import decode_bare_row, decode_row, encode_rows

TIMEOUT_S = 5.0

records = st.builds(
    Record,
    stamp=st.integers(0, (1 << 63) - 1),
    replica=st.integers(0, (1 << 53) - 1),
    payload=st.none() | st.binary(max_size=20),
    expires_at_ms=st.none() | st.integers(0, 1 << 50),
    touch=st.integers(0, (1 << 63) - 1),
    metadata=st.none() | st.dictionaries(st.text("ab"), st.text("ab"), min_size=1, max_size=2),
    type=st.integers(1, 5),
    generation=st.integers(0, (1 << 63) - 1),
)
rows = st.builds(
    Row,
    key=st.text(st.characters(codec="utf-8"), min_size=1, max_size=5),
    record=records,
    consistency=st.integers(0, 1),
    cold=st.none() | st.binary(min_size=1, max_size=5),
    size=st.integers(0, (1 << 32) - 1),
    position=st.just(9),
    epoch=st.integers(0, (1 << 32) - 1),
    created_ms=st.integers(0, 1 << 50),
    accessed_ms=st.integers(0, 1 << 50),
    entered_ms=st.integers(0, 1 << 50),
    heat=st.floats(0, 1e9),
    due_ms=st.none() | st.integers(0, 1 << 50),
)


def columns_of(row):
    """(header, metadata, cold, payload) as the database returns them."""
    encoded = encode_rows([row], row.position)
    if encoded.full:
        return tuple(None if column is None else bytes(column) for column in encoded.full[0][4:])
    (stored,) = encoded.plain or encoded.tiered
    header, payload = stored[-2:]
    return bytes(header), None, None, bytes(payload)


@given(rows)
def test_a_row_comes_back(row):
    assert decode_row(row.key, row.key.encode(), 9, *columns_of(row), row.due_ms) == row


@given(rows, st.data())
def test_any_flipped_bit_is_found(row, data):
    columns = list(columns_of(row))
    at = data.draw(st.sampled_from([i for i, column in enumerate(columns) if column]))
    bit = data.draw(st.integers(0, len(columns[at]) * 8 - 1))
    flipped = bytearray(columns[at])
    flipped[bit // 8] ^= 1 << bit % 8
    columns[at] = bytes(flipped)
    with pytest.raises(CorruptionError):
        decode_row(row.key, row.key.encode(), 9, *columns)


@given(rows)
def test_a_header_that_belongs_to_another_key_is_found(row):
    with pytest.raises(CorruptionError):
        decode_bare_row("another", b"another", 9, columns_of(row)[0], None, 0)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("header", b""), ("header", b"short"), ("header", "text"), ("header", 5),
        ("payload", None), ("payload", b""), ("payload", b"other"), ("payload", 7),
        ("payload", 0.5), ("metadata", b"\xc0"), ("metadata", None), ("cold", b"pointer"),
    ],
)  # fmt: skip
def test_a_changed_column_is_reported_for_its_key_only(sender, tamper, column, value):
    sender.send(*[sender.put(key, b"1", metadata={"m": key}) for key in "abc"])
    tamper(f"UPDATE ts_directory SET {column} = ? WHERE key = CAST('b' AS BLOB)", value)
    reply = sender.read("a", "b", "c")
    assert sorted(reply.rows) == ["a", "c"]
    assert list(reply.corrupt) == ["b"]
    alone = sender.read("b")
    assert (alone.rows, list(alone.corrupt)) == ({}, ["b"])


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM ts_region",
        "UPDATE ts_region SET position = 'x'",
        "UPDATE ts_region SET position = 0",
        "UPDATE ts_region SET incarnation = 1",
        "UPDATE ts_replica SET applied = 0",
    ],
)
def test_a_damaged_row_of_the_region_is_a_typed_error(sender, tamper, statement):
    sender.send(sender.put("a", b"1"))
    tamper(statement)
    for verb in (
        lambda: sender.send(sender.put("a", b"2")),
        lambda: sender.read("a", "b"),
        lambda: sender.read("a"),
        lambda: sender.changes(0),
        lambda: sender.scan(),
    ):
        with pytest.raises(CorruptionError):
            verb()


@given(st.integers(0, 20 * 4096 * 8 - 1))
def test_a_flipped_bit_in_the_file_never_gives_a_wrong_value(damaged_file, bit):
    """The intact answer or a typed error; nothing else, and no row is missing."""
    region, payloads = damaged_file(bit)
    try:
        for keys in (list(payloads), list(payloads)[:1]):
            reply = region.read(keys, 1, TIMEOUT_S)
            found = {key: row.record.payload for key, row in reply.rows.items()}
            assert found == {k: payloads[k] for k in keys if k not in reply.corrupt}
        page = region.scan("", None, 100, False, True, 1, TIMEOUT_S)
        found = {row.key: row.record.payload for row in page.rows}
        assert found == {k: v for k, v in payloads.items() if k not in page.corrupt}
    except (CorruptionError, UnavailableError):  # a table's name may be hit, too
        pass
    finally:
        region.close()


def test_no_copy_of_a_key_can_be_damaged_so_that_its_row_is_missing(damaged_file):
    """A key lies in its row, in the index and, as that grows, in inner pages of the index."""
    key = "key/030"
    region, payloads = damaged_file(0)
    content = bytearray(Path(region.path).read_bytes())
    region.close()
    places = [match.start() for match in re.finditer(key.encode(), content)]
    assert len(places) >= 2
    for place in places:
        region, _ = damaged_file((place + 5) * 8)
        try:
            reply = region.read([key], 1, TIMEOUT_S)
            assert key in reply.corrupt or reply.rows[key].record.payload == payloads[key]
        except CorruptionError:
            pass
        finally:
            region.close()


@pytest.fixture(scope="module")
def damaged_file(tmp_path_factory, fresh_region, new_sender):
    """Opens a copy of one database with one bit flipped."""
    payloads = {f"key/{i:03}": b"%d" % i * 50 for i in range(60)}
    with fresh_region() as (region, runtime):
        sender = new_sender(region, 1, runtime)
        sender.send(*[sender.put(*item) for item in payloads.items()])
        region.close()
        content = Path(region.path).read_bytes()
    folder = tmp_path_factory.mktemp("damaged")

    def damaged(bit):
        flipped = bytearray(content)
        flipped[bit // 8 % len(content)] ^= 1 << bit % 8
        for path in folder.iterdir():
            path.unlink()
        (folder / "r.db").write_bytes(flipped)
        url = "sqlite:///r.db"
        return SqlRegion(url, runtime=runtime, terms=Limits(), base_dir=str(folder)), payloads

    return damaged


@pytest.mark.parametrize("value", [b"\x01\x02", "text", 0.5])
@pytest.mark.parametrize(
    "column",
    ["digest", "answer", "acknowledged", "registered_ms", "seen_ms", "retired", "guard", "applied"],
)
def test_a_column_of_a_replica_that_has_another_type_is_a_typed_error(
    sender, tamper, column, value
):
    sender.send(sender.put("a", b"1"))
    if column in ("digest", "answer") and not isinstance(value, float):
        value = 7
    tamper(f"UPDATE ts_replica SET {column} = ?", value)
    for verb in (
        lambda: sender.region.register(sender.replica, TIMEOUT_S),
        lambda: sender.send(sender.put("a", b"2")),
        lambda: sender.region.acknowledge(sender.replica, 1, TIMEOUT_S),
        lambda: sender.region.replicas(TIMEOUT_S),
    ):
        with pytest.raises(CorruptionError):
            verb()


@pytest.mark.parametrize("column", ["kind", "replica", "at_ms", "key", "raw", "reason"])
@pytest.mark.parametrize("value", [b"\x01", 7, 0.5])
def test_what_waits_for_an_operator_is_read_or_refused(sender, tamper, column, value):
    sender.region.set_aside(sender.batch(sender.put("a", b"1")), "retired", TIMEOUT_S)
    tamper(f"UPDATE ts_aside SET {column} = ?", value)
    with suppress(CorruptionError):
        assert len(sender.region.aside(10, TIMEOUT_S)) == 1


@pytest.mark.parametrize("column", ["replica", "number", "idx", "key", "raw"])
@pytest.mark.parametrize("value", [b"\x01", 7, 0.5])
def test_what_is_held_is_released_or_refused(sender, tamper, runtime, column, value):
    sender.send(sender.put("a", b"1", stamp=sender.stamp(offset_s=3600)))
    tamper(f"UPDATE ts_held SET {column} = ?", value)
    runtime.advance(7200)
    with suppress(CorruptionError):
        sender.region.maintain(10, TIMEOUT_S)


@pytest.mark.parametrize("answer", [b"", b"\x00\x00", b"\x09"])
def test_a_stored_answer_that_does_not_fit_its_batch_is_not_repeated(sender, tamper, answer):
    batch = sender.batch(sender.put("a", b"1"))
    sender.sent(batch)
    tamper("UPDATE ts_replica SET answer = ?", answer)
    with pytest.raises(CorruptionError):
        sender.sent(batch)
