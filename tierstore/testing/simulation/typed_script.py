"""What clients do to counters and sets, mixed into what they do to registers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from tierstore.runtime.chance import Chance

if TYPE_CHECKING:
    from tierstore.testing.simulation.families import Family
    from tierstore.testing.simulation.script import Step

SHARE = 0.36
"""How many of the operations on keys are on counters and sets: a third of all operations."""
PHASE_STEPS = 60
"""For so many operations of a script one key is used more than the others."""
ADDS_MAX = 31
"""Of one counter, so that a power of four is left for each within 64 bits."""
FEW = ("a", "b", "c", "d")
"""Elements that many add and discard at once."""
_KEYLESS = frozenset(("flush", "maintain"))
VERBS = {
    "counter": {
        "add": 40, "sum": 25, "get": 8, "read": 3, "fresh": 5, "scan": 5, "exists": 2, "delete": 7,
        "touch": 5,
    },
    "set": {
        "add": 26, "discard": 20, "all": 18, "contains": 8, "get": 4, "read": 2, "fresh": 5,
        "scan": 5, "exists": 2, "delete": 5, "touch": 5,
    },
    "document": {"add": 40, "get": 20, "read": 8, "fresh": 10, "scan": 6, "exists": 4},
}  # fmt: skip
"""What clients do to keys of a type, and how often."""


class Mixer:
    """Draws operations on the keys of typed families."""

    def __init__(
        self, seed: int, families: tuple[Family, ...], *, is_alone: bool, is_lasting: bool = False
    ) -> None:
        """`is_alone`: there are no other keys. `is_lasting`: none is deleted or touched."""
        self._is_lasting = is_lasting
        self._chance = Chance(seed, "typed steps")
        self._families = families
        self._share = 1.0 if is_alone else SHARE
        self._deletes = self._chance.random() < 0.5
        """Otherwise whatever was added has to be there in the end."""
        self._adds: Counter[str] = Counter()

    def mix(self, steps: list[Step]) -> None:
        """Put operations of these families in the place of some of `steps`."""
        if not self._families:
            return
        chance = self._chance
        for at, step in enumerate(steps):
            if at % PHASE_STEPS == 0:
                favourite = self._draw_key()
            if step.verb not in _KEYLESS and chance.random() < self._share:
                family, key = favourite if chance.random() < 0.6 else self._draw_key()
                steps[at] = self._draw(step, family, key)

    def _draw_key(self) -> tuple[Family, str]:
        family = self._chance.choice(self._families)
        return family, self._chance.choice(family.keys)

    def _draw(self, step: Step, family: Family, key: str) -> Step:
        verbs = VERBS[family.type]
        verb = self._chance.choices(list(verbs), list(verbs.values()))[0]
        step = replace(step, keys=(key,), ttl_ms=None, size=0)
        if verb == "delete" and not self._deletes:
            verb = "add"
        if verb == "touch" and family.ttl_ms is None:
            verb = "get"
        if verb in ("delete", "touch") and self._is_lasting:
            verb = "get"
        if verb == "touch":
            return replace(step, verb=verb, ttl_ms=self._chance.choice((500, 2000, 10_000)))
        if family.type == "document":
            names = (f"only {step.number}",) if verb == "add" else ()
            return replace(step, verb=verb, elements=names)
        if family.type == "set":
            return replace(step, verb=verb, elements=self._draw_elements(step, verb))
        if verb == "add" and self._adds[key] < ADDS_MAX:
            return replace(step, verb=verb, amount=self._draw_amount(key))
        return replace(step, verb="sum" if verb == "add" else verb)

    def _draw_amount(self, key: str) -> int:
        """Another power of four for each, so that a sum tells which it is made of."""
        power = self._adds[key]
        self._adds[key] += 1
        return int(4**power) * self._chance.choice((1, 1, 1, -1))

    def _draw_elements(self, step: Step, verb: str) -> tuple[str, ...]:
        if verb not in ("add", "discard", "contains"):
            return ()
        if verb == "add" and self._chance.random() < 0.2:
            return (f"only {step.number}",)
        most = 1 if verb == "contains" else 2
        return tuple(sorted(self._chance.sample(FEW, self._chance.randint(1, most))))
