"""Hearing of changes before the next pull is due, where the region can tell of them.

What is heard is a hint: pulls go on at their interval, whatever the region says or fails to say.
"""

from __future__ import annotations

from tierstore.errors import TierStoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tierstore.replica.engine import Replica
    from tierstore.replica.link import RegionSource
    from tierstore.runtime import Driver, Runtime

WAIT_S = 0.2
"""How long one wait lasts at most, and so how long closing may wait for its end."""
DEAF_S = 5.0
"""How long nobody listens after that failed: the pulls notice when the region is back."""
CLOSE_WAIT_S = 2.0
HASTE = 10
"""What is heard of is pulled within this part of the interval; more may be about to come."""


def make_ear(replica: Replica, source: RegionSource, driver: Callable[[], Driver | None]) -> Ear:
    """One that hastens the pulls of `replica`, while it has copies and a `driver` for its steps."""

    def is_needed() -> bool:
        return driver() is not None and bool(replica.state.edge.resident)

    def hasten() -> None:
        replica.schedule.hasten("pull", replica.policy.replication.pull_s / HASTE)
        if (running := driver()) is not None:
            running.wake()

    return Ear(replica.runtime, source.get, is_needed, hasten)


class Ear:
    """A thread that listens while there is a reason to."""

    def __init__(
        self,
        runtime: Runtime,
        region: Callable[[], Any],
        is_needed: Callable[[], bool],
        on_heard: Callable[[], None],
    ) -> None:
        self._runtime = runtime
        self._region = region
        self._is_needed = is_needed
        self._on_heard = on_heard
        self._is_stopped = False
        self._listening = runtime.lock()

    def start(self) -> None:
        """Listen from now on, in a thread, if this region can tell. Later calls do nothing."""
        if self._runtime.inline or not self._region().capabilities.feed_notify:
            return
        if not self._is_stopped and self._listening.acquire(False):
            self._runtime.spawn(self._run, "tierstore-ear")

    def stop(self, wait_s: float = CLOSE_WAIT_S) -> None:
        """Listen no longer; returns when the thread has ended, after `wait_s` at most."""
        self._is_stopped = True
        if self._listening.acquire(wait_s > 0, wait_s if wait_s > 0 else -1):
            self._listening.release()

    def _run(self) -> None:
        try:
            while not self._is_stopped:
                self._listen()
        finally:
            self._listening.release()

    def _listen(self) -> None:
        if not self._is_needed():
            self._runtime.sleep(WAIT_S)
            return
        try:
            if self._region().wait_for_changes(WAIT_S):
                self._on_heard()
        except TierStoreError:
            self._rest()

    def _rest(self) -> None:
        """Wait in parts, so that stopping need not wait for all of it."""
        until_s = self._runtime.monotonic() + DEAF_S
        while not self._is_stopped and self._runtime.monotonic() < until_s:
            self._runtime.sleep(WAIT_S)
