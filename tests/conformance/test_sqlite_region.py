"""The region on SQLite keeps the promises of a region."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager

import pytest

from tierstore.errors import PolicyError, TierStoreError
from tierstore.region.apply import Limits
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing import FaultPlan
from tierstore.testing.conformance import RegionConformance
from tierstore.testing.conformance.region.harness import RegionHarness
from tierstore_sql.region import SqlRegion

CONNECT = sqlite3.connect
STATEMENTS = ("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE", "SELECT", "CREATE")


class FaultyConnection(sqlite3.Connection):
    """A connection whose statements go wrong as its plan says."""

    plan = None

    def execute(self, statement, *parameters):
        return self._run(
            statement, lambda: super(FaultyConnection, self).execute(statement, *parameters)
        )

    def executemany(self, statement, *parameters):
        return self._run(
            statement, lambda: super(FaultyConnection, self).executemany(statement, *parameters)
        )

    def _run(self, statement, call):
        if self.plan is None or not statement.startswith(STATEMENTS):
            return call()
        try:
            return self.plan.run(f"sql.{statement[:20]}", call, TierStoreError)
        except TierStoreError as error:
            failed = sqlite3.OperationalError(str(error))
            failed.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise failed from error


class SqliteHarness(RegionHarness):
    """A region in a file."""

    def __init__(self, folder):
        self.folder, self.clock, self.plan = folder, ManualRuntime(seed=1), FaultPlan()
        self.opened, self.connections = [], []

    @property
    def path(self):
        return self.folder / "region.db"

    def open(self, runtime=None):
        region = SqlRegion(
            "sqlite:///region.db",
            runtime=runtime or self.clock,
            terms=Limits(is_tiered=True),
            base_dir=str(self.folder),
        )
        self.opened.append(region)
        return region

    def connect(self, *args, **kwargs):
        connection = CONNECT(*args, factory=FaultyConnection, **kwargs)
        connection.plan = self.plan
        self.connections.append(connection)
        return connection

    def query(self, statement, *parameters):
        connection = CONNECT(self.path, isolation_level=None)
        try:
            return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()

    def raw_payload(self, key):
        found = self.query("SELECT payload FROM ts_directory WHERE key = ?", key)
        if not found:
            raise KeyError(key)
        return found[0][0]

    def raw_keys(self):
        return [key for (key,) in self.query("SELECT key FROM ts_directory")]

    def corrupt(self, key):
        (content,) = self.query("SELECT payload FROM ts_directory WHERE key = ?", key)[0]
        flipped = bytes([content[0] ^ 1]) + content[1:]
        self.query("UPDATE ts_directory SET payload = ? WHERE key = ?", flipped, key)

    def restart(self):
        for connection in self.connections:
            connection.close()
        self.connections.clear()
        self.opened.clear()

    def release(self):
        for region in self.opened:
            region.close()
        self.opened.clear()

    def open_secret(self):
        with pytest.raises(PolicyError) as caught:
            SqlRegion(
                "sqlite:///region.db?password=c4n4ry",
                runtime=self.clock,
                terms=Limits(),
                base_dir=str(self.folder),
            )
        return caught.value, "c4n4ry"

    @contextmanager
    def unreachable(self):
        away = self.folder.with_name("away")
        for region in self.opened:
            region.close()
        self.folder.rename(away)
        self.folder.write_text("a file in place of the folder")
        try:
            yield
        finally:
            self.folder.unlink()
            away.rename(self.folder)

    @contextmanager
    def blocked(self):
        other = CONNECT(self.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.close()

    def open_resources(self):
        links = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
        return sum(os.path.realpath(link).startswith(str(self.folder)) for link in links)

    def close(self):
        self.release()
        self.restart()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
class TestSqliteRegion(RegionConformance):
    @pytest.fixture
    def harness(self, folder, monkeypatch):
        (folder / "region").mkdir()
        harness = SqliteHarness(folder / "region")
        monkeypatch.setattr(sqlite3, "connect", harness.connect)
        yield harness
        harness.close()
