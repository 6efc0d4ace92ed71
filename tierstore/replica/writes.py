"""Writes: stamped here, acknowledged here, carried to the region by the outbox.

With `durability: memory` a write is acknowledged once it shows; with `journal` it is committed to
the journal first; `regional` then also waits for the region.
"""

from __future__ import annotations

from tierstore.edge.entry import (
    CLEAN,
    PUT_DIRTY,
    REWRITTEN,
    TOUCH_DIRTY,
    Entry,
    key_size,
)
from tierstore.edge.making import make_entry
from tierstore.errors import (
    CorruptionError,
    DeadlineExceededError,
    OverloadedError,
    UnavailableError,
    ValueTooLargeError,
)
from tierstore.record import REGISTER, TYPE_CODES
from tierstore.region.batch import CHANGE, PUT, TOUCH, Delta, encode_delta
from tierstore.replica.overlay import DELTA_OVERHEAD_BYTES
from tierstore.replica.write import Write, expiry, touched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.policy.model import Rule
    from tierstore.record import Record
    from tierstore.replica.changing import ChangeWrite
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.state import ReplicaState

MS_PER_S = 1000


class Writer:
    """Applies writes to the resident table, the journal and the outbox."""

    def __init__(
        self,
        state: ReplicaState,
        relieve: Callable[[Deadline], None],
        on_first_dirty: Callable[[], None],
        ensure_journal: Callable[[], None] = lambda: None,
    ) -> None:
        self._state = state
        self._ensure_journal = ensure_journal
        self._journaled = frozenset(
            rule.index
            for rule in state.policy.rules
            if rule.durability != "memory"
            and rule.index not in state.never_edge
            and state.policy.edge.journal is not None
        )
        self._relieve = relieve
        self._on_first_dirty = on_first_dirty
        self._plain_memory = state.plain_memory
        self._time_ns = state.runtime.time_ns
        self._unflushed_bytes_max = state.policy.limits.unflushed_bytes

    def write(self, writes: Sequence[Write | ChangeWrite], deadline: Deadline | None) -> list[int]:
        """Acknowledge writes at this replica, all of them or none; returns their stamps."""
        self._admit(sum(write.size + DELTA_OVERHEAD_BYTES for write in writes), deadline)
        state = self._state
        journaled = [write for write in writes if self.needs_journal(write.rule)]
        if not journaled:
            with state.lock:
                stamps = [state.tick() for _ in writes]
                for write, stamp in zip(writes, stamps, strict=True):
                    self._show(write, stamp)
            return stamps
        self._ensure_journal()
        self._take_journal(deadline)
        try:
            with state.lock:
                stamps = [state.tick() for _ in writes]
            self._append(writes, stamps)
            with state.lock:
                for write, stamp in zip(writes, stamps, strict=True):
                    self._show(write, stamp)
        finally:
            state.journal_lock.release()
        return stamps

    def write_one(self, write: Write | ChangeWrite, deadline: Callable[[], Deadline]) -> int:
        """`write` of a single one; `deadline` is made only if the write must wait."""
        state = self._state
        outbox = state.outbox
        size = write.size + DELTA_OVERHEAD_BYTES
        if (
            outbox.dirty_bytes + outbox.frozen_bytes + size > self._unflushed_bytes_max
            or state.link.is_skewed
        ):
            self._admit(size, deadline())
        if write.rule.index not in self._journaled:
            with state.lock:
                stamp = state.tick()
                self._show(write, stamp)
            return stamp
        if state.journal is None:
            self._ensure_journal()
        if not state.journal_lock.acquire(False):
            self._take_journal(deadline())
        try:
            with state.lock:
                stamp = state.tick()
            raw = write.encoded(stamp, state.replica)
            state.last_seq = state.journal.append(write.key, raw, stamp)  # type: ignore[union-attr]
            with state.lock:
                self._show(write, stamp)
        finally:
            state.journal_lock.release()
        return stamp

    def _take_journal(self, deadline: Deadline | None) -> None:
        """Take the journal's lock. A flush holds it while a disk syncs, which may take long."""
        wait_s = -1.0 if deadline is None else deadline.remaining_s()
        if not self._state.journal_lock.acquire(True, wait_s):
            raise DeadlineExceededError(
                "the journal was busy for too long: see whether its disk is slow"
            )

    def rewrite(self, entry: Entry, value: bytes) -> bool:
        """Put bytes over bytes that are not shorter, under a `memory` rule, the way `write` would.

        False, and nothing is done, where the rule or the situation asks for more than that: then
        `write` it. This is `write` with all that such a put does not need left out, because it is
        the write that handlers make most often and that has no I/O to hide behind.
        """
        if entry.dirty != REWRITTEN and entry.rule.index not in self._plain_memory:
            return False
        state = self._state
        outbox = state.outbox
        if outbox.dirty_bytes + outbox.frozen_bytes + entry.size > self._unflushed_bytes_max:
            return False
        with state.lock:
            old = entry.value  # read here: another thread may have put something else meanwhile
            if old.__class__ is not bytes or len(value) > len(old) or state.link.is_skewed:
                return False
            if state.closed or (entry.dirty != REWRITTEN and not self._begin_rewrite(entry)):
                return False
            clock = state.clock
            if self._time_ns() < clock.edge_ns:  # HybridClock.tick, inline
                entry.stamp = clock.last = clock.last + 1
            else:
                entry.stamp = clock.tick()
            if len(value) != len(old):
                self._shrink(entry, len(old) - len(value))
            entry.value = value
            entry.writes += 1
        return True

    def _begin_rewrite(self, entry: Entry) -> bool:
        """Make a resident entry dirty for `rewrite`; False if it needs `write`. Needs the lock.

        An entry is resident if it is dirty or under the eviction policy. One that can expire needs
        `write`, which lets no reader see the old value without its expiry.
        """
        state = self._state
        if state.corrupt or entry.expires_at is not None:
            return False
        if entry.where > 0 and entry.dirty == CLEAN:
            if state.fills.flights:
                state.fills.void(entry.key)
            state.edge.pin(entry)
            if not state.outbox.dirty:
                self._on_first_dirty()
            state.outbox.mark(entry, REWRITTEN)
        elif entry.dirty == PUT_DIRTY:
            entry.dirty = REWRITTEN
        else:
            return False
        entry.replica = state.outbox.replica
        entry.metadata = None
        entry.touch = 0
        return True

    def _shrink(self, entry: Entry, size: int) -> None:
        """Account for a shorter value; its header may be shorter, too, which does not count."""
        entry.size -= size
        self._state.outbox.dirty_bytes -= size

    def touch(
        self,
        key: str,
        rule: Rule,
        target: Record,
        ttl_ms: int | None,
        deadline: Deadline | None = None,
    ) -> int | None:
        """Move the expiry of the version that `target` is; its stamp, or None if it is gone.

        Of a key that is no register: of the generation that `target` is of.
        """
        if target.type != REGISTER:
            from tierstore.replica.changing import ChangeWrite

            moved = ChangeWrite(key, rule, None, ttl_ms, seen=target.generation, touches=True)
            return self.write((moved,), deadline)[0]
        self._admit(key_size(key) + DELTA_OVERHEAD_BYTES, deadline)
        state = self._state
        if not self.needs_journal(rule):
            with state.lock:
                stamp = state.tick()
                return stamp if self._show_touch(key, rule, target, stamp, ttl_ms) else None
        self._ensure_journal()
        self._take_journal(deadline)
        try:
            with state.lock:
                stamp = state.tick()
            assert state.journal is not None
            delta = Delta(key, TOUCH, touched(target, stamp, ttl_ms))
            raw = encode_delta(delta, state.replica)
            state.last_seq = state.journal.append(key, raw, stamp)
            with state.lock:
                return stamp if self._show_touch(key, rule, target, stamp, ttl_ms) else None
        finally:
            state.journal_lock.release()

    def restore(self, deltas: Sequence[Delta], rule_for: Callable[[str], Rule]) -> None:
        """Show deltas that an earlier process left in the journal. Needs the lock."""
        state = self._state
        for delta in deltas:
            record, key = delta.record, delta.key
            state.clock.restore(max(record.stamp, record.touch))
            rule = rule_for(key)
            _require_type(delta, rule)
            if delta.op >= CHANGE:  # counts whatever became of others
                from tierstore.replica.changing import restore

                restore(state, self._entry(key, rule), delta)  # type: ignore[arg-type]
                continue
            if key in state.corrupt:
                continue  # a later write of it is damaged: showing this one would be wrong
            entry = self._entry(key, rule)
            if delta.op == PUT:
                if record.stamp > entry.stamp:
                    self._replace(entry, record)
            elif (entry.stamp, entry.replica) in ((record.stamp, record.replica), (0, 0)):
                entry.stamp, entry.replica = record.stamp, record.replica
                entry.touch, entry.expires_at = record.touch, record.expires_at_ms
                state.outbox.mark(entry, TOUCH_DIRTY)

    def _replace(self, entry: Entry, record: Record) -> None:
        state = self._state
        state.outbox.unmark(entry)
        entry.show(record)
        state.outbox.mark(entry, PUT_DIRTY)
        if state.is_edge_allowed(entry.rule, entry.size):
            state.edge.add(entry)

    def _admit(self, size: int, deadline: Deadline | None) -> None:
        """Refuse what must not be accepted now, before anything happens."""
        state = self._state
        if state.link.is_skewed:
            raise UnavailableError(
                f"this machine's clock is {state.link.skew_ms / MS_PER_S:+.1f} s off the region's,"
                f" beyond max_drift ({state.clock.max_drift_ms / MS_PER_S:g} s): set the clock"
            )
        bound = state.policy.limits.unflushed_bytes
        if state.outbox.unflushed_bytes + size <= bound:
            return
        if size > bound:
            raise ValueTooLargeError(
                f"{size} bytes are written at once, limits.unflushed is {bound}: write less at a"
                " time, or raise the limit"
            )
        if deadline is not None and state.outbox.unflushed_bytes:
            self._relieve(deadline)
        if state.outbox.unflushed_bytes + size > bound:
            raise OverloadedError(
                f"{state.outbox.unflushed_bytes} bytes wait for the region, limits.unflushed is"
                f" {bound}: slow down, or see why the region does not take them"
            )

    def needs_journal(self, rule: Rule) -> bool:
        """Whether writes under `rule` are journaled before they are acknowledged."""
        return rule.index in self._journaled

    def is_local(self, rule: Rule) -> bool:
        """Whether a write under `rule` is acknowledged without I/O."""
        return rule.durability != "regional" and not self.needs_journal(rule)

    def _append(self, writes: Sequence[Write | ChangeWrite], stamps: Sequence[int]) -> None:
        state = self._state
        assert state.journal is not None
        rows = [
            (write.key, write.encoded(stamp, state.replica))
            for write, stamp in zip(writes, stamps, strict=True)
            if self.needs_journal(write.rule)
        ]
        state.last_seq = state.journal.append_many(rows, stamps[-1])

    def _show(self, write: Write | ChangeWrite, stamp: int) -> None:
        """Make a stamped write what this replica shows. Needs the lock."""
        if not isinstance(write, Write):
            self._show_change(write, stamp)
            return
        state = self._state
        outbox = state.outbox
        key = write.key
        entry = state.edge.resident.get(key)
        if entry is None:
            self._forget_reads(key)
            entry = outbox.dirty.get(key) or self._enter(key, write.rule)
        elif state.fills.flights:
            state.fills.void(key)
        if entry.stamp > stamp:
            return  # a newer version arrived while the journal was written: ours has lost
        if entry.where > 0:
            state.edge.pin(entry)
        if not outbox.dirty:
            self._on_first_dirty()
        if entry.dirty != CLEAN:
            outbox.dirty_bytes += write.size - entry.size
        entry.value = write.value
        entry.expires_at = None if write.ttl_ms is None else expiry(stamp, write.ttl_ms)
        entry.stamp = stamp
        entry.replica = outbox.replica
        entry.touch = 0
        entry.metadata = write.metadata
        entry.size = write.size
        entry.writes += 1
        if entry.dirty != PUT_DIRTY:
            outbox.mark(entry, PUT_DIRTY)
        if state.is_edge_allowed(write.rule, write.size):
            state.edge.resident[key] = entry
        else:
            state.edge.drop(entry)

    def _show_change(self, write: ChangeWrite, stamp: int) -> None:
        state = self._state
        entry = state.edge.resident.get(write.key)
        if entry is None:
            self._forget_reads(write.key)
            entry = state.outbox.dirty.get(write.key) or self._enter(write.key, write.rule)
        if not state.outbox.dirty:
            self._on_first_dirty()
        write.show(state, entry, stamp)  # type: ignore[arg-type]

    def _show_touch(
        self, key: str, rule: Rule, target: Record, stamp: int, ttl_ms: int | None
    ) -> bool:
        state = self._state
        entry = self._entry(key, rule)
        if entry.stamp == 0:  # not resident: only the outbox needs to know
            entry.stamp, entry.replica = target.stamp, target.replica
        if (entry.stamp, entry.replica) != (target.stamp, target.replica):
            return False
        self._forget_reads(key)
        was_clean = not state.outbox.dirty
        state.edge.pin(entry)
        entry.touch = stamp
        entry.expires_at = expiry(stamp, ttl_ms)
        entry.writes += 1
        if entry.dirty == REWRITTEN:
            entry.dirty = PUT_DIRTY
        state.outbox.mark(entry, TOUCH_DIRTY)
        if was_clean:
            self._on_first_dirty()
        return True

    def _entry(self, key: str, rule: Rule) -> Entry:
        state = self._state
        entry = state.edge.resident.get(key) or state.outbox.dirty.get(key)
        return entry if entry is not None else self._enter(key, rule)

    def _enter(self, key: str, rule: Rule) -> Entry:
        entry = make_entry(key, rule)
        if self._state.heat is not None and self._state.heat.is_curious:
            self._state.heat.enter(entry)
        return entry

    def _forget_reads(self, key: str) -> None:
        state = self._state
        state.fills.void(key)
        if state.negatives is not None:
            state.negatives.discard(key)
        if state.corrupt:
            state.corrupt.pop(key, None)


def _require_type(delta: Delta, rule: Rule) -> None:
    if delta.record.type != TYPE_CODES[rule.type]:
        raise CorruptionError(
            f"the journal has unflushed writes of {delta.key!r} of another type than its rule"
            f" {rule.name!r} declares, {rule.type}: open the store with the policy that they were"
            " made under, and flush",
            key=delta.key,
            tier="edge",
        )
