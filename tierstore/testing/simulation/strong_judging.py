"""What must hold of strong keys, whatever failed."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tierstore.testing.checkers.linear import linearizable
from tierstore.testing.models.register import CasRegister

if TYPE_CHECKING:
    from tierstore.testing.history import History, Operation

AGED = "aged"
"""Begins the names of processes whose reads may be that many ns old."""
STATES_MAX = 30_000


@dataclass(slots=True)
class Told:
    """What clients were told that is no history of a register."""

    broken: list[str] = field(default_factory=list)
    """What was wrong at once."""
    attempted: set[str] = field(default_factory=set)
    """Operation ids that were used."""
    confirmed: dict[str, int] = field(default_factory=dict)
    """What each operation that was confirmed returned."""
    applied: int = 0
    """How many of those attempted the coordinator knows as done, at the end."""
    counted: int = 0
    """How many of them took effect, by what they left."""
    numbers: dict[str, set[int]] = field(default_factory=dict)
    """What was given of each sequence."""
    values: dict[tuple[str, str], Any] = field(default_factory=dict)
    """What each version of each key is of."""
    highest: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The highest version of each key that was confirmed."""
    abandoned: set[str] = field(default_factory=set)
    reached: Counter[str] = field(default_factory=Counter)

    def note_result(self, name: str, result: int) -> None:
        """A named operation was confirmed, and returned this."""
        if name in self.abandoned:
            self.broken.append(f"{name} happened after it was abandoned")
        before = self.confirmed.setdefault(name, result)
        if before != result:
            self.broken.append(f"{name} returned {before}, and {result} when repeated")

    def note_number(self, key: str, number: int) -> None:
        """A number of a sequence was given."""
        given = self.numbers.setdefault(key, set())
        if number in given:
            self.broken.append(f"{key}: {number} was given twice")
        given.add(number)

    def note_version(self, key: str, version: str, value: Any) -> None:
        """A version of a key was seen, with this value."""
        before = self.values.setdefault((key, version), value)
        if before != value:
            self.broken.append(f"{key}: version {version} is of {before} and of {value}")


def judge(told: Told, history: History) -> list[str]:
    """What was violated."""
    found = list(told.broken)
    results = list(told.confirmed.values())
    if len(set(results)) != len(results):
        found.append(f"two operations had the same effect: {sorted(results)}")
    if told.counted != told.applied:
        found.append(f"{told.applied} operations were done, their effect is that of {told.counted}")
    verdict = linearizable(aged(history.operations()), CasRegister(), states_max=STATES_MAX)
    if verdict.status == "invalid":
        found.append(verdict.reason)
    told.reached["search of strong histories ended early"] += verdict.status == "unknown"
    return found


def aged(operations: Any) -> list[Operation]:
    """Operations, those that may answer from a copy begun as much earlier as it may be old."""
    ordered = sorted((operation.invoked_ns, operation.invoked) for operation in operations)
    return [_earlier(operation, ordered) for operation in operations]


def _earlier(operation: Operation, ordered: list[tuple[int, int]]) -> Operation:
    if not operation.process.startswith(AGED):
        return operation
    oldest_ns = operation.invoked_ns - int(operation.process.split()[1])
    at = bisect_left(ordered, (oldest_ns, -1))
    return replace(operation, invoked=min(operation.invoked, ordered[at][1]))
