"""What a region in a dict keeps back until it can be applied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tierstore.region.apply import plan_release
from tierstore.region.outcomes import HELD_WHY
from tierstore.region.protocol import AsideEntry
from tierstore.stamp import physical_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.region.apply import Plan, Terms
    from tierstore.region.batch import Batch, Delta
    from tierstore.region.rows import Row


@dataclass(frozen=True, slots=True)
class Held:
    """A delta that waits for the clock of the region, or for others."""

    delta: Delta
    entry: AsideEntry
    """How an operator is told of it."""
    index: int
    """Its place in the batch that brought it."""
    due_ms: int
    """When it is tried again."""


class MemoryHolding:
    """A part of `MemoryRegion`."""

    rows: dict[str, Row]
    _held: list[Held]
    _aside: dict[tuple[str, int, int, int], AsideEntry]
    _now_ms: Callable[[], int]
    _store: Callable[[Plan], None]

    def _hold(self, plan: Plan, batch: Batch) -> None:
        places = {id(delta): index for index, delta in enumerate(batch.deltas)}
        now_ms = self._now_ms()
        for delta in plan.held:
            entry = AsideEntry("held", batch.replica, batch.number, delta.key, HELD_WHY, now_ms)
            due_ms = physical_ms(max(delta.record.stamp, delta.record.touch))
            self._held.append(Held(delta, entry, places[id(delta)], due_ms))

    def _release_held(self, limit: int, terms: Terms) -> int:
        """Apply what is due, and keep on what needs what is not there; how many were due."""
        self._held.sort(key=lambda held: held.due_ms)
        due = [held for held in self._held[:limit] if held.due_ms <= terms.now_ms]
        self._held = self._held[len(due) :]
        plan = plan_release(self.rows, [held.delta for held in due], terms)
        self._store(plan)
        waiting = {id(delta) for delta in plan.held}
        self._held += [replace(h, due_ms=terms.now_ms) for h in due if id(h.delta) in waiting]
        for index, kind, why in plan.aside:
            entry = replace(due[index].entry, kind=kind, reason=why)
            at = kind, entry.replica, entry.number, due[index].index
            self._aside.setdefault(at, entry)
        return len(due) - len(waiting)
