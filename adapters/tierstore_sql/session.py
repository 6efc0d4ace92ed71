"""Transactions: begun, retried while others are in the way, ended; their errors translated.

Waiting between attempts is done here, by the runtime's clock; how long a database may wait for
locks by itself is the dialect's.
"""

from __future__ import annotations

from tierstore.errors import TierStoreError
from tierstore.runtime import jitter
from tierstore_sql import creation
from tierstore_sql.connections import Connections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias, TypeVar

    from tierstore.runtime import Runtime
    from tierstore_sql.driver import Connection, Dialect

    T = TypeVar("T")
    Begin: TypeAlias = Callable[[Connection, float], None]

LOCK_WAIT_S_MIN = 0.0005
LOCK_WAIT_S_MAX = 0.025


class Session:
    """Runs functions of a connection, each as one transaction of a database."""

    def __init__(self, dialect: Dialect, runtime: Runtime) -> None:
        self.dialect = dialect
        self.connections = Connections(self._open, dialect.connections_max, runtime)
        self._runtime = runtime
        self._is_ready = False

    def read(self, work: Callable[[Connection], T], timeout_s: float) -> T:
        """What `work` returns, run on one snapshot."""
        return self._run(self.dialect.begin_read, work, timeout_s)

    def write(self, work: Callable[[Connection], T], timeout_s: float, *, alone: bool = True) -> T:
        """What `work` returns, run and committed; if it raises, nothing happened.

        No two that are `alone` run at once. `work` may run again if others were in the way.
        """
        begin = self.dialect.begin_alone if alone else self.dialect.begin_write
        return self._run(begin, work, timeout_s)

    def write_locked(
        self, work: Callable[[Connection], T], numbers: Sequence[int], timeout_s: float
    ) -> T:
        """`write`, beside all others but those that lock one of these numbers, too."""

        def begin(connection: Connection, left_s: float) -> None:
            self.dialect.begin_locking(connection, numbers, left_s)

        return self._run(begin, work, timeout_s)

    def _run(self, begin: Begin, work: Callable[[Connection], T], timeout_s: float) -> T:
        deadline = self._runtime.monotonic() + timeout_s
        wait_s = LOCK_WAIT_S_MIN
        while True:
            try:
                return self._attempt(begin, work, deadline)
            except TierStoreError:  # a deadline is a TimeoutError, and that an OSError
                raise
            except self.dialect.errors as error:
                left_s = deadline - self._runtime.monotonic()
                if not self.dialect.is_busy(error) or left_s <= 0:
                    raise self.dialect.translate(error) from error
            self._runtime.sleep(min(left_s, wait_s * (0.5 + jitter(self._runtime))))
            wait_s = min(wait_s * 2, LOCK_WAIT_S_MAX)

    def _attempt(self, begin: Begin, work: Callable[[Connection], T], deadline: float) -> T:
        connection = self._begin(begin, deadline)
        try:
            result = work(connection)
            self._commit(connection, writing=begin != self.dialect.begin_read)
        except BaseException:
            self._roll_back(connection)
            raise
        self.connections.give(connection)
        return result

    def _begin(self, begin: Begin, deadline: float) -> Connection:
        """A connection in a transaction. One that was lost while it was idle is replaced."""
        while True:
            left_s = deadline - self._runtime.monotonic()
            was_idle = bool(self.connections.idle)
            connection = self.connections.take(left_s)
            try:
                begin(connection, deadline - self._runtime.monotonic())
            except BaseException as error:
                self._roll_back(connection)
                if not (was_idle and self.dialect.is_lost(error)):
                    raise
                self.connections.drop_idle()  # as the server that had one has had all of them
                self._is_ready = False
            else:
                return connection

    def _commit(self, connection: Connection, *, writing: bool) -> None:
        try:
            connection.execute("COMMIT")
        except self.dialect.errors as error:
            if self.dialect.is_busy(error):
                raise
            raise self.dialect.translate(error, committing=writing) from error

    def _roll_back(self, connection: Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except self.dialect.errors:
            self.connections.discard(connection)
        else:
            self.connections.give(connection)

    def _open(self, timeout_s: float) -> Connection:
        connection = self.dialect.open(timeout_s)
        if self._is_ready:
            return connection
        try:
            creation.prepare(connection, self.dialect, self._runtime)
            creation.refuse_damage(connection, self.dialect)
            self.dialect.continue_feed(connection)
        except BaseException:
            connection.close()
            raise
        self._is_ready = True
        return connection
