"""What is in the way of a journal or a region is named; the other goes on, and nothing is lost."""

from __future__ import annotations

import os
import sqlite3

import pytest

import tierstore
from tierstore.errors import (
    CorruptionError,
    DeadlineExceededError,
    OutcomeUnknownError,
    UnavailableError,
)
from tierstore.runtime.manual import ManualRuntime

RULES = [
    {"match": "memory/**", "durability": "memory"},
    {"match": "regional/**", "durability": "regional"},
]


@pytest.fixture
def open_here(tmp_path):
    """A function that opens a store with a journal at `journal` and a region at `region`."""
    opened = []

    def open_one(journal="journal", region="region.db"):
        tiers = {
            "edge": {"url": "memory://", "journal": journal},
            "regional": {"url": f"sqlite:///{region}"},
        }
        policy = {"tiers": tiers, "rules": RULES}
        runtime = ManualRuntime(seed=len(opened))
        opened.append(tierstore.open(policy, base_dir=tmp_path, runtime=runtime))
        return opened[-1]

    yield open_one
    for store in opened:
        if not store._core.replica.state.closed:
            store._core.replica.abandon()


def refused(verb, name, kind=UnavailableError):
    with pytest.raises(kind) as caught:
        verb()
    assert name in str(caught.value)
    return caught.value


@pytest.mark.parametrize("path", ["file", "file/below", "/proc/tierstore"])
def test_a_journal_that_cannot_be_a_folder(open_here, tmp_path, path):
    (tmp_path / "file").write_text("precious")
    if path.startswith("/proc") and not os.path.isdir("/proc/self"):
        pytest.skip("no /proc here")
    store = open_here(journal=path)
    for verb in (lambda: store.put("k", 1), lambda: store.put("regional/k", 1)):
        refused(verb, path)
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize("path", ["file/region.db", "folder", "/proc/tierstore/region.db"])
def test_a_region_that_cannot_be_a_file(open_here, tmp_path, path):
    (tmp_path / "file").write_text("precious")
    (tmp_path / "folder").mkdir()
    store = open_here(region=path)
    store.put_many({"k": 1, "memory/k": 2})
    assert store.get_many(["k", "memory/k"]) == {"k": 1, "memory/k": 2}
    for verb in (lambda: store.get("absent"), store.flush, lambda: list(store.scan())):
        refused(verb, path)
    operation = refused(lambda: store.put("regional/k", 3), path, OutcomeUnknownError).operation_id
    assert store.outcome(operation) == "pending"
    assert not store.check().ok
    refused(store.close, "1 unflushed write was in memory only")

    again = open_here(region="region.db")
    again.flush()
    assert again.get_many(["k", "memory/k", "regional/k"]) == {"k": 1, "regional/k": 3}
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind this user")
def test_folders_that_may_not_be_written(open_here, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    refused(lambda: open_here(journal="locked/journal").put("k", 1), "locked")
    refused(lambda: open_here(region="locked/region.db").get("absent"), "locked")


def test_a_region_that_another_process_has_locked(open_here, tmp_path):
    store = open_here()
    store.put("k", 1)
    store.flush()
    with sqlite3.connect(tmp_path / "region.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        store.put("k", 2)
        refused(lambda: store.flush(0.5), "region.db", DeadlineExceededError)
        refused(lambda: store.put("regional/k", 3), "region.db", OutcomeUnknownError)
        assert store.get("k") == 2
        assert store.get("absent") is None  # readers do not wait for writers
        other.execute("ROLLBACK")
    other.close()
    store.flush()
    assert store.get_many(["k", "regional/k"], max_age=0) == {"k": 2, "regional/k": 3}


def test_a_journal_that_is_no_database(open_here, tmp_path):
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "worker-0001.journal").write_bytes(b"not a database " * 100)
    store = open_here()
    for _ in range(2):
        error = refused(lambda: store.put("k", 1), "worker-0001.journal", CorruptionError)
        assert error.object == str(tmp_path / "journal" / "worker-0001.journal")
    (tmp_path / "journal" / "worker-0001.journal").rename(tmp_path / "moved")
    store.put("k", 1)
    assert store.get("k") == 1


def test_a_damaged_journal_of_a_dead_process_holds_up_nobody_else(open_here, tmp_path):
    first, second = open_here(), open_here()
    first.put("from/first", 1)
    second.put("from/second", 2)
    damaged = tmp_path / "journal" / "worker-0003.journal"
    damaged.write_bytes(b"not a database " * 100)
    first._core.replica.abandon()
    assert second.maintain().ok
    report = second.check()
    assert [finding.subject for finding in report.findings if not finding.ok] == [
        f"orphaned journal {damaged}"
    ]
    assert second.get("from/first") == 1


def test_a_region_that_is_no_database(open_here, tmp_path):
    (tmp_path / "region.db").write_bytes(b"not a database " * 1000)
    store = open_here()
    store.put("k", 1)
    for verb in (lambda: store.get("absent"), store.flush, lambda: list(store.scan())):
        refused(verb, "region.db", CorruptionError)
    store.close()
    assert (tmp_path / "region.db").read_bytes().startswith(b"not a database ")
    (tmp_path / "region.db").unlink()
    again = open_here()
    again.flush()
    assert again.get("k") == 1


def test_a_journal_goes_to_one_region_only(open_here):
    store = open_here(region="one.db")
    store.put("k", 1)
    store.flush()
    store.put("k", 2)
    store._core.replica.abandon()
    other = open_here(region="two.db")
    refused(other.flush, "the journal belongs to region")
    other._core.replica.abandon()
    back = open_here(region="one.db")
    back.flush()
    assert back.get("k") == 2
