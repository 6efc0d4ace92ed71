"""A mover's hand: the calls of `tierstore.region.moves.Directory`, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tierstore.record import hash_payload
from tierstore.region.moves import Review, StoredObject, Switch
from tierstore.region.objects import SEGMENT
from tierstore.region.pointer import Pointer, encode_pointer
from tierstore.region.waiting import Settled, base_of, settled
from tierstore.runtime import now_ms
from tierstore.testing.conformance.harness import TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierstore.region.moves import Directory, Lease
    from tierstore.region.protocol import Region
    from tierstore.region.rows import Row
    from tierstore.runtime import Runtime

TTL_MS = 60_000
UNKNOWN_NAME = f"a1/1-018bcfe56800-{0:016x}.seg"


class Mover:
    """Holds the lease and moves keys as it is told; objects are names, and what was put there."""

    def __init__(self, region: Region, clock: Runtime, holder: int = 1) -> None:
        self.region = cast("Directory", region)
        self.clock, self.holder = clock, holder
        self.epoch = 0
        self._made = 0
        self.contents: dict[tuple[str, str], bytes] = {}
        """By name and key, what an object would hold."""
        self.lease()

    def lease(self, note: str | None = None, ttl_ms: int = TTL_MS) -> Lease:
        """Take or renew the lease."""
        lease = self.region.lease(self.holder, ttl_ms, note, TIMEOUT_S)
        if lease.is_held:
            self.epoch = lease.epoch
        return lease

    def other(self) -> Mover:
        """A second mover of the region, which takes the lease if it can."""
        return Mover(self.region, self.clock, self.holder + 1)

    def row(self, key: str) -> Row:
        """The row of a key that has one."""
        return self.region.read([key], 0, TIMEOUT_S).rows[key]

    def begin(self) -> str:
        """The name of an object whose intent is logged."""
        self._made += 1
        name = f"a1/1-018bcfe56800-{self.holder << 32 | self._made:016x}.seg"
        self.region.begin_move(self.epoch, name, TIMEOUT_S)
        return name

    def demote(
        self, *keys: str, name: str | None = None, seen: Mapping[str, Row] | None = None
    ) -> tuple[str, list[str]]:
        """Switch keys, as they are or were `seen`, to an object: (its name, keys moved)."""
        name = name or self.begin()
        switches = []
        for number, key in enumerate(keys):
            row = (seen or {}).get(key) or self.row(key)
            cold = encode_pointer(Pointer(name, SEGMENT, 0, 10, number))
            record = row.record
            digest = b""
            if record.payload:
                self.contents[name, key] = record.payload
                digest = hash_payload(record.payload)
            seen_as = key, record.stamp, record.replica, row.epoch
            switches.append(Switch(*seen_as, None, cold, digest=digest))
        made = StoredObject(name, 100, len(keys), 0, now_ms(self.clock), None)
        return name, self.region.switch(self.epoch, made, switches, TIMEOUT_S)

    def promote(self, key: str, payload: bytes, *, seen: Row | None = None) -> list[str]:
        """Switch a key back to its row: the keys that moved."""
        row = seen or self.row(key)
        record = row.record
        item = Switch(key, record.stamp, record.replica, row.epoch, None, None, payload)
        return self.region.switch(self.epoch, None, [item], TIMEOUT_S)

    def meaning(self, key: str) -> Settled:
        """What the cold row of a key means: what its object holds, and what waits on top."""
        row = self.row(key)
        base = base_of(row)
        return settled(base, row.record.type, self.contents[base.pointer.name, key])

    def bring_home(self, key: str, *, seen: Row | None = None) -> list[str]:
        """Switch a cold set or document back to its row, with what waits: the keys that moved."""
        found, row = self.meaning(key), seen or self.row(key)
        record, refused = row.record, tuple(found.refused)
        seen_as = key, record.stamp, record.replica, row.epoch
        item = Switch(*seen_as, None, None, found.payload, refused=refused)
        return self.region.switch(self.epoch, None, [item], TIMEOUT_S)

    def settle(
        self, row: Row, due_ms: int | None, wanted: str | None = None, error: str | None = None
    ) -> None:
        """Note what became of a row that was due."""
        review = Review(row.key, row.position, row.due_ms, due_ms, wanted, error)
        self.region.settle_reviews(self.epoch, [review], TIMEOUT_S)

    def due(self, limit: int = 100) -> dict[str, Row]:
        """Rows that are due, in order."""
        return {row.key: row for row in self.region.due(limit, TIMEOUT_S)}

    def objects(self) -> dict[str, StoredObject]:
        """The objects that the directory knows."""
        return {item.name: item for item in self.region.objects(100, TIMEOUT_S)}

    def garbage(self) -> list[str]:
        """Objects that no row points at, however short a time."""
        return self.region.garbage(now_ms(self.clock) + 1, 100, TIMEOUT_S)
