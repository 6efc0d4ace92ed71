"""Seeded chance, for simulations: what a seed draws, it draws again."""

from __future__ import annotations

import random


class Chance(random.Random):
    """A stream of chance that depends on its name alone.

    Streams of other names are independent of it, so what one part of a simulation draws does not
    shift what another draws.
    """

    def __init__(self, *name: object) -> None:
        super().__init__("/".join(map(str, name)))

    def happens(self, probability: float) -> bool:
        """Whether something of this probability happens. Draws nothing if it cannot."""
        return probability > 0 and self.random() < probability
