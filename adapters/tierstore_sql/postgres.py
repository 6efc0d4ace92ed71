"""PostgreSQL by psycopg 3: connections, and the region on them. Imports the driver."""

from __future__ import annotations

import math
import re
import select
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format, TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper
from psycopg.types.string import ByteaBinaryLoader
from psycopg.waiting import Ready, Wait

from tierstore.errors import TierStoreError, UnavailableError
from tierstore.region.capabilities import Capabilities
from tierstore_sql.address import parse_address
from tierstore_sql.arrays import ByteaArray, Int8Array, PackedArray, pack_bytes
from tierstore_sql.listening import Listener
from tierstore_sql.postgres_dialect import GRACE_S, Postgres
from tierstore_sql.postgres_statements import READ_FEW
from tierstore_sql.quick import NAME, TYPES, await_socket, fetch_point
from tierstore_sql.region import SqlRegion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping, Sequence

    from tierstore.runtime import Runtime
    from tierstore_sql.address import Address
    from tierstore_sql.driver import Cursor, Dialect
    from tierstore_sql.region import Limits

RV = TypeVar("RV")

LEFT_S_MAX = 86_400.0
SERVER_VERSION_MIN = 140_000  # `bit_xor`; `pg_current_snapshot` and `xid8` are older
_OPTIONS = {
    "application_name": "tierstore", "client_encoding": "UTF8", "keepalives_idle": "10",
    "keepalives_interval": "5", "keepalives_count": "3",
}  # fmt: skip
# Plans are for a few keys each, found by index; and no acknowledged write is in memory only.
_SET_UP = (
    'SET search_path = "{schema}"; SET statement_timeout = 60000;'
    " SET idle_in_transaction_session_timeout = 10000; SET jit = off; SET enable_hashjoin = off;"
    " SET enable_mergejoin = off; SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'"
)
_EVENTS = {
    Wait.R: select.POLLIN, Wait.W: select.POLLOUT, Wait.RW: select.POLLIN | select.POLLOUT,
}  # fmt: skip
_TABLE = re.compile(r"\bts_")


class OverdueError(psycopg.OperationalError):
    """The server has not answered in time; the connection is closed."""


class _PackedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: PackedArray) -> bytes:
        """It is in the format of the protocol already."""
        return obj


class _ByteaArrayDumper(_PackedDumper):
    oid = ByteaArray.oid


class _Int8ArrayDumper(_PackedDumper):
    oid = Int8Array.oid


class _TextDumper(Dumper):
    format = Format.BINARY
    oid = 25

    def dump(self, obj: str) -> bytes:
        """The text; what PostgreSQL cannot store is written as its number."""
        return obj.encode("utf-8", "backslashreplace").replace(b"\0", b"\\x00")


