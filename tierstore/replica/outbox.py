"""The outbox: what was written here and may not be in the region yet.

A write is *dirty*, then *frozen* into a numbered batch, then *acknowledged*. A reply of the region
says how many of this replica's batches it contains; what the replica shows is that state joined
with the batches above that number and the dirty writes: `overlay`. Acknowledged batches therefore
stay until every request that was under way at their acknowledgement has ended.

Pure bookkeeping, no I/O. All methods need the replica's lock.
"""

from __future__ import annotations

from tierstore.edge.entry import CHANGED, CLEAN, TOUCH_DIRTY
from tierstore.record import REGISTER
from tierstore.region.batch import CHANGE, PUT, Delta
from tierstore.replica.frozen import Frozen
from tierstore.replica.overlay import DELTA_OVERHEAD_BYTES, after, delta_size, joined, written
from tierstore.replica.portions import chunks, runs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tierstore.edge.entry import Entry
    from tierstore.policy.model import Rule
    from tierstore.record import Record
    from tierstore.region.protocol import Change
    from tierstore.replica.heat import HeatKeeper
    from tierstore.tiers.journal.content import JournalState

NEVER = 1 << 62
"""The number of a batch that no region will ever say it has."""


class Outbox:
    """Dirty entries, frozen batches, and those acknowledged but still needed by an overlay."""

    def __init__(self, replica: int, acknowledged: int = 0, digest: bytes = b"") -> None:
        self.replica = replica
        self.acknowledged = acknowledged
        self.digest = digest  # of the batch numbered `acknowledged`
        self.dirty: dict[str, Entry] = {}
        self.dirty_bytes = 0
        self.ended: dict[str, list[tuple[Rule, Delta]]] = {}
        """Changes that begin a life which was over when a later change of the key was made."""
        self.frozen: list[Frozen] = []
        self.frozen_bytes = 0
        self.held: dict[str, Delta] = {}
        self.settled: list[str] = []  # no longer held; the journal is told with the next batch
        self._beaten: set[str] = set()
        self._outdone: dict[str, Delta] = {}  # beaten writes, whose older ones are still frozen
        self.quarantined: dict[str, int] = {}  # key -> stamp of the write that was refused
        self._recent: list[Frozen] = []
        self._tickets: set[int] = set()
        self._tick = 0

    @classmethod
    def restored(cls, state: JournalState) -> Outbox:
        """The frozen and held part of a journal; its deltas are for the caller to apply."""
        outbox = cls(state.replica, state.acknowledged, state.digest)
        outbox.held = {delta.key: delta for delta in state.held}
        for stored in state.batches:
            deltas = stored.batch.deltas if stored.batch is not None else []
            known = {delta.key: delta for delta in deltas if isinstance(delta, Delta)}
            frozen = Frozen(stored.number, known, journaled=stored.batch is not None)
            frozen.batch, frozen.persisted, frozen.is_out = stored.batch, True, True
            frozen.lost_digest = stored.digest if stored.batch is None else None
            outbox.frozen.append(frozen)
            outbox.frozen_bytes += frozen.size_bytes
        return outbox

    @property
    def unflushed_bytes(self) -> int:
        """The bytes of all writes that the region has not acknowledged."""
        return self.dirty_bytes + self.frozen_bytes

    @property
    def unflushed(self) -> int:
        """How many writes the region has not acknowledged."""
        ended = sum(map(len, self.ended.values()))
        return len(self.dirty) + ended + sum(len(frozen.deltas) for frozen in self.frozen)

    def unfrozen_rules(self) -> list[Rule]:
        """The rule of each write that is in no batch yet."""
        rules = [entry.rule for entry in self.dirty.values()]
        return rules + [rule for ended in self.ended.values() for rule, _ in ended]

    def has_unflushed(self, keys: Sequence[str] | None) -> bool:
        """Whether one of `keys`, or any if None, has a write that is not acknowledged."""
        if keys is None:
            return bool(self.dirty) or any(frozen.deltas for frozen in self.frozen)
        return any(
            key in self.dirty or any(key in frozen.deltas for frozen in self.frozen) for key in keys
        )

    def unflushed_keys(self) -> set[str]:
        """The keys of those writes."""
        return set(self.dirty).union(*(frozen.deltas for frozen in self.frozen))

    def mark(self, entry: Entry, dirty: int) -> None:
        """Note that `entry` was written (or touched) since the last freeze."""
        if entry.dirty == CLEAN:
            self.dirty[entry.key] = entry
            # What `waiting_bytes` is, without the call where a put waits for it.
            size_bytes = entry.waiting_bytes if dirty == CHANGED else entry.size
            self.dirty_bytes += size_bytes + DELTA_OVERHEAD_BYTES
            entry.dirty = dirty
        elif dirty != TOUCH_DIRTY:
            entry.dirty = dirty

    def note_shown(self, key: str, shown: Record) -> None:
        """Remember if what a reader was shown beats what is frozen: never go back to that."""
        if shown.type != REGISTER:
            return
        if shown.replica != self.replica and any(key in f.deltas for f in self.frozen):
            self._beaten.add(key)

    def hold(self, delta: Delta) -> None:
        """Keep a delta that the region will apply when its clock gets there."""
        self.held[delta.key] = after(self.held.get(delta.key), delta)

    def give_up(self, entry: Entry) -> None:
        """Forget a dirty write that a newer one, already in the region, has superseded.

        A reply that is under way may be from before that one: it must not lack both. Nor must a
        process that takes over our journal, where an older write of ours may be all it knows.
        Changes are not superseded: they add to whatever the region has.
        """
        if entry.dirty == CHANGED:
            return
        if entry.dirty != CLEAN and self.dirty.get(entry.key) is entry:
            if self._tickets:
                beaten = Frozen(NEVER, {entry.key: entry.delta()}, journaled=False)
                beaten.tick = self._tick
                self._recent.append(beaten)
            if any(f.journaled and entry.key in f.deltas for f in self.frozen):
                self._outdone[entry.key] = after(self._outdone.get(entry.key), entry.delta())
        self.unmark(entry)

    def unmark(self, entry: Entry) -> None:
        """Let an entry be dirty no longer, as if it had not been written."""
        if entry.dirty != CLEAN and self.dirty.get(entry.key) is entry:
            del self.dirty[entry.key]
            self.dirty_bytes -= entry.waiting_bytes + DELTA_OVERHEAD_BYTES
        entry.dirty = CLEAN

    def end_life(self, entry: Entry) -> None:
        """Let what waits of `entry` be told by itself, before what comes after it."""
        delta = entry.freeze()
        self.ended.setdefault(entry.key, []).append((entry.rule, delta))
        self.unmark(entry)
        entry.forget_pending()
        self.dirty_bytes += delta_size(delta)

    def mend(self, entry: Entry) -> None:
        """Settle whether what is pending was frozen when somebody was interrupted at it."""
        told = entry.told
        is_ended = any(delta is told for _, delta in self.ended.get(entry.key, ()))
        if is_ended or any(frozen.deltas.get(entry.key) is told for frozen in self.frozen):
            self.unmark(entry)
            entry.forget_pending()
        else:
            entry.unfreeze()

    def take_dirty(
        self, batch_max: int, never_edge: frozenset[int], heat: HeatKeeper | None = None
    ) -> list[Frozen]:
        """Freeze all dirty writes into batches of at most `batch_max` deltas or 4 MiB.

        Writes of the rules in `never_edge` get batches of their own, which no journal keeps. What
        is known of the `heat` of the keys goes with them. A Ctrl-C at any point leaves each write
        dirty, frozen, or both, which is harmless.
        """
        for entry in [entry for entry in self.dirty.values() if entry.told is not None]:
            self.mend(entry)
        taken = self.dirty
        fresh = self._take_outdone(batch_max)
        fresh += self._take_ended(self.last_number + len(fresh) + 1, batch_max, never_edge)
        for journaled in (True, False):
            chosen = [e for e in taken.values() if (e.rule.index in never_edge) is not journaled]
            for chunk in chunks(chosen, batch_max):
                deltas = {entry.key: entry.freeze() for entry in chunk}
                number = self.last_number + len(fresh) + 1
                warmth = None if heat is None else heat.take(chunk)
                fresh.append(Frozen(number, deltas, journaled=journaled, heat=warmth))
        if self._beaten:
            self._beaten.difference_update(k for k, e in taken.items() if e.dirty != TOUCH_DIRTY)
        frozen_bytes = self.frozen_bytes + sum(frozen.size_bytes for frozen in fresh)
        # One statement: nothing can be interrupted in its middle.
        self.frozen, self.frozen_bytes, self.ended = [*self.frozen, *fresh], frozen_bytes, {}
        self._clean(taken)
        return fresh

    def _take_ended(self, number: int, batch_max: int, never_edge: frozenset[int]) -> list[Frozen]:
        """Batches of the lives that are over, those of one key in their order."""
        kinds: tuple[list[Delta], list[Delta]] = [], []
        for ended in self.ended.values():
            for rule, delta in ended:
                kinds[rule.index in never_edge].append(delta)
        runs = [(run, True) for run in runs_of(kinds[0], batch_max)]
        runs += [(run, False) for run in runs_of(kinds[1], batch_max)]
        return [Frozen(at, run, journaled=kept) for at, (run, kept) in enumerate(runs, number)]

    def _take_outdone(self, batch_max: int) -> list[Frozen]:
        """Batches of beaten writes, which come before those of later ones of the same keys."""
        items = list(self._outdone.items())
        self._outdone = {}
        return [
            Frozen(number, dict(items[start : start + batch_max]), journaled=True)
            for number, start in enumerate(range(0, len(items), batch_max), self.last_number + 1)
        ]

    def take_heat(self, heat: HeatKeeper, batch_max: int) -> None:
        """Freeze all news of heat into batches of their own: those of keys that nobody writes.

        Not while earlier ones still wait for the region: news add up where they are.
        """
        if any(frozen.heat and not frozen.deltas for frozen in self.frozen):
            return
        for journaled in (True, False):
            while told := heat.take_rest(batch_max, journaled=journaled):
                frozen = Frozen(self.last_number + 1, {}, journaled=journaled, heat=told)
                self.frozen = [*self.frozen, frozen]
                self.frozen_bytes += frozen.size_bytes

    def _clean(self, taken: dict[str, Entry]) -> None:
        """Let entries that were frozen be dirty no longer, all of them even if interrupted."""
        try:
            self.dirty, self.dirty_bytes = {}, 0
            for entry in taken.values():
                entry.forget_pending()
                entry.dirty = CLEAN
        finally:
            for entry in taken.values():
                if self.dirty.get(entry.key) is not entry:
                    entry.dirty = CLEAN
                    entry.forget_pending()

    def has_sent(self, number: int, digest: bytes) -> bool:
        """Whether batch `number` with this `digest` may be one of ours, acknowledged or frozen."""
        if number == self.acknowledged:
            return digest == self.digest
        frozen = next((f for f in self.frozen if f.number == number), None)
        if frozen is None or frozen.batch is None:
            return frozen is not None
        return digest in (frozen.batch.digest, frozen.lost_digest)

    @property
    def last_number(self) -> int:
        """The number of the last batch frozen or acknowledged."""
        return self.frozen[-1].number if self.frozen else self.acknowledged

    def acknowledge(self, frozen: Frozen, digest: bytes) -> None:
        """Move the oldest frozen batch among those that the region has."""
        left = [other for other in self.frozen if other is not frozen]
        left_bytes, number = self.frozen_bytes - frozen.size_bytes, frozen.number
        # Nothing is called here, so no Ctrl-C comes in between, which would let its number be
        # given again.
        self.acknowledged, self.digest = number, digest
        self.frozen, self.frozen_bytes = left, left_bytes
        if not left:
            self._beaten.clear()
            self._outdone.clear()
        if self._tickets:
            frozen.tick = self._tick
            self._recent.append(frozen)

    def begin_request(self) -> int:
        """Announce a request to the region whose reply will be overlaid; see `end_request`."""
        self._tick += 1
        self._tickets.add(self._tick)
        return self._tick

    def end_request(self, ticket: int) -> None:
        """The reply was installed, or will never be."""
        self._tickets.discard(ticket)
        if not self._recent:
            return
        oldest = min(self._tickets, default=self._tick + 1)
        self._recent = [frozen for frozen in self._recent if frozen.tick >= oldest]

    def may_overlay(self, key: str) -> bool:
        """Whether `overlay` of `key` may add anything, whatever the region has applied."""
        return bool(self.frozen or self._recent or self.held or self.ended) or key in self.dirty

    def overlay(self, key: str, state: Record | None, applied: int) -> Record | None:
        """`state`, as the region had it with batches up to `applied`, plus the later writes."""
        if self._recent or self.frozen:
            for frozen in self._above(applied):
                state = joined(state, frozen.deltas.get(key))
            state = self._with_unanswered(key, state, applied)
        if self.held:
            state = joined(state, self.held.get(key))
        if self.ended:
            for _, delta in self.ended.get(key, ()):
                state = joined(state, delta)
        entry = self.dirty.get(key)
        if entry is not None and entry.told is not None:
            self.mend(entry)
            entry = self.dirty.get(key)
        return state if entry is None else joined(state, entry.delta())

    def own_state(self, key: str) -> Record | None:
        """The newest whole state of `key` written here and not acknowledged; None if none is.

        Not one that the region holds back: only its row tells how long that is the newest.
        """
        own: Record | None = None
        for frozen in self.frozen:
            delta = frozen.deltas.get(key)
            if delta is not None and (own is not None or delta.op == PUT) and delta.op < CHANGE:
                own = joined(own, delta)
        if key in self._beaten:
            own = None
        entry = self.dirty.get(key)
        if entry is None or entry.dirty == CHANGED:
            return own  # changes are no state
        if own is not None or entry.dirty != TOUCH_DIRTY:
            own = joined(own, entry.delta())
        return own

    def pending_keys(self, applied: int) -> set[str]:
        """Keys for which `overlay` may add something to a state that has batches to `applied`."""
        keys = set(self.dirty) | set(self.held) | set(self.ended)
        for frozen in (*self._recent, *self.frozen):
            keys.update(frozen.deltas)
        return keys

    def is_pending(self, key: str, stamp: int) -> bool:
        """Whether the write of `key` at `stamp`, or a later one in its place, waits here."""
        if (delta := self.held.get(key)) is not None and written(delta) >= stamp:
            return True
        if (entry := self.dirty.get(key)) is not None and entry.written_stamp >= stamp:
            return True
        waiting = (frozen.deltas.get(key) for frozen in self.frozen)
        return any(delta is not None and written(delta) >= stamp for delta in waiting)

    def settle_held(self, key: str, state: Record | Change | None) -> bool:
        """Whether a held delta of `key` was forgotten because the region's `state` shows it."""
        delta = self.held.get(key)
        if delta is None or state is None:
            return False
        if (state.stamp, state.touch) < (delta.record.stamp, delta.record.touch):
            return False
        del self.held[key]
        self.settled.append(key)
        return True

    def _with_unanswered(self, key: str, state: Record | None, applied: int) -> Record | None:
        """`state` with what is applied, but for all that is known here held: no row shows that.

        Registers alone can be joined twice, and they alone are held.
        """
        for frozen in self.frozen:
            if frozen.number > applied:
                break
            delta = frozen.deltas.get(key)
            if delta is not None and delta.op < CHANGE:
                state = joined(state, delta)
        return state

    def _above(self, applied: int) -> Iterator[Frozen]:
        for frozen in self._recent:
            if frozen.number > applied:
                yield frozen
        for frozen in self.frozen:
            if frozen.number > applied:
                yield frozen
