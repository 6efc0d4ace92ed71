"""How keys move between the regional tier and the cold one: what a mover asks of a region.

A move never makes a user's write fail, nor a write go unnoticed by a move: the switch compares the
version and the placement epoch that the mover has seen, and a row that is another by then is left
alone. One mover a region, by a lease whose epoch every call of its holder names; so whoever lost
the lease while it was stopped can change nothing any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from tierstore.crdt.types import is_typed
from tierstore.record import ELSEWHERE, Record, with_payload
from tierstore.region.batch import Delta, encode_delta
from tierstore.region.pointer import decode_pointer
from tierstore.region.protocol import Region
from tierstore.region.rows import MOVABLE_TYPES
from tierstore.region.waiting import based

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierstore.region.rows import Row
    from tierstore.region.waiting import Waiting

REGIONAL: Final = "regional"
COLD: Final = "cold"
LEASE_AHEAD_MS_MIN: Final = 3_600_000
MARK_EPOCH: Final = (1 << 63) - 1
"""Of the intent that is the region's mark, which no lease reaches: so it is never stale."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Leave to move keys of a region, or word that another has it."""

    epoch: int
    """Grows whenever the lease changes hands; of the present holder, whoever that is."""
    is_held: bool
    """Whether the caller holds it."""
    expires_ms: int
    """Until when, by the region's clock."""
    note: str = ""
    """What the last holder wrote down for the next one."""


def is_lease_over(expires_ms: int, now_ms: int, ttl_ms: int) -> bool:
    """Whether a lease may be taken by another holder, who asks for `ttl_ms`.

    By the wall clock. One that claims to last much longer than any is asked for, was taken before
    the clock was set back. A clock that is wrong costs no more than a change of hands, as whoever
    had the lease is fenced by its epoch.
    """
    return not now_ms < expires_ms <= now_ms + max(LEASE_AHEAD_MS_MIN, 2 * ttl_ms)


@dataclass(frozen=True, slots=True)
class Review:
    """What a mover made of a row that was due, if it did not move it."""

    key: str
    position: int
    """Of the row that was reviewed; a later write has another."""
    seen_ms: int | None
    """When that row was due; heat that came since makes it due at another time."""
    due_ms: int | None
    """When to look again; None: not before it is written or read."""
    wanted: str | None = None
    """The tier it should be in, if that is another."""
    error: str | None = None
    """Why it is not there."""


@dataclass(frozen=True, slots=True)
class Switch:
    """Where a key's payload is from now on, if the row is still the one that the mover saw."""

    key: str
    stamp: int
    replica: int
    epoch: int
    due_ms: int | None
    cold: bytes | None = None
    """The encoded pointer to the object that has it; None if it comes back to the row."""
    payload: bytes | None = None
    """What comes back to the row: of a set or document, with all that waited there."""
    digest: bytes = b""
    """The hash of the payload that `cold` points at, if the mover knows it."""
    refused: tuple[tuple[Waiting, str], ...] = ()
    """What waited and cannot be applied, with the reason: it is kept aside."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A change or state that waited on a cold row in vain, for the operator."""

    replica: int
    """Whose it was; 0: another region's."""
    number: int
    """The stamp of the row: with the next, what tells it from all others of that replica."""
    index: int
    key: str
    raw: bytes
    """The delta, encoded."""
    reason: str


@dataclass(frozen=True, slots=True)
class Stay:
    """A key's standing between tiers, for people: why it is not where it should be."""

    wanted: str
    error: str | None
    tries: int
    at_ms: int
    """When it was tried last."""
    next_ms: int
    """When it is tried next."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of the cold tier, as the directory knows it."""

    name: str
    size_bytes: int
    records: int
    live: int
    """How many of its records rows still point at."""
    made_ms: int
    dead_ms: int | None
    """Since when none does."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The cold tier of a region in figures, as the directory knows it."""

    objects: int
    size_bytes: int
    """Of all objects, as stored."""
    records: int
    live: int
    """How many of those records rows still point at."""
    dead: int
    """Objects that no row points at; they are deleted after the retention."""
    staying: int
    """Keys that are not in the tier where they should be."""
    failed: int
    """Of them, those whose move was tried and failed."""
    failures: dict[str, str]
    """Some of those, with the reason."""


@dataclass(slots=True)
class SwitchPlan:
    """What a switch does to the directory."""

    writes: list[Row] = field(default_factory=list)
    """Rows to store where they are, without a feed position."""
    switched: list[str] = field(default_factory=list)
    """Keys that moved; the others were written, moved or deleted meanwhile."""
    released: list[str] = field(default_factory=list)
    """The object of each pointer that was given up, once a pointer."""
    refused: list[Refused] = field(default_factory=list)
    """What waited on rows that came home and could not be applied."""


