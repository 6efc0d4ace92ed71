"""The thread that runs background steps in a real process.

Built on `_thread`: importing `threading` would cost a handler a quarter of its cold start.
"""

from __future__ import annotations

import _thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.runtime import Runtime, Steps

IDLE_WAIT_S_MAX = 3600.0


class ThreadDriver:
    """Runs steps when they fall due or when woken, until stopped. Its thread is a daemon."""

    def __init__(self, runtime: Runtime, steps: Steps, name: str) -> None:
        self._runtime = runtime
        self._steps = steps
        self._name = name
        self._bell = _thread.allocate_lock()  # free: look now; taken: wait
        self._bell.acquire()
        self._running = _thread.allocate_lock()
        self._running.acquire()
        self._stopped = False
        self._thread_id = _thread.start_new_thread(self._run, ())

    def __repr__(self) -> str:
        return f"ThreadDriver({self._name!r}, stopped={self._stopped})"

    def wake(self) -> None:
        """Look again at what is due now."""
        if self._bell.locked():
            try:
                self._bell.release()
            except RuntimeError:  # somebody else rang it in between
                return

    def stop(self, timeout_s: float | None = None) -> None:
        """End the thread; returns when it has ended or `timeout_s` has passed."""
        self._stopped = True
        self.wake()
        if self._thread_id == _thread.get_ident():
            return
        if self._running.acquire(True, -1 if timeout_s is None else timeout_s):
            self._running.release()

    def _run(self) -> None:
        try:
            while not self._stopped:
                wait_s = self._steps.next_due() - self._runtime.monotonic()
                if wait_s > 0:
                    self._bell.acquire(True, min(wait_s, IDLE_WAIT_S_MAX))
                if not self._stopped:
                    self._steps.run_due()
        finally:
            self._running.release()
