"""A region in a file of its own, on virtual time, and replicas that write to it."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager

import pytest

from tierstore.region.apply import Limits
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing.conformance.region.sender import Sender
from tierstore_sql.region import SqlRegion

TIMEOUT_S = 5.0


@pytest.fixture
def runtime():
    return ManualRuntime(seed=1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "region.db"


@pytest.fixture
def open_region(tmp_path, runtime):
    opened = []

    def open_one(url="sqlite:///data/region.db", runtime=runtime):
        opened.append(SqlRegion(url, runtime=runtime, terms=Limits(), base_dir=str(tmp_path)))
        return opened[-1]

    yield open_one
    for region in opened:
        region.close()


@pytest.fixture
def region(open_region):
    return open_region()


@pytest.fixture
def sender(region, runtime):
    return Sender(region, 7, runtime)


@pytest.fixture(scope="session")
def new_sender():
    """Makes a replica's side: `new_sender(region, replica, runtime)`."""
    return Sender


@pytest.fixture(scope="session")
def fresh_region(tmp_path_factory):
    """A context that yields an empty region and its runtime, for examples of a property."""

    @contextmanager
    def fresh():
        runtime = ManualRuntime(seed=1)
        folder = str(tmp_path_factory.mktemp("region"))
        region = SqlRegion("sqlite:///r.db", runtime=runtime, terms=Limits(), base_dir=folder)
        try:
            yield region, runtime
        finally:
            region.close()

    return fresh


@pytest.fixture
def tamper(path):
    """Runs a statement on the database behind the region's back."""

    def run(statement, *parameters):
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()

    return run
