"""Mutants of the register, of stamps, of deletes, and of lifetimes."""

from __future__ import annotations

from typing import Any

from tierstore.crdt import register
from tierstore.edge.entry import Entry
from tierstore.record import Record
from tierstore.region import apply
from tierstore.region.outcomes import APPLIED
from tierstore.stamp import HybridClock
from tierstore.store.resolving import Resolver
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.mutants.laws import COLLECTION, ORDER, OUTCOMES, ROWS
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import plants
from tierstore.testing.mutants.worlds import CALM, FLEETING, INSTANT, SKEWED


@plants(HybridClock, "merge_admitted")
def clock_not_merged(right: Any) -> Any:
    return lambda self, stamp: None


@plants(HybridClock, "tick")
def clock_goes_back(right: Any) -> Any:
    def tick(self: HybridClock) -> int:
        self.last = self.edge_ns = 0
        return right(self)  # type: ignore[no-any-return]

    return tick


@plants(HybridClock, "tick")
def stamp_used_twice(right: Any) -> Any:
    def tick(self: HybridClock) -> int:
        before = self.last
        stamp = right(self)
        if stamp == before + 1:
            self.last = stamp = before
        return stamp  # type: ignore[no-any-return]

    return tick


@plants(register, "join")
def older_wins(right: Any) -> Any:
    def join(left: Record | None, new: Record) -> Record:
        return right(left, new) if left is None or left.stamp == new.stamp else _older(left, new)

    return join


def _older(left: Record, new: Record) -> Record:
    return left if left.stamp < new.stamp else new


@plants(register, "join")
def last_to_arrive_wins(right: Any) -> Any:
    return lambda left, new: new


@plants(register, "join")
def tie_kept_local(right: Any) -> Any:
    def join(left: Record | None, new: Record) -> Record:
        if left is not None and left.stamp == new.stamp and left.replica != new.replica:
            return left
        return right(left, new)  # type: ignore[no-any-return]

    return join


@plants(register, "join")
def touch_lost_in_join(right: Any) -> Any:
    def join(left: Record | None, new: Record) -> Record:
        same = left is not None and (left.stamp, left.replica) == (new.stamp, new.replica)
        return new if same else right(left, new)

    return join


@plants(register, "touch")
def touch_of_any_version(right: Any) -> Any:
    def touch(state: Record | None, target: Record) -> Record | None:
        if state is None or state.payload is None:
            return state
        return register.with_lifetime(state, target.touch, target.expires_at_ms)

    return touch


@plants(register, "touch")
def last_touch_to_arrive_wins(right: Any) -> Any:
    def touch(state: Record | None, target: Record) -> Record | None:
        if state is None or (state.stamp, state.replica) != (target.stamp, target.replica):
            return state
        return register.with_lifetime(state, target.touch, target.expires_at_ms)

    return touch


@plants(apply, "join_register")
def absent_key_without_tombstone(right: Any) -> Any:
    def join(plan: Any, row: Any, delta: Any, terms: Any) -> int:
        if row is None and delta.key not in plan.writes and delta.record.payload is None:
            return APPLIED
        return right(plan, row, delta, terms)  # type: ignore[no-any-return]

    return join


@plants(MemoryRegion, "_store")
def delete_removes_the_row(right: Any) -> Any:
    def store(self: MemoryRegion, plan: Any) -> None:
        right(self, plan)
        for key in plan.writes:
            if self.rows[key].record.payload is None:
                del self.rows[key]

    return store


@plants(apply, "is_collectable")
def collected_by_time_alone(right: Any) -> Any:
    return lambda row, floor, terms: right(row, row.position, terms)


@plants(apply, "is_collectable")
def collected_when_acknowledged(right: Any) -> Any:
    def is_collectable(row: Any, floor: int, terms: Any) -> bool:
        return not row.record.is_live(terms.now_ms) and row.position <= floor

    return is_collectable


@plants(apply, "is_collectable")
def expired_collected_by_stamp(right: Any) -> Any:
    def is_collectable(row: Any, floor: int, terms: Any) -> bool:
        limit_ms = terms.now_ms - terms.horizon_ms - terms.max_drift_ms
        is_dead = not row.record.is_live(terms.now_ms) and row.position <= floor
        return is_dead and row.record.stamp >> 16 < limit_ms

    return is_collectable


@plants(Resolver, "_is_live")
def expired_served(right: Any) -> Any:
    return lambda self, answer: answer.record is not None and answer.record.payload is not None


@plants(Entry, "show")
def expiry_not_copied(right: Any) -> Any:
    def show(self: Entry, record: Record) -> None:
        right(self, record)
        self.expires_at = None

    return show


@plants(apply, "plan_apply")
def future_applied(right: Any) -> Any:
    def plan_apply(rows: Any, batch: Any, terms: Any) -> Any:
        return right(rows, batch, apply.Terms(terms.now_ms, 1 << 40, terms.horizon_ms))

    return plan_apply


