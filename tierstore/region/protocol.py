"""The protocol of a regional tier.

Every reply is one snapshot of the region and says how much of the asking replica's own writes it
contains (`applied`), how far the feed had got (`position`), which life of the region answered
(`incarnation`) and what time it was there (`now_ms`). The replica shows *that state plus its own
batches above `applied`*; so no write of its own is ever seen twice nor missed.

Every call takes `timeout_s`. An adapter raises `UnavailableError` when nothing happened,
`DeadlineExceededError` when the time was up before anything happened, `OutcomeUnknownError` when
a write may have happened, and `CorruptionError` for rows whose checksum fails. Driver exceptions
never leave it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tierstore.region.lives import PEERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.region.batch import Batch
    from tierstore.region.capabilities import Capabilities
    from tierstore.region.rows import RegionInfo, ReplicaState, Row


@dataclass(slots=True)
class ReadReply:
    """The rows that exist among the keys asked for, as one snapshot."""

    applied: int
    position: int
    incarnation: int
    now_ms: int
    rows: dict[str, Row]
    corrupt: dict[str, str] = field(default_factory=dict)
    """Keys whose row fails its checksum, with the reason; the other keys are unaffected."""


@dataclass(slots=True)
class ScanPage:
    """Rows in key order. `next_key` is where the next page goes on, None after the last."""

    applied: int
    position: int
    incarnation: int
    now_ms: int
    rows: list[Row]
    next_key: str | None
    corrupt: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Change:
    """One row of the feed: which version a key has now."""

    key: str
    stamp: int
    replica: int
    touch: int
    expires_at_ms: int | None
    """With `touch`, the lifetime: two replicas may touch a version at one stamp."""
    position: int


@dataclass(slots=True)
class ChangesPage:
    """Changes in feed order after a cursor; at most one per key, its latest.

    Those above `position` can be seen already, while something older may still come before them:
    they are told so that no copy is older than it looks, and told again by later pages.
    """

    applied: int
    position: int
    """The position of the region when it answered: nothing will ever appear up to here."""
    incarnation: int
    now_ms: int
    changes: list[Change]
    cursor: int
    """Where the next page goes on, at most `position`."""
    is_complete: bool
    """Whether, with the pages before, that is every change made until the region answered."""
    gap: bool = False
    """The cursor asked for lies below what is still known: start again from `position`."""


@dataclass(slots=True)
class BatchReply:
    """What became of a batch."""

    verdict: str
    """"applied" (also when it is `repeated`), "fenced" or "retired"."""
    applied: int
    position: int
    incarnation: int
    now_ms: int
    outcomes: bytes = b""
    """One outcome code per delta, in the batch's order."""
    reason: str = ""
    repeated: bool = False
    """It was applied earlier, and others may have written since: the rows need not show it."""
    reached: int = 0
    """No row that it wrote has a higher position; the feed will get there."""


@dataclass(slots=True)
class Registration:
    """A replica's standing when it registers, or registers again."""

    info: RegionInfo
    state: ReplicaState
    position: int
    now_ms: int
    forgotten: bool = False
    """The region has no such replica, which is not new, and entered none: it counts as retired."""
    reached: int = 0
    """A position that no row exceeded when it answered; the feed will get there."""


@dataclass(slots=True)
class Upkeep:
    """What one maintenance step of the region did."""

    incarnation: int
    now_ms: int
    released: int = 0
    """Held deltas applied."""
    retired: int = 0
    """Replicas retired for silence."""
    collected: int = 0
    """Dead rows removed."""
    floor: int = 0
    """The position that every live replica has acknowledged."""
    forgotten: int = 0
    """Retired replicas removed."""


@dataclass(slots=True)
class DeadRows:
    """How many rows have no value any more, and why they are still there."""

    incarnation: int
    now_ms: int
    floor: int
    """The position that every live replica, peers' readers among them, has acknowledged."""
    count: int = 0
    """Tombstones and expired rows."""
    young: int = 0
    """Of them, those dead for no longer than horizon + max_drift."""
    waiting: int = 0
    """Of the others, those above the floor: somebody has yet to hear of them."""

    @property
    def collectable(self) -> int:
        """How many the next steps of upkeep forget."""
        return self.count - self.young - self.waiting


@dataclass(slots=True)
class Compaction:
    """What one step through the sets and documents of a region found."""

    incarnation: int
    now_ms: int
    next_key: str | None = None
    """Where the next step goes on; None after the last key."""
    looked: int = 0
    """Sets and documents that were looked at."""
    sets: int = 0
    """Of them, sets that forgot origins."""
    documents: int = 0
    """Documents that were made compact, and remember their past for now."""
    pasts: int = 0
    """Documents that forgot their past."""
    freed_bytes: int = 0
    """By how much all of these are smaller; negative while pasts are remembered."""


