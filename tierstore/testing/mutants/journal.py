"""Mutants of the journal: what is acknowledged, sent or restored before or beside it."""

from __future__ import annotations

from typing import Any

from tierstore.replica import adopt
from tierstore.replica.outbox import Outbox
from tierstore.replica.state import ReplicaState
from tierstore.replica.writes import Writer
from tierstore.runtime import mint_replica_id
from tierstore.stamp import HybridClock
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import both, plants
from tierstore.testing.mutants.worlds import DYING, FULL_DISK, LEAPING, ORPHANED, SAVING
from tierstore.tiers.journal.directory import JournalDirectory
from tierstore.tiers.journal.file import JournalFile


@plants(JournalFile, "append")
def acknowledged_before_append(right: Any) -> Any:
    return lambda self, key, delta: self._seq


@plants(JournalFile, "append_many")
def first_of_many_appended(right: Any) -> Any:
    return lambda self, deltas: right(self, list(deltas)[:1])


@plants(Writer, "write_one")
def shown_before_append(right: Any) -> Any:
    def write_one(self: Writer, write: Any, deadline: Any) -> int:
        if self.needs_journal(write.rule):
            state = self._state
            with state.lock:
                self._show(write, state.tick())
        return right(self, write, deadline)  # type: ignore[no-any-return]

    return write_one


@plants(JournalFile, "freeze")
def sent_before_freeze(right: Any) -> Any:
    return lambda self, batches, last_seq, stamp: None


@plants(Outbox, "restored")
def frozen_not_restored(right: Any) -> Any:
    def restored(cls: type[Outbox], state: Any) -> Outbox:
        return cls(state.replica, state.acknowledged, state.digest)

    return classmethod(restored)


@plants(Outbox, "restored")
def frozen_renumbered(right: Any) -> Any:
    def restored(cls: type[Outbox], state: Any) -> Outbox:
        outbox: Outbox = right.__func__(cls, state)
        for frozen in outbox.frozen:
            frozen.number += 1
            frozen.batch, frozen.persisted = None, False
        return outbox

    return classmethod(restored)


@plants(adopt, "orphan_state")
def adopted_under_a_new_id(right: Any) -> Any:
    def orphan_state(journal: Any, stored: Any, policy: Any, runtime: Any, source: Any) -> Any:
        state: ReplicaState = right(journal, stored, policy, runtime, source)
        fresh = Outbox(mint_replica_id(runtime))
        fresh.frozen = state.outbox.frozen
        for number, frozen in enumerate(fresh.frozen, 1):
            frozen.number, frozen.batch, frozen.persisted = number, None, False
        state.outbox = fresh
        state.link.become(fresh.replica, is_new=True)
        return state

    return orphan_state


@plants(HybridClock, "restore")
def _journal_stamp_ignored(right: Any) -> Any:
    return lambda self, stamp: None


@plants(JournalDirectory, "last_stamp")
def _lock_file_stamp_ignored(right: Any) -> Any:
    return lambda self: 0


clock_not_restored = both(_journal_stamp_ignored, _lock_file_stamp_ignored)


MUTANTS = (
    Mutant(
        "acknowledged before append",
        "A write is acknowledged and never appended to the journal.",
        "acknowledged before the journal has it",
        acknowledged_before_append,
        (DYING,),
        0,
    ),
    Mutant(
        "first of many appended",
        "Of writes made together the journal gets the first.",
        "a torn `put_many`",
        first_of_many_appended,
        (SAVING,),
        0,
    ),
    Mutant(
        "shown before append",
        "A write shows before the journal has taken it.",
        "writes that failed and are read",
        shown_before_append,
        (FULL_DISK,),
        1,
    ),
    Mutant(
        "sent before freeze",
        "A batch is sent without having been frozen in the journal.",
        "other content under a number that was sent",
        sent_before_freeze,
        (DYING,),
        0,
    ),
    Mutant(
        "frozen not restored",
        "Frozen batches are forgotten by the next process.",
        "acknowledged writes lost in a crash",
        frozen_not_restored,
        (DYING,),
        0,
    ),
    Mutant(
        "frozen renumbered",
        "Frozen batches get new numbers in the next process.",
        "a batch applied twice, or fenced",
        frozen_renumbered,
        (DYING,),
        0,
    ),
    Mutant(
        "adopted under a new id",
        "An orphaned journal is flushed under a new identity.",
        "batches of a dead process applied twice",
        adopted_under_a_new_id,
        (ORPHANED,),
        0,
    ),
    Mutant(
        "clock not restored",
        "The clock forgets the stamps of the process before, in its journal and beside it.",
        "clock not persisted",
        clock_not_restored,
        (LEAPING,),
        2,
    ),
)
