"""A region in a dict: the protocol without a database, for tests and simulation.

It uses the same pure functions as every adapter, so it differs from one only in where rows are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tierstore.region.apply import (
    Limits,
    admit,
    is_collectable,
    is_long_dead,
    plan_apply,
)
from tierstore.region.capabilities import Capabilities
from tierstore.region.lives import BATCHES, PEERS
from tierstore.region.peers import forgotten
from tierstore.region.pointer import decode_pointer
from tierstore.region.protocol import (
    AsideEntry,
    BatchReply,
    Change,
    ChangesPage,
    DeadRows,
    ReadReply,
    Registration,
    ScanPage,
    Upkeep,
)
from tierstore.region.resuming import resumed, why_lost
from tierstore.region.rows import RegionInfo, ReplicaState, Row
from tierstore.runtime import now_ms
from tierstore.stamp import at_ms
from tierstore.testing.memory_commits import MemoryCommits
from tierstore.testing.memory_compacting import MemoryCompacting
from tierstore.testing.memory_holding import MemoryHolding
from tierstore.testing.memory_moves import MemoryMoves, bare
from tierstore.testing.memory_peers import MemoryPeers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.region.apply import Plan, Terms
    from tierstore.region.batch import Batch
    from tierstore.runtime import Runtime


class MemoryRegion(MemoryMoves, MemoryPeers, MemoryCommits, MemoryCompacting, MemoryHolding):
    """A region that lives as long as this object. Closing it only counts; it can be shared."""

    capabilities = Capabilities(durable=False, shared=False, cas=True, ordered_scan=True)

    def __init__(self, runtime: Runtime, limits: Limits | None = None) -> None:
        MemoryMoves.__init__(self)
        MemoryPeers.__init__(self)
        MemoryCommits.__init__(self)
        self._runtime = runtime
        self._limits = limits or Limits()
        self._lock = runtime.lock()
        self._info = RegionInfo(runtime.random_bytes(8).hex(), 1)
        self._position = 0
        self._floor = 0
        self._replicas: dict[int, ReplicaState] = {}
        self._held = []
        self._aside = {}
        self.rows = {}
        self.closed_count = 0

    def connect(self, timeout_s: float) -> RegionInfo:
        """Who this region is."""
        return self._info

    def register(self, replica: int, timeout_s: float, is_new: bool = True) -> Registration:
        """Enter a replica if it `is_new`, or return what is known of it."""
        with self._lock:
            return self._enter(replica, is_new)

    def _enter(self, replica: int, is_new: bool) -> Registration:
        now = self._now_ms()
        state = self._replicas.get(replica)
        if state is None and not is_new:
            gone = ReplicaState(replica, retired=True)
            return Registration(self._info, gone, self._position, now, forgotten=True)
        if state is None:
            state = ReplicaState(replica, acknowledged=self._position, registered_ms=now)
            self._replicas[replica] = state
        self._see(state)
        at, reached = self._position, self._reached()
        return Registration(self._info, replace(state), at, now, reached=reached)

    def apply(self, batch: Batch, timeout_s: float) -> BatchReply:
        """Apply a batch once."""
        with self._lock:
            state = self._replicas.get(batch.replica)
            verdict, reason = admit(state, batch)
            if state is None or verdict in ("fenced", "retired"):
                return self._batch_reply(verdict, state, reason)
            self._see(state)
            if verdict == "apply":
                keys = {d.key for d in batch.deltas} | {heat.key for heat in batch.heat}
                rows = {key: self.rows[key] for key in keys if key in self.rows}
                plan = plan_apply(rows, batch, self._terms())
                self._store(plan)
                self._hold(plan, batch)
                for index, kind, why in plan.aside:
                    self._keep(kind, batch, index, batch.deltas[index].key, why)
                state.applied, state.digest = batch.number, batch.digest
                state.answer = bytes(plan.outcomes)
            return self._batch_reply("applied", state, "", repeated=verdict == "repeat")

    def _terms(self) -> Terms:
        return self._limits.at(
            self._now_ms(), has_mover=self._lease.epoch > 0, actor=self._info.actor
        )

    def read(self, keys: Sequence[str], replica: int, timeout_s: float) -> ReadReply:
        """The rows of `keys`."""
        with self._lock:
            rows = {key: self.rows[key] for key in keys if key in self.rows}
            return ReadReply(
                self._applied(replica),
                self._position,
                self._info.incarnation,
                self._now_ms(),
                rows,
            )

    def changes(self, cursor: int, limit: int, replica: int, timeout_s: float) -> ChangesPage:
        """Up to `limit` changes after `cursor`."""
        with self._lock:
            gap = cursor < self._floor or cursor > self._position
            rows = self.rows.values() if cursor < self._reached() else ()
            later = sorted(
                (row for row in rows if cursor < row.position), key=lambda row: row.position
            )
            changes = [_change(row) for row in later[:limit]]
            full = len(later) > limit
            last = changes[-1].position if full else self._position
            return ChangesPage(
                self._applied(replica),
                self._position,
                self._info.incarnation,
                self._now_ms(),
                [] if gap else changes,
                self._position if gap else min(last, self._position),
                gap or not full,
                gap,
            )

    def scan(
        self,
        start: str,
        end: str | None,
        limit: int,
        reverse: bool,
        values: bool,
        replica: int,
        timeout_s: float,
    ) -> ScanPage:
        """Up to `limit` rows in [start, end) in byte order."""
        with self._lock:
            keys = sorted(
                (key for key in self.rows if start <= key and (end is None or key < end)),
                reverse=reverse,
            )
            rows = [self.rows[key] if values else bare(self.rows[key]) for key in keys[:limit]]
            following = keys[limit] if len(keys) > limit else None
            bound = keys[limit - 1] if reverse and following is not None else following
            return ScanPage(
                self._applied(replica),
                self._position,
                self._info.incarnation,
                self._now_ms(),
                rows,
                bound,
            )

    def acknowledge(self, replica: int, position: int, timeout_s: float) -> None:
        """Note that a replica has everything up to `position`."""
        with self._lock:
            state = self._replicas.get(replica)
            if state is not None and not state.retired:
                state.acknowledged = max(state.acknowledged, min(position, self._position))
                self._see(state)

    def leave(self, replica: int, timeout_s: float) -> None:
        """Forget a replica, or retire it while something of it waits for an operator."""
        with self._lock:
            if (state := self._replicas.get(replica)) is not None:
                state.retired, state.seen_ms = True, 0
                self._forget(1)

    def retire(self, replica: int, timeout_s: float) -> bool:
        """Retire a replica now."""
        with self._lock:
            state = self._replicas.get(replica)
            if state is None or state.retired:
                return False
            state.retired = True
            return True

    def maintain(self, limit: int, timeout_s: float) -> Upkeep:
        """Release held deltas, retire the silent, forget the long retired, collect the dead."""
        with self._lock:
            terms = self._terms()
            self._forget_operations(terms.now_ms)
            released = self._release_held(limit, terms)
            retired = [
                state
                for state in self._replicas.values()
                if not state.retired and state.seen_ms < terms.now_ms - terms.horizon_ms
            ]
            for state in retired:
                state.retired = True
            forgotten = self._forget(terms.now_ms - 2 * terms.horizon_ms)
            floor = self._acknowledged_by_all()
            dead = [row for row in self.rows.values() if is_collectable(row, floor, terms)]
            for row in dead[:limit]:
                del self.rows[row.key]
                self._ids.pop(row.key, None)
                if row.cold is not None:
                    self._release([decode_pointer(row.cold, key=row.key).name])
                self._floor = max(self._floor, row.position)
            done = released, len(retired), len(dead[:limit]), floor, forgotten
            return Upkeep(self._info.incarnation, terms.now_ms, *done)

    def dead_rows(self, timeout_s: float) -> DeadRows:
        """What would be forgotten, and what may not be yet."""
        with self._lock:
            terms = self._terms()
            found = DeadRows(self._info.incarnation, terms.now_ms, self._acknowledged_by_all())
            for row in self.rows.values():
                if not row.record.is_live(terms.now_ms):
                    found.count += 1
                    is_old = is_long_dead(row.record, terms)
                    found.young += not is_old
                    found.waiting += is_old and row.position > found.floor
            return found

    def set_aside(self, batch: Batch, reason: str, timeout_s: float) -> None:
        """Keep a retired replica's batch."""
        with self._lock:
            for index, delta in enumerate(batch.deltas):
                self._keep("retired", batch, index, delta.key, reason)

    def aside(self, limit: int, timeout_s: float) -> list[AsideEntry]:
        """What waits for an operator."""
        with self._lock:
            every = [*self._aside.values(), *(held.entry for held in self._held)]
            return sorted(every, key=lambda entry: entry.at_ms)[:limit]

    def replicas(self, timeout_s: float) -> list[ReplicaState]:
        """All replicas known."""
        with self._lock:
            return [replace(state) for state in self._replicas.values()]

    def reincarnate(self, timeout_s: float, regains: str = PEERS) -> RegionInfo:
        """Begin another life."""
        with self._lock:
            old = self._info
            begun = max(old.incarnation + 1, self._now_ms())
            self._info = RegionInfo(old.region, begun, regains)
            for state in self._replicas.values():
                if regains != BATCHES:
                    state.retired = True
                elif not state.retired:
                    self._see(state)
            self._number = max(self._number, at_ms(self._info.incarnation))
            self._peers = {name: forgotten(peer) for name, peer in self._peers.items()}
            return self._info

    def resume(
        self, replica: int, after: int, number: int, digest: bytes, timeout_s: float
    ) -> Registration:
        """Let a replica go on after a restore."""
        with self._lock:
            known = self._replicas.get(replica)
            state = resumed(self._info, known, replica, after, number, digest)
            if state is not None:
                if known is None or known.retired:
                    state.registered_ms = state.registered_ms or self._now_ms()
                    state.acknowledged = self._position
                self._replicas[replica] = state
                self._see(state)
            if state is not None and number > after:
                entry = AsideEntry(
                    "lost", replica, after + 1, "", why_lost(after, number), self._now_ms()
                )
                self._aside.setdefault(("lost", replica, after + 1, 0), entry)
            return self._enter(replica, False)

    def close(self) -> None:
        """Count that a store let go; the rows stay for the others."""
        self.closed_count += 1

    def _acknowledged_by_all(self) -> int:
        live = [s.acknowledged for s in self._replicas.values() if not s.retired]
        return min(live, default=self._position)

    def _forget(self, silent_ms: int) -> int:
        """Remove retired replicas that were last heard of before `silent_ms`; how many."""
        waiting = {entry.replica for entry in self._aside.values()}
        waiting |= {held.entry.replica for held in self._held}
        gone = [
            state.replica
            for state in self._replicas.values()
            if state.retired and state.seen_ms < silent_ms and state.replica not in waiting
        ]
        for replica in gone:
            del self._replicas[replica]
        return len(gone)

    def _store(self, plan: Plan) -> None:
        for row in plan.writes.values():
            self.rows[row.key] = self._place(row)
        self.rows.update(plan.heated)
        self._release(plan.released)

    def _see(self, state: ReplicaState) -> None:
        """Note that a replica is alive; a clock that is set back makes nobody look silent."""
        state.seen_ms = max(state.seen_ms, self._now_ms())

    def _place(self, row: Row) -> Row:
        """`row` at the next position of the feed."""
        self._position += 1
        return replace(row, position=self._position)

    def _keep(self, kind: str, batch: Batch, index: int, key: str, reason: str) -> None:
        self._aside.setdefault(
            (kind, batch.replica, batch.number, index),
            AsideEntry(kind, batch.replica, batch.number, key, reason, self._now_ms()),
        )

    def _batch_reply(
        self, verdict: str, state: ReplicaState | None, reason: str, *, repeated: bool = False
    ) -> BatchReply:
        return BatchReply(
            verdict,
            state.applied if state is not None else 0,
            self._position,
            self._info.incarnation,
            self._now_ms(),
            state.answer if state is not None and verdict == "applied" else b"",
            reason,
            repeated,
            self._reached(),
        )

    def _reached(self) -> int:
        """The highest position of any row."""
        return self._position

    def _applied(self, replica: int) -> int:
        state = self._replicas.get(replica)
        return 0 if state is None else state.applied

    def _now_ms(self) -> int:
        return now_ms(self._runtime)


def _change(row: Row) -> Change:
    record = row.record
    return Change(
        row.key, record.stamp, record.replica, record.touch, record.expires_at_ms, row.position
    )
