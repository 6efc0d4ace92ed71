"""Scans equal the sorted model; pages end by bytes, and damage of keys is passed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

import tierstore_sql.directory
from tierstore.record import ELSEWHERE
from tierstore.region.moves import StoredObject, Switch
from tierstore.region.pointer import Pointer, encode_pointer
from tierstore.testing.conformance.nasty import NASTY_KEYS

TIMEOUT_S = 5.0

keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=3) | st.sampled_from(NASTY_KEYS)


@given(
    st.lists(keys, max_size=12, unique=True),
    st.just("") | keys,
    st.none() | keys,
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
)
def test_scans_equal_the_sorted_model(
    fresh_region, new_sender, present, start, end, limit, reverse, values
):
    with fresh_region() as (region, runtime):
        sender = new_sender(region, 1, runtime)
        sender.send(*[sender.put(key, key.encode()) for key in present])
        found = []
        for rows in pages(sender, start, end, limit, reverse, values):
            assert len(rows) <= limit
            found += [(row.key, row.record.payload) for row in rows]
        expected = [key for key in present if in_range(key, start, end)]
        expected.sort(key=str.encode, reverse=reverse)
        assert found == [(key, key.encode() if values else ELSEWHERE) for key in expected]


def in_range(key, start, end):
    return start.encode() <= key.encode() and (end is None or key.encode() < end.encode())


def pages(sender, start, end, limit, reverse, values):
    while True:
        page = sender.scan(start, end, limit=limit, reverse=reverse, values=values)
        yield page.rows
        if page.next_key is None:
            return
        start, end = (start, page.next_key) if reverse else (page.next_key, end)


def test_a_page_ends_early_when_its_content_is_large(sender, monkeypatch):
    monkeypatch.setattr(tierstore_sql.directory, "PAGE_BYTES_MAX", 10)
    sender.send(*[sender.put(key, b"x" * 8) for key in "abc"])
    page = sender.scan()
    assert ([row.key for row in page.rows], page.next_key) == (["a", "b"], "c")
    page = sender.scan(reverse=True)
    assert ([row.key for row in page.rows], page.next_key) == (["c", "b"], "b")


def test_a_page_counts_what_must_be_brought_from_objects(sender, monkeypatch):
    monkeypatch.setattr(tierstore_sql.directory, "PAGE_BYTES_MAX", 10)
    sender.send(*[sender.put(key, b"x" * 8) for key in "abc"])
    region, name = sender.region, "a1/1-018bcfe56800-0000000000000001.seg"
    epoch = region.lease(1, 60_000, None, 5.0).epoch
    region.begin_move(epoch, name, 5.0)
    switches = [
        Switch(
            row.key, row.record.stamp, row.record.replica, row.epoch, None,
            encode_pointer(Pointer(name, "seg", 0, 10, number)),
        )
        for number, row in enumerate(sender.scan(values=False).rows)
    ]  # fmt: skip
    region.switch(epoch, StoredObject(name, 100, 3, 0, 1, None), switches, 5.0)
    page = sender.scan()
    assert ([row.key for row in page.rows], page.next_key) == (["a", "b"], "c")
    page = sender.scan(values=False)
    assert ([row.key for row in page.rows], page.next_key) == (["a", "b", "c"], None)


def test_a_key_that_is_no_utf8_is_reported_and_passed(sender, tamper):
    sender.send(*[sender.put(key, b"1") for key in "abc"])
    tamper("UPDATE ts_directory SET key = x'62ff' WHERE key = CAST('b' AS BLOB)")
    first = sender.scan(limit=1)
    page = sender.scan(first.next_key)
    assert (list(page.corrupt), [row.key for row in page.rows]) == (["b\udcff"], ["c"])
