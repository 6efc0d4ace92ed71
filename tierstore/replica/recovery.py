"""Sending again what a region lost when it was restored from a backup.

A region that begins another life may say that it gets back from batches what its backup lacks.
Then each replica sends what it has retained since the last batch of its own that the region still
has: the very same batches, under the same numbers, which the region takes once each, however often,
and by whomever, they are sent. The journal stays as it is: what the region has says how far this
has got, also after a crash, and after yet another restore. Numbers that are not retained any more
are passed over, and listed by the region.
"""

from __future__ import annotations

from tierstore.region.batch import freeze
from tierstore.region.lives import BATCHES
from tierstore.replica.frozen import Frozen
from tierstore.runtime import mint_replica_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tierstore.region.batch import Batch
    from tierstore.region.protocol import Registration
    from tierstore.region.rows import ReplicaState as Standing
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.notes import Notes
    from tierstore.replica.state import ReplicaState
    from tierstore.tiers.journal.content import FrozenBatch

MS_PER_S = 1000


class Recovery:
    """Brings a restored region what it lost of one replica."""

    def __init__(self, state: ReplicaState, notes: Notes, fence: Callable[[str], None]) -> None:
        self._state = state
        self._notes = notes
        self._fence = fence
        self._settled = 0, 0  # this replica, and the life of the region in which its numbers stand
        self._met_ms: int | None = None
        self._pending: Registration | None = None

    @property
    def is_due(self) -> bool:
        """Whether the next flush has to begin with `recover`."""
        return self._pending is not None

    def awaits(self, registration: Registration) -> bool:
        """Whether the region lacks what it had acknowledged. Notes it for `recover`."""
        known = registration.state
        self._pending = registration if self._has_lost(registration) else None
        if not known.retired and known.applied >= self._state.outbox.acknowledged:
            self._settled = known.replica, registration.info.incarnation
            self._met_ms = registration.now_ms
        return self._pending is not None

    def is_reborn(self, incarnation: int) -> bool:
        """Whether this life of the region began after this replica last heard of it.

        If this process has not met it before, the time when it was last known there tells, as that
        of its beginning is the name of a life.
        """
        if (self._state.replica, incarnation) == self._settled:
            return False
        if outlived := self._state.link.outlived:
            return incarnation > outlived
        at_ms = self.last_known_ms()
        return at_ms is None or incarnation > at_ms

    def last_known_ms(self) -> int | None:
        """When the region last knew this replica, as far as is known."""
        told_ms = self._notes.last_acknowledged_ms()
        met_ms = self._met_ms if self._state.replica == self._settled[0] else None
        return max((at for at in (told_ms, met_ms) if at is not None), default=None)

    def is_lately(self, at_ms: int | None) -> bool:
        """Whether a region that knew this replica then cannot have retired it for silence."""
        silent_ms = int(self._state.policy.replication.horizon_s * MS_PER_S / 2)
        return at_ms is not None and at_ms > self._state.now_ms() - silent_ms

    def _has_lost(self, registration: Registration) -> bool:
        known, info = registration.state, registration.info
        if info.regains != BATCHES or not self.is_reborn(info.incarnation):
            return False
        has_lost = known.applied < self._state.outbox.acknowledged
        if not known.retired:
            return has_lost
        at_ms = self.last_known_ms()
        if registration.forgotten and at_ms is None:
            return True  # it has not been there for long enough to have been forgotten
        return self.is_lately(at_ms) and (has_lost or registration.forgotten)

    def recover(self, deadline: Deadline) -> None:
        """Let the region have all that it had acknowledged and that is still here.

        Needs the flush lock. Raises UnavailableError if it does not take that in time (the next
        call goes on from there), FencedError if it has another history of this replica.
        """
        registration = self._pending
        if registration is not None and self._has_lost(registration):
            try:
                self._send_all(registration.state, deadline)
            except BaseException:
                self._state.link.forget()  # what it has now, it tells with the next registration
                raise
        self._pending = None

    def _send_all(self, known: Standing, deadline: Deadline) -> None:
        number, resent = known.applied, 0
        if known.retired:
            self._resume(number, number, known.digest, deadline)
        for batch in self._retained(number):
            self._send(number, batch, deadline)
            number, resent = batch.number, resent + 1
        outbox = self._state.outbox
        if number < outbox.acknowledged:
            self._resume(number, outbox.acknowledged, outbox.digest, deadline)
        self._end(resent, deadline)

    def _retained(self, after: int) -> Iterator[Batch]:
        state, number = self._state, after
        last = state.outbox.acknowledged
        while (journal := state.journal) is not None:
            with state.journal_lock:
                batch = journal.kept(number, last)
            if batch is None:
                return
            yield batch
            number = batch.number

    def _send(self, number: int, batch: Batch, deadline: Deadline) -> None:
        """Let the region, which has batches up to `number`, have this one."""
        if batch.number > number + 1:
            self._resume(number, batch.number - 1, batch.predecessor, deadline)
        link = self._state.link
        reply = link.call(lambda timeout_s: link.region.apply(batch, timeout_s), deadline.again())
        if reply.verdict != "applied":
            self._refuse(number)

    def _resume(self, after: int, number: int, digest: bytes, deadline: Deadline) -> None:
        """Let the region count batches up to `number`, which are gone, as if it had them."""
        state = self._state
        region, left_s = state.link.region, deadline.again().remaining_s()
        answer = state.link.observed(
            lambda: region.resume(state.replica, after, number, digest, left_s)
        )
        if answer.state.retired or answer.state.applied != number:
            self._refuse(after)
        if number > after:
            state.tally.batches_lost += number - after
            state.runtime.sometimes("batches that a restore lost not retained")
            from tierstore.replica.log import log

            log(
                "error", "the region was restored without batches %d to %d of this replica, which"
                " has not retained them", after + 1, number,
            )  # fmt: skip

    def _refuse(self, number: int) -> None:
        self._fence(
            f"the region has a batch {number} of this replica that this journal never had: the"
            " journal was copied, or is an old one"
        )

    def _end(self, resent: int, deadline: Deadline) -> None:
        """Look at the region anew: all that is here now is as it was before the restore."""
        state = self._state
        state.tally.batches_resent += resent
        if resent:
            state.runtime.sometimes("batches that a restore lost sent again")
            from tierstore.replica.log import log

            log("warning", "the region was restored: it got %d batches once more", resent)
        with state.lock:
            state.forget_copies()
        state.link.forget()
        state.link.register(deadline.again())


