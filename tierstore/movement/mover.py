"""The mover: brings keys to the tier where the policy wants them, one mover a region at a time.

A pass costs by what is due, not by what exists: the directory names the rows whose time of review
has come, `decide` says where each belongs, and what stays is told when to be looked at next.

A demotion logs its intent, writes an object under a name that nothing ever had, reads it back,
and then switches the rows in one transaction that compares what it saw; a promotion has nothing to
log, since the row itself is where the bytes come to. So a crash anywhere leaves the old or the
new, and a write that raced is never lost: the switch passes it by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.crdt.types import is_typed
from tierstore.errors import FencedError, TierStoreError
from tierstore.movement.budget import Budget, Slice
from tierstore.movement.hold import PAUSE_S_MAX, Holds
from tierstore.movement.recognition import Recognition
from tierstore.movement.review import Reviewer
from tierstore.region.moves import COLD, REGIONAL, StoredObject
from tierstore.region.objects import mint_name
from tierstore.region.pointer import encode_pointer
from tierstore.region.waiting import base_of
from tierstore.runtime import jitter
from tierstore.tiers.cold import ColdReader
from tierstore.tiers.segments import pack_segment, pack_value, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal, TypeAlias

    from tierstore.movement.ground import Ground
    from tierstore.movement.review import Candidate, Packs
    from tierstore.placement.facts import Home
    from tierstore.record import Record
    from tierstore.region.moves import Lease
    from tierstore.runtime import Runtime
    from tierstore.tiers.segments import Packed

    Pack: TypeAlias = Sequence[Candidate]
    Move: TypeAlias = Callable[[Lease, Pack], int]

ROWS_MAX = 1000
PAUSE_S_MIN = 0.05
LEASE_INTERVALS = 4
LEASE_S_MIN = 60.0
MS_PER_S = 1000
SLICE_BYTES = 8 * 2**20
SLICE_S = 0.2
"""When a step ends, after one pack at least."""


class Mover:
    """Moves in slices: each `step` is short, and says in `pause_s` when to call it again."""

    def __init__(self, ground: Ground, holder: int) -> None:
        self._ground = ground
        self._runtime: Runtime = ground.runtime
        self._holder = holder
        self._budget = Budget(ground.runtime, ground.policy.movement)
        self._reviewer = Reviewer(ground)
        self._unsettled: list[str] = []  # intents of ours whose switch was not answered
        self._review_after: int | None = 0  # where to go on making all rows due; None: done
        interval_s = ground.policy.movement.interval_s
        self._holds: dict[Home, Holds] = {
            home: Holds(ground.runtime, interval_s) for home in (REGIONAL, COLD)
        }
        self._renew_at_s = float("-inf")
        self._recognition = Recognition(ground)
        self.lease: Lease | None = None
        self.pause_s = 0.0
        self.has_more = False
        """Whether the last step left something that is due and that the budget allows."""
        self.failure: TierStoreError | None = None
        """Why the first move failed that did, since `take_failure`."""

    def step(self) -> None:
        """Look at what is due, and move what should be elsewhere, as far as the budget allows.

        Raises UnavailableError if the region does not answer; the next step goes on from there.
        Of moves that fail, `failure` tells.
        """
        self.pause_s, self.has_more = self._interval_s(), False
        if not self._has_lease():
            return
        assert self.lease is not None
        try:
            self._work(self.lease)
        except FencedError:
            self._runtime.sometimes("mover fenced")
            self._unsettled.clear()  # whoever has the lease now ends them
            self.lease = None

    def take_failure(self) -> TierStoreError | None:
        """`failure`, once, when all that was due has been looked at."""
        if self.has_more:
            return None
        failure, self.failure = self.failure, None
        return failure

    def release(self, timeout_s: float) -> None:
        """Give up the lease, if it is ours."""
        lease, self.lease = self.lease, None
        if lease is not None and lease.is_held:
            self._ground.directory.lease(self._holder, 0, None, timeout_s)

    def _work(self, lease: Lease) -> None:
        self._settle_intents(lease)
        if lease.note != self._reviewer.fingerprint:
            self._review_all(lease)
        count = min(ROWS_MAX, self._budget.operations())
        rows = self._ground.directory.due(count, self._ground.regional_s) if count else []
        is_done = not rows or self._move(lease, self._reviewer.review(rows))
        is_reviewing = lease.note != self._reviewer.fingerprint and self._review_after is not None
        is_more = not is_done or len(rows) == count or is_reviewing
        if is_more:
            self.pause_s = max(PAUSE_S_MIN, self._budget.wait_s(ROWS_MAX // 2))
        self.has_more = is_more and self._budget.operations() > 0

    # Lease

    def _has_lease(self) -> bool:
        """Whether the lease is ours; renewed when half of it has passed."""
        note = self._reviewer.fingerprint if self._review_after is None else None
        lease = self.lease
        is_fresh = self._runtime.monotonic() < self._renew_at_s
        if lease is None or not (lease.is_held and is_fresh and note in (None, lease.note)):
            lease = self._take_lease(note)
        return lease.is_held

    def _take_lease(self, note: str | None) -> Lease:
        ttl_s = max(LEASE_S_MIN, LEASE_INTERVALS * self._ground.policy.movement.interval_s)
        # By the clock that nobody sets: one that is behind the region's would never renew.
        self._renew_at_s = self._runtime.monotonic() + ttl_s / 2
        lease = self._ground.directory.lease(
            self._holder, int(ttl_s * MS_PER_S), note, self._ground.regional_s
        )
        if self.lease is None or self.lease.epoch != lease.epoch:
            self._review_after = 0  # whoever had the lease may have another policy
        self.lease = lease
        return lease

    def _review_all(self, lease: Lease) -> None:
        """Make rows due, a part at a time, because the policy is not the last mover's."""
        if self._review_after is None:
            return
        if lease.note:
            lease = self._take_lease("")  # or its policy's mover might think that nothing changed
        if lease.is_held:
            self._review_after = self._ground.directory.review_all(
                lease.epoch, self._review_after, ROWS_MAX * 10, self._ground.regional_s
            )

    def _settle_intents(self, lease: Lease) -> None:
        if self._unsettled:
            self._ground.directory.abandon(lease.epoch, self._unsettled, self._ground.regional_s)
            self._unsettled.clear()

    def _move(self, lease: Lease, packs: Packs) -> bool:
        """Carry out what a review decided; False if the budget was spent before the end.

        What fails is told to the directory, and kept in `failure`.
        """
        ground = self._ground
        if packs.stays:
            ground.directory.settle_reviews(lease.epoch, packs.stays, ground.regional_s)
            self._budget.spend(len(packs.stays), 0)
        if ground.policy.movement.mode == "plan":
            wanted = [candidate.wish(ground.next_ms()) for candidate in packs.moving()]
            ground.directory.settle_reviews(lease.epoch, wanted, ground.regional_s)
            self._budget.spend(len(wanted), 0)
            return True
        slice_ = Slice(self._runtime, SLICE_BYTES, SLICE_S)
        # Users wait for promotions.
        is_done = self._move_kind(lease, list(packs.promotions()), self._promote, slice_)
        return self._move_kind(lease, list(packs.demotions()), self._demote, slice_) and is_done

    def _move_kind(self, lease: Lease, kind: Sequence[Pack], move: Move, slice_: Slice) -> bool:
        """Whether all packs of a kind were moved or put off: neither budget nor slice ended."""
        for at, pack in enumerate(kind):
            if (hold := self._holds[pack[0].wanted].current()) is not None:
                waiting = [candidate for other in kind[at:] for candidate in other]
                self._put_off(lease, waiting, hold.pause_s, hold.error)
                return True
            if slice_.is_over or not self._budget.operations():
                return False
            self._attempt(lease, pack, move)
            slice_.spend(sum(candidate.row.size for candidate in pack))
        return True

    def _attempt(self, lease: Lease, pack: Pack, move: Move) -> None:
        holds = self._holds[pack[0].wanted]
        try:
            self._recognition.check()
            moved = move(lease, pack)
        except FencedError:
            raise
        except TierStoreError as exc:
            self._ground.tally.failed += len(pack)
            self._recognition.forget()
            self.failure = self.failure or exc
            self._put_off(lease, pack, holds.fail(exc), str(exc))
            return
        holds.succeed()
        if moved < len(pack):
            self._runtime.sometimes("move raced by a write")
        self._ground.tally.raced += len(pack) - moved
        self._budget.spend(len(pack), sum(candidate.row.size for candidate in pack))

    def _put_off(self, lease: Lease, pack: Pack, pause_s: float, error: str) -> None:
        next_ms = self._ground.now_ms() + int(pause_s * MS_PER_S)
        notes = [candidate.wish(next_ms, error) for candidate in pack]
        self._ground.directory.settle_reviews(lease.epoch, notes, self._ground.regional_s)

    # Demotion

    def _demote(self, lease: Lease, pack: Sequence[Candidate]) -> int:
        """How many of the keys went cold, in one object of their own."""
        ground = self._ground
        records, corrupt = self._reviewer.load(pack)
        self._note_unread(lease, pack, corrupt)
        if not records:
            return 0
        self._recognition.check_mark(lease)
        name = mint_name(ground.runtime, ground.region, ground.incarnation, _kind(pack))
        packed = (
            pack_value(name, *records[0]) if _kind(pack) == "val" else pack_segment(name, records)
        )
        self._unsettled.append(name)  # first, for the answer to what follows may be lost
        ground.directory.begin_move(lease.epoch, name, ground.regional_s)
        ground.objects.put(name, packed.parts, ground.cold_s)
        verify(ground.objects, packed, ground.cold_s)
        moved = self._switch_to(lease, packed, pack, dict(records))
        self._unsettled.remove(name)
        if moved:
            self._runtime.sometimes("key went cold")
        ground.tally.demoted += len(moved)
        return len(moved)

    def _switch_to(
        self, lease: Lease, packed: Packed, pack: Pack, records: dict[str, Record]
    ) -> list[str]:
        ground = self._ground
        switches = [
            candidate.to_object(encode_pointer(packed.pointers[key]), records[key].payload or b"")
            for candidate in pack
            if (key := candidate.row.key) in packed.pointers
        ]
        made = StoredObject(
            packed.name, packed.stored_bytes, len(packed.pointers), 0, ground.now_ms(), None
        )
        return ground.directory.switch(lease.epoch, made, switches, ground.regional_s)

    # Promotion

    def _promote(self, lease: Lease, pack: Sequence[Candidate]) -> int:
        """How many of the keys came back to the region."""
        ground = self._ground
        whole, damaged = self._with_waiting(pack)
        reply = ColdReader(ground.objects, runtime=ground.runtime).read(
            {candidate.row.key: candidate.row for candidate in whole}, ground.cold_s
        )
        switches = [
            candidate.to_row(reply.payloads[key], reply.refused.get(key, ()))
            for candidate in whole
            if (key := candidate.row.key) in reply.payloads
        ]
        moved = ground.directory.switch(lease.epoch, None, switches, ground.regional_s)
        if moved:
            self._runtime.sometimes("key came back from cold")
        ground.tally.promoted += len(moved)
        missing = dict.fromkeys(reply.missing, "its object is missing")
        self._note_unread(lease, pack, missing | reply.corrupt | damaged)
        return len(moved)

    def _with_waiting(self, pack: Pack) -> tuple[list[Candidate], dict[str, str]]:
        """The candidates with what waits on their rows, which no review has checked."""
        typed = [candidate for candidate in pack if is_typed(candidate.row.record.type)]
        if not typed:
            return list(pack), {}
        whole, corrupt = self._reviewer.whole(typed)
        if any(base_of(candidate.row).waiting for candidate in whole):
            self._runtime.sometimes("cold key came home with what waited")
        return [c for c in pack if not is_typed(c.row.record.type)] + whole, corrupt

    def _note_unread(
        self, lease: Lease, pack: Sequence[Candidate], reasons: dict[str, str]
    ) -> None:
        """Note why some of `pack` cannot be read, and try those again much later."""
        next_ms = self._ground.now_ms() + int(PAUSE_S_MAX * MS_PER_S)
        notes = [c.wish(next_ms, reasons[c.row.key]) for c in pack if c.row.key in reasons]
        if notes:
            self._ground.tally.failed += len(notes)
            self._ground.directory.settle_reviews(lease.epoch, notes, self._ground.regional_s)

    def _interval_s(self) -> float:
        """The policy's interval, jittered, so that movers of many regions do not keep in step."""
        interval_s = self._ground.policy.movement.interval_s
        return interval_s * (0.9 + 0.2 * jitter(self._runtime))


def _kind(pack: Sequence[Candidate]) -> Literal["seg", "val"]:
    return "val" if pack[0].is_large else "seg"
