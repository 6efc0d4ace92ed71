"""The replica's state: what its threads share, and the one lock that guards it.

`lock` is never held across I/O, so a resident read, which takes no lock, and a `memory` write,
which takes this one, never wait for a tier. `journal_lock` serialises the journal and is taken
before `lock`, never after; `escrow_lock` does so for the journal's notes of rights.
"""

from __future__ import annotations

from tierstore.edge.entry import NEVER_FETCHED
from tierstore.edge.table import EdgeTable
from tierstore.errors import StoreClosedError
from tierstore.policy.model import is_located
from tierstore.replica.fills import Fills
from tierstore.replica.outbox import Outbox
from tierstore.stamp import HybridClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.edge.entry import Entry
    from tierstore.policy.model import Policy, Rule
    from tierstore.replica.cold import ColdLink
    from tierstore.replica.heat import HeatKeeper
    from tierstore.replica.link import RegionLink
    from tierstore.replica.negatives import Negatives
    from tierstore.replica.shared.state import SharedState
    from tierstore.runtime import Runtime
    from tierstore.tiers.journal.file import JournalFile

MS_PER_S = 1000


class Tally:
    """Counts since the store was opened, for `stats` and replays."""

    __slots__ = (
        "absent",
        "adopted",
        "batches_lost",
        "batches_resent",
        "cold",
        "documents_compacted",
        "fills_voided",
        "flushed",
        "lost_races",
        "negative_hits",
        "pasts_forgotten",
        "pulled",
        "quarantined",
        "regional",
        "set_aside",
        "sets_lightened",
        "stale",
        "unavailable",
    )

    absent: int  # reads that the region answered with "no such key"
    adopted: int  # journals of dead processes drained
    batches_lost: int  # that a region had acknowledged, lost by a restore, and nobody has any more
    batches_resent: int  # that it lost by a restore, too, and were sent again
    cold: int  # reads that an object of the cold tier answered
    documents_compacted: int  # by this process, as the two other things of compaction
    fills_voided: int  # replies not installed because something newer was known
    flushed: int  # deltas acknowledged by the region
    lost_races: int  # of them, those that a newer write had beaten
    negative_hits: int  # absences answered without the region
    pasts_forgotten: int  # compact documents that no longer know what they were made of
    pulled: int  # copies refreshed from the feed
    quarantined: int  # writes that the region refused for good
    regional: int  # reads that the region answered with a value
    set_aside: int  # writes of a retired identity, left to the operator
    sets_lightened: int  # sets that forgot whose adds were whose
    stale: int  # reads served beyond their age while the region was away
    unavailable: int  # reads that could not be answered

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    def as_dict(self) -> dict[str, int]:
        """All counts by name."""
        return {name: getattr(self, name) for name in self.__slots__}


class ReplicaState:
    """Shared by the files of this package; made anew after a fork."""

    def __init__(self, policy: Policy, runtime: Runtime, replica: int) -> None:
        self.policy = policy
        self.runtime = runtime
        self.lock = runtime.lock()
        self.journal_lock = runtime.turn()
        self.escrow_lock = runtime.turn()
        self.flush_lock = runtime.turn()
        self.clock = HybridClock(runtime.time_ns, int(policy.replication.max_drift_s * MS_PER_S))
        self.edge = EdgeTable(policy.edge.capacity_bytes)
        self.outbox = Outbox(replica)
        self.journal: JournalFile | None = None
        self.last_seq = 0
        self.restored_stamp = 0
        """Later stamps were issued by this process, this and earlier ones by those before it."""
        self.corrupt: dict[str, str] = {}
        self.cursor = 0
        self.pulled_at_s = float("-inf")
        self.tally = Tally()
        self.fills = Fills(runtime)
        self.negatives: Negatives | None = None
        self.link: RegionLink
        self.cold: ColdLink
        self.closed = False
        self.never_edge = never_edge(policy)
        self.keeper: Any = None
        """Of rights to sell: what the wiring makes of it."""
        self.figures: Any = None
        """Of what is asked of the coordinator: what the wiring makes of it."""
        self.shared: SharedState | None = None
        """Of a worker whose edge is shared with others."""

        # Rules under which a put of a scalar needs nothing but the resident entry.
        self.plain_memory = frozenset(
            rule.index
            for rule in policy.rules
            if rule.durability == "memory"
            and rule.ttl_s is None
            and rule.read.max_age_s is None
            and rule.index not in self.never_edge
        )

        self.heat: HeatKeeper | None = None
        if any(_has_rates(rule) for rule in policy.rules):
            self.keep_heat()

    def keep_heat(self) -> HeatKeeper:
        """What looks at counters; made when it is needed, as a cold start pays for each import."""
        if self.heat is None:
            from tierstore.replica.heat import HeatKeeper

            self.heat = HeatKeeper(self.policy, self.runtime, self.edge, self.never_edge)
        return self.heat

    @property
    def replica(self) -> int:
        """This replica's id."""
        return self.outbox.replica

    def take_identity(self, replica: int) -> None:
        """Be a new replica from now on, that knows nothing of the region. Needs both locks."""
        old = self.outbox
        self.outbox = Outbox(replica)
        self.outbox.dirty, self.outbox.dirty_bytes = old.dirty, old.dirty_bytes
        self.outbox.ended = old.ended
        for ended in old.ended.values():
            for _, delta in ended:
                delta.record.replica = replica
        self.outbox.quarantined = old.quarantined
        for entry in old.dirty.values():
            entry.sign(replica)
        self.forget_copies()
        self.cursor = 0
        self.pulled_at_s = float("-inf")
        self.link.become(replica, is_new=True)

    def forget_copies(self) -> None:
        """Know nothing any more of what the region has. Needs the lock."""
        self.edge.clear_clean()
        self.fills.void_all()
        if self.negatives is not None:
            self.negatives.clear()

    def tick(self) -> int:
        """The stamp of a write that is made now. Needs the lock. Raises StoreClosedError."""
        if self.closed:
            raise StoreClosedError("the store is closed")
        return self.clock.tick()

    def now_ms(self) -> int:
        """The wall clock."""
        return self.runtime.time_ns() // 1_000_000

    def is_edge_allowed(self, rule: Rule, size: int) -> bool:
        """Whether a copy of `size` bytes may be resident under `rule`."""
        return rule.index not in self.never_edge and size <= rule.edge_max_value_bytes

    def age_s(self, entry: Entry) -> float:
        """How far `entry` may lag behind the region's row: see docs/guarantees.md."""
        compared_at_s = entry.fetched_at
        if compared_at_s > NEVER_FETCHED:
            compared_at_s = max(compared_at_s, self.pulled_at_s)
        return self.runtime.monotonic() - compared_at_s


def never_edge(policy: Policy) -> frozenset[int]:
    """The rules whose keys must not be at this edge: by `place`, or as it is elsewhere."""
    return frozenset(
        rule.index
        for rule in policy.rules
        if not rule.place.allows("edge") or not is_located(policy, rule, "edge")
    )


def _has_rates(rule: Rule) -> bool:
    rates = rule.hotness.hot_per_s, rule.hotness.cold_per_s
    return any(not isinstance(rate, str) for rate in rates)
