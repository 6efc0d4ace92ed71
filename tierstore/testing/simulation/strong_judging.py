"""What must hold of strong keys, whatever failed."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tierstore.testing.checkers.linear import linearizable
from tierstore.testing.history import by_key
from tierstore.testing.models.register import CasRegister
from tierstore.testing.simulation.strong_lives import Restore, histories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tierstore.testing.history import History, Operation

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
    highest_token: int = 0
    """The highest token of a lease that somebody was given."""
    lasting: dict[str, int] = field(default_factory=dict)
    """What keys have to hold in the end, whatever arrives late."""
    ages: dict[str, int] = field(default_factory=dict)
    """Since when what a read showed may be so, by the name of its process, in ns."""
    restores: list[Restore] = field(default_factory=list)
    restored_ns: int = 0
    """When that was last."""
    now_ms: Callable[[], int] = lambda: 0
    """The coordinator's clock."""
    abandoned: set[str] = field(default_factory=set)
    reached: Counter[str] = field(default_factory=Counter)

    @property
    def life(self) -> int:
        """How often the region was restored."""
        return len(self.restores)

    def known(self) -> tuple[dict[str, int], dict[str, set[int]]]:
        """What a backup that is made now has of operations and sequences."""
        return dict(self.confirmed), {key: set(given) for key, given in self.numbers.items()}

    def note_restored(self, known: Any, restore: Restore, now_ns: int) -> None:
        """The region is as it was, and lives another life: the rest may happen again."""
        self.confirmed, self.numbers = known
        self.restored_ns = now_ns
        self.restores.append(restore)

    def note_token(self, token: int, highest: int) -> None:
        """A lease was given, when nobody had been given a token above `highest`."""
        if token <= highest:
            self.broken.append(f"token {token} was given after {highest}")
        self.highest_token = max(token, self.highest_token)

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
    found += _judge_registers(told, history)
    return found


def _judge_registers(told: Told, history: History) -> Iterator[str]:
    operations = aged(history, told.ages)
    for values, part in histories(operations, told.restores):
        for key, own in by_key(part).items():
            model = CasRegister(values.get(key or ""))
            verdict = linearizable(own, model, states_max=STATES_MAX)
            if verdict.status == "invalid":
                yield verdict.reason
            told.reached["search of strong histories ended early"] += verdict.status == "unknown"


def aged(history: History, ages: dict[str, int]) -> list[Operation]:
    """All operations, those that answered from a copy begun when it was made."""
    times_ns = [event.time_ns for event in history.events]
    return [
        replace(each, invoked=min(each.invoked, bisect_left(times_ns, ages[each.process])))
        if each.process in ages
        else each
        for each in history.operations()
    ]
