"""Closing while the journal cannot grow: what it has already is not lost, and not called so."""

from __future__ import annotations

import pytest

from tierstore.errors import UnavailableError
from tierstore.tiers.journal.file import JournalFile


@pytest.fixture
def full(monkeypatch):
    """`full()`: from now on no batch can be written; undone by `monkeypatch`."""

    def refuse(*_):
        raise UnavailableError("no room is left")

    return lambda: monkeypatch.setattr(JournalFile, "freeze", refuse)


def test_a_journaled_write_is_kept_for_the_next_process(node, full, monkeypatch):
    node.store.put("k", 1)
    full()
    node.store.close()
    monkeypatch.undo()
    store = node.open()
    assert store.get("k") == 1
    store.flush()
    assert node.region.value("k") is not None


def test_a_write_in_memory_is_lost_and_called_so(node, full):
    node.store.put_many({"k": 1, "mem/a": 1})
    full()
    with pytest.raises(UnavailableError, match="1 unflushed write was in memory only and is lost"):
        node.store.close()
