"""Mutants of the sweeper: what it deletes too soon, and what it never deletes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tierstore.movement.mover import Mover
from tierstore.movement.sweeper import Sweeper
from tierstore.testing.memory_moves import MemoryMoves
from tierstore.testing.mutants.laws import IN_USE
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import both, plants
from tierstore.testing.mutants.worlds import COLD, MOVING


@plants(Sweeper, "_end_intents")
def _stale_intents_kept(right: Any) -> Any:
    return lambda self, lease: 0


@plants(Mover, "_settle_intents")
def _own_intents_kept(right: Any) -> Any:
    return lambda self, lease: None


intents_never_ended = both(_stale_intents_kept, _own_intents_kept)


@plants(Sweeper, "_delete_garbage")
def garbage_never_deleted(right: Any) -> Any:
    return lambda self, lease: 0


@plants(Sweeper, "_oldest_ms")
def nothing_retained(right: Any) -> Any:
    return lambda self: self._ground.now_ms() + 1000


@plants(MemoryMoves, "known_objects")
def intents_ignored(right: Any) -> Any:
    return lambda self, names, timeout_s: {name for name in names if name in self.stored}


@plants(MemoryMoves, "_release")
def one_release_kills_all(right: Any) -> Any:
    def release(self: MemoryMoves, names: Any) -> None:
        for name in names:
            if name in self.stored:
                self.stored[name] = replace(self.stored[name], live=1)
        right(self, names)

    return release


@plants(MemoryMoves, "garbage")
def garbage_by_age(right: Any) -> Any:
    def garbage(self: MemoryMoves, dead_before_ms: int, limit: int, timeout_s: float) -> list[str]:
        return [s.name for s in self.stored.values() if s.made_ms < dead_before_ms][:limit]

    return garbage


MUTANTS = (
    Mutant(
        "intents never ended",
        "Intents whose switch did not come are never ended.",
        "objects that are never swept",
        intents_never_ended,
        (COLD,),
        2,
    ),
    Mutant(
        "garbage never deleted",
        "Objects that no row points at stay.",
        "objects that are never swept",
        garbage_never_deleted,
        (COLD,),
        1,
    ),
    Mutant(
        "intents ignored",
        "The sweeper does not know intents.",
        "objects swept under a move",
        intents_ignored,
        (IN_USE,),
        0,
    ),
    Mutant(
        "nothing retained",
        "The sweeper deletes an object as soon as no row points at it.",
        "objects deleted under their readers",
        nothing_retained,
        (IN_USE,),
        2,
    ),
    Mutant(
        "one release kills all",
        "An object counts as garbage when its first record is let go.",
        "objects deleted that rows point at",
        one_release_kills_all,
        (MOVING,),
        3,
    ),
    Mutant(
        "garbage by age",
        "An object counts as garbage when it is old.",
        "objects deleted that rows point at",
        garbage_by_age,
        (MOVING,),
        0,
    ),
)