def plan_switch(rows: Mapping[str, Row], switches: Sequence[Switch], now_ms: int) -> SwitchPlan:
    """What `switches` do to `rows`, those of their keys that exist. Pure.

    Whatever waits on a cold row changes its version, so a switch never loses what it has not seen.
    """
    plan = SwitchPlan()
    for switch in switches:
        row = rows.get(switch.key)
        if row is None or not is_same(row, switch):
            continue
        if (row.cold is None) is (switch.cold is None):
            continue  # it is there already
        if switch.cold is not None and row.record.type not in MOVABLE_TYPES:
            continue
        if row.cold is not None:
            plan.released.append(decode_pointer(row.cold, key=row.key).name)
        plan.writes.append(_switched(row, switch, now_ms))
        plan.switched.append(switch.key)
        plan.refused += _refused(row, switch, len(plan.refused))
    return plan


def _switched(row: Row, switch: Switch, now_ms: int) -> Row:
    payload = ELSEWHERE if switch.cold is not None else switch.payload
    cold, size = switch.cold, row.size
    if cold is not None and is_typed(row.record.type):
        cold = based(decode_pointer(cold, key=row.key), row.record, switch.digest)
    elif payload and is_typed(row.record.type):  # with what waited, it has another size
        size = len(row.key.encode()) + len(payload)
    return replace(
        row,
        record=with_payload(row.record, payload),
        cold=cold,
        size=size,
        epoch=row.epoch + 1,
        entered_ms=now_ms,
        due_ms=switch.due_ms,
    )


def _refused(row: Row, switch: Switch, first: int) -> list[Refused]:
    record, refused = row.record, []
    for index, (waiting, reason) in enumerate(switch.refused, first):
        told = Record(
            record.stamp, waiting.origin, waiting.payload, type=record.type,
            generation=record.generation if waiting.is_same_life else 0,
        )  # fmt: skip
        raw = encode_delta(Delta(row.key, waiting.op, told), waiting.origin)
        refused.append(Refused(waiting.origin, record.stamp, index, row.key, raw, reason))
    return refused


def is_same(row: Row, seen: Switch) -> bool:
    """Whether a row is what a mover has seen: same version, in the same place, not deleted."""
    record = row.record
    known = (record.stamp, record.replica, row.epoch)
    return known == (seen.stamp, seen.replica, seen.epoch) and record.payload is not None


class Directory(Region, Protocol):
    """A region whose keys can move.

    Calls that take an `epoch` raise FencedError, and do nothing, if another has the lease now.
    """

    def lease(self, holder: int, ttl_ms: int, note: str | None, timeout_s: float) -> Lease:
        """Take or renew the lease for `ttl_ms`, or say who has it.

        A `note` replaces the last one when the lease is renewed, not when it is taken: whoever
        takes it has to see what the last holder wrote.
        """

    def due(self, limit: int, timeout_s: float) -> list[Row]:
        """Up to `limit` rows whose time of review has come, longest due first, without payload."""

    def review_all(self, epoch: int, after: int, limit: int, timeout_s: float) -> int | None:
        """Make the next `limit` rows due; where to go on, or None after the last.

        `after` is 0 to begin with: for a mover whose policy is not the one of the last holder.
        """

    def settle_reviews(self, epoch: int, reviews: Sequence[Review], timeout_s: float) -> None:
        """Note what became of rows that were due, unless they have changed meanwhile."""

    def begin_move(self, epoch: int, name: str, timeout_s: float) -> None:
        """Log that the object `name` is about to be written."""

    def switch(
        self, epoch: int, made: StoredObject | None, switches: Sequence[Switch], timeout_s: float
    ) -> list[str]:
        """The keys that moved, in one transaction, which ends the intent of the object `made`.

        What had waited on their rows and cannot be applied is kept aside, in the same one. Raises
        FencedError if that intent is gone, too.
        """

    def abandon(self, epoch: int, names: Sequence[str], timeout_s: float) -> None:
        """End intents: their objects, if any were written, are garbage from now on."""

    def stale_intents(self, epoch: int, limit: int, timeout_s: float) -> list[str]:
        """Objects that earlier holders of the lease meant to write and did not switch to."""

    def garbage(self, dead_before_ms: int, limit: int, timeout_s: float) -> list[str]:
        """Objects that no row has pointed at since before `dead_before_ms`."""

    def forget_objects(self, epoch: int, names: Sequence[str], timeout_s: float) -> None:
        """Forget objects that are deleted. Those that a row points at stay."""

    def known_objects(self, names: Sequence[str], timeout_s: float) -> set[str]:
        """Those of `names` that the directory knows: referred to, garbage, or about to be made."""

    def marker(self, timeout_s: float) -> str | None:
        """The object by which the region recognizes its cold tier; None: it has not used one."""

    def put_marker(self, epoch: int, name: str, timeout_s: float) -> None:
        """Note that the object `name` is that, for good. It counts as known from now on.

        If there is one already, that stays: a call that comes late must not bring another.
        """

    def stay(self, key: str, timeout_s: float) -> Stay | None:
        """Why `key` is not in the tier where it should be, if so."""

    def objects(self, limit: int, timeout_s: float) -> list[StoredObject]:
        """Objects with the lowest share of live records first."""

    def overview(self, failures: int, timeout_s: float) -> Overview:
        """Figures of the cold tier, with up to `failures` keys whose move failed last."""
