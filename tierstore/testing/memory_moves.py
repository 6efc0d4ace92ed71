"""The part of `MemoryRegion` that movers use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tierstore.errors import FencedError
from tierstore.record import ELSEWHERE, with_payload
from tierstore.region.moves import Lease, Overview, Stay, StoredObject, is_lease_over, plan_switch
from tierstore.region.protocol import AsideEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tierstore.region.moves import Refused, Review, Switch
    from tierstore.region.rows import Row
    from tierstore.runtime import Lock


class MemoryMoves:
    """Leases, rows that are due, intents and objects, in dicts."""

    rows: dict[str, Row]
    _aside: dict[tuple[str, int, int, int], AsideEntry]
    _lock: Lock
    _now_ms: Callable[[], int]

    def __init__(self) -> None:
        self._lease = Lease(0, False, 0)
        self._holder = 0
        self._ids: dict[str, int] = {}  # by key, once they were asked for
        self._last_id = 0
        self.intents: dict[str, int] = {}
        self.mark: str | None = None
        self.stored: dict[str, StoredObject] = {}
        self.stays: dict[str, Stay] = {}

    def lease(self, holder: int, ttl_ms: int, note: str | None, timeout_s: float) -> Lease:
        """Take or renew the lease, or say who has it."""
        with self._lock:
            now_ms, old = self._now_ms(), self._lease
            is_over = is_lease_over(old.expires_ms, now_ms, ttl_ms)
            if self._holder != holder and not is_over:
                return replace(old, is_held=False)
            is_renewed = self._holder == holder and not is_over
            self._holder = holder
            noted = note if is_renewed and note is not None else old.note
            self._lease = Lease(old.epoch + (not is_renewed), True, now_ms + ttl_ms, noted)
            return self._lease

    def due(self, limit: int, timeout_s: float) -> list[Row]:
        """Rows whose time of review has come, without payload."""
        with self._lock:
            now_ms = self._now_ms()
            found = [r for r in self.rows.values() if r.due_ms is not None and r.due_ms <= now_ms]
            found.sort(key=lambda row: (row.due_ms, row.key))
            return [bare(row) for row in found[:limit]]

    def review_all(self, epoch: int, after: int, limit: int, timeout_s: float) -> int | None:
        """Make rows due, `limit` ids of them from the first one above `after` on."""
        with self._lock:
            self._check(epoch)
            left = {key: at for key, at in self._number_rows().items() if at > after}
            if not left:
                return None
            now_ms, until = self._now_ms(), min(left.values()) - 1 + limit
            for key in (key for key, at in left.items() if at <= until):
                row = self.rows[key]
                if row.due_ms is None or row.due_ms > now_ms:
                    self.rows[key] = replace(row, due_ms=now_ms)
            return until if max(left.values()) > until else None

    def settle_reviews(self, epoch: int, reviews: Sequence[Review], timeout_s: float) -> None:
        """Note what became of rows that were due."""
        with self._lock:
            self._check(epoch)
            for review in reviews:
                row = self.rows.get(review.key)
                if row is None:
                    continue
                if (row.position, row.due_ms) == (review.position, review.seen_ms):
                    self.rows[review.key] = replace(row, due_ms=review.due_ms)
                    self._note(review)

    def begin_move(self, epoch: int, name: str, timeout_s: float) -> None:
        """Log that an object is about to be written."""
        with self._lock:
            self._check(epoch)
            self.intents[name] = epoch

    def switch(
        self, epoch: int, made: StoredObject | None, switches: Sequence[Switch], timeout_s: float
    ) -> list[str]:
        """The keys that moved, all at once."""
        with self._lock:
            self._check(epoch)
            if made is not None and self.intents.pop(made.name, None) is None:
                raise FencedError("the intent of this move has been ended")
            plan = plan_switch(self.rows, switches, self._now_ms())
            for row in plan.writes:
                self.rows[row.key] = row
            self._release(plan.released)
            self._keep_refused(plan.refused)
            if made is not None:
                live = len(plan.switched)
                dead_ms = None if live else self._now_ms()
                self.stored[made.name] = replace(made, live=live, dead_ms=dead_ms)
            for key in plan.switched:
                self.stays.pop(key, None)
            return plan.switched

    def abandon(self, epoch: int, names: Sequence[str], timeout_s: float) -> None:
        """End intents."""
        with self._lock:
            self._check(epoch)
            now_ms = self._now_ms()
            for name in names:
                if self.intents.pop(name, None) is not None:
                    self.stored[name] = StoredObject(name, 0, 1, 0, now_ms, now_ms)

    def stale_intents(self, epoch: int, limit: int, timeout_s: float) -> list[str]:
        """Intents of earlier leases."""
        with self._lock:
            return [name for name, of in self.intents.items() if of < epoch][:limit]

    def garbage(self, dead_before_ms: int, limit: int, timeout_s: float) -> list[str]:
        """Objects that no row has pointed at for long."""
        with self._lock:
            dead = [s for s in self.stored.values() if s.dead_ms is not None]
            return [s.name for s in dead if (s.dead_ms or 0) < dead_before_ms][:limit]

    def forget_objects(self, epoch: int, names: Sequence[str], timeout_s: float) -> None:
        """Forget objects that are deleted."""
        with self._lock:
            self._check(epoch)
            for name in names:
                if name in self.stored and self.stored[name].live <= 0:
                    del self.stored[name]

    def known_objects(self, names: Sequence[str], timeout_s: float) -> set[str]:
        """Those of `names` that are known."""
        with self._lock:
            known = self.stored.keys() | self.intents.keys()
            return {name for name in names if name in known or name == self.mark}

    def marker(self, timeout_s: float) -> str | None:
        """The object by which the cold tier is recognized."""
        with self._lock:
            return self.mark

    def put_marker(self, epoch: int, name: str, timeout_s: float) -> None:
        """Note that object."""
        with self._lock:
            self._check(epoch)
            self.mark = self.mark or name

    def stay(self, key: str, timeout_s: float) -> Stay | None:
        """Why `key` is not where it should be."""
        with self._lock:
            return self.stays.get(key)

    def objects(self, limit: int, timeout_s: float) -> list[StoredObject]:
        """Objects, the least live first."""
        with self._lock:
            return sorted(self.stored.values(), key=lambda s: (s.live / s.records, s.name))[:limit]

    def overview(self, failures: int, timeout_s: float) -> Overview:
        """Figures of the cold tier."""
        with self._lock:
            stored = list(self.stored.values())
            failed = [(s.at_ms, key, s.error) for key, s in self.stays.items() if s.error]
            failed.sort(key=lambda item: (-item[0], item[1]))
            return Overview(
                len(stored),
                sum(s.size_bytes for s in stored),
                sum(s.records for s in stored),
                sum(s.live for s in stored),
                sum(s.dead_ms is not None for s in stored),
                len(self.stays),
                len(failed),
                {key: error for _, key, error in failed[:failures]},
            )

    def _check(self, epoch: int) -> None:
        if self._lease.epoch != epoch:
            raise FencedError("another mover has the lease of this region now")

    def _number_rows(self) -> dict[str, int]:
        """The id of each row: higher than any before, when it came, and its own while it stays."""
        for key in self.rows:  # in the order in which they came
            if key not in self._ids:
                self._last_id += 1
                self._ids[key] = self._last_id
        return self._ids

    def _note(self, review: Review) -> None:
        if review.wanted is None:
            self.stays.pop(review.key, None)
            return
        before = self.stays.get(review.key)
        tries = 1 if before is None else before.tries + 1
        now_ms = self._now_ms()
        self.stays[review.key] = Stay(
            review.wanted, review.error, tries, now_ms, review.due_ms or now_ms
        )

    def _keep_refused(self, refused: Sequence[Refused]) -> None:
        for item in refused:
            entry = AsideEntry(
                "quarantined", item.replica, item.number, item.key, item.reason, self._now_ms()
            )
            self._aside[entry.kind, item.replica, item.number, item.index] = entry

    def _release(self, names: Iterable[str]) -> None:
        for name in names:
            stored = self.stored.get(name)
            if stored is not None:
                live = stored.live - 1
                dead_ms = self._now_ms() if live <= 0 else stored.dead_ms
                self.stored[name] = replace(stored, live=live, dead_ms=dead_ms)


def bare(row: Row) -> Row:
    """`row` without its payload, for which `ELSEWHERE` stands."""
    if row.record.payload is None:
        return row
    return replace(row, record=with_payload(row.record, ELSEWHERE))
