"""The model that values are held to: events that are known, and events that were removed.

It knows no dots, no totals, no bytes and no composing of changes. It is slow and grows for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierstore.testing.laws.under_test import Events

NONE: Events = frozenset()


@dataclass(frozen=True, slots=True)
class Did:
    """What one operation did: which events it is, and which it removed."""

    adds: Events = NONE
    removes: Events = NONE
    resets: bool = False
    changes: bool = True
    """Whether it changes more than the lifetime."""


@dataclass(frozen=True, slots=True)
class Known:
    """What somebody knows of the present generation of a key."""

    generation: int = 0
    events: Events = NONE
    removed: Events = NONE

    def after(self, done: Iterable[Did], *, is_over: bool) -> Known:
        """What is known after `done`; `is_over`: the generation has expired by then."""
        known, done = self, list(done)
        resets = [at for at, did in enumerate(done) if did.resets]
        for did in done[resets[-1] if resets else 0 :]:  # nobody hears of what came before
            if did.resets or (is_over and did.changes):
                known, is_over = Known(known.generation + 1 if known.generation else 1), False
            if did.changes:
                known = Known(
                    known.generation or 1, known.events | did.adds, known.removed | did.removes
                )
        return known

    def join(self, other: Known) -> Known:
        """What both know."""
        if self.generation != other.generation:
            return max(self, other, key=lambda known: known.generation)
        return Known(self.generation, self.events | other.events, self.removed | other.removed)

    def remaining(self) -> list[Any]:
        """What the events were that nobody removed."""
        return [what for _, what in sorted(self.events - self.removed, key=lambda event: event[0])]
