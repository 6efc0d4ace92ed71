"""A damaged row of the region is reported where it is needed, by name, and nowhere else."""

from __future__ import annotations

import sqlite3

import pytest

import tierstore
from tierstore.errors import CorruptionError
from tierstore.testing import ManualRuntime

KEYS = [f"k/{number}" for number in range(5)]
BAD = "k/2"
POLICY = {"tiers": {"regional": {"url": "sqlite:///region.db"}}}


@pytest.fixture(params=["header", "payload", "metadata"])
def store(tmp_path, request):
    """A fresh replica of a region in which a column of one row was changed."""
    with tierstore.open(POLICY, base_dir=tmp_path) as writer:
        writer.put_many(dict.fromkeys(KEYS, "value"))
    connection = sqlite3.connect(tmp_path / "region.db")
    with connection:
        connection.execute(
            f"UPDATE ts_directory SET {request.param} = x'00' WHERE key = ?", (BAD.encode(),)
        )
    connection.close()
    with tierstore.open(POLICY, base_dir=tmp_path, runtime=ManualRuntime()) as store:
        yield store


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_names_the_damaged_key(store, reverse):
    found = []
    with pytest.raises(CorruptionError) as caught:
        found.extend(store.scan("k/", reverse=reverse))
    assert caught.value.key == BAD
    assert caught.value.tier == "regional"
    assert BAD in str(caught.value)


@pytest.mark.parametrize("reverse", [False, True])
def test_pages_before_the_damage_are_intact(store, reverse):
    before = []
    with pytest.raises(CorruptionError) as caught:
        for page in store.scan("k/", reverse=reverse).pages(1):
            before += [entry.key for entry in page.entries]
    assert caught.value.key == BAD
    assert before == (KEYS[:2] if not reverse else KEYS[:2:-1])


def test_a_scan_that_does_not_meet_the_damage_is_intact(store):
    assert [entry.key for entry in store.scan("k/", end="k/2")] == KEYS[:2]
    assert [entry.key for entry in store.scan("k/", start="k/3")] == KEYS[3:]


def test_a_read_names_the_damaged_key_and_others_are_intact(store):
    with pytest.raises(CorruptionError) as caught:
        store.get(BAD)
    assert caught.value.key == BAD
    assert store.get_many(k for k in KEYS if k != BAD) == {k: "value" for k in KEYS if k != BAD}
