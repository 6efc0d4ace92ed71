"""Transactions: begun, retried while another holds the lock, ended; their errors translated.

Waiting for a lock is done here, by the runtime's clock, not by the database.
"""

from __future__ import annotations

from tierstore.errors import TierStoreError
from tierstore.runtime import jitter
from tierstore_sql import creation
from tierstore_sql.connections import Connections
from tierstore_sql.errors import DRIVER_ERRORS, is_busy, translate

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from typing import TypeVar

    from tierstore.runtime import Runtime
    from tierstore_sql.dialects import Sqlite

    T = TypeVar("T")

LOCK_WAIT_S_MIN = 0.0005
LOCK_WAIT_S_MAX = 0.025


class Session:
    """Runs functions of a connection, each as one transaction of a database."""

    def __init__(self, dialect: Sqlite, runtime: Runtime) -> None:
        self.dialect = dialect
        self.connections = Connections(self._open, runtime)
        self._runtime = runtime
        self._is_ready = False

    def read(self, work: Callable[[sqlite3.Connection], T], timeout_s: float) -> T:
        """What `work` returns, run on one snapshot."""
        return self._run(self.dialect.begin_read, work, timeout_s)

    def write(self, work: Callable[[sqlite3.Connection], T], timeout_s: float) -> T:
        """What `work` returns, run alone and committed; if it raises, nothing happened.

        `work` may run again if another process was in the way.
        """
        return self._run(self.dialect.begin_write, work, timeout_s)

    def _run(self, begin: str, work: Callable[[sqlite3.Connection], T], timeout_s: float) -> T:
        deadline = self._runtime.monotonic() + timeout_s
        wait_s = LOCK_WAIT_S_MIN
        while True:
            try:
                return self._attempt(begin, work)
            except TierStoreError:  # a deadline is a TimeoutError, and that an OSError
                raise
            except DRIVER_ERRORS as error:
                left_s = deadline - self._runtime.monotonic()
                if not is_busy(error) or left_s <= 0:
                    raise translate(error, self.dialect.place) from error
            self._runtime.sleep(min(left_s, wait_s * (0.5 + jitter(self._runtime))))
            wait_s = min(wait_s * 2, LOCK_WAIT_S_MAX)

    def _attempt(self, begin: str, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self.connections.take()
        try:
            connection.execute(begin)
            result = work(connection)
            self._commit(connection, writing=begin == self.dialect.begin_write)
        except BaseException:
            self._roll_back(connection)
            raise
        self.connections.give(connection)
        return result

    def _commit(self, connection: sqlite3.Connection, *, writing: bool) -> None:
        try:
            connection.execute("COMMIT")
        except DRIVER_ERRORS as error:
            if is_busy(error):
                raise
            raise translate(error, self.dialect.place, committing=writing) from error

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except DRIVER_ERRORS:
            self.connections.discard(connection)
        else:
            self.connections.give(connection)

    def _open(self) -> sqlite3.Connection:
        connection = self.dialect.open()
        if self._is_ready:
            return connection
        try:
            creation.prepare(connection, self.dialect, self._runtime)
            creation.refuse_damage(connection, self.dialect)
        except BaseException:
            connection.close()
            raise
        self._is_ready = True
        return connection
