"""What is not certain any more after a region was restored from a backup.

What its replicas had acknowledged before may be gone, or come back from elsewhere; and what they
had put into a batch before they heard of it is left to the operator. Certain again is what a
process wrote after it had flushed in the region's new life.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tierstore.testing.simulation.deeds import Typed
    from tierstore.testing.simulation.knowledge import Asked, Facts

LAST = ("final", "copy")
"""What is asked once everything has settled."""


@dataclass(frozen=True, slots=True)
class Doubts:
    """What is known of restored regions."""

    facts: Facts
    restores: Mapping[str, int]
    """By name of a region, when it was restored last."""
    kept: Sequence[tuple[str, int]] = ()
    """Counters, and what peers of restored regions had counted, where that must come back."""

    def is_certain(self, asked: Asked) -> bool:
        """Whether what was acknowledged has been certain ever since."""
        restored_ns = self.restores.get(self.facts.region_of(asked.life))
        if restored_ns is None:
            return True
        flushed_ns = self.facts.observed.first_flush_ns(asked.life, restored_ns)
        return flushed_ns is not None and flushed_ns <= asked.invoked_ns

    def check(self, typed: Typed) -> Iterator[str]:
        """Whether all increments are there that peers had when a region was restored."""
        for key, total in self.kept:
            had = typed.items_of(key, total)
            for sight in typed.sights.get(key, ()):
                if sight.verb == "final" and not had <= sight.items:
                    lost = sorted(had - sight.items)
                    yield f"{sight} lacks {lost}, which a peer of a restored region had"

    def apply(self) -> None:
        """Judge the last looks at registers only, by what is certain."""
        observed = self.facts.observed
        if not self.restores:
            return
        for key, puts in observed.puts.items():
            observed.puts[key] = [
                put
                if put.outcome != "ok" or self.is_certain(put)
                else replace(put, outcome="info", completed=None, completed_ns=None)
                for put in puts
            ]
        for key, touches in observed.touches.items():
            observed.touches[key] = [
                replace(touch, completed=None, completed_ns=None) for touch in touches
            ]
        for key, looks in observed.looks.items():
            observed.looks[key] = [look for look in looks if look.verb in LAST]
