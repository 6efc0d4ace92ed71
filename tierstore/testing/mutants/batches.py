"""Mutants of batches: numbers, predecessors, answers, and what counts as acknowledged."""

from __future__ import annotations

from typing import Any

from tierstore.errors import UnavailableError
from tierstore.region import apply
from tierstore.replica.flush import Flusher
from tierstore.replica.frozen import Frozen
from tierstore.replica.outbox import Outbox
from tierstore.replica.state import ReplicaState
from tierstore.testing.mutants.laws import CHAIN, RETIRED
from tierstore.testing.mutants.laws_of_replicas import NO_WAY_BACK
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import plants
from tierstore.testing.mutants.worlds import CONFIDENTIAL, LINGERING, OVERLAPPING, UNSTEADY


@plants(apply, "admit")
def predecessor_ignored(right: Any) -> Any:
    def admit(state: Any, batch: Any) -> tuple[str, str]:
        verdict, reason = right(state, batch)
        if state is not None and not state.retired and batch.number == state.applied + 1:
            return "apply", ""
        return verdict, reason

    return admit


@plants(apply, "admit")
def repeat_fenced(right: Any) -> Any:
    def admit(state: Any, batch: Any) -> tuple[str, str]:
        verdict, reason = right(state, batch)
        return ("fenced", "it was sent before") if verdict == "repeat" else (verdict, reason)

    return admit


@plants(apply, "admit")
def repeat_by_number(right: Any) -> Any:
    def admit(state: Any, batch: Any) -> tuple[str, str]:
        if state is not None and not state.retired and batch.number <= state.applied:
            return "repeat", ""
        return right(state, batch)  # type: ignore[no-any-return]

    return admit


@plants(apply, "admit")
def retired_merged(right: Any) -> Any:
    def admit(state: Any, batch: Any) -> tuple[str, str]:
        if state is None or not state.retired:
            return right(state, batch)  # type: ignore[no-any-return]
        return ("apply", "") if batch.number == state.applied + 1 else ("retired", "")

    return admit


@plants(Flusher, "_send")
def unanswered_is_applied(right: Any) -> Any:
    def send(self: Flusher, frozen: Frozen, deadline: Any) -> None:
        try:
            right(self, frozen, deadline)
        except UnavailableError:
            with self._state.lock:
                assert frozen.batch is not None
                self._state.outbox.acknowledge(frozen, frozen.batch.digest)

    return send


@plants(Flusher, "_flush")
def second_flush_returns(right: Any) -> Any:
    def flush(self: Flusher, deadline: Any, **how: Any) -> None:
        lock = self._state.flush_lock
        if lock.acquire(False):
            lock.release()
            right(self, deadline, **how)

    return flush


@plants(Flusher, "freeze")
def only_resident_flushed(right: Any) -> Any:
    def freeze(self: Flusher, **how: Any) -> None:
        with self._state.lock:
            forget_evicted(self._state)
        right(self, **how)

    return freeze


def forget_evicted(state: ReplicaState) -> None:
    """Lose dirty writes that have no resident copy."""
    for entry in list(state.outbox.dirty.values()):
        if state.edge.resident.get(entry.key) is not entry:
            state.outbox.unmark(entry)


@plants(Outbox, "overlay")
def frozen_not_overlaid(right: Any) -> Any:
    def overlay(self: Outbox, key: str, state: Any, applied: int) -> Any:
        return right(self, key, state, 1 << 60)

    return overlay


@plants(Outbox, "begin_request")
def acknowledged_not_overlaid(right: Any) -> Any:
    return lambda self: 0


@plants(Outbox, "note_shown")
def beaten_not_noted(right: Any) -> Any:
    return lambda self, key, shown: None


MUTANTS = (
    Mutant(
        "predecessor ignored",
        "The region applies the next number, whatever batch it follows.",
        "a delta applied over a gap; two clones mixed",
        predecessor_ignored,
        (CHAIN,),
        1,
    ),
    Mutant(
        "repeat fenced",
        "The region refuses a batch that it has, instead of repeating its answer.",
        "a retry taken for a conflict",
        repeat_fenced,
        (UNSTEADY,),
        0,
    ),
    Mutant(
        "repeat by number",
        "The region takes every number that it has seen for a repetition.",
        "a clone's writes acknowledged and lost",
        repeat_by_number,
        (CHAIN,),
        1,
    ),
    Mutant(
        "retired merged",
        "The region goes on merging what a retired replica sends.",
        "deletes undone after tombstones are gone",
        retired_merged,
        (RETIRED,),
        0,
    ),
    Mutant(
        "unanswered is applied",
        "A batch whose answer was lost counts as applied.",
        "acknowledged before it was persisted",
        unanswered_is_applied,
        (UNSTEADY,),
        1,
    ),
    Mutant(
        "second flush returns",
        "A flush returns at once if another is under way.",
        "acknowledged writes that are not in the region",
        second_flush_returns,
        (LINGERING,),
        2,
    ),
    Mutant(
        "only resident flushed",
        "Only writes with a resident copy are flushed.",
        "eviction drops dirty entries",
        only_resident_flushed,
        (CONFIDENTIAL,),
        2,
    ),
    Mutant(
        "frozen not overlaid",
        "A reply hides own writes that are on their way.",
        "own writes not read",
        frozen_not_overlaid,
        (OVERLAPPING,),
        0,
    ),
    Mutant(
        "acknowledged not overlaid",
        "A reply from before an acknowledgement hides what was acknowledged.",
        "overlay without `applied`",
        acknowledged_not_overlaid,
        (OVERLAPPING,),
        3,
    ),
    Mutant(
        "beaten not noted",
        "An own write that waits is shown again after one of another that beats it.",
        "reads that go back",
        beaten_not_noted,
        (NO_WAY_BACK,),
        0,
    ),
)
