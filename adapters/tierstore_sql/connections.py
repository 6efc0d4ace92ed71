"""Connections that are held open: as many as are in use at once, never inherited by a fork."""

from __future__ import annotations

from tierstore.errors import UnavailableError
from tierstore.runtime import fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from tierstore.runtime import Runtime

FORK_WAIT_S = 5.0
FORK_POLL_S = 0.001

_inherited: list[object] = []
"""Connections that a forked child must neither use nor close: closing drops the parent's locks."""


class Connections:
    """A stack of idle connections.

    Whoever needs one pops it and pushes it back, which is atomic without a lock; only opening and
    forking take the lock. A fork closes all of them first, waiting for those in use.
    """

    def __init__(self, open_one: Callable[[], sqlite3.Connection], runtime: Runtime) -> None:
        self.idle: list[sqlite3.Connection] = []
        self._open_one = open_one
        self._runtime = runtime
        self._lock = runtime.lock()
        self._held: set[sqlite3.Connection] = set()
        self._closed = False
        self._draining = False
        fork.register(self)

    def take(self) -> sqlite3.Connection:
        """An idle connection, or a new one. Return it with `give` or `discard`."""
        try:
            return self.idle.pop()
        except IndexError:
            return self._open_another()

    def give(self, connection: sqlite3.Connection) -> None:
        """Return a connection that is outside any transaction."""
        self.idle.append(connection)
        if self._draining:
            self._close_idle()

    def discard(self, connection: sqlite3.Connection) -> None:
        """Close a connection whose state is in doubt."""
        self._held.discard(connection)
        connection.close()

    def close(self) -> None:
        """Close what is idle now, and the others as they are returned. Idempotent."""
        with self._lock:
            self._closed = self._draining = True
        self._close_idle()

    def before_fork(self) -> None:
        """Close every connection, waiting a bounded time for those in use."""
        self._lock.acquire()
        self._draining = True
        self._close_idle()
        waited_s = 0.0
        while self._held and waited_s < FORK_WAIT_S:
            self._runtime.sleep(FORK_POLL_S)
            waited_s += FORK_POLL_S
            self._close_idle()

    def after_fork_in_parent(self) -> None:
        """Connections open again when needed."""
        self._draining = self._closed
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Connections open again when needed; one still in use by the parent is left alone."""
        _inherited.extend(self._held)
        self.idle.clear()
        self._held.clear()
        self.after_fork_in_parent()

    def _open_another(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise UnavailableError("the regional tier was closed")
            connection = self._open_one()
            self._held.add(connection)
            return connection

    def _close_idle(self) -> None:
        while self.idle:
            try:
                connection = self.idle.pop()
            except IndexError:
                return
            self.discard(connection)
