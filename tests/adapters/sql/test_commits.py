"""What commits leave in a database, seen by its driver alone."""

from __future__ import annotations

import sqlite3

import pytest

from tierstore.region.apply import Limits
from tierstore.region.commits import DATA, Cell, Check, Commit, Version, Write
from tierstore.testing import ManualRuntime
from tierstore_sql.region import SqlRegion

PUT = Write(Cell(DATA, "k"), payload=b"\x01")


@pytest.fixture
def region(tmp_path):
    region = SqlRegion(
        "sqlite:///region.db", runtime=ManualRuntime(), terms=Limits(), base_dir=str(tmp_path)
    )
    region.connect(5)
    yield region
    region.close()


@pytest.fixture
def changes(tmp_path):
    """A function that counts the commits to the file so far which changed something."""
    connection = sqlite3.connect(tmp_path / "region.db")
    yield lambda: connection.execute("PRAGMA data_version").fetchone()[0]
    connection.close()


def test_what_is_not_done_is_rolled_back(region, changes):
    """A commit of nothing would still sync the disk while others wait for its locks."""
    before = changes()
    assert region.commit(Commit((), (PUT,), "named"), 5).verdict == "committed"
    after = changes()
    assert after > before
    conflict = Commit((Check(PUT.cell, Version(1, 1)),), (PUT,))
    assert region.commit(conflict, 5).verdict == "conflict"
    assert region.commit(Commit((), (PUT,), "named"), 5).repeated
    assert region.commit(Commit((), (PUT, Write(Cell(DATA, "l"))), "named"), 5).verdict == "reused"
    assert changes() == after
