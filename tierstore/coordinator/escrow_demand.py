"""How many rights a holder should have, by what it sold lately. Pure.

What was sold lately is a count that halves every `HALF_LIFE_S`. Its double is the target: at a
steady pace that lasts for about 40 seconds, should the coordinator be away; and a holder that
begins asks for more each time, without asking often.
"""

from __future__ import annotations

from math import ceil, exp2

HALF_LIFE_S = 15.0
NEGLIGIBLE = 0.5
"""Less than this was sold lately: as good as nothing."""
CALM_S = 30.0
"""After it was granted something, a holder keeps that for so long, unless others go short."""
SHORT_SHARE = 4
"""A holder keeps this part of what it sold lately while others go short."""


class Demand:
    """What one holder sold of one key lately."""

    __slots__ = ("_at_s", "_units")

    def __init__(self) -> None:
        self._units = 0.0
        self._at_s = 0.0

    def note(self, units: int, now_s: float) -> None:
        """Count that `units` were sold."""
        self._units = self.recent(now_s) + units
        self._at_s = now_s

    def recent(self, now_s: float) -> float:
        """What is left of the count."""
        recent = self._units * exp2((self._at_s - now_s) / HALF_LIFE_S)
        return 0.0 if recent < NEGLIGIBLE else recent


def target(recent: float) -> int:
    """How many rights are right for a holder that sold `recent` lately."""
    return ceil(2 * recent)


def shortage(recent: float, rights: int) -> int:
    """How many more a holder with `rights` should ask for, well before they are used up."""
    wanted = target(recent)
    return wanted - rights if 2 * rights < wanted else 0


def surplus(recent: float, rights: int, calm_s: float, *, is_hungry: bool) -> int:
    """How many of `rights` a holder should return, `calm_s` after it was granted the last ones."""
    if is_hungry:
        return max(0, rights - ceil(recent / SHORT_SHARE))
    return max(0, rights - 2 * target(recent)) if calm_s >= CALM_S else 0