class Driver(psycopg.Connection[Any]):
    """A connection of the driver that waits no longer than until its deadline."""

    deadline_s = math.inf
    has_point = False
    monotonic: Callable[[], float]

    def wait(
        self,
        gen: Generator[Any, Any, RV],
        interval: float = math.inf,
        timeout: float | None = None,
    ) -> RV:
        """What the operation `gen` returns. Raises OverdueError after the deadline.

        It is told whenever `interval` seconds have passed without anything.
        """
        try:
            wanted = next(gen)
            while True:
                left_s = self._left_s()
                events = await_socket(self.pgconn.socket, _EVENTS[wanted], min(left_s, interval))
                if not events and left_s <= interval:
                    self.close()
                    raise OverdueError("the server did not answer in time")
                wanted = gen.send(_ready(wanted, events))
        except StopIteration as done:
            result: RV = done.value
            return result

    def run(self, statement: bytes, parameters: Sequence[Any] | None) -> Cursor:
        """One statement, its result in binary."""
        return self.execute(statement, parameters, binary=True)

    def run_many(self, statement: bytes, parameters: Sequence[Sequence[Any]]) -> Cursor:
        """One statement with each of these parameters, in one round trip."""
        cursor = self.cursor(binary=True)
        cursor.executemany(statement, parameters)
        return cursor

    def run_point(self, statement: bytes, key: bytes, number: int) -> tuple[Any, ...] | None:
        """The row that a statement with these parameters selects; the same statement each time."""
        if not self.has_point:
            asked = statement.replace(b"%s", b"$1", 1).replace(b"%s", b"$2", 1)
            self.run_simple(b"PREPARE %b (%b) AS %b" % (NAME, TYPES.encode(), asked))
            self.has_point = True
        return fetch_point(self.pgconn, key, number, self._left_s)

    def run_simple(self, statements: bytes) -> None:
        """Several statements without parameters, in one round trip."""
        self.execute(statements, prepare=False)

    def hears(self, timeout_s: float) -> bool:
        """Whether there is a notification, or one comes within `timeout_s`."""
        end_s = self.monotonic() + timeout_s
        while True:
            self.pgconn.consume_input()
            if self.pgconn.notifies() is not None:
                while self.pgconn.notifies() is not None:
                    pass
                return True
            left_s = end_s - self.monotonic()
            if left_s <= 0 or not await_socket(self.pgconn.socket, select.POLLIN, left_s):
                return False

    def _left_s(self) -> float:
        return min(self.deadline_s - self.monotonic(), LEFT_S_MAX)


def _ready(wanted: int, events: int) -> Ready:
    """What a generator of the driver is told; an error of the socket shows when it is used."""
    if not events:
        return Ready.NONE
    found = (Ready.R if events & ~select.POLLOUT else 0) | (
        Ready.W if events & ~select.POLLIN else 0
    )
    return Ready(found & wanted)


