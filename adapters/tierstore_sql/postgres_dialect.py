"""What is PostgreSQL's own: its transactions, locks, rows, feed and errors.

What every database understands is in `statements`; `sqlite_dialect` is the twin of this. Nothing
here imports the driver: `postgres` does.
"""

# The parts joined here are constants and validated names; everything else is a parameter.

from __future__ import annotations

from _blake2 import blake2b

from tierstore.errors import DeadlineExceededError
from tierstore_sql import postgres_statements as pg
from tierstore_sql import statements
from tierstore_sql.arrays import pack_bytes
from tierstore_sql.digests import DIGEST_MAX, Digest
from tierstore_sql.errors import (
    STATES_BUSY,
    RaceLostError,
    is_connection_lost,
    sqlstate,
    translate_state,
)
from tierstore_sql.postgres_rows import Beside, put_rows
from tierstore_sql.rows import EVENTUAL_BYTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

    from sqlalchemy.engine import Dialect as Compiler

    from tierstore.errors import TierStoreError
    from tierstore.region.rows import Row
    from tierstore_sql.address import Address

GRACE_S = 0.5
"""How much longer than the server the client waits, which keeps the connection if it answers."""
NOTICE_PAUSE_S = 0.02
"""A process tells of its changes no more often: commits that notify wait for each other."""


