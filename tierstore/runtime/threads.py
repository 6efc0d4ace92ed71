"""The thread that runs background steps in a real process."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.runtime import Runtime, Steps

IDLE_WAIT_S_MAX = 3600.0


class ThreadDriver:
    """Runs steps when they fall due or when woken, until stopped. Its thread is a daemon."""

    def __init__(self, runtime: Runtime, steps: Steps, name: str) -> None:
        self._runtime = runtime
        self._steps = steps
        self._woken = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look again at what is due now."""
        self._woken.set()

    def stop(self, timeout_s: float | None = None) -> None:
        """End the thread; returns when it has ended or `timeout_s` has passed."""
        self._stopped = True
        self._woken.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopped:
            wait_s = self._steps.next_due() - self._runtime.monotonic()
            if wait_s > 0:
                self._woken.wait(min(wait_s, IDLE_WAIT_S_MAX))
            self._woken.clear()
            if not self._stopped:
                self._steps.run_due()
