"""Known mistakes, planted on purpose, and the proof that the kit notices every one.

A test suite that has found nothing says little until it is known what it would find. Each mutant
is one wrong behaviour that a store like this could have, or that one did have.
"""

from __future__ import annotations

from tierstore.testing.mutants import (
    batches,
    bounds,
    changes,
    counters,
    documents,
    feed,
    fills,
    forgetting,
    joins,
    journal,
    links,
    moves,
    operated,
    registers,
    sets,
    strong,
    strong_escrow,
    strong_wider,
    sweeping,
    typed,
    waiting,
)
from tierstore.testing.mutants.mutant import Law, Mutant, Scenario, World
from tierstore.testing.mutants.planting import both, patched, plants
from tierstore.testing.mutants.score import Caught, Missed, hunt, score

FAMILIES = {
    "Batches": batches.MUTANTS,
    "Journal": journal.MUTANTS,
    "Fills, absences, ages": fills.MUTANTS,
    "Feed": feed.MUTANTS,
    "Registers, stamps, deletes, lifetimes": registers.MUTANTS,
    "Counters and sets": typed.MUTANTS,
    "Moves": moves.MUTANTS,
    "Cold sets": waiting.MUTANTS,
    "What is forgotten": forgetting.MUTANTS,
    "Sweeping": sweeping.MUTANTS,
    "Bounds": bounds.MUTANTS,
    "Links between regions": links.MUTANTS,
    "Restores, sessions, watches, links of stores": operated.MUTANTS,
    "Strong keys": strong.MUTANTS,
    "Bounded counters": strong_escrow.MUTANTS,
    "Strong keys over restores, power cuts, hours": strong_wider.MUTANTS,
    "Counters": counters.MUTANTS,
    "Sets": sets.MUTANTS,
    "Documents": documents.MUTANTS,
    "Generations, and changes that wait": changes.MUTANTS,
    "Joins between regions": joins.MUTANTS,
}
MUTANTS: tuple[Mutant, ...] = tuple(mutant for family in FAMILIES.values() for mutant in family)

__all__ = [
    "Caught", "FAMILIES", "Law", "MUTANTS", "Missed", "Mutant", "Scenario", "World", "both",
    "hunt", "patched", "plants", "score",
]  # fmt: skip
