"""The region on PostgreSQL keeps the promises of a region."""

from __future__ import annotations

import os
from contextlib import contextmanager
from itertools import count

import pytest

from tierstore.errors import TierStoreError
from tierstore.region.apply import Limits
from tierstore.runtime import now_ms
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing import FaultPlan
from tierstore.testing.conformance import RegionConformance
from tierstore.testing.conformance.region.harness import RegionHarness

if os.environ.get("CI") != "true":  # there it has to be installed
    pytest.importorskip("psycopg", reason="pip install 'tierstore[postgres]'")

import psycopg

from tierstore_sql import postgres

SCHEMAS = (f"conformance_{number}" for number in count())


class FaultyDriver(postgres.Driver):
    """A connection whose statements go wrong as its plan says, to a server with another clock."""

    harness = None

    def run(self, statement, parameters):
        return self.route(statement, lambda told: super(FaultyDriver, self).run(told, parameters))

    def run_many(self, statement, parameters):
        return self.route(
            statement, lambda told: super(FaultyDriver, self).run_many(told, parameters)
        )

    def run_point(self, statement, key, number):
        return self.run(statement, (key, number)).fetchone()

    def run_simple(self, statements):
        return self.route(statements, super().run_simple)

    def route(self, statement, call):
        clock = f"to_timestamp({now_ms(self.harness.clock)} / 1000.0)"
        told = statement.replace(b"clock_timestamp()", clock.encode())
        name = f"sql.{statement[:20].decode()}"
        try:
            return self.harness.plan.run(name, lambda: call(told), TierStoreError)
        except TierStoreError as error:
            self.close()
            raise psycopg.OperationalError(str(error)) from error


class PostgresHarness(RegionHarness):
    """A region in a schema of its own."""

    def __init__(self, server, driver):
        self.server, self.clock, self.plan = server, ManualRuntime(seed=1), FaultPlan()
        self.schema = next(SCHEMAS)
        self.opened, self.drivers = [], []
        self.raw = server.connect_url(server.url)
        self.raw.execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")
        if server.kill is None:
            self.cannot = {"unreachable": "the server is not ours to stop"}
        driver.harness = self

    def open(self, runtime=None, url=None):
        region = postgres.PostgresRegion(
            url or f"{self.server.url}?schema={self.schema}",
            runtime=runtime or self.clock,
            terms=Limits(is_tiered=True),
            base_dir="/",
        )
        self.opened.append(region)
        return region

    def query(self, statement, *parameters):
        if self.raw.closed or self.raw.broken:
            self.raw = self.server.connect_url(self.server.url)
        return self.raw.execute(statement.format(f"{self.schema}.ts_directory"), parameters)

    def raw_payload(self, key):
        found = self.query("SELECT payload FROM {} WHERE key = %s", key).fetchall()
        if not found:
            raise KeyError(key)
        return found[0][0]

    def raw_keys(self):
        return [key for (key,) in self.query("SELECT key FROM {}")]

    def corrupt(self, key):
        flipped = "set_byte(payload, 0, get_byte(payload, 0) # 1)"
        self.query(f"UPDATE {{}} SET payload = {flipped} WHERE key = %s", key)

    def restart(self):
        self.release()
        if self.server.kill is not None and self.plan.fired is None:
            self.stop()
            self.server.start()

    def release(self):
        for driver in self.drivers:
            driver.pgconn.finish()
        self.drivers.clear()
        self.opened.clear()

    def stop(self):
        self.raw.close()
        self.server.kill()

    def open_secret(self):
        return self.open(url="postgresql://someone:c4n4ry@127.0.0.1:1/nowhere"), "c4n4ry"

    @contextmanager
    def unreachable(self):
        self.stop()
        try:
            yield
        finally:
            self.server.start()

    @contextmanager
    def blocked(self):
        with self.server.connect_url(self.server.url) as other, other.transaction():
            other.execute(f"LOCK TABLE {self.schema}.ts_directory IN EXCLUSIVE MODE")
            yield

    def open_resources(self):
        return sum(not driver.closed for driver in self.drivers)

    def close(self):
        self.plan.arm(0, "error")
        for region in self.opened:
            region.close()
        self.release()
        self.query(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")
        self.raw.close()


class TestPostgresRegion(RegionConformance):
    @pytest.fixture
    def harness(self, postgres_server, monkeypatch):
        class Driver(FaultyDriver):
            @classmethod
            def connect(cls, *args, **kwargs):
                driver = super().connect(*args, **kwargs)
                cls.harness.drivers.append(driver)
                return driver

        monkeypatch.setattr(postgres, "Driver", Driver)
        harness = PostgresHarness(postgres_server, Driver)
        yield harness
        harness.close()
