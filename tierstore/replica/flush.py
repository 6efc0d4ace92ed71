"""Flushing: dirty writes become numbered batches, reach the journal, then the region, in order.

A batch is written and synced to the journal before it is sent, and its number is never used for
other content once it may have been sent. So a retry after a lost reply is recognised by the
region, whichever process sends it.
"""

from __future__ import annotations

from tierstore.edge.entry import CLEAN
from tierstore.errors import FencedError, TierStoreError, UnavailableError
from tierstore.region.batch import CHANGE, freeze
from tierstore.region.outcomes import APPLIED, HELD, OUTCOME_NAMES, SUPERSEDED
from tierstore.replica.notes import Notes
from tierstore.replica.recovery import Recovery
from tierstore.replica.renewal import Renewal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.region.batch import Batch, Delta
    from tierstore.region.protocol import BatchReply, Registration
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.frozen import Frozen
    from tierstore.replica.state import ReplicaState

QUARANTINED_KEYS_MAX = 10_000
MS_PER_S = 1000


class Flusher:
    """Sends one replica's batches. One flush at a time, under `flush_lock`."""

    def __init__(
        self, state: ReplicaState, ensure_journal: Callable[[], None] = lambda: None
    ) -> None:
        self._state = state
        self._ensure_journal = ensure_journal
        self.notes = Notes(state)
        self.fenced: str | None = None
        self._renewal = Renewal(state)
        self._recovery = Recovery(state, self.notes, self._fence)

    @property
    def has_lost(self) -> bool:
        """Whether the region was restored without what this replica acknowledged and can send."""
        return self._recovery.is_due

    def flush(self, deadline: Deadline, *, patient: bool = False) -> None:
        """Everything written before this call is in the region when it returns.

        A `patient` flush gives each batch the deadline's whole time, so that a long queue is no
        reason to give up. Raises UnavailableError if the region does not take it in time (it
        stays queued), FencedError if it never will.
        """
        self._flush(deadline, patient=patient)

    def tell_heat(self, deadline: Deadline) -> None:
        """`flush`, and the region also knows what is used here without being written."""
        self._flush(deadline, patient=False, heat=True)

    def _flush(self, deadline: Deadline, *, patient: bool, heat: bool = False) -> None:
        state = self._state
        if not state.flush_lock.acquire(True, deadline.remaining_s()):
            raise UnavailableError("another flush is still under way")
        try:
            self._require_identity()
            # Whoever was silent for long learns of its retirement before it freezes what it wrote
            # lately, which it may then send under its next identity.
            state.link.forget_after(int(state.policy.replication.horizon_s * MS_PER_S / 2))
            if state.link.register(deadline).state.retired or self.has_lost:
                self._renew(deadline)
            self.freeze(heat=heat)
            last_number = state.outbox.last_number
            while state.outbox.frozen and state.outbox.frozen[0].number <= last_number:
                if state.outbox.frozen[0].batch is None:  # `number` was asked for meanwhile
                    self.freeze()
                self._send(state.outbox.frozen[0], deadline.again() if patient else deadline)
            self.notes.catch_up()
        finally:
            state.flush_lock.release()

    def freeze(self, *, heat: bool = False) -> None:
        """Turn dirty writes into batches, in memory and then in the journal; news of heat, too."""
        state = self._state
        self._ensure_journal()
        if (registration := state.link.registration) is not None:
            # Also here: a journal that begins while another thread registers would stay unbound.
            self.notes.bind(registration.info.region)
        with state.journal_lock, state.lock:
            self._take(heat=heat)
            last_seq, stamp = state.last_seq, state.clock.last
        self._build()
        waiting = [frozen for frozen in state.outbox.frozen if not frozen.persisted]
        if waiting and state.journal is not None:
            from tierstore.tiers.journal.content import FrozenBatch

            stored = [
                FrozenBatch(f.number, f.batch.digest, f.batch if f.journaled else None)
                for f in waiting
                if f.batch is not None
            ]
            with state.journal_lock:
                state.journal.freeze(stored, last_seq, stamp)
        for frozen in waiting:
            frozen.persisted = True

    def number(self) -> int:
        """The number of the last batch, once everything that waits is in one.

        It is kept in the journal with it, unless a flush is under way or the journal cannot take
        it: then the next flush does so, or says why not. If the process dies in between, its
        successor gives the same numbers to the same writes, as long as they fit into a batch.
        """
        state = self._state
        if state.flush_lock.acquire(False):
            try:
                self.freeze()
            except TierStoreError:
                state.runtime.sometimes("batch numbered but not kept")
            finally:
                state.flush_lock.release()
        with state.journal_lock, state.lock:
            self._take(heat=False)
            return state.outbox.last_number

    def _take(self, *, heat: bool) -> None:
        """Put what waits into numbered batches, in memory. Needs both locks."""
        state = self._state
        batch_max = state.policy.replication.batch
        fresh = state.outbox.take_dirty(batch_max, state.never_edge, state.heat)
        if heat and state.heat is not None:
            state.outbox.take_heat(state.heat, batch_max)
        for frozen in fresh:
            self._release_entries(frozen)
        state.edge.evict(state.now_ms())

    def on_registered(self, registration: Registration) -> None:
        """Settle what the region already has, and see whether it is the one that we know."""
        state = self._state
        known = registration.state
        self.notes.bind(registration.info.region)
        if self._recovery.awaits(registration):
            return  # the next flush sends that again
        incarnation = registration.info.incarnation
        is_early = registration.forgotten and self._is_early(incarnation)
        self._renewal.is_reborn = known.retired and self._recovery.is_reborn(incarnation)
        if known.retired:
            is_told = is_early or not registration.forgotten
            self._renewal.applied_there = known.applied if is_told else None
            return  # the next flush takes a new identity
        if known.applied < state.outbox.acknowledged:
            self._fence(
                f"the region has batch {known.applied} of this replica but acknowledged"
                f" {state.outbox.acknowledged}: it was restored from a backup. Run"
                " `tierstore region reincarnate`, once for the region"
            )
        if not state.outbox.has_sent(known.applied, known.digest):
            self._fence(
                f"the region has a batch {known.applied} of this replica that this journal never"
                " had: the journal was copied, or is an old one"
            )
        with state.lock:
            self._settle_up_to(known.applied, known.digest)

    def _build(self) -> None:
        """Give every batch its bytes, which contain the digest of the one before."""
        state = self._state
        predecessor = state.outbox.digest
        for frozen in list(state.outbox.frozen):
            if frozen.batch is None:
                deltas = list(frozen.deltas.values())
                frozen.batch = freeze(
                    state.replica, frozen.number, predecessor, deltas, frozen.heat
                )
            predecessor = frozen.batch.digest

    def _settle_up_to(self, applied: int, digest: bytes) -> None:
        """Acknowledge batches that the region applied without our seeing the answer, but for the
        last one, which is sent again for its stored answer."""
        outbox = self._state.outbox
        while outbox.frozen and outbox.frozen[0].number <= applied:
            frozen = outbox.frozen[0]
            own = frozen.batch.digest if frozen.batch is not None else digest
            if frozen.number == applied and frozen.batch is not None:
                if own == digest:
                    outbox.digest = frozen.batch.predecessor  # the one before may be a lost one
                    break
                own = digest  # of the lost one: it came late, and its replacement did not come
            outbox.acknowledge(frozen, own)
            self.notes.owe()
        self._mend_chain()

    def _mend_chain(self) -> None:
        """Build batches anew that do not follow the one before them any more.

        An empty batch stands for one whose content was never on disk and died in memory. The
        journal keeps the digest of the lost one, which may have been sent and come late; the
        replacement needs no journal, for it is always the same. Whichever the region applies, its
        digest is known.
        """
        outbox = self._state.outbox
        predecessor: bytes | None = outbox.digest
        for frozen in outbox.frozen:
            if frozen.batch is None or frozen.batch.predecessor != predecessor:
                frozen.batch, predecessor = None, None
                frozen.persisted = frozen.lost_digest is not None
            else:
                predecessor = frozen.batch.digest

    def _send(self, frozen: Frozen, deadline: Deadline) -> None:
        state = self._state
        batch = frozen.batch
        assert batch is not None
        sent_at_s = state.runtime.monotonic()
        reply = state.link.call(lambda timeout_s: self._apply(frozen, batch, timeout_s), deadline)
        if reply.verdict == "fenced" and reply.applied == 0 and self._is_forgotten(deadline):
            self._renew(deadline)
            return
        if reply.verdict == "fenced" and (
            frozen.lost_digest is not None or reply.applied > frozen.number
        ):
            self._meet_late(deadline)
            return
        if reply.verdict == "fenced":
            self._fence(reply.reason)
        if reply.verdict == "retired":
            self._renew(deadline)
            return
        state.link.note_shown(max(reply.position, reply.reached))
        with state.lock:
            state.outbox.acknowledge(frozen, batch.digest)
            self._settle(frozen, reply, sent_at_s)
        state.tally.flushed += len(frozen.deltas)
        self.notes.acknowledge(frozen, batch.digest)

    def _apply(self, frozen: Frozen, batch: Batch, timeout_s: float) -> BatchReply:
        """The region's answer, noting whether it may have the batch, however this ends."""
        was_out, frozen.is_out = frozen.is_out, True
        try:
            reply = self._state.link.region.apply(batch, timeout_s)
        except UnavailableError:  # nothing happened
            frozen.is_out = was_out
            raise
        if reply.verdict != "applied":
            frozen.is_out = was_out
        return reply

    def _is_forgotten(self, deadline: Deadline) -> bool:
        """Whether the region, which seems not to know this replica, has retired and forgotten it.

        A process that stood still for that long, and has read since, heard nothing of it: who reads
        need not be known. Registering tells, and fences if that cannot be.
        """
        link = self._state.link
        link.forget()
        return link.register(deadline).state.retired

    def _meet_late(self, deadline: Deadline) -> None:
        """Go on after a batch that an earlier process sent came late.

        A lost one before its replacement, or one that this process has yet to send again. If the
        region's last batch is none of ours, registering fences.
        """
        state = self._state
        state.runtime.sometimes("batch of an earlier process came late")
        state.link.forget()
        state.link.register(deadline)  # settles what the region has, or fences
        self.freeze()

    def _settle(self, frozen: Frozen, reply: BatchReply, sent_at_s: float) -> None:
        """Do what each outcome means here. Needs the lock."""
        state = self._state
        if reply.repeated:
            state.runtime.sometimes("batch answered as repeated")
            if any(delta.op >= CHANGE for delta in frozen.deltas.values()):
                state.runtime.sometimes("change counted, and its answer lost")
        for delta, outcome in zip(frozen.deltas.values(), reply.outcomes, strict=False):
            if outcome == APPLIED:
                if not reply.repeated:
                    self._confirm(delta, sent_at_s)
            elif outcome == HELD:
                state.runtime.sometimes("write held by the region")
                state.outbox.hold(delta)
                self.notes.hold(delta.key, journaled=frozen.journaled)
            else:
                self._forget(delta)
                if outcome == SUPERSEDED:
                    state.runtime.sometimes("write lost to a newer one")
                    state.tally.lost_races += 1
                else:
                    self._quarantine(delta, OUTCOME_NAMES[outcome])

    def _confirm(self, delta: Delta, sent_at_s: float) -> None:
        """The row showed this write after `sent_at_s`."""
        entry = self._state.edge.resident.get(delta.key)
        if entry is not None and _shows(entry.stamp, entry.replica, delta):
            entry.fetched_at = max(entry.fetched_at, sent_at_s)

    def _forget(self, delta: Delta) -> None:
        """Drop the copy of a write that lost: the region has something else."""
        entry = self._state.edge.resident.get(delta.key)
        if entry is not None and delta.op >= CHANGE:
            self._state.edge.drop(entry)  # it shows the sum; what still waits is kept apart
            return
        if entry is None or entry.dirty != CLEAN:
            return
        if _shows(entry.stamp, entry.replica, delta):
            self._state.edge.drop(entry)

    def _quarantine(self, delta: Delta, reason: str) -> None:
        self.notes.refuse(delta, reason)
        quarantined = self._state.outbox.quarantined
        quarantined[delta.key] = max(delta.record.stamp, delta.record.touch)
        if len(quarantined) > QUARANTINED_KEYS_MAX:
            del quarantined[next(iter(quarantined))]
        self._state.tally.quarantined += 1

    def _release_entries(self, frozen: Frozen) -> None:
        """Frozen writes are safe in their batch: their entries may be evicted from now on."""
        state = self._state
        for key in frozen.deltas:
            entry = state.edge.resident.get(key)
            if entry is None or entry.dirty != CLEAN:
                continue
            if state.heat is not None and state.heat.should_leave(entry):
                state.edge.drop(entry)
            else:
                state.edge.admit(entry)

    def _renew(self, deadline: Deadline) -> None:
        """Go on after a restore, or under a new identity where this one is retired."""
        if self.has_lost:
            self._recovery.recover(deadline)
        else:
            self._renewal.renew(deadline, self._refuse_retired)

    def _refuse_retired(self, delta: Delta) -> None:
        """A write was left with the operator. Needs the lock."""
        self._forget(delta)
        self._quarantine(delta, "retired")

    def _is_early(self, incarnation: int) -> bool:
        """Whether a region forgot this replica before it can have retired it: it was restored.

        Raises FencedError unless it has begun another life since, whose name is the time of that.
        """
        at_ms = self._recovery.last_known_ms()
        is_early = self._recovery.is_lately(at_ms)
        if at_ms is not None and is_early and not self._recovery.is_reborn(incarnation):
            self._fence(
                "the region does not know this replica any more, which it knew lately: it was"
                " restored from a backup. Run `tierstore region reincarnate`, once for the region"
            )
        return is_early

    def _fence(self, reason: str) -> None:
        if self.fenced != reason:
            self.fenced = reason
            from tierstore.replica.log import log

            log("error", "this replica was fenced: %s", reason)
        self._require_identity()

    def _require_identity(self) -> None:
        if self.fenced is not None:
            raise FencedError(
                f"the region refuses this replica: {self.fenced}. Its unflushed writes stay in"
                " the journal"
            )


def _shows(stamp: int, replica: int, delta: Delta) -> bool:
    return (stamp, replica) == (delta.record.stamp, delta.record.replica)
