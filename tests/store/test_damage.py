"""Damage in the region's database, as a store's user meets it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

import tierstore
from tierstore.errors import CorruptionError

KEYS = list("abcd")


@pytest.fixture
def damage(tmp_path):
    """A store's folder after `damage(statement)` ran on its database; the store with four keys."""
    with tierstore.open(base_dir=tmp_path) as store:
        store.put_many({key: f"value {key}" for key in KEYS})
    (path,) = tmp_path.rglob("*.db")

    def run(statement, *arguments):
        with closing(sqlite3.connect(path)) as connection, connection:
            assert connection.execute(statement, arguments).rowcount == 1

    return run


@pytest.mark.parametrize("values", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
def test_a_scan_over_a_damaged_row_names_it_as_a_read_does(tmp_path, damage, values, reverse):
    damage("UPDATE ts_directory SET header = zeroblob(94) WHERE key = ?", b"b")
    with tierstore.open(base_dir=tmp_path) as store:
        with pytest.raises(CorruptionError) as caught:
            store.get("b")
        assert caught.value.key == "b"
        with pytest.raises(CorruptionError) as caught:
            list(store.scan(reverse=reverse, values=values))
        assert caught.value.key == "b"

        assert [entry.key for entry in store.scan(start="c")] == ["c", "d"]


@pytest.mark.parametrize("size", [1, 2, 10])
def test_a_scan_over_a_damaged_key_is_no_error_of_another_kind(tmp_path, damage, size):
    damage("UPDATE ts_directory SET key = ? WHERE key = ?", b"b\xff", b"c")
    with tierstore.open(base_dir=tmp_path) as store, pytest.raises(CorruptionError):
        list(store.scan().pages(size))


def test_an_unflushed_write_over_a_damaged_row_is_shown(tmp_path, damage):
    damage("UPDATE ts_directory SET header = zeroblob(94) WHERE key = ?", b"b")
    with tierstore.open({"replication": {"flush": "1h"}}, base_dir=tmp_path) as store:
        store.put("b", "new")

        assert store.get("b") == "new"
        assert [entry.key for entry in store.scan()] == KEYS
        assert store._core.replica.state.outbox.unflushed
