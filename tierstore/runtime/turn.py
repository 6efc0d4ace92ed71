"""A lock that is waited for with a timeout, and that Ctrl-C leaves neither taken nor lost.

Python runs signal handlers after a call has returned. So KeyboardInterrupt may be raised between
the call that took a plain lock and the next instruction: whoever called does not know that it has
the lock, and nobody will ever release it. (`with lock:` has no such moment, but no timeout either.)
A lock of `_thread.RLock` knows its owner, so it can be asked.
"""

from __future__ import annotations

import _thread

TYPE_CHECKING = False


class Turn(_thread.RLock):  # type: ignore[misc]
    """One thread at a time. One that has it already, and would not wait for ever, is refused."""

    if TYPE_CHECKING:

        def _is_owned(self) -> bool: ...

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Whether it was taken. If this raises, it was not."""
        if self._is_owned() and (timeout >= 0 or not blocking):
            return False
        try:
            return super().acquire(blocking, timeout)
        except BaseException:
            if self._is_owned():
                self.release()
            raise
