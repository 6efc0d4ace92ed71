"""Mutants of what all types share: generations, lifetimes, and changes that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.crdt import changes, pending
from tierstore.crdt.pending import Change
from tierstore.record import Record
from tierstore.testing.mutants.laws_of_types import COUNTERS, SETS
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import plants

if TYPE_CHECKING:
    from tierstore.crdt.protocol import Type


def _of(record: Record, generation: int) -> Record:
    return Record(
        record.stamp, record.replica, record.payload, record.expires_at_ms, record.touch, None,
        record.type, generation,
    )  # fmt: skip


@plants(changes, "join")
def generations_merged(right: Any) -> Any:
    def join(left: Record | None, new: Record) -> Any:
        if left is None:
            return right(left, new)
        latest = max(left.generation, new.generation)
        return right(_of(left, latest), _of(new, latest))

    return join


@plants(changes, "join")
def same_generation_kept(right: Any) -> Any:
    def join(left: Record | None, new: Record) -> Any:
        if left is not None and left.generation >= new.generation:
            return left
        return right(left, new)

    return join


@plants(changes, "join")
def lifetime_of_the_newer(right: Any) -> Any:
    def join(left: Record | None, new: Record) -> Any:
        joined = right(left, new)
        if left is None or left.generation != new.generation:
            return joined
        newer = max(left, new, key=lambda side: (side.stamp, side.replica))
        return Record(
            joined.stamp, joined.replica, joined.payload, newer.expires_at_ms, newer.touch, None,
            joined.type, joined.generation,
        )  # fmt: skip

    return join


@plants(changes, "_joined")
def tombstone_wins(right: Any) -> Any:
    def joined(left: Record, new: Record) -> Any:
        if left.payload is None or new.payload is None:
            return None
        return right(left, new)

    return joined


@plants(changes, "_has_expired")
def expired_goes_on(right: Any) -> Any:
    return lambda record, now_ms: False


@plants(changes, "_with_lifetime")
def touch_of_any_generation(right: Any) -> Any:
    return lambda changed, record, delta: right(changed, record, _of(delta, 0))


@plants(changes, "_begun")
def generation_begun_again(right: Any) -> Any:
    def begun(record: Record | None, delta: Record, *, is_over: bool) -> Any:
        fresh = right(record, delta, is_over=is_over)
        return fresh if record is None or not is_over else _of(fresh, record.generation)

    return begun


@plants(changes, "change")
def change_applied_twice(right: Any) -> Any:
    def change(record: Record | None, delta: Record, **how: Any) -> Any:
        return right(right(record, delta, **how), delta, **{**how, "resets": False})

    return change


@plants(Change, "then")
def deletion_forgotten(right: Any) -> Any:
    def then(self: Change, later: Change, type_: Type) -> Any:
        if not later.resets:
            return right(self, later, type_)
        return self

    return then


@plants(Change, "then")
def earlier_deletion_forgotten(right: Any) -> Any:
    def then(self: Change, later: Change, type_: Type) -> Any:
        both = right(self, later, type_)
        both.resets = later.resets
        return both

    return then


@plants(pending, "_composed")
def first_change_dropped(right: Any) -> Any:
    return lambda first, second, type_, **how: first if second is None else second


@plants(Change, "then")
def generation_not_named(right: Any) -> Any:
    def then(self: Change, later: Change, type_: Type) -> Any:
        both = right(self, later, type_)
        both.seen = 0
        return both

    return then


MUTANTS = (
    Mutant(
        "generations merged",
        "States of two generations are joined as if they were of one.",
        "deletes undone by older states",
        generations_merged,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "same generation kept",
        "Of two states of one generation the one that is there stays.",
        "concurrent changes lost",
        same_generation_kept,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "lifetime of the newer",
        "A joined record ends when its newer side does, touched or dead.",
        "a TTL that a deletion or an older touch undoes",
        lifetime_of_the_newer,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "tombstone wins",
        "A tombstone hides what was added in its own generation.",
        "writes lost after a delete",
        tombstone_wins,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "expired goes on",
        "A change of an expired record goes on with its old value.",
        "values that come back after their TTL",
        expired_goes_on,
        (COUNTERS,),
        2,
    ),
    Mutant(
        "touch of any generation",
        "A touch moves the expiry of whatever generation is there.",
        "a new value that expires with the old",
        touch_of_any_generation,
        (COUNTERS,),
        21,
    ),
    Mutant(
        "generation begun again",
        "A deletion clears a record and keeps its generation.",
        "deletes undone by the next exchange",
        generation_begun_again,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "change applied twice",
        "A region applies every change twice.",
        "a retry that counts again",
        change_applied_twice,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "deletion forgotten",
        "A deletion that waits behind another change is not sent.",
        "deletes lost before they are sent",
        deletion_forgotten,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "earlier deletion forgotten",
        "A change that waits behind a deletion is sent in its place.",
        "deletes lost before they are sent",
        earlier_deletion_forgotten,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "first change dropped",
        "Of two changes that wait the second is sent.",
        "acknowledged changes lost before they are sent",
        first_change_dropped,
        (COUNTERS,),
        0,
    ),
    Mutant(
        "generation not named",
        "Changes that are sent as one name no generation that they have seen.",
        "removals lost before they are sent",
        generation_not_named,
        (SETS,),
        0,
    ),
)
