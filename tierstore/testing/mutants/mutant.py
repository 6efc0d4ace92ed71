"""What a mutant is, and what it has to be caught by."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tierstore.runtime.chance import Chance
from tierstore.testing.simulation.run import play
from tierstore.testing.simulation.script import draw_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tierstore.testing.mutants.planting import Plant
    from tierstore.testing.simulation.options import Options


class Scenario(Protocol):
    """A situation of which each seed is another instance."""

    @property
    def name(self) -> str:
        """What it is called in tables."""

    def run(self, seed: int) -> list[str]:
        """What was violated in the instance of `seed`; empty if all was well."""


@dataclass(frozen=True, slots=True)
class World:
    """A simulated cluster."""

    name: str
    options: Options

    def run(self, seed: int) -> list[str]:
        """What was violated by the time everything had settled."""
        return play(draw_script(seed, self.options)).violations


@dataclass(frozen=True, slots=True)
class Law:
    """Something that holds of a part, whatever it is given."""

    name: str
    broken: Callable[[Chance], Iterable[str]]
    """In which way it does not hold of what is drawn from this chance."""

    def run(self, seed: int) -> list[str]:
        """How the law is broken."""
        level = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            return list(self.broken(Chance(seed, self.name)))
        except Exception:  # whatever a mutant breaks
            return [traceback.format_exc()]
        finally:
            logging.disable(level)


@dataclass(frozen=True, slots=True)
class Schedules:
    """Every order in which a few actors can take turns."""

    name: str
    explore: Callable[[], object]
    """Raises AssertionError with the story of an order that went wrong."""

    def run(self, seed: int) -> list[str]:
        """What went wrong; they are all the same for every seed, so one has them all."""
        if seed:
            return []
        try:
            self.explore()
        except AssertionError as error:
            return [str(error)]
        return []


@dataclass(frozen=True, slots=True)
class Mutant:
    """A wrong behaviour, known to be wrong."""

    name: str
    what: str
    """What it does, in place of what is right; it reads on from "The product …"."""
    stands_for: str
    """The failure that a program with this mistake has."""
    plant: Plant
    """Makes the product behave so, inside a `with` block."""
    scenarios: tuple[Scenario, ...]
    """In which it has to be caught; the first one catches it soonest."""
    caught_at: int
    """The first seed of the first scenario that catches it."""
