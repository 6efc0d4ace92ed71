"""Copies in a worker's own memory, and the thread that hears when they are old.

A near copy is of what the shared edge showed while a listener heard of every change there. As soon
as it may not hear, all of them go. Their age counts from what was known of the edge's copy when it
was read: what the workers learn later by their pulls says nothing about a word that is on its way.
"""

from __future__ import annotations

from tierstore.edge.entry import Entry, key_size
from tierstore.errors import TierStoreError
from tierstore.region.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.policy.model import Rule
    from tierstore.record import Record
    from tierstore.replica.shared.state import SharedState
    from tierstore.replica.state import ReplicaState
    from tierstore.runtime import Runtime

WAIT_S = 0.2
"""How often the server must be heard of, and so how long closing may wait for the listener."""
DEAF_S = 1.0
"""How long nobody listens after that failed."""
CLOSE_WAIT_S = 2.0


def install_near(
    state: ReplicaState, key: str, rule: Rule, record: Record, fetched_at_s: float
) -> None:
    """Keep a copy of what the shared edge shows. Needs the lock, and a flight that was not voided.

    The caller evicts afterwards.
    """
    if key_size(key) + len(record.payload or b"") > rule.edge_max_value_bytes:
        return
    if key in state.outbox.dirty:
        return
    entry = state.edge.resident.get(key)
    if entry is None:
        entry = Entry(key, rule)
        entry.show(record)
        if state.heat is not None and state.heat.is_curious:
            state.heat.enter(entry)
    else:
        old_size = entry.size
        entry.show(record)
        state.edge.resized(entry, old_size)
    entry.fetched_at = fetched_at_s
    state.edge.add(entry)


class Ear:
    """A thread that hears of changes at the shared edge, from `start` until `stop`."""

    def __init__(self, shared: SharedState, runtime: Runtime) -> None:
        self._shared = shared
        self._runtime = runtime
        self._is_stopped = False
        self.is_started = False
        self._listening = runtime.lock()

    def start(self) -> None:
        """Listen from now on. Later calls do nothing."""
        self.is_started = True
        if self._runtime.inline or self._is_stopped:
            return
        if self._listening.acquire(False):
            self._runtime.spawn(self._run, "tierstore-near")

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
        """Hear until that fails. Whatever goes wrong, no near copy outlives it."""
        shared = self._shared
        try:
            shared.link.reconnect()  # another server may have taken over
            shared.link.connect(Deadline(self._runtime, shared.state.policy.timeouts.regional_s))
            shared.link.edge.listen(
                self._on_ready, shared.forget_near, WAIT_S, lambda: self._is_stopped
            )
        except TierStoreError:
            self._runtime.sometimes("listener of the edge lost")
        except Exception as exc:
            from tierstore.replica.log import log

            log("error", "the listener of the edge broke: %r", exc, cause=exc)
        finally:
            self._hush()
        self._rest()

    def _on_ready(self) -> None:
        self._shared.forget_near(None)
        self._shared.is_listening = True

    def _hush(self) -> None:
        with self._shared.state.lock:
            self._shared.is_listening = False
        self._shared.forget_near(None)
        self._shared.link.reconnect()

    def _rest(self) -> None:
        until_s = self._runtime.monotonic() + DEAF_S
        while not self._is_stopped and self._runtime.monotonic() < until_s:
            self._runtime.sleep(WAIT_S / 4)
