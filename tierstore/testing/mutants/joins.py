"""Mutants of joins between regions: versions of joined states, echoes, and who was away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tierstore.region import joining
from tierstore.region.apply import with_record
from tierstore.testing.memory_peers import MemoryPeers
from tierstore.testing.mutants.laws_of_joins import (
    AGREEMENT,
    LATE,
    LONG_DEAD,
    NO_ECHO,
    OVERTAKEN,
)
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import plants


def _content(record: Any) -> Any:
    return record.generation, record.payload


@plants(joining, "unite")
def third_version_not_renewed(right: Any) -> Any:
    def unite(old: Any, told: Any, actor: int) -> Any:
        united = right(old, told, actor)
        if old is not None and _content(united) not in (_content(old), _content(told)):
            newer = max((old, told), key=lambda record: (record.stamp, record.replica))
            united.stamp, united.replica = newer.stamp, newer.replica
        return united

    return unite


@plants(joining, "unite")
def version_of_the_row_kept(right: Any) -> Any:
    def unite(old: Any, told: Any, actor: int) -> Any:
        united = right(old, told, actor)
        if old is not None:
            united.stamp, united.replica = old.stamp, old.replica
        return united

    return unite


@plants(joining, "unite")
def version_renewed_by_every_join(right: Any) -> Any:
    def unite(old: Any, told: Any, actor: int) -> Any:
        united = right(old, told, actor)
        if old is not None and united != old:
            united.stamp, united.replica = max(old.stamp, told.stamp) + 1, actor
        return united

    return unite


@plants(joining, "_unite")
def unchanged_join_takes_a_position(right: Any) -> Any:
    def unite(plan: Any, row: Any, state: Any, terms: Any) -> int:
        outcome: int = right(plan, row, state, terms)
        if state.key not in plan.writes:
            plan.writes[state.key] = with_record(row, state.key, row.record, terms)
        return outcome

    return unite


@plants(joining, "_is_old")
def late_believed(right: Any) -> Any:
    return lambda record, terms: False


@plants(MemoryPeers, "_is_late")
def retirement_not_noticed(right: Any) -> Any:
    return lambda self, known, peer: peer.is_late


@plants(MemoryPeers, "introduce")
def new_reader_believed(right: Any) -> Any:
    def introduce(self: Any, peer: Any, reader: int, timeout_s: float) -> Any:
        registration = right(self, peer, reader, timeout_s)
        self._peers[peer.region] = replace(self._peers[peer.region], is_late=False)
        return registration

    return introduce


@plants(joining, "is_long_dead", is_local=True)
def long_dead_taken_over(right: Any) -> Any:
    return lambda record, terms: False


@plants(MemoryPeers, "join")
def before_not_compared(right: Any) -> Any:
    def join(self: Any, page: Any, timeout_s: float) -> Any:
        known = self._peers.get(page.after.region)
        return right(self, replace(page, before=known), timeout_s)

    return join


MUTANTS = (
    Mutant(
        "third version not renewed",
        "A state joined of two regions has the newer version of the two.",
        "two contents under one version, and a difference that nobody sees",
        third_version_not_renewed,
        (AGREEMENT,),
        1,
    ),
    Mutant(
        "version of the row kept",
        "A join changes the content of a row and not its version.",
        "copies that are never refreshed",
        version_of_the_row_kept,
        (AGREEMENT,),
        0,
    ),
    Mutant(
        "version renewed by every join",
        "Each region gives what it joins a version of its own.",
        "updates that go round for ever",
        version_renewed_by_every_join,
        (AGREEMENT,),
        0,
    ),
    Mutant(
        "unchanged join takes a position",
        "A join that changes nothing takes a place in the feed.",
        "an echo between two regions",
        unchanged_join_takes_a_position,
        (NO_ECHO, AGREEMENT),
        0,
    ),
    Mutant(
        "late believed",
        "Whatever a late region tells is joined.",
        "deletes undone after tombstones are gone",
        late_believed,
        (LATE,),
        0,
    ),
    Mutant(
        "retirement not noticed",
        "A region whose reader was retired does not count as late.",
        "deletes undone by a region that was away",
        retirement_not_noticed,
        (LATE,),
        0,
    ),
    Mutant(
        "new reader believed",
        "A region that comes back under a new id does not count as late.",
        "deletes undone by a region that was restored",
        new_reader_believed,
        (LATE,),
        3,
    ),
    Mutant(
        "long dead taken over",
        "Tombstones that every region would forget are joined.",
        "garbage that is handed round for ever",
        long_dead_taken_over,
        (LONG_DEAD,),
        0,
    ),
    Mutant(
        "before not compared",
        "A page is joined wherever its link stands.",
        "changes skipped behind a cursor that a slow link moved",
        before_not_compared,
        (OVERTAKEN,),
        0,
    ),
)
