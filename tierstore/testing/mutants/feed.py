"""Mutants of the feed: positions, cursors, and what a copy is told of changes."""

from __future__ import annotations

from typing import Any

from tierstore.replica.pull import Puller
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.mutants.laws import TOLD
from tierstore.testing.mutants.laws_of_replicas import AGES
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import plants
from tierstore.testing.mutants.worlds import CALM, COMMITTING, UNSTEADY
from tierstore.testing.simulation.read_committed import ReadCommittedRegion


@plants(ReadCommittedRegion, "_end")
def naive_position(right: Any) -> Any:
    def end(self: ReadCommittedRegion, drawn: int) -> None:
        right(self, drawn)
        self._position = self._drawn

    return end


@plants(Puller, "_take")
def cursor_before_refresh(right: Any) -> Any:
    def take(self: Puller, page: Any, deadline: Any) -> int:
        if not page.gap:
            self._state.cursor = page.cursor
        return right(self, page, deadline)  # type: ignore[no-any-return]

    return take


@plants(Puller, "pull")
def pulled_before_it_was(right: Any) -> Any:
    def pull(self: Puller, deadline: Any) -> int:
        self._state.pulled_at_s = self._state.runtime.monotonic()
        return right(self, deadline)  # type: ignore[no-any-return]

    return pull


@plants(MemoryRegion, "changes")
def gap_not_told(right: Any) -> Any:
    def changes(self: MemoryRegion, *arguments: Any) -> Any:
        floor, self._floor = self._floor, 0
        try:
            return right(self, *arguments)
        finally:
            self._floor = floor

    return changes


@plants(MemoryRegion, "changes")
def feed_of_puts_only(right: Any) -> Any:
    def changes(self: MemoryRegion, *arguments: Any) -> Any:
        page = right(self, *arguments)
        page.changes = [c for c in page.changes if self.rows[c.key].record.payload is not None]
        return page

    return changes


MUTANTS = (
    Mutant(
        "naive position",
        "The feed shows what is committed while older positions are still open.",
        "changes behind a cursor, never seen",
        naive_position,
        (COMMITTING,),
        1,
    ),
    Mutant(
        "cursor before refresh",
        "The cursor moves on before copies are refreshed.",
        "changes passed and never seen",
        cursor_before_refresh,
        (UNSTEADY,),
        2,
    ),
    Mutant(
        "pulled before it was",
        "Copies count as compared with the region before they are.",
        "reads older than their bound",
        pulled_before_it_was,
        (AGES,),
        0,
    ),
    Mutant(
        "gap not told",
        "A cursor below what is still known is answered as if nothing were missing.",
        "deletes that copies never hear of",
        gap_not_told,
        (TOLD,),
        2,
    ),
    Mutant(
        "feed of puts only",
        "Deletes are left out of the feed.",
        "deletes that copies never hear of",
        feed_of_puts_only,
        (CALM,),
        0,
    ),
)