@plants(apply, "plan_apply")
def ancient_applied(right: Any) -> Any:
    def plan_apply(rows: Any, batch: Any, terms: Any) -> Any:
        return right(rows, batch, apply.Terms(terms.now_ms, terms.max_drift_ms, terms.now_ms))

    return plan_apply


@plants(apply, "plan_apply")
def poison_vanishes(right: Any) -> Any:
    def plan_apply(rows: Any, batch: Any, terms: Any) -> Any:
        plan = right(rows, batch, terms)
        plan.aside.clear()
        return plan

    return plan_apply


@plants(apply, "plan_apply")
def held_vanishes(right: Any) -> Any:
    def plan_apply(rows: Any, batch: Any, terms: Any) -> Any:
        plan = right(rows, batch, terms)
        plan.held.clear()
        return plan

    return plan_apply


MUTANTS = (
    Mutant(
        "clock not merged",
        "Stamps that were read do not move the clock.",
        "remote clock not merged",
        clock_not_merged,
        (SKEWED,),
        2,
    ),
    Mutant(
        "clock goes back",
        "The clock of stamps follows the wall clock back.",
        "a fast clock's write masks later ones",
        clock_goes_back,
        (SKEWED,),
        2,
    ),
    Mutant(
        "stamp used twice",
        "Two writes within a millisecond get one stamp.",
        "a counter that does not count",
        stamp_used_twice,
        (INSTANT,),
        1,
    ),
    Mutant(
        "older wins",
        "Of two versions the older one stays.",
        "last writer loses",
        older_wins,
        (CALM,),
        0,
    ),
    Mutant(
        "last to arrive wins",
        "Of two versions the one that came last stays.",
        "order of arrival instead of stamps",
        last_to_arrive_wins,
        (CALM,),
        0,
    ),
    Mutant(
        "tie kept local",
        "Of two versions with one stamp the one that is there stays.",
        "LWW tie kept local",
        tie_kept_local,
        (ORDER,),
        0,
    ),
    Mutant(
        "touch lost in join",
        "Joining a version with itself takes the lifetime that came last.",
        "a TTL that depends on the order of arrival",
        touch_lost_in_join,
        (ORDER,),
        5,
    ),
    Mutant(
        "touch of any version",
        "A touch moves the expiry of whatever version is there.",
        "a new value that expires with the old",
        touch_of_any_version,
        (ORDER,),
        0,
    ),
    Mutant(
        "last touch to arrive wins",
        "Of two touches the one that came last stays.",
        "a TTL that depends on the order of arrival",
        last_touch_to_arrive_wins,
        (ORDER,),
        5,
    ),
    Mutant(
        "absent key without tombstone",
        "Deleting what is not there leaves no tombstone.",
        "deletes undone by older writes",
        absent_key_without_tombstone,
        (ROWS,),
        1,
    ),
    Mutant(
        "delete removes the row",
        "A delete removes the row.",
        "deletes undone by older writes",
        delete_removes_the_row,
        (CALM,),
        0,
    ),
    Mutant(
        "collected by time alone",
        "A tombstone is collected by its age, seen or not.",
        "tombstone GC before all have acknowledged",
        collected_by_time_alone,
        (COLLECTION,),
        12,
    ),
    Mutant(
        "collected when acknowledged",
        "A tombstone is collected as soon as it is acknowledged.",
        "deletes undone by writes that waited",
        collected_when_acknowledged,
        (COLLECTION,),
        2,
    ),
    Mutant(
        "expired collected by stamp",
        "The age of an expired key counts from its write.",
        "deletes undone by writes that waited",
        expired_collected_by_stamp,
        (COLLECTION,),
        10,
    ),
    Mutant(
        "expired served",
        "What has expired is read.",
        "expired reads",
        expired_served,
        (FLEETING,),
        0,
    ),
    Mutant(
        "expiry not copied",
        "A copy does not take the expiry along.",
        "TTL and tier copies disagree",
        expiry_not_copied,
        (FLEETING,),
        0,
    ),
    Mutant(
        "future applied",
        "Stamps far ahead of the region's clock are merged at once.",
        "a fast clock's write masks later ones",
        future_applied,
        (OUTCOMES,),
        3,
    ),
    Mutant(
        "ancient applied",
        "Writes from before the horizon are merged.",
        "deletes undone after tombstones are gone",
        ancient_applied,
        (OUTCOMES,),
        2,
    ),
    Mutant(
        "poison vanishes",
        "What makes no sense is dropped, not kept.",
        "quarantined writes lost silently",
        poison_vanishes,
        (OUTCOMES,),
        0,
    ),
    Mutant(
        "held vanishes",
        "What is stamped ahead is dropped, not held.",
        "acknowledged writes lost",
        held_vanishes,
        (OUTCOMES,),
        3,
    ),
)
