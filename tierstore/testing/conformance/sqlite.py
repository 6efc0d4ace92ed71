"""The harness of a region on SQLite: a database in a folder, and its statements on call."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from tierstore.errors import PolicyError, TierStoreError
from tierstore.region.apply import Limits
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing.conformance.region.harness import RegionHarness
from tierstore.testing.plan import FaultPlan
from tierstore.tiers.registry import load_region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from tierstore.region.protocol import Region
    from tierstore.runtime import Runtime

CONNECT = sqlite3.connect
STATEMENTS = ("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE", "SELECT", "CREATE")
"""Those that do I/O; PRAGMA and the like are none of the plan's business."""
STAMP_AT = 10
"""A byte of the stamp in the header of a row."""


class FaultyConnection(sqlite3.Connection):
    """A connection whose statements go wrong as its plan says."""

    plan: FaultPlan | None = None

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        """As the driver does it, or fails."""
        return self._run(super().execute, statement, *parameters)

    def executemany(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        """As the driver does it, or fails."""
        return self._run(super().executemany, statement, *parameters)

    def _run(
        self, method: Callable[..., sqlite3.Cursor], statement: str, *parameters: Any
    ) -> sqlite3.Cursor:
        call = partial(method, statement, *parameters)
        if self.plan is None or not statement.startswith(STATEMENTS):
            return call()
        try:
            return self.plan.run(f"sql.{statement[:20]}", call, TierStoreError)
        except TierStoreError as error:
            failed = sqlite3.OperationalError(str(error))
            failed.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise failed from error


class SqliteHarness(RegionHarness):
    """A region in a file below `folder`. While it is entered, every connection may be faulty."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder) / "region"
        self.folder.mkdir()
        self.clock, self.plan = ManualRuntime(seed=1), FaultPlan()
        self._opened: list[Any] = []
        self._connections: list[FaultyConnection] = []

    @contextmanager
    def entered(self) -> Iterator[Self]:
        """Replaces `sqlite3.connect` meanwhile."""
        with mock.patch.object(sqlite3, "connect", self._connect), super().entered():
            yield self

    def open(self, runtime: Runtime | None = None) -> Region:
        """A handle of the database."""
        region: Region = self._make("sqlite:///region.db", runtime or self.clock)
        self._opened.append(region)
        return region

    def raw_payload(self, key: bytes) -> bytes | None:
        """What the table has."""
        found = self._query("SELECT payload FROM ts_directory WHERE key = ?", key)
        if not found:
            raise KeyError(key)
        payload: bytes | None = found[0][0]
        return payload

    def raw_keys(self) -> list[bytes]:
        """The keys of the table."""
        return [key for (key,) in self._query("SELECT key FROM ts_directory")]

    def corrupt(self, key: bytes) -> None:
        """Flip the lowest bit of the first byte."""
        self._flip("payload", 0, key)

    def corrupt_version(self, key: bytes) -> None:
        """Flip the lowest bit of a byte of the header."""
        self._flip("header", STAMP_AT, key)

    def restart(self) -> None:
        """Close all connections from outside."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        self._opened.clear()

    def release(self) -> None:
        """Close the handles."""
        for region in self._opened:
            region.close()
        self._opened.clear()

    def open_secret(self) -> tuple[object, str]:
        """The error that refuses a password in the url: no handle has one."""
        with pytest.raises(PolicyError) as caught:
            self._make("sqlite:///region.db?password=c4n4ry", self.clock)
        return caught.value, "c4n4ry"

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """A file stands where the folder was."""
        away = self.folder.with_name("away")
        for region in self._opened:
            region.close()
        self.folder.rename(away)
        self.folder.write_text("a file in place of the folder", encoding="utf-8")
        try:
            yield
        finally:
            self.folder.unlink()
            away.rename(self.folder)

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Another connection is in the middle of a write."""
        other = CONNECT(self.folder / "region.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.close()

    def open_resources(self) -> int:
        """Open files below the folder."""
        links = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
        return sum(os.path.realpath(link).startswith(str(self.folder)) for link in links)

    def close(self) -> None:
        """Close the handles, then what they left open."""
        self.release()
        self.restart()

    def _make(self, url: str, runtime: Runtime) -> Any:
        terms = Limits(is_tiered=True)
        adapter = load_region("sqlite")
        return adapter(url, runtime=runtime, terms=terms, base_dir=str(self.folder))

    def _connect(self, *args: Any, **kwargs: Any) -> FaultyConnection:
        connection = CONNECT(*args, factory=FaultyConnection, **kwargs)
        connection.plan = self.plan
        self._connections.append(connection)
        return connection

    def _flip(self, column: str, at: int, key: bytes) -> None:
        ((content,),) = self._query(f"SELECT {column} FROM ts_directory WHERE key = ?", key)  # noqa: S608
        assert content, "there is nothing to damage"
        flipped = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        self._query(f"UPDATE ts_directory SET {column} = ? WHERE key = ?", flipped, key)  # noqa: S608

    def _query(self, statement: str, *parameters: Any) -> list[Any]:
        connection = CONNECT(self.folder / "region.db", isolation_level=None)
        try:
            return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()