def _number_of(name: str) -> int:
    """64 bits that stand for a name."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


class Postgres:
    """PostgreSQL: many writers at READ COMMITTED, rows locked in the order of their keys.

    A row that is not there cannot be locked. Whoever finds on writing that another has written it
    meanwhile begins again, and then it is there.
    """

    errors: tuple[type[Exception], ...] = (RaceLostError, OSError, OverflowError, UnicodeError)
    keys_max = 10_000
    locking = " ORDER BY key FOR UPDATE"
    version = "SELECT 'PostgreSQL ' || current_setting('server_version')"
    counts_in_region = False
    additions: Sequence[str] = (pg.SEQUENCE, pg.XID_BASE)
    begin_commit = pg.BEGIN_COMMIT
    few_max = 64
    completions: Sequence[str] = ("ANALYZE ts_region",)  # else plans count with hundreds of them
    scan_page: Mapping[tuple[bool, bool, bool], str] = pg.SCAN_PAGE
    own: Mapping[str, str] = pg.OWN
    """What stands in place of a statement of `statements`."""

    def __init__(self, address: Address, monotonic: Callable[[], float]) -> None:
        self.address = address
        self.path = address.shown
        self.place = f"the regional tier at {address.shown!r}"
        self.connections_max = address.pool
        self.channel = f"tierstore_{address.schema}_{address.prefix}"[:63]
        self._own_locks = _number_of(f"{address.schema} {address.prefix}")
        self.monotonic = monotonic
        self.notice_pause_s = NOTICE_PAUSE_S
        self._next_notice_s = 0.0

    def fetch_point(
        self, connection: Any, statement: str, parameters: tuple[bytearray, int], timeout_s: float
    ) -> Any:
        """The row that a statement with a key and a number as parameters selects."""
        self._limit(connection, timeout_s)
        try:
            return connection.fetch_point(statement, parameters)
        except TimeoutError as error:
            raise self.overdue(error) from error

    def begin_read(self, connection: Any, timeout_s: float) -> None:
        """Begin a transaction that reads one snapshot."""
        self._begin(connection, "REPEATABLE READ READ ONLY", timeout_s)

    def begin_write(self, connection: Any, timeout_s: float) -> None:
        """Begin a transaction that writes beside others."""
        self._begin(connection, "READ COMMITTED READ WRITE", timeout_s)

    def begin_alone(self, connection: Any, timeout_s: float) -> None:
        """Begin a transaction that holds the row of the region; batches go on beside it."""
        lock = "; SELECT 1 FROM ts_region FOR UPDATE"
        self._begin(connection, "READ COMMITTED READ WRITE", timeout_s, lock)

    def begin_locking(self, connection: Any, numbers: Sequence[int], timeout_s: float) -> None:
        """Begin a transaction that holds these advisory locks, taken in this order.

        Each statement has a snapshot of its own, so the next one sees what was committed by who
        had them before. Advisory locks are of a whole database, in which there may be other
        regions with the same keys.
        """
        more = pg.lock([number ^ self._own_locks for number in numbers])
        self._begin(connection, "READ COMMITTED READ WRITE", timeout_s, more)

    def begin_creating(self, connection: Any) -> None:
        """Begin a transaction that creates or migrates tables, one at a time."""
        schema, prefix = self.address.schema, self.address.prefix
        connection.script(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT"
            f" pg_advisory_xact_lock(hashtextextended('tierstore {schema} {prefix}', 0))"
        )
        found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = ?", (schema,))
        if found.fetchone() is None:
            connection.execute(f'CREATE SCHEMA "{schema}"')

    def select_keys(self, names: Collection[bytes]) -> tuple[str, list[Any]]:
        """(A condition that is true of these keys, its parameters)."""
        return "key = any(?)", [pack_bytes([*names])]

    def put_rows(
        self,
        connection: Any,
        rows: Collection[Row],
        position: int,
        kept: Sequence[Any] | None = None,
    ) -> None:
        """Write rows at consecutive feed positions from `position` on, in the order of their keys.

        Those that have a position are there, and locked; the others are new.
        """
        channel = ""
        if self.monotonic() >= self._next_notice_s:
            self._next_notice_s = self.monotonic() + self.notice_pause_s
            channel = self.channel
        put_rows(connection, rows, position, Beside(channel, kept))

    def digest_page(self, connection: Any, bounds: Sequence[bytes], limit: int) -> Digest:
        """Of up to `limit` eventual rows from the first of `bounds` to below the second, if any.

        The server makes it: no row travels.
        """
        statement = pg.FINGERPRINT[len(bounds) > 1]
        parameters = (limit, *bounds, EVENTUAL_BYTE, limit + 1)
        count, digest, next_key = connection.execute(statement, parameters).fetchone()
        return Digest(count, (digest or 0) & DIGEST_MAX, next_key)

    def list_tables(self, connection: Any) -> set[str]:
        """Which of tierstore's tables there are."""
        found = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = ?", (self.address.schema,)
        )
        prefix = self.address.prefix
        names = [bytes(name).decode() for (name,) in found]
        ours = {"ts_" + name.removeprefix(prefix) for name in names if name.startswith(prefix)}
        return ours & set(statements.TABLES)

    def find_damage(self, connection: Any) -> str | None:
        """None: PostgreSQL has checksums of its own, and `amcheck`."""
        return None

    def continue_feed(self, connection: Any) -> None:
        """Count transaction ids from elsewhere if this server is behind the rows' positions.

        So it is when the region was copied from another server.
        """
        if not connection.execute(pg.IS_FEED_BEHIND).fetchone()[0]:
            return
        self.begin_creating(connection)
        connection.execute(pg.CONTINUE_FEED)
        connection.execute("COMMIT")

    def compiler(self) -> Compiler:
        """The SQLAlchemy dialect that writes data definitions for this database."""
        from sqlalchemy.dialects import postgresql

        dialect: Compiler = postgresql.dialect()  # type: ignore[no-untyped-call]
        return dialect

    def is_busy(self, error: BaseException) -> bool:
        """Whether nothing happened because of others, so trying again may help."""
        return isinstance(error, RaceLostError) or sqlstate(error) in STATES_BUSY

    def is_lost(self, error: BaseException) -> bool:
        """Whether the connection is gone."""
        return is_connection_lost(error)

    def translate(self, error: BaseException, *, committing: bool = False) -> TierStoreError:
        """The error of tierstore that one of the driver means."""
        return translate_state(error, self.place, committing=committing)

    def overdue(self, error: BaseException) -> TierStoreError:
        """The error for a server that has not answered in time, before anything happened."""
        return DeadlineExceededError(f"{self.place}: {error}")

    def _limit(self, connection: Any, timeout_s: float) -> None:
        """Let what `connection` does next take no longer than this, and a grace."""
        connection.driver.deadline_s = self.monotonic() + timeout_s + GRACE_S

    def _begin(self, connection: Any, kind: str, timeout_s: float, more: str = "") -> None:
        self._limit(connection, timeout_s)
        timeout_ms = max(1, round(timeout_s * 1000))
        connection.script(
            f"BEGIN ISOLATION LEVEL {kind}; SET LOCAL statement_timeout = {timeout_ms}{more}"
        )
