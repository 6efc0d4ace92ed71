"""Connections that are held open: a bounded number, never inherited by a fork."""

from __future__ import annotations

from tierstore.errors import DeadlineExceededError, UnavailableError
from tierstore.runtime import fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.runtime import Runtime
    from tierstore_sql.driver import Connection

FORK_WAIT_S = 5.0
FORK_POLL_S = 0.001
FREED_POLL_S = 0.05  # between looks for a connection whose return went to somebody else

_inherited: list[object] = []
"""Connections that a forked child must neither use nor close: closing drops the parent's locks."""


class Connections:
    """A stack of idle connections.

    Whoever needs one pops it and pushes it back, which is atomic without a lock; only opening and
    forking take the lock. A fork closes all of them first, waiting for those in use.
    """

    def __init__(
        self, open_one: Callable[[float], Connection], count_max: int, runtime: Runtime
    ) -> None:
        self.idle: list[Connection] = []
        self._open_one = open_one
        self._count_max = count_max
        self._runtime = runtime
        self._lock = runtime.lock()
        self._held: set[Connection] = set()
        self._opening: list[None] = []  # one for each that is; lists change atomically
        self._waiting: list[None] = []
        self._freed = runtime.event()
        self._closed = False
        self._draining = False
        fork.register(self)

    def take(self, timeout_s: float) -> Connection:
        """An idle connection, or a new one. Return it with `give` or `discard`.

        Raises DeadlineExceededError if all that there may be stay in use.
        """
        try:
            return self.idle.pop()
        except IndexError:
            return self._open_another(timeout_s)

    def give(self, connection: Connection) -> None:
        """Return a connection that is outside any transaction."""
        self.idle.append(connection)
        if self._draining:
            self._close_idle()
        if self._waiting:
            self._freed.set()

    def discard(self, connection: Connection) -> None:
        """Close a connection whose state is in doubt."""
        try:
            connection.close()
        finally:
            # Not before: SQLite holds mutexes while it closes, and a child of a fork would find
            # them taken for ever.
            self._held.discard(connection)
        if self._waiting:
            self._freed.set()

    def drop_idle(self) -> None:
        """Close what is idle now."""
        self._close_idle()

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
        while (self._held or self._opening) and waited_s < FORK_WAIT_S:
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
        self._opening.clear()
        self._waiting = []
        self._freed = self._runtime.event()
        self.after_fork_in_parent()

    def _open_another(self, timeout_s: float) -> Connection:
        deadline = self._runtime.monotonic() + timeout_s
        while not self._reserve():
            left_s = deadline - self._runtime.monotonic()
            if left_s <= 0:
                raise DeadlineExceededError(
                    f"all {self._count_max} connections to the regional tier stayed in use"
                )
            found = self._await_freed(left_s)
            if found is not None:
                return found
        try:
            connection = self._open_one(deadline - self._runtime.monotonic())
            self._held.add(connection)
        finally:
            self._opening.pop()
        return connection

    def _reserve(self) -> bool:
        """Make room for one more connection, if there may be one more."""
        with self._lock:
            if self._closed:
                raise UnavailableError("the regional tier was closed")
            has_room = len(self._held) + len(self._opening) < self._count_max
            if has_room:
                self._opening.append(None)
            return has_room

    def _await_freed(self, left_s: float) -> Connection | None:
        self._waiting.append(None)
        try:
            self._freed.clear()
            if not self.idle:
                self._freed.wait(min(left_s, FREED_POLL_S))
            return self.idle.pop()
        except IndexError:
            return None
        finally:
            self._waiting.pop()

    def _close_idle(self) -> None:
        while self.idle:
            try:
                connection = self.idle.pop()
            except IndexError:
                return
            self.discard(connection)
