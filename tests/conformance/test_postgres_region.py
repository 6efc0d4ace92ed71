"""The region on PostgreSQL keeps the promises of a region."""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest

from tierstore.testing.conformance import RegionConformance

if os.environ.get("CI") != "true":  # there it has to be installed
    pytest.importorskip("psycopg", reason="pip install 'tierstore[postgres]'")

from tierstore.testing.conformance.postgres import PostgresHarness


class OwnServer(PostgresHarness):
    """On a server that may be killed, if it is ours."""

    def __init__(self, server):
        self.server = server
        if server.kill is not None:
            self.cannot = {}
        super().__init__("", server.url)

    def restart(self):
        self.release()
        if self.server.kill is not None and self.plan.fired is None:
            self.stop()
            self.server.start()

    def stop(self):
        self._raw.close()
        self.server.kill()

    @contextmanager
    def unreachable(self):
        self.stop()
        try:
            yield
        finally:
            self.server.start()


class TestPostgresRegion(RegionConformance):
    @pytest.fixture
    def harness(self, postgres_server):
        with OwnServer(postgres_server).entered() as harness:
            yield harness
