"""Changes on their way: what a verb of a counter, set or document does, and how that shows here.

What `write.py` is for registers. A change is acknowledged like a put, but adds to what waits
instead of replacing it, and shows only where the state is resident.
"""

from __future__ import annotations

from tierstore.crdt.pending import Change
from tierstore.crdt.types import type_of
from tierstore.edge.entry import CHANGED, CLEAN, GONE, key_size
from tierstore.edge.typed import TypedEntry, told
from tierstore.record import TYPE_CODES
from tierstore.region.batch import CHANGE, RESET, Delta, encode_delta
from tierstore.replica.write import expiry
from tierstore.stamp import physical_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.crdt.protocol import Type
    from tierstore.policy.model import Rule
    from tierstore.replica.state import ReplicaState


class ChangeWrite:
    """One key's change, checked and encoded, not yet stamped.

    `delta` is one of the key's type, or None to change its existence or lifetime only. `seen` is
    the generation that it speaks of, or 0. With `touches`, the key lives `ttl_ms` from now on;
    without, `ttl_ms` is for a generation that begins with this change.
    """

    __slots__ = ("delta", "key", "resets", "rule", "seen", "size", "touches", "ttl_ms", "type")

    def __init__(
        self,
        key: str,
        rule: Rule,
        delta: Any,
        ttl_ms: int | None,
        *,
        seen: int = 0,
        resets: bool = False,
        touches: bool = False,
    ) -> None:
        self.key = key
        self.rule = rule
        self.type = type_of(TYPE_CODES[rule.type])
        self.delta = delta
        self.ttl_ms = ttl_ms
        self.seen = seen
        self.resets = resets
        renews = rule.ttl_renew == "write" and delta is not None and ttl_ms is not None
        self.touches = touches or renews
        encoded = 0 if delta is None else len(self.type.encode_delta(delta))
        self.size = key_size(key) + encoded

    def delta_at(self, stamp: int, replica: int) -> Delta:
        """The delta that this is, made by `replica` at `stamp`."""
        record = told(self._at(stamp), self.type, stamp, replica)
        return Delta(self.key, RESET if self.resets else CHANGE, record)

    def encoded(self, stamp: int, replica: int) -> bytes:
        """The delta that this is at `stamp`, as the journal keeps it."""
        return encode_delta(self.delta_at(stamp, replica), replica)

    def show(self, state: ReplicaState, entry: TypedEntry, stamp: int) -> None:
        """Let `entry` contain and tell this. Needs the lock."""
        take(state, entry, self._at(stamp), stamp, self.size)

    def _at(self, stamp: int) -> Change:
        return Change(
            self.delta,
            resets=self.resets,
            seen=self.seen,
            touch=stamp if self.touches else 0,
            expires_at_ms=expiry(stamp, self.ttl_ms),
        )


def take(
    state: ReplicaState, entry: TypedEntry, change: Change, stamp: int, size_bytes: int
) -> None:
    """Let `entry` contain and tell `change`, made at `stamp`. Needs the lock."""
    outbox = state.outbox
    if entry.told is not None:
        outbox.mend(entry)
    if change.expires_at_ms is not None:
        _note_ends(state, entry, physical_ms(stamp))
    if entry.pending is not None and entry.pending.is_over(physical_ms(stamp)):
        outbox.end_life(entry)
    if state.edge.resident.get(entry.key) is entry:
        state.edge.pin(entry)
        entry.show_change(change, stamp, outbox.replica, size_bytes)
        if not state.is_edge_allowed(entry.rule, entry.size) and not state.is_edge_allowed(
            entry.rule, entry.measured()
        ):
            state.edge.drop(entry)  # what waits of it is in the outbox all the same
    entry.writes += 1
    before = entry.waiting_bytes
    entry.take(change, stamp, outbox.replica, size_bytes)
    if entry.dirty == CLEAN:
        outbox.mark(entry, CHANGED)
    else:
        outbox.dirty_bytes += entry.waiting_bytes - before


def _note_ends(state: ReplicaState, entry: TypedEntry, now_ms: int) -> None:
    """Mark that something is over to which a change might have been added."""
    if entry.value is not GONE and not entry.is_live(now_ms):
        state.runtime.sometimes("generation begun by expiry")
    ends_ms = None if entry.pending is None else entry.pending.expires_at_ms
    if ends_ms is not None and ends_ms <= now_ms:
        state.runtime.sometimes("change waited beyond its lifetime")


def restore(state: ReplicaState, entry: TypedEntry, delta: Delta) -> None:
    """Let `entry` tell what an earlier process left in the journal. Needs the lock."""
    size_bytes = key_size(delta.key) + len(delta.record.payload or b"")
    take(state, entry, change_of(delta, entry.type), delta.record.stamp, size_bytes)


def change_of(delta: Delta, type_: Type) -> Change:
    """The change that a delta tells. Raises DecodingError if it cannot be understood."""
    record = delta.record
    return Change(
        None if record.payload is None else type_.decode_delta(record.payload),
        resets=delta.op == RESET,
        seen=record.generation,
        touch=record.touch,
        expires_at_ms=record.expires_at_ms,
    )