@dataclass(slots=True)
class AsideEntry:
    """A delta or batch that was not merged and waits for an operator."""

    kind: str
    """"held", "quarantined", "aside", "retired", "late" of a row that a late peer told, or "lost"
    of batches that nobody has any more."""
    replica: int
    number: int
    key: str
    reason: str
    at_ms: int


class Region(Protocol):
    """A regional tier, as replicas use it. Safe to use from several threads."""

    @property
    def capabilities(self) -> Capabilities:
        """What this adapter can do: the same for all of its life."""

    def connect(self, timeout_s: float) -> RegionInfo:
        """Make the region usable, creating it where there is none, and say who it is."""

    def register(self, replica: int, timeout_s: float, is_new: bool = True) -> Registration:
        """Enter a replica, or return what is known of it. Idempotent.

        Only one that `is_new` is entered: it has never sent a batch. So no batch of an identity
        that was forgotten is ever applied again.
        """

    def apply(self, batch: Batch, timeout_s: float) -> BatchReply:
        """Apply a batch once, in one transaction, however often it is sent."""

    def read(self, keys: Sequence[str], replica: int, timeout_s: float) -> ReadReply:
        """The rows of `keys` in one snapshot; at most 1,000 keys."""

    def changes(self, cursor: int, limit: int, replica: int, timeout_s: float) -> ChangesPage:
        """Up to `limit` changes after `cursor`. Nothing ever appears behind a cursor.

        A page that is not complete ends at `position`, or has `limit` changes.
        """

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
        """Up to `limit` rows with `start` <= key < `end`, in byte order of UTF-8.

        Tombstones are included. With `values` false, the payload of a record that has one is
        `record.ELSEWHERE`, and checksums are not checked. When `reverse`, from the end down, and
        `next_key` is an exclusive upper bound.
        """

    def acknowledge(self, replica: int, position: int, timeout_s: float) -> None:
        """Note that a replica is alive and has everything up to `position`."""

    def leave(self, replica: int, timeout_s: float) -> None:
        """Forget a replica that will never be heard of again, so that it holds no floor.

        As long as something of it waits for an operator, it is retired instead. Idempotent.
        """

    def retire(self, replica: int, timeout_s: float) -> bool:
        """Retire a replica now, as if it had been silent for the horizon; whether it was not yet.

        If it comes back, what it had not flushed is kept aside. Idempotent.
        """

    def maintain(self, limit: int, timeout_s: float) -> Upkeep:
        """One bounded step of upkeep.

        Releases held deltas, retires the silent, forgets those that have been retired for as long
        again and have nothing waiting for an operator, collects the dead.
        """

    def dead_rows(self, timeout_s: float) -> DeadRows:
        """What `maintain` would forget, and what it may not yet. Changes nothing."""

    def compact(self, start: str, limit: int, timeout_s: float, is_dry: bool = False) -> Compaction:
        """Let sets and documents among up to `limit` keys from `start` on forget what they can.

        Readers see the same, and nothing that may still arrive is lost: what is forgotten is named
        by no replica that the region still hears. One bounded step. When `is_dry`, only look.
        """

    def set_aside(self, batch: Batch, reason: str, timeout_s: float) -> None:
        """Keep the batch of a retired replica for the operator; never merged. Idempotent."""

    def aside(self, limit: int, timeout_s: float) -> list[AsideEntry]:
        """What waits for an operator, oldest first."""

    def replicas(self, timeout_s: float) -> list[ReplicaState]:
        """All replicas ever registered and not yet forgotten."""

    def reincarnate(self, timeout_s: float, regains: str = PEERS) -> RegionInfo:
        """Begin another life, after the region was restored from a backup; who it is now.

        Incarnations grow. `regains`, of `lives.REGAINS`, says where what the backup lacks comes
        from; replicas are told it with every registration. Peers are read anew from the start,
        under a new id, as what they forgot since the backup is not known.

        From "batches" replicas keep their ids: each sends again what follows the last batch that
        the region has of it, so nobody counts as silent. Else no number of the life before is used
        again: all replicas are retired, and each comes back under a new id.
        """

    def resume(
        self, replica: int, after: int, number: int, digest: bytes, timeout_s: float
    ) -> Registration:
        """Let a replica go on after batch `number` in a life that regains from batches.

        Only if `after` is the last batch that the region has of it, 0 of one that it does not know
        and enters now; see `resuming.resumed`. One that was retired is so no longer. Batches above
        `after` up to `number` are lost, and listed for the operator (kind "lost"); the next one has
        to name `digest` as its predecessor. Returns its standing after that. Idempotent.
        """

    def close(self) -> None:
        """Release connections. Idempotent."""
