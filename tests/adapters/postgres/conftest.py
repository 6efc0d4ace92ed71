"""Regions in a schema of their own on the session's server, in real time."""

from __future__ import annotations

from itertools import count

import pytest

from tierstore.region.apply import Limits
from tierstore.runtime import Runtime
from tierstore.testing.conformance.region.sender import Sender

SCHEMAS = (f"adapter_{number}" for number in count())


@pytest.fixture(scope="session")
def postgres():
    """The adapter's module; skips where its driver is missing."""
    pytest.importorskip("psycopg")
    from tierstore_sql import postgres

    return postgres


@pytest.fixture
def schema():
    return next(SCHEMAS)


@pytest.fixture
def url(postgres_server, schema):
    raw = postgres_server.connect_url(postgres_server.url)
    raw.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    raw.close()
    return f"{postgres_server.url}?schema={schema}"


@pytest.fixture
def open_region(postgres, url):
    opened = []

    def open_one(url=url, runtime=None):
        runtime = runtime or Runtime()
        region = postgres.PostgresRegion(url, runtime=runtime, terms=Limits(), base_dir="/")
        opened.append(region)
        return region

    yield open_one
    for region in opened:
        region.close()


@pytest.fixture
def region(open_region):
    return open_region()


@pytest.fixture
def new_sender():
    """Makes a replica's side: `new_sender(region, replica)`."""
    return lambda region, replica: Sender(region, replica, Runtime())


@pytest.fixture
def sender(region, new_sender):
    return new_sender(region, 7)


@pytest.fixture
def raw(postgres_server, schema):
    """A connection of the driver alone, in the schema of the region."""
    connection = postgres_server.connect_url(postgres_server.url)
    connection.execute(f"SET search_path = {schema}")
    yield connection
    connection.close()


@pytest.fixture
def on_statement(postgres, monkeypatch):
    """Calls `before(driver, statement)` ahead of every statement: `on_statement(before)`."""

    def install(before):
        class Watched(postgres.Driver):
            def run(self, statement, parameters):
                before(self, statement)
                return super().run(statement, parameters)

        monkeypatch.setattr(postgres, "Driver", Watched)

    return install
