"""Mutants of counters and sets: what waits, what shows of it, and what the region makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tierstore.crdt import changes
from tierstore.crdt import set as sets
from tierstore.crdt.pending import Change
from tierstore.edge.entry import CHANGED
from tierstore.edge.table import EdgeTable
from tierstore.edge.typed import TypedEntry
from tierstore.record import Record
from tierstore.region import apply
from tierstore.region.batch import CHANGE, Delta
from tierstore.region.outcomes import SUPERSEDED
from tierstore.replica import changing
from tierstore.replica.bumping import Bumper
from tierstore.replica.flush import Flusher
from tierstore.replica.frozen import Frozen
from tierstore.replica.outbox import Outbox
from tierstore.testing.mutants.laws_of_changes import FORMER_LIFE, OWN_TIME, REFUSED, SET_ASIDE
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import both, plants
from tierstore.testing.mutants.typed_worlds import (
    COUNTING,
    DYING_COUNTING,
    FLEETING_COUNTING,
    LISTING,
    SLOW_LISTING,
    UNSTEADY_COUNTING,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def _has_changes(frozen: Frozen) -> bool:
    return any(delta.op >= CHANGE for delta in frozen.deltas.values())


@plants(Outbox, "_above")
def frozen_changes_forgotten(right: Any) -> Any:
    def above(self: Outbox, applied: int) -> Iterator[Frozen]:
        return (frozen for frozen in right(self, applied) if not _has_changes(frozen))

    return above


@plants(Outbox, "_above")
def applied_changes_overlaid(right: Any) -> Any:
    def above(self: Outbox, applied: int) -> Iterator[Frozen]:
        known = set(map(id, right(self, applied)))
        every: list[Frozen] = list(right(self, -1))
        return (frozen for frozen in every if id(frozen) in known or _has_changes(frozen))

    return above


@plants(TypedEntry, "forget_pending")
def pending_not_emptied(right: Any) -> Any:
    def forget_pending(self: TypedEntry) -> None:
        self.told = None

    return forget_pending


@plants(changing, "restore")
def journaled_changes_dropped(right: Any) -> Any:
    return lambda state, entry, delta: None


@plants(Flusher, "_forget")
def refused_change_shown(right: Any) -> Any:
    def forget(self: Flusher, delta: Delta) -> None:
        if delta.op < CHANGE:
            right(self, delta)

    return forget


@plants(EdgeTable, "clear_clean")
def _changed_copies_kept(right: Any) -> Any:
    def clear_clean(self: EdgeTable) -> None:
        kept = {key: e for key, e in self.resident.items() if e.dirty == CHANGED}
        right(self)
        self.resident.update(kept)

    return clear_clean


set_aside_shown = both(refused_change_shown, _changed_copies_kept)


@plants(Outbox, "give_up")
def changes_given_up(right: Any) -> Any:
    def give_up(self: Outbox, entry: Any) -> None:
        if entry.dirty != CHANGED:
            right(self, entry)
            return
        self.unmark(entry)
        entry.forget_pending()

    return give_up


@plants(Bumper, "bump")
def bump_not_told(right: Any) -> Any:
    def bump(self: Bumper, entry: Any, number: int) -> bool:
        before = getattr(entry, "pending", None)
        kept = None if before is None else before.delta
        is_done: bool = right(self, entry, number)
        if is_done:
            entry.pending.delta = kept
        return is_done

    return bump


@plants(Change, "is_over")
def outlived_lifetime_kept(right: Any) -> Any:
    return lambda self, now_ms: False


@plants(apply, "admit")
def repeated_batch_applied(right: Any) -> Any:
    def admit(state: Any, batch: Any) -> tuple[str, str]:
        verdict, reason = right(state, batch)
        return ("apply", "") if verdict == "repeat" else (verdict, reason)

    return admit


@plants(apply, "_change")
def change_superseded(right: Any) -> Any:
    def change(plan: Any, row: Any, delta: Delta, terms: Any) -> int:
        known = plan.writes.get(delta.key, row)
        if known is not None and known.record.stamp > delta.record.stamp:
            return SUPERSEDED
        return right(plan, row, delta, terms)  # type: ignore[no-any-return]

    return change


@plants(apply, "_change")
def counted_by_the_replica(right: Any) -> Any:
    def change(plan: Any, row: Any, delta: Delta, terms: Any) -> int:
        return right(plan, row, delta, replace(terms, actor=delta.record.replica))  # type: ignore[no-any-return]

    return change


@plants(apply, "_change")
def stamp_stays(right: Any) -> Any:
    def change(plan: Any, row: Any, delta: Delta, terms: Any) -> int:
        outcome: int = right(plan, row, delta, terms)
        if row is not None and delta.key in plan.writes:
            record = plan.writes[delta.key].record
            record.stamp, record.replica = row.record.stamp, row.record.replica
        return outcome

    return change


@plants(sets, "apply")
def origin_ignored(right: Any) -> Any:
    def apply_(state: Any, delta: Any, *, origin: int, **more: Any) -> Any:
        added = {element: word for element, word in delta.items() if word[0]}
        removed = {element: word for element, word in delta.items() if not word[0]}
        state = right(state, added, origin=origin, **more)
        return right(state, removed, origin=0, **more)

    return apply_


@plants(sets, "apply")
def discards_all(right: Any) -> Any:
    def apply_(state: Any, delta: Any, **more: Any) -> Any:
        state = right(state, delta, **more)
        for element, (adds, _) in delta.items():
            if not adds:
                state.elements.pop(element, None)
        return state

    return apply_


@plants(sets, "apply")
def former_life_meant(right: Any) -> Any:
    return lambda state, delta, **more: right(state, delta, **{**more, "is_same_life": True})


@plants(changes, "_begun")
def same_generation(right: Any) -> Any:
    def begun(record: Record | None, delta: Record, *, is_over: bool) -> Record:
        made: Record = right(record, delta, is_over=is_over)
        if record is not None:
            made.generation = record.generation
        return made

    return begun


@plants(changes, "change")
def delete_keeps_all(right: Any) -> Any:
    def change(record: Any, delta: Any, *, resets: bool, **more: Any) -> Any:
        return right(record, delta, resets=False, **more)

    return change


@plants(changes, "_has_expired")
def expired_goes_on(right: Any) -> Any:
    return lambda record, now_ms: False


@plants(changes, "_with_lifetime")
def never_renewed(right: Any) -> Any:
    return lambda changed, record, delta: changed


MUTANTS = (
    Mutant(
        "frozen changes forgotten",
        "A reply hides changes that are on their way.",
        "own increments not read",
        frozen_changes_forgotten,
        (UNSTEADY_COUNTING,),
        0,
    ),
    Mutant(
        "applied changes overlaid",
        "Changes that a reply contains already are added to it once more.",
        "increments shown twice",
        applied_changes_overlaid,
        (UNSTEADY_COUNTING,),
        0,
    ),
    Mutant(
        "pending not emptied",
        "What was frozen into a batch goes into the next one, too.",
        "increments counted twice",
        pending_not_emptied,
        (COUNTING,),
        0,
    ),
    Mutant(
        "journaled changes dropped",
        "Changes in the journal that no batch has are forgotten by the next process.",
        "acknowledged increments lost in a crash",
        journaled_changes_dropped,
        (DYING_COUNTING,),
        0,
    ),
    Mutant(
        "refused change shown",
        "The copy stays that shows changes which the region refused.",
        "elements that no other replica ever sees",
        refused_change_shown,
        (REFUSED,),
        0,
    ),
    Mutant(
        "set aside shown",
        "A copy that shows what was set aside stays when a replica takes a new identity.",
        "sums that the region never has",
        set_aside_shown,
        (SET_ASIDE,),
        0,
    ),
    Mutant(
        "changes given up",
        "Changes that wait are forgotten where the region has a newer version.",
        "increments taken for a write that has lost",
        changes_given_up,
        (COUNTING,),
        0,
    ),
    Mutant(
        "bump not told",
        "An increment without ceremony shows and is never told to the region.",
        "a counter that counts in memory only",
        bump_not_told,
        (COUNTING,),
        0,
    ),
    Mutant(
        "outlived lifetime kept",
        "What is added to changes that have outlived their TTL ends with them.",
        "increments lost after an outage",
        outlived_lifetime_kept,
        (OWN_TIME,),
        1,
    ),
    Mutant(
        "repeated batch applied",
        "The region applies a batch that it has, instead of repeating its answer.",
        "increments counted twice",
        repeated_batch_applied,
        (UNSTEADY_COUNTING,),
        0,
    ),
    Mutant(
        "change superseded",
        "A change whose stamp is below that of the row counts as lost.",
        "concurrent increments lost, as with registers",
        change_superseded,
        (COUNTING,),
        0,
    ),
    Mutant(
        "counted by the replica",
        "The region counts in the name of the replica that sent a change.",
        "states that grow with every process there ever was",
        counted_by_the_replica,
        (COUNTING,),
        0,
    ),
    Mutant(
        "stamp stays",
        "A change leaves the version of the row as it was.",
        "changes that no copy is told of",
        stamp_stays,
        (COUNTING,),
        0,
    ),
    Mutant(
        "origin ignored",
        "A discard means only what the region had told of, not own adds since.",
        "own discards undone",
        origin_ignored,
        (SLOW_LISTING,),
        0,
    ),
    Mutant(
        "discards all",
        "A discard removes adds, too, that it has not seen.",
        "elements lost that were added at the same time",
        discards_all,
        (LISTING,),
        1,
    ),
    Mutant(
        "former life meant",
        "A discard means what was added since the key was deleted, or had expired.",
        "elements lost that were added to a new set",
        former_life_meant,
        (FORMER_LIFE,),
        0,
    ),
    Mutant(
        "same generation",
        "A delete or an expiry empties the key, and begins no generation.",
        "the same",
        same_generation,
        (FORMER_LIFE,),
        0,
    ),
    Mutant(
        "delete keeps all",
        "A delete of a counter or a set leaves what is in it.",
        "deletes that do nothing",
        delete_keeps_all,
        (COUNTING,),
        0,
    ),
    Mutant(
        "what has expired is added to",
        "A change is added to what has expired.",
        "increments that are over as soon as they are made",
        expired_goes_on,
        (FLEETING_COUNTING,),
        1,
    ),
    Mutant(
        "never renewed",
        "Neither a touch nor a change moves the end of a lifetime.",
        "keys in use that expire",
        never_renewed,
        (FLEETING_COUNTING,),
        1,
    ),
)
