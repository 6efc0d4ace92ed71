"""The harness of a region on PostgreSQL: a schema of its own on a server that is there."""

from __future__ import annotations

import os
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING
from unittest import mock

from tierstore.errors import TierStoreError
from tierstore.region.apply import Limits
from tierstore.runtime import Runtime, now_ms
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing.conformance.harness import CannotError
from tierstore.testing.conformance.harnesses import URL_VARIABLE
from tierstore.testing.conformance.region.harness import RegionHarness
from tierstore.testing.plan import FaultPlan
from tierstore.tiers.registry import load_region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, Self

    from tierstore.region.protocol import Region

STAMP_AT = 10
"""A byte of the stamp in the header of a row."""
SECRET = "c4n4ry"  # noqa: S105  # what must not show


class PostgresHarness(RegionHarness):
    """A region in a schema that is made for it, and dropped at the end.

    Statements go wrong as the plan says, and read the clock of the harness.
    """

    cannot: Mapping[str, str] = {"unreachable": "the server is not ours to stop"}

    def __init__(self, folder: str | os.PathLike[str], url: str | None = None) -> None:
        """`folder` is not used; without a `url` it is taken from the environment."""
        named = url or os.environ.get(URL_VARIABLE)
        if not named:
            raise CannotError(f"it needs a server: name one in {URL_VARIABLE}")
        self.schema = f"tierstore_check_{Runtime().random_bytes(6).hex()}"
        self.url = _in_schema(named, self.schema)
        self.clock, self.plan = ManualRuntime(seed=1), FaultPlan()
        self.drivers: list[Any] = []
        self._opened: list[Any] = []
        self._adapter: Any = load_region("postgresql")
        self._raw = self._require_server()

    @contextmanager
    def entered(self) -> Iterator[Self]:
        """Replaces the driver of the adapter meanwhile."""
        module = import_module(self._adapter.__module__)
        driver = make_driver(module.Driver, self)
        with mock.patch.object(module, "Driver", driver), super().entered():
            yield self

    def connect_raw(self) -> Any:
        """A connection of the driver alone, in autocommit mode."""
        import psycopg

        address = import_module(f"{self._adapter.__module__.partition('.')[0]}.address")
        return psycopg.connect(autocommit=True, **address.parse_address(self.url).options)

    def _require_server(self) -> Any:
        """Raises CannotError unless schemas can be made there."""
        import psycopg

        try:
            raw = self.connect_raw()
            raw.execute(f"CREATE SCHEMA {self.schema}")
        except psycopg.Error as error:
            raise CannotError(f"its server cannot be used: {type(error).__name__}") from error
        return raw

    def open(self, runtime: Runtime | None = None, url: str | None = None) -> Region:
        """A handle of the schema."""
        region = self._adapter(
            url or self.url,
            runtime=runtime or self.clock,
            terms=Limits(is_tiered=True),
            base_dir="/",
        )
        self._opened.append(region)
        opened: Region = region
        return opened

    def raw_payload(self, key: bytes) -> bytes | None:
        """What the table has."""
        found = self.query("SELECT payload FROM {} WHERE key = %s", key).fetchall()
        if not found:
            raise KeyError(key)
        payload: bytes | None = found[0][0]
        return payload

    def raw_keys(self) -> list[bytes]:
        """The keys of the table."""
        return [key for (key,) in self.query("SELECT key FROM {}")]

    def corrupt(self, key: bytes) -> None:
        """Flip the lowest bit of the first byte."""
        self._flip("payload", 0, key)

    def corrupt_version(self, key: bytes) -> None:
        """Flip the lowest bit of a byte of the header."""
        self._flip("header", STAMP_AT, key)

    def restart(self) -> None:
        """Close all connections from outside."""
        self.release()

    def release(self) -> None:
        """Close what handles hold open."""
        for driver in self.drivers:
            driver.pgconn.finish()
        self.drivers.clear()
        self._opened.clear()

    def open_secret(self) -> tuple[object, str]:
        """A handle of a server that is not there."""
        return self.open(url=f"postgresql://someone:{SECRET}@127.0.0.1:1/nowhere"), SECRET

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Another connection has the table to itself."""
        with self.connect_raw() as other, other.transaction():
            other.execute(f"LOCK TABLE {self.schema}.ts_directory IN EXCLUSIVE MODE")
            yield

    def open_resources(self) -> int:
        """Open connections."""
        return sum(not driver.closed for driver in self.drivers)

    def close(self) -> None:
        """Drop the schema."""
        self.plan.arm(0, "error")
        for region in self._opened:
            region.close()
        self.release()
        self.query(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")
        self._raw.close()

    def _flip(self, column: str, at: int, key: bytes) -> None:
        flipped = f"set_byte({column}, {at}, get_byte({column}, {at}) # 1)"
        self.query(f"UPDATE {{}} SET {column} = {flipped} WHERE key = %s", key)  # noqa: S608

    def query(self, statement: str, *parameters: Any) -> Any:
        """The result of a statement in which `{}` stands for the table of rows."""
        if self._raw.closed or self._raw.broken:
            self._raw = self.connect_raw()
        return self._raw.execute(statement.format(f"{self.schema}.ts_directory"), parameters)


def _in_schema(url: str, schema: str) -> str:
    """The same server, reached as `url` says, and in it another place."""
    base, _, options = url.partition("?")
    kept = [o for o in options.split("&") if o and not o.startswith(("schema=", "prefix="))]
    return f"{base}?{'&'.join([*kept, f'schema={schema}'])}"


def make_driver(base: Any, harness: PostgresHarness) -> Any:
    """The adapter's driver, whose statements go wrong as the harness's plan says."""

    class FaultyDriver(base):  # type: ignore[misc]
        @classmethod
        def connect(cls, *args: Any, **kwargs: Any) -> Any:
            driver = super().connect(*args, **kwargs)
            harness.drivers.append(driver)
            return driver

        def run(self, statement: bytes, parameters: Any) -> Any:
            return self._route(
                statement, lambda told: super(FaultyDriver, self).run(told, parameters)
            )

        def run_many(self, statement: bytes, parameters: Any) -> Any:
            return self._route(
                statement, lambda told: super(FaultyDriver, self).run_many(told, parameters)
            )

        def run_point(self, statement: bytes, key: Any, number: int) -> Any:
            return self.run(statement, (key, number)).fetchone()

        def run_simple(self, statements: bytes) -> Any:
            return self._route(statements, super().run_simple)

        def _route(self, statement: bytes, call: Callable[[bytes], Any]) -> Any:
            import psycopg

            clock = f"to_timestamp({now_ms(harness.clock)} / 1000.0)"
            told = statement.replace(b"clock_timestamp()", clock.encode())
            name = f"sql.{statement[:20].decode()}"
            try:
                return harness.plan.run(name, lambda: call(told), TierStoreError)
            except TierStoreError as error:
                self.close()
                raise psycopg.OperationalError(str(error)) from error

    return FaultyDriver
