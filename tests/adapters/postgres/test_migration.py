"""Databases of another version of tierstore."""

from __future__ import annotations

import pytest

from tierstore.errors import UnavailableError
from tierstore.region.commits import DATA, Cell, Commit, Write
from tierstore.stamp import at_ms

TIMEOUT_S = 5.0
PUT = Commit((), (Write(Cell(DATA, "strong"), payload=b"\x01"),), "mine")
OF_5 = (
    "DROP TABLE ts_private, ts_operation; DROP SEQUENCE ts_drawn;"
    " ALTER TABLE ts_region DROP COLUMN number"
)


def test_a_database_without_a_coordinator_gets_one(open_region, sender, raw):
    """Its keys stay, and its numbers begin at the stamp of its life."""
    sender.write("k")
    sender.region.close()
    raw.execute(OF_5)
    raw.execute("UPDATE ts_region SET schema_version = 4")
    region = open_region()
    reply = region.commit(PUT, TIMEOUT_S)
    assert (reply.verdict, region.commit(PUT, TIMEOUT_S).repeated) == ("committed", True)
    assert reply.version.number > at_ms(region.connect(TIMEOUT_S).incarnation)
    assert sorted(region.read(["k", "strong"], 0, TIMEOUT_S).rows) == ["k", "strong"]
    assert raw.execute("SELECT schema_version FROM ts_region").fetchone() == (5,)


def test_a_database_of_a_later_version_is_refused_and_left_alone(open_region, sender, raw):
    sender.write("k")
    sender.region.close()
    raw.execute("UPDATE ts_region SET schema_version = 99")
    region = open_region()
    for _ in range(2):
        with pytest.raises(UnavailableError, match="upgrade tierstore"):
            region.commit(PUT, TIMEOUT_S)
    assert raw.execute("SELECT schema_version FROM ts_region").fetchone() == (99,)