def go_on(state: ReplicaState, deadline: Deadline) -> None:
    """Be a new replica that knows nothing of the region, and has to send what is sealed here.

    Versions stay those of the replica that wrote them, as others may have seen them.
    """
    replica = mint_replica_id(state.runtime)
    # First: a journal whose identity the region never heard of looks like one that it forgot.
    region, timeout_s = state.link.region, deadline.remaining_s()
    state.link.observed(lambda: region.register(replica, timeout_s, True))
    with state.journal_lock:  # without which nobody seals anything
        fresh = list(_renumbered(state.outbox.frozen, replica))
        if state.journal is not None:
            state.journal.renew(replica, _stored(fresh))
        with state.lock:
            state.take_identity(replica)
            state.outbox.frozen = fresh
            state.outbox.frozen_bytes = sum(frozen.size_bytes for frozen in fresh)
    state.link.register(deadline)


def _renumbered(kept: Iterable[Frozen], replica: int) -> Iterator[Frozen]:
    digest = b""
    for number, old in enumerate(kept, 1):
        frozen = Frozen(number, old.deltas, journaled=old.journaled, heat=old.heat)
        frozen.batch = freeze(replica, number, digest, list(old.deltas.values()), old.heat)
        frozen.persisted, digest = True, frozen.batch.digest
        yield frozen


def _stored(fresh: Iterable[Frozen]) -> list[FrozenBatch]:
    from tierstore.tiers.journal.content import FrozenBatch

    return [
        FrozenBatch(f.number, f.batch.digest, f.batch if f.journaled else None)
        for f in fresh
        if f.batch is not None
    ]
