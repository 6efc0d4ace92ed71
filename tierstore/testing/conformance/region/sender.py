"""A replica's side of the protocol: numbered batches, each naming its predecessor."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tierstore.record import Record
from tierstore.region.batch import PUT, TOUCH, Batch, Delta, Heat, freeze
from tierstore.runtime import now_ms
from tierstore.stamp import at_ms
from tierstore.testing.conformance.harness import TIMEOUT_S

if TYPE_CHECKING:
    from typing import Any

    from tierstore.region.protocol import BatchReply, ChangesPage, ReadReply, Region, ScanPage
    from tierstore.region.rows import Row
    from tierstore.runtime import Runtime


class Sender:
    """One registered replica of a region, which does what it is told."""

    def __init__(self, region: Region, replica: int, clock: Runtime) -> None:
        self.region, self.replica, self.clock = region, replica, clock
        self.number, self.digest = 0, b""
        self._count = 0
        region.register(replica, TIMEOUT_S)

    def stamp(self, offset_s: float = 0.0) -> int:
        """A stamp of now, higher than the one before."""
        self._count += 1
        return at_ms(now_ms(self.clock) + round(offset_s * 1000)) + self._count

    def put(
        self, key: str, payload: bytes | None, *, stamp: int | None = None, **fields: Any
    ) -> Delta:
        """A delta that writes `payload`, None to delete."""
        stamp = self.stamp() if stamp is None else stamp
        return Delta(key, PUT, Record(stamp, self.replica, payload, **fields))

    def touch(self, delta: Delta, expires_at_ms: int | None, *, at: int | None = None) -> Delta:
        """A delta that moves the expiry of what `delta` wrote."""
        old, touch = delta.record, self.stamp() if at is None else at
        return Delta(delta.key, TOUCH, Record(old.stamp, old.replica, None, expires_at_ms, touch))

    def batch(self, *deltas: Delta, heat: tuple[Heat, ...] = ()) -> Batch:
        """The next batch, not sent."""
        return freeze(self.replica, self.number + 1, self.digest, list(deltas), list(heat))

    def sent(self, batch: Batch) -> BatchReply:
        """The region's answer to `batch`; if it is applied, the next one follows it."""
        reply = self.region.apply(batch, TIMEOUT_S)
        if reply.verdict == "applied":
            self.number, self.digest = batch.number, batch.digest
        return reply

    def send(self, *deltas: Delta, heat: tuple[Heat, ...] = ()) -> BatchReply:
        """The region's answer to a batch of `deltas`."""
        return self.sent(self.batch(*deltas, heat=heat))

    def write(self, *keys: str) -> BatchReply:
        """The answer to a batch that writes each key's own UTF-8 under it."""
        return self.send(*[self.put(key, key.encode()) for key in keys])

    def use(self, *keys: str, reads: int = 1) -> BatchReply:
        """The answer to a batch that only tells of `reads` of each key."""
        return self.send(heat=tuple(Heat(key, reads, 0, 3600) for key in keys))

    def read(self, *keys: str) -> ReadReply:
        """What the region replies for `keys`."""
        return self.region.read(keys, self.replica, TIMEOUT_S)

    def rows(self, *keys: str) -> dict[str, Row]:
        """The rows of those of `keys` that have one, without when they are due.

        Reads need not say that.
        """
        return {key: replace(row, due_ms=None) for key, row in self.read(*keys).rows.items()}

    def row(self, key: str) -> Row:
        """The row of a key that has one, without when it is due."""
        return self.rows(key)[key]

    def payloads(self, *keys: str) -> dict[str, bytes | None]:
        """The payloads of those of `keys` that have a row."""
        return {key: row.record.payload for key, row in self.read(*keys).rows.items()}

    def changes(self, cursor: int, limit: int = 1000) -> ChangesPage:
        """A page of the feed."""
        return self.region.changes(cursor, limit, self.replica, TIMEOUT_S)

    def scan(
        self,
        start: str = "",
        end: str | None = None,
        *,
        limit: int = 1000,
        reverse: bool = False,
        values: bool = True,
    ) -> ScanPage:
        """A page of a scan."""
        return self.region.scan(start, end, limit, reverse, values, self.replica, TIMEOUT_S)

    def acknowledge(self, position: int) -> None:
        """Say that everything up to `position` is here."""
        self.region.acknowledge(self.replica, position, TIMEOUT_S)


def scanned(
    sender: Sender,
    start: str = "",
    end: str | None = None,
    *,
    limit: int = 1000,
    reverse: bool = False,
    values: bool = True,
) -> list[Row]:
    """All rows of a scan, page after page; each page within its limit."""
    found: list[Row] = []
    while True:
        page = sender.scan(start, end, limit=limit, reverse=reverse, values=values)
        assert len(page.rows) <= limit
        found += page.rows
        if page.next_key is None:
            return found
        start, end = (start, page.next_key) if reverse else (page.next_key, end)
