"""What this adapter asks of a driver's connection, and of the dialect of its database.

`sqlite3.Connection` is such a connection as it is; psycopg's is wrapped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Dialect as Compiler

    from tierstore.errors import TierStoreError
    from tierstore.region.rows import Row
    from tierstore_sql.digests import Digest


class Cursor(Protocol):
    """The result of a statement."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """The rows that are left."""


class Connection(Protocol):
    """A connection in autocommit mode. Parameters are written `?`; text comes back as bytes."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction was begun and not ended."""

    def execute(self, statement: str, parameters: Sequence[Any] = ..., /) -> Cursor:
        """Run one statement."""

    def executemany(self, statement: str, parameters: Sequence[Sequence[Any]], /) -> Cursor:
        """Run one statement with each of these parameters."""

    def close(self) -> None:
        """End it. Idempotent."""


class Dialect(Protocol):
    """What differs between databases."""

    path: str
    """The file, or the address without any secret."""
    place: str
    """Names the database in errors, without any secret."""
    errors: tuple[type[Exception], ...]
    """What the driver raises."""
    connections_max: int
    """How many connections a process may hold."""
    keys_max: int
    """How many keys one statement takes."""
    locking: str
    """What makes a selection of rows lock them, in the order of their keys."""
    counts_in_region: bool
    """Whether each write counts in the one row of the region, which makes writers wait."""
    version: str
    """The statement for the database's name and version."""
    additions: Sequence[str]
    """Statements that add to new tables what this database needs besides."""
    completions: Sequence[str]
    """Statements for new tables once there is a region in them."""
    few_max: int
    """How many keys `fetch_few` takes; 0: it is not to be called."""
    begin_commit: str
    """A statement that locks rows, of the keys that `select_keys` makes a parameter, and tells what
    `REGION` does, the next number, an operation, and of each row `BARE`; empty: one each."""
    scan_page: Mapping[tuple[bool, bool, bool], str]
    """The statement for a page of a scan, by (bounded, reverse, values)."""

    def open(self, timeout_s: float) -> Connection:
        """A new connection, ready for statements."""

    def fetch_point(
        self,
        connection: Any,
        statement: str,
        parameters: tuple[bytearray, int],
        timeout_s: float,
    ) -> Any:
        """The row that a statement with a key and a number as parameters selects."""

    def fetch_few(
        self, connection: Any, names: Collection[bytes], replica: int, timeout_s: float
    ) -> Any:
        """What `statements.read_few` selects for up to `few_max` keys, in one round trip."""

    def begin_read(self, connection: Any, timeout_s: float) -> None:
        """Begin a transaction that reads one snapshot."""

    def begin_write(self, connection: Any, timeout_s: float) -> None:
        """Begin a transaction that writes, beside others if the database can do that."""

    def begin_alone(self, connection: Any, timeout_s: float) -> None:
        """Begin a transaction beside which no other of this kind runs."""

    def begin_locking(self, connection: Any, numbers: Sequence[int], timeout_s: float) -> None:
        """Begin a transaction that writes, once it alone has the locks of these numbers."""

    def begin_creating(self, connection: Any) -> None:
        """Begin a transaction that creates or migrates tables, one at a time."""

    def select_keys(self, names: Collection[bytes]) -> tuple[str, list[Any]]:
        """(A condition that is true of these keys, its parameters)."""

    def put_rows(
        self,
        connection: Any,
        rows: Collection[Row],
        position: int,
        kept: Sequence[Any] | None = None,
    ) -> None:
        """Write rows at consecutive feed positions from `position` on.

        With them an operation, if it is `kept`: the parameters of `statements.PUT_OPERATION`.
        """

    def digest_page(self, connection: Any, bounds: Sequence[bytes], limit: int) -> Digest:
        """Of up to `limit` eventual rows from the first of `bounds` to below the second, if any."""

    def list_tables(self, connection: Any) -> set[str]:
        """The names of the tables that could be tierstore's."""

    def find_damage(self, connection: Any) -> str | None:
        """What is wrong with the database that would hide rows."""

    def continue_feed(self, connection: Any) -> None:
        """See to it that positions yet to be drawn are above all that were."""

    def compiler(self) -> Compiler:
        """The SQLAlchemy dialect that writes data definitions."""

    def is_busy(self, error: BaseException) -> bool:
        """Whether nothing happened because of others, so trying again may help."""

    def is_lost(self, error: BaseException) -> bool:
        """Whether the connection is gone."""

    def translate(self, error: BaseException, *, committing: bool = False) -> TierStoreError:
        """The error of tierstore that one of the driver means."""
