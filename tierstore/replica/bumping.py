"""Increments without ceremony: what `Writer.rewrite` is for puts, for counters.

Handlers count more often than they do anything else, and a `memory` increment has no I/O to hide
behind. So one that adds to others that wait already is done here; all else by the `Writer`.
"""

from __future__ import annotations

from tierstore.edge.entry import CHANGED, GONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeGuard

    from tierstore.edge.entry import Entry
    from tierstore.edge.typed import TypedEntry
    from tierstore.replica.state import ReplicaState

_NOTHING = (0, 0)


class Bumper:
    """Adds to resident counters under `memory` rules without TTL or bound of age."""

    __slots__ = ("_plain", "_resident", "_state", "_time_ns")

    def __init__(self, state: ReplicaState) -> None:
        self._state = state
        self._plain = state.plain_memory
        self._resident = state.edge.resident
        self._time_ns = state.runtime.time_ns

    def bump(self, entry: Entry, number: int) -> bool:
        """Add `number`, of 64 bits, to a counter; False, and nothing is done, if `write` must."""
        if entry.dirty != CHANGED:
            return False
        state = self._state
        with state.lock:
            if not self._may_bump(entry):
                return False
            clock = state.clock
            if self._time_ns() < clock.edge_ns:  # HybridClock.tick, inline
                entry.written = clock.last = clock.last + 1
            else:
                entry.written = clock.tick()
            pending: Any = entry.pending
            added, taken = pending.delta
            shown, hidden = entry.state.get(0, _NOTHING)
            if number >= 0:
                pending.delta = (added + number, taken)
                entry.state[0] = (shown + number, hidden)
            else:
                pending.delta = (added, taken - number)
                entry.state[0] = (shown, hidden - number)
            entry.writes += 1
        return True

    def _may_bump(self, entry: Any) -> TypeGuard[TypedEntry]:
        """Whether this is what is shown and waits, and nothing forbids it. Needs the lock."""
        state = self._state
        return (
            entry.dirty == CHANGED
            and entry.told is None
            and entry.pending is not None
            and entry.pending.delta is not None
            and entry.value is not GONE
            and entry.expires_at is None
            and entry.rule.index in self._plain
            and not state.closed
            and not state.link.is_skewed
            and self._resident.get(entry.key) is entry
        )
