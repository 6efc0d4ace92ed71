"""The sweeper: deletes objects that no row needs, once they are old enough.

An intent ends before its object is deleted, so that a mover that was stopped in between cannot
switch to what is gone. What neither the directory nor a listing's minimum age accounts for, is
left alone: objects of other regions, of earlier lives of this one, and names that are not ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import DeadlineExceededError, TierStoreError
from tierstore.region.deadline import Deadline
from tierstore.region.objects import parse_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.movement.ground import Ground
    from tierstore.region.moves import Lease
    from tierstore.region.objects import Listing

OBJECTS_MAX = 1000
MS_PER_S = 1000


class Sweeper:
    """Sweeps in slices; the holder of the mover's lease calls it."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._listed_to = ""
        self._failure: TierStoreError | None = None
        self.foreign: list[str] = []
        """Names in the region's prefix that are not ours; they are left alone."""
        self.has_more = False
        """Whether the last step left pages of the listing, intents or garbage."""

    def step(self, lease: Lease) -> None:
        """End what earlier movers left, delete garbage, and look at a page of the listing.

        Raises UnavailableError if a tier does not answer, FencedError if the lease is lost; what
        cannot be deleted is told at the end, and tried again by a later step.
        """
        self.has_more, self._failure = False, None
        counts = self._end_intents(lease), self._delete_garbage(lease)
        self._delete_orphans()
        if self._failure is not None:
            raise self._failure
        self.has_more = bool(self._listed_to) or max(counts) >= OBJECTS_MAX

    def _end_intents(self, lease: Lease) -> int:
        directory, timeout_s = self._ground.directory, self._ground.regional_s
        stale = directory.stale_intents(lease.epoch, OBJECTS_MAX, timeout_s)
        if stale:
            self._ground.runtime.sometimes("stale intent ended")
            directory.abandon(lease.epoch, stale, timeout_s)
        return len(stale)

    def _delete_garbage(self, lease: Lease) -> int:
        directory, timeout_s = self._ground.directory, self._ground.regional_s
        names = directory.garbage(self._oldest_ms(), OBJECTS_MAX, timeout_s)
        if names:
            gone = self._delete(names)
            self._ground.tally.swept += len(gone)
            directory.forget_objects(lease.epoch, gone, timeout_s)
        return len(names)

    def _delete_orphans(self) -> None:
        """Delete old objects of this incarnation that the directory has never heard of."""
        ground = self._ground
        page = ground.objects.list(f"{ground.region}/", self._listed_to, OBJECTS_MAX, ground.cold_s)
        if not self._listed_to:
            self.foreign.clear()
        self.foreign.extend(page.foreign)
        old = [found.name for found in page.objects if self._may_be_orphan(found.name)]
        known = ground.directory.known_objects(old, ground.regional_s) if old else set()
        orphans = [name for name in old if name not in known]
        if orphans:
            ground.runtime.sometimes("orphan swept")
            self._ground.tally.swept += len(self._delete(orphans))
        self._delete_leftovers(page)
        self._listed_to = page.next_after or ""

    def _delete_leftovers(self, page: Listing) -> None:
        """Delete what puts left that were interrupted, once no put can be under way any more."""
        names = [left.name for left in page.leftovers if left.minted_ms < self._oldest_ms()]
        if names:
            self._delete(names)

    def _may_be_orphan(self, name: str) -> bool:
        minted = parse_name(name)
        return (
            minted is not None
            and minted.incarnation == self._ground.incarnation
            and minted.minted_ms < self._oldest_ms()
        )

    def _oldest_ms(self) -> int:
        return self._ground.now_ms() - int(self._ground.policy.cold.retain_s * MS_PER_S)

    def _delete(self, names: Sequence[str]) -> list[str]:
        """Those of `names` that are gone now; why others are not is kept in `_failure`."""
        ground = self._ground
        try:
            ground.objects.delete(names, ground.cold_s)
        except TierStoreError as exc:
            if len(names) > 1:
                ground.runtime.sometimes("objects deleted one by one")
                return self._delete_singly(names)
            self._failure = self._failure or exc
            return []
        return list(names)

    def _delete_singly(self, names: Sequence[str]) -> list[str]:
        """As `_delete`, so that one which cannot be deleted keeps no other."""
        ground, gone = self._ground, []
        deadline = Deadline(ground.runtime, ground.cold_s)
        try:
            for name in names:
                deadline.remaining_s()
                gone += self._delete([name])
        except DeadlineExceededError as exc:
            self._failure = self._failure or exc
        return gone