class PostgresConnection:
    """A `tierstore_sql.driver.Connection` over psycopg."""

    def __init__(self, driver: Driver, prefix: str, own: Mapping[str, str]) -> None:
        self.driver = driver
        self._prefix = prefix
        self._own = own
        self._written: dict[str, bytes] = {}

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction was begun and not ended, or nobody knows."""
        return self.driver.pgconn.transaction_status != TransactionStatus.IDLE

    def execute(self, statement: str, parameters: Sequence[Any] | None = None) -> Cursor:
        """Run one statement."""
        written = self._written.get(statement) or self._write(statement)
        return self.driver.run(written, parameters)

    def executemany(self, statement: str, parameters: Sequence[Sequence[Any]]) -> Cursor:
        """Run one statement with each of these parameters."""
        written = self._written.get(statement) or self._write(statement)
        return self.driver.run_many(written, parameters)

    def script(self, statements: str) -> None:
        """Run several statements without parameters, in one round trip."""
        self.driver.run_simple(_TABLE.sub(self._prefix, statements).encode())

    def fetch_point(self, statement: str, parameters: Sequence[Any]) -> tuple[Any, ...] | None:
        """The row that a statement of two parameters, a key and a number, selects."""
        written = self._written.get(statement) or self._write(statement)
        return self.driver.run_point(written, *parameters)

    def close(self) -> None:
        """End it. Idempotent."""
        self.driver.close()

    def _write(self, statement: str) -> bytes:
        own = self._own.get(statement, statement)
        written = _TABLE.sub(self._prefix, own).replace("?", "%s").encode()
        self._written[statement] = written
        return written


def connect(address: Address, monotonic: Callable[[], float], timeout_s: float) -> Driver:
    """A connection to a server, set up.

    Raises psycopg's errors, of which none holds the password.
    """
    options = {**_OPTIONS, **address.options}
    hosts = options.get("host", "").count(",") + 1  # which are tried in turn
    options["connect_timeout"] = str(max(2, math.ceil(timeout_s / hosts)))
    options["tcp_user_timeout"] = str(math.ceil(max(timeout_s, 1.0) * 1000))
    failure = None
    try:
        driver = Driver.connect(autocommit=True, **options)  # type: ignore[arg-type]
    except psycopg.Error as error:
        failure = psycopg.OperationalError(_hide(str(error), address))
    if failure is not None:
        raise failure  # without the driver's own as its context
    driver.monotonic = monotonic
    driver.deadline_s = monotonic() + timeout_s + GRACE_S
    try:
        _set_up(driver, address)
    except BaseException:
        driver.close()
        raise
    return driver


def _set_up(driver: Driver, address: Address) -> None:
    if driver.info.server_version < SERVER_VERSION_MIN:
        raise UnavailableError(f"{address.shown} is older than PostgreSQL 14")
    adapters = driver.adapters
    adapters.register_loader("text", ByteaBinaryLoader)
    adapters.register_loader("name", ByteaBinaryLoader)
    adapters.register_dumper(int, Int8BinaryDumper)
    adapters.register_dumper(str, _TextDumper)
    adapters.register_dumper(ByteaArray, _ByteaArrayDumper)
    adapters.register_dumper(Int8Array, _Int8ArrayDumper)
    driver.run_simple(_SET_UP.format(schema=address.schema).encode())


def _hide(text: str, address: Address) -> str:
    password = address.options.get("password")
    return text.replace(password, "***") if password else text


class PostgresDialect(Postgres):
    """PostgreSQL on psycopg's connections."""

    errors = (*Postgres.errors, psycopg.Error)

    def __init__(self, address: Address, runtime: Runtime) -> None:
        super().__init__(address, runtime.monotonic)

    def open(self, timeout_s: float) -> PostgresConnection:
        """A new connection, ready for statements."""
        driver = connect(self.address, self.monotonic, timeout_s)
        return PostgresConnection(driver, self.address.prefix, self.own)

    def fetch_few(
        self, connection: Any, names: Collection[bytes], replica: int, timeout_s: float
    ) -> Any:
        """What `statements.read_few` selects for these keys: one statement is one snapshot."""
        self._limit(connection, timeout_s)
        try:
            found = connection.execute(READ_FEW, (pack_bytes([*names]), replica))
            return found.fetchall()
        except OverdueError as error:
            raise self.overdue(error) from error

    def is_lost(self, error: BaseException) -> bool:
        """Whether the connection is gone."""
        return not isinstance(error, OverdueError) and super().is_lost(error)

    def translate(self, error: BaseException, *, committing: bool = False) -> TierStoreError:
        """The error of tierstore that one of the driver means."""
        if isinstance(error, OverdueError) and not committing:
            return self.overdue(error)
        return super().translate(error, committing=committing)


class PostgresRegion(SqlRegion):
    """A regional tier at `url`, `postgresql+psycopg://user:password@host:5432/database`.

    Constructing it touches nothing; `connect`, or the first other call, creates the tables. Safe
    to use from several threads and across forks. Raises PolicyError for a malformed `url`, of
    which it tells nothing that may be secret.
    """

    capabilities = Capabilities(cas=True, ordered_scan=True, feed_notify=True)

    def __init__(self, url: str, *, runtime: Runtime, terms: Limits, base_dir: str) -> None:
        super().__init__(url, runtime=runtime, terms=terms, base_dir=base_dir)
        self._listener = Listener(self._session.dialect, runtime)

    def wait_for_changes(self, timeout_s: float) -> bool:
        """Whether somebody has told of a change since the last call, or does within `timeout_s`.

        A hint, which may come for nothing and may fail to come: pull once in a while all the same.
        The first call only begins to listen. Raises UnavailableError if the server does not answer.
        """
        return self._listener.wait(timeout_s)

    def close(self) -> None:
        """Release connections. Idempotent."""
        self._listener.close()
        super().close()

    def _make_dialect(self, url: str, base_dir: str) -> Dialect:
        return PostgresDialect(parse_address(url), self._runtime)

    def _mask(self, url: str) -> str:
        return parse_address(url).shown
