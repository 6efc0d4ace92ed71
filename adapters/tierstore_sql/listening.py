"""Word of changes, by LISTEN on a connection of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.errors import TierStoreError, UnavailableError
from tierstore.runtime import fork

if TYPE_CHECKING:
    from tierstore.runtime import Runtime

_inherited: list[object] = []
"""What a forked child must neither use nor close."""


class Listener:
    """Waits for word of changes. One thread at a time waits; others are told to poll."""

    def __init__(self, dialect: Any, runtime: Runtime) -> None:
        self._dialect = dialect
        self._lock = runtime.lock()
        self._connection: Any = None
        self._is_closed = False
        self._runtime = runtime
        fork.register(self)

    def wait(self, timeout_s: float) -> bool:
        """Whether there was word since the last call, or comes within `timeout_s`."""
        if not self._lock.acquire(True, timeout_s):
            return False
        try:
            if self._is_closed:
                raise UnavailableError("the regional tier was closed")
            return self._wait(timeout_s)
        except TierStoreError:
            raise
        except self._dialect.errors as error:
            self._drop()
            raise self._dialect.translate(error) from error
        finally:
            self._lock.release()

    def close(self) -> None:
        """Stop listening. Idempotent; a thread that waits goes on until its time is up."""
        self._is_closed = True
        if self._lock.acquire(False):
            self._drop()
            self._lock.release()

    def before_fork(self) -> None:
        """Nothing: the connection stays the parent's."""

    def after_fork_in_parent(self) -> None:
        """Nothing."""

    def after_fork_in_child(self) -> None:
        """Listen on a connection of its own."""
        _inherited.append(self._connection)
        self._connection = None
        self._lock = self._runtime.lock()

    def _wait(self, timeout_s: float) -> bool:
        if self._connection is None:
            self._connection = self._dialect.open(timeout_s)
            self._connection.script(f'LISTEN "{self._dialect.channel}"')
        found: bool = self._connection.driver.hears(timeout_s)
        if self._is_closed:
            self._drop()
        return found

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
