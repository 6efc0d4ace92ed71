"""Mutants of cold sets and documents: what waits on their rows, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tierstore.movement import mover
from tierstore.region import apply, waiting
from tierstore.region.waiting import Base, Settled, Waiting
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import plants
from tierstore.testing.mutants.typed_worlds import COLD_LISTING, FLEETING_COLD_LISTING
from tierstore.tiers import cold


@plants(cold, "settled", is_local=True)
def waiting_not_read(right: Any) -> Any:
    return lambda base, type_code, payload: Settled(payload, [])


@plants(mover, "ColdReader", is_local=True)
def home_without_what_waited(right: Any) -> Any:
    class Hasty(right):  # type: ignore[misc]
        def read(self, rows: Any, timeout_s: float) -> Any:
            bare = {}
            for key, row in rows.items():
                base = waiting.base_of(row)
                bare[key] = replace(row, cold=waiting.encode_base(replace(base, waiting=())))
            return super().read(bare, timeout_s)

    return Hasty


@plants(Base, "after")
def last_waits_alone(right: Any) -> Any:
    def after(self: Base, item: Waiting) -> Base:
        return replace(self, waiting=(item,))

    return after


@plants(waiting, "base_of")
def waits_in_reverse(right: Any) -> Any:
    def base_of(row: Any) -> Base:
        base: Base = right(row)
        return replace(base, waiting=base.waiting[::-1])

    return base_of


@plants(waiting, "base_of")
def version_of_the_object_lost(right: Any) -> Any:
    def base_of(row: Any) -> Base:
        base: Base = right(row)
        return replace(base, stamp=row.record.stamp, replica=row.record.replica)

    return base_of


@plants(apply, "changed")
def seen_dots_not_meant(right: Any) -> Any:
    def changed(row: Any, told: Any, actor: int) -> bytes:
        return right(row, _of_no_life(told), actor)  # type: ignore[no-any-return]

    return changed


def _of_no_life(told: Any) -> Any:
    from tierstore.record import with_payload

    copy = with_payload(told, told.payload)
    copy.generation = 0
    return copy


@plants(apply, "changed")
def whose_change_not_kept(right: Any) -> Any:
    def changed(row: Any, told: Any, actor: int) -> bytes:
        from tierstore.record import with_payload

        copy = with_payload(told, told.payload)
        copy.replica = 0
        return right(row, copy, actor)  # type: ignore[no-any-return]

    return changed


@plants(apply, "_waiting")
def expired_state_awaited(right: Any) -> Any:
    def waits(row: Any, delta: Any, told: Any, terms: Any) -> Any:
        return right(row, delta, told, replace(terms, now_ms=0))

    return waits


@plants(apply, "change")
def version_stays_while_it_waits(right: Any) -> Any:
    """The change is taken, and the row says so to nobody."""

    def change(record: Any, delta: Any, **how: Any) -> Any:
        new = right(record, delta, **how)
        is_cold = record is not None and record.payload == b"" and delta.payload is None
        return None if is_cold and new is record else new

    return change


def _mutant(name: str, what: str, stands_for: str, plant: Any, world: Any, at: int = 0) -> Mutant:
    return Mutant(name, what, stands_for, plant, (world,), at)


MUTANTS = (
    _mutant(
        "what waits is not read",
        "A read of a cold set shows what its object holds alone.",
        "acknowledged adds that do not show",
        waiting_not_read,
        COLD_LISTING,
    ),
    _mutant(
        "home without what waited",
        "A set comes back from cold as it went there.",
        "acknowledged adds lost by a move",
        home_without_what_waited,
        COLD_LISTING,
    ),
    _mutant(
        "last waits alone",
        "A change of a cold set takes the place of the one that waits.",
        "the same, without a move",
        last_waits_alone,
        COLD_LISTING,
        1,
    ),
    _mutant(
        "waits in reverse",
        "What waits on a cold row is applied from last to first.",
        "discarded before it was added",
        waits_in_reverse,
        COLD_LISTING,
        1,
    ),
    _mutant(
        "version of the object lost",
        "A cold row does not say which version its object holds.",
        "sound objects taken for damaged ones",
        version_of_the_object_lost,
        COLD_LISTING,
    ),
    _mutant(
        "seen dots not meant",
        "A change that waits is taken for one of another life of the key.",
        "discards of cold sets that do nothing",
        seen_dots_not_meant,
        COLD_LISTING,
        1,
    ),
    _mutant(
        "whose change is not kept",
        "What waits does not say whose it is.",
        "own adds that a discard does not mean",
        whose_change_not_kept,
        COLD_LISTING,
        2,
    ),
    _mutant(
        "expired state awaited",
        "A change of a cold set that has expired waits for its object.",
        "elements that come back from the dead",
        expired_state_awaited,
        FLEETING_COLD_LISTING,
    ),
    _mutant(
        "not told while it waits",
        "A change of a cold set that is kept leaves the row as it was.",
        "an acknowledged change dropped by the region",
        version_stays_while_it_waits,
        COLD_LISTING,
    ),
)
