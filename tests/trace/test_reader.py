"""Reading traces: what comes out is what was written; faults name file, line and reason."""

from __future__ import annotations

import gzip

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import TierStoreError
from tierstore.trace import TraceError, read_trace
from tierstore.trace.reader import HEADER, LINE_BYTES_MAX

ROWS = [
    (0.0, "get", "a", 10, None),
    (0.0, "set", "schlüssel/7", 4294967295, 60),
    (1.5, "delete", "c", 0, None),
]


def as_text(row):
    time_s, op, key, size_bytes, ttl_s = row
    return f"{time_s!r},{op},{key},{size_bytes},{'' if ttl_s is None else ttl_s}"


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.zst"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_come_back(write_trace, name, end):
    assert list(read_trace(write_trace(map(as_text, ROWS), name, end))) == ROWS


keys = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters=",\n\r"), min_size=1, max_size=9
)
rows = st.lists(
    st.tuples(
        st.floats(0, 1e9),
        st.sampled_from(["get", "set", "delete"]),
        keys,
        st.integers(0, 1 << 32 - 1),
        st.none() | st.integers(1, 10**9),
    ),
    max_size=30,
).map(lambda found: sorted(found, key=lambda row: row[0]))


@given(rows=rows)
def test_any_rows_come_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("trace") / "t.csv"
    path.write_bytes("\n".join([HEADER, *map(as_text, rows)]).encode())
    assert list(read_trace(path)) == rows


def test_long_traces_are_read_in_blocks(write_trace):
    rows = [(number, "get", f"key{number}", number, "") for number in range(40_000)]
    got = list(read_trace(write_trace(rows, "t.csv.gz")))
    assert got == [(float(n), "get", key, size, None) for n, _, key, size, _ in rows]


BAD = [
    ("1,get,a,10", "4 columns, expected 5"),
    ("1,get,a,10,,", "6 columns, expected 5"),
    ("", "1 columns, expected 5"),
    ("soon,get,a,10,", "timestamp_s: expected seconds, got 'soon'"),
    ("nan,get,a,10,", "timestamp_s: expected seconds, got 'nan'"),
    ("inf,get,a,10,", "timestamp_s: expected seconds, got 'inf'"),
    ("0.5,get,a,10,", "timestamp_s: 0.5 is before the row above (1)"),
    ("1,incr,a,10,", "op: expected one of get, set, delete, got 'incr'"),
    ("1,get,,10,", "key: expected 1 to 1024 bytes of UTF-8, got ''"),
    (f"1,get,{'k' * 1025},10,", "key: expected 1 to 1024 bytes"),
    (f"1,get,{'ü' * 513},10,", "key: expected 1 to 1024 bytes"),
    ("1,get,\udcff,10,", "key: expected 1 to 1024 bytes of UTF-8"),
    ("1,get,a,-1,", "size_bytes: expected 0 to"),
    ("1,get,a,4294967296,", "size_bytes: expected 0 to"),
    ("1,get,a,big,", "size_bytes: expected 0 to"),
    ("1,get,a,,", "size_bytes: expected 0 to"),
    ("1,set,a,10,0", "ttl_s: expected whole seconds above zero or nothing, got '0'"),
    ("1,set,a,10,1.5", "ttl_s: expected whole seconds"),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_a_bad_row_is_named(write_trace, line, reason):
    path = write_trace(["1,get,a,10,", line, "2,get,b,10,"])
    with pytest.raises(TraceError) as caught:
        list(read_trace(path))
    assert str(caught.value).startswith(f"{path}:3: {reason}")


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_a_bad_row_can_be_skipped(write_trace, line, reason):
    errors = []
    path = write_trace(["1,get,a,10,", line, "2,get,b,10,"])
    got = list(read_trace(path, on_bad=errors.append))
    assert [row[2] for row in got] == ["a", "b"]
    assert len(errors) == 1
    assert reason in str(errors[0])


def test_faults_that_cancel_out_are_seen(write_trace):
    """Six columns and then four have the right number of commas together."""
    errors = []
    path = write_trace(["0,get,a,1,,5", "get,b,7,", "6,get,c,1,"])
    assert [row[2] for row in read_trace(path, on_bad=errors.append)] == ["c"]
    assert len(errors) == 2


def test_lines_are_counted_across_blocks(write_trace):
    rows = [(number, "get", f"key{number}", number, "") for number in range(30_000)]
    path = write_trace([*rows, "oops"])
    with pytest.raises(TraceError, match=r"trace.csv:30002: 1 columns"):
        list(read_trace(path))


@pytest.mark.parametrize("text", ["", "time,op\n", "0,get,a,1,\n"])
def test_the_header_is_demanded(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(TraceError, match=r"t.csv:1: the first line is"):
        list(read_trace(path))


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.zst"])
def test_a_file_that_was_cut_is_refused(write_trace, name):
    path = write_trace([(n, "get", f"key{n * n}", n, "") for n in range(30_000)], name)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TraceError, match=r"cannot be read after line \d+"):
        list(read_trace(path))


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.zst"])
def test_a_file_that_is_not_compressed_is_refused(tmp_path, name):
    (tmp_path / name).write_text(HEADER + "\n")
    with pytest.raises(TraceError, match="cannot be read at all"):
        list(read_trace(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "compress"),
    [("both.csv.gz", gzip.compress), ("both.csv.zst", zstandard.ZstdCompressor().compress)],
)
def test_several_compressed_frames_are_one_trace(tmp_path, name, compress):
    lines = [f"{n},get,key{n * n},1,\n".encode() for n in range(3000)]
    header = f"{HEADER}\n".encode()
    frames = [header, *lines[:3], b"".join(lines[3:2000]), b"".join(lines[2000:])]
    (tmp_path / name).write_bytes(b"".join(map(compress, frames)))
    assert [row[0] for row in read_trace(tmp_path / name)] == list(range(3000))


def test_a_missing_file_and_a_directory_are_named(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(TraceError, match=f"{path.name}: cannot be read"):
            list(read_trace(path))


def test_a_file_without_line_ends_does_not_fill_the_memory(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"x" * (LINE_BYTES_MAX * 40))
    with pytest.raises(TraceError, match="a line longer than"):
        list(read_trace(path))


def test_the_error_is_one_of_ours():
    assert issubclass(TraceError, TierStoreError)
