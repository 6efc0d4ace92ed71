"""What a history says of counters and sets: deeds and sights, by key.

Both are told as items. Those of a counter are its increments, each another power of four, so that a
sum tells which it is made of; those of a set are its elements, those of a document its names.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tierstore.testing.simulation.observed import NS_PER_MS, life_of
from tierstore.testing.simulation.travelling import session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tierstore.testing.history import Operation
    from tierstore.testing.simulation.families import Family

    Item = str | bytes | int

_DEEDS = frozenset(("add", "discard", "delete", "touch"))
_WHOLE = frozenset(("sum", "all", "get", "read", "fresh", "copy", "final"))
BASE = 4


@dataclass(frozen=True, slots=True, eq=False)
class Deed:
    """A change of one key."""

    verb: str
    items: frozenset[Item]
    """What it adds or discards; nothing for a delete or a touch, which mean all there is."""
    ttl_ns: int | None
    """The lifetime that it gives to what it begins, or touches."""
    life: str
    session: str
    outcome: str
    invoked: int
    completed: int | None
    invoked_ns: int
    completed_ns: int | None

    def __str__(self) -> str:
        end = "?" if self.completed_ns is None else f"{self.completed_ns / NS_PER_MS:.3f}"
        told = " ".join([self.verb, *map(repr, sorted(self.items, key=repr))])
        return f"({told} by {self.life} at {self.invoked_ns / NS_PER_MS:.3f} to {end} ms)"


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What one operation showed of one key."""

    key: str
    verb: str
    items: frozenset[Item]
    asked: frozenset[Item] | None
    """Which items it tells of; None: of all."""
    life: str
    session: str
    invoked: int
    completed: int
    invoked_ns: int
    completed_ns: int

    def __str__(self) -> str:
        seen = ", ".join(map(repr, sorted(self.items, key=repr))) or "nothing"
        begin, end = self.invoked_ns / NS_PER_MS, self.completed_ns / NS_PER_MS
        return f"{self.verb} of {self.key} by {self.life} at {begin:.3f} to {end:.3f} ms → {seen}"


@dataclass(slots=True)
class Typed:
    """All that a history says of counters and sets."""

    families: dict[str, Family]
    """Of each key of a counter or a set."""
    deeds: dict[str, list[Deed]] = field(default_factory=dict)
    sights: dict[str, list[Sight]] = field(default_factory=dict)
    oddities: list[str] = field(default_factory=list)
    """What is wrong whatever happened."""
    forgotten_ns: int | None = None
    """After how much silence regions forget a replica, and with it which of its batches they had.

    It shows what it sent without an answer on top of that until it has heard of this itself.
    """
    _amounts: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        operations: Iterable[Operation],
        families: Iterable[Family],
        forgotten_ns: int | None = None,
    ) -> Typed:
        """What `operations` say of the keys of those of `families` that are typed."""
        typed = cls({key: family for family in families if family.is_typed for key in family.keys})
        typed.forgotten_ns = forgotten_ns
        asked = [operation for operation in operations if operation.key in typed.families]
        for operation in asked:
            if operation.verb in _DEEDS:
                typed._take_deed(operation)
        for operation in asked:
            if operation.outcome == "ok":
                typed._take_answer(operation)
        return typed

    def doubt(self, is_certain: Callable[[Deed], bool] = lambda _: False) -> None:
        """Take what was acknowledged for uncertain unless it is, and judge the last looks only."""
        for key, deeds in self.deeds.items():
            self.deeds[key] = [
                replace(deed, outcome="info", completed=None, completed_ns=None)
                if deed.outcome == "ok" and not is_certain(deed)
                else deed
                for deed in deeds
            ]
        for key, sights in self.sights.items():
            self.sights[key] = [sight for sight in sights if sight.verb == "final"]

    def leave_out(self, keys: Iterable[str]) -> None:
        """Judge nothing of these keys."""
        for key in keys:
            for told in (self.families, self.deeds, self.sights):
                told.pop(key, None)

    def _take_deed(self, operation: Operation) -> None:
        key, verb, argument = operation.key or "", operation.verb, operation.argument
        if verb == "touch" and operation.result is False:
            return  # there was nothing to touch
        ttl_ms = argument if verb == "touch" else self.families[key].ttl_ms
        items: frozenset[Item] = frozenset()
        if verb in ("add", "discard"):
            items = frozenset(argument if isinstance(argument, tuple) else (argument,))
            if self.families[key].type == "counter":
                self._amounts.setdefault(key, []).append(argument)
        deed = Deed(
            verb, items, None if ttl_ms is None else ttl_ms * NS_PER_MS, life_of(operation),
            session_of(operation.process), operation.outcome, operation.invoked,
            operation.completed, operation.invoked_ns, operation.completed_ns,
        )  # fmt: skip
        self.deeds.setdefault(key, []).append(deed)

    def _take_answer(self, operation: Operation) -> None:
        verb, key, result = operation.verb, operation.key or "", operation.result
        if verb in _WHOLE:
            self._add_sight(operation, key, result)
        elif verb == "exists" and not result:
            self._add_sight(operation, key, None)
        elif verb == "contains":
            asked = frozenset(operation.argument)
            self._add_sight(operation, key, list(asked) if result else [], asked)
        elif verb == "scan":
            self._take_scan(operation, dict(result))

    def _take_scan(self, operation: Operation, found: dict[str, Any]) -> None:
        prefix = (operation.key or "").rpartition("/")[0] + "/"
        if len(found) != len(operation.result):
            self.oddities.append(f"{operation} shows a key more than once")
        for key in self.families:
            if key.startswith(prefix):
                self._add_sight(operation, key, found.get(key))

    def _add_sight(
        self, operation: Operation, key: str, value: Any, asked: frozenset[Item] | None = None
    ) -> None:
        assert operation.completed is not None
        assert operation.completed_ns is not None
        sight = Sight(
            key, operation.verb, self._items(operation, key, value), asked, life_of(operation),
            session_of(operation.process), operation.invoked, operation.completed,
            operation.invoked_ns, operation.completed_ns,
        )  # fmt: skip
        self.sights.setdefault(key, []).append(sight)

    def items_of(self, key: str, value: Any) -> frozenset[Item]:
        """What the value of `key` consists of; none if it is absent."""
        if self.families[key].type in ("set", "document"):
            return frozenset(value or ())
        counts, _ = taken_apart(value or 0, self._amounts.get(key, []))
        return frozenset(amount for amount, times in counts.items() if times)

    def _items(self, operation: Operation, key: str, value: Any) -> frozenset[Item]:
        if self.families[key].type == "counter":
            self._note_odd(operation, key, value or 0)
        return self.items_of(key, value)

    def _note_odd(self, operation: Operation, key: str, total: int) -> None:
        counts, rest = taken_apart(total, self._amounts.get(key, []))
        often = [
            f"{amount} {times} times"
            for amount, times in counts.items()
            if times > 1 and not (times == 2 and self._is_of_forgotten(operation, key, amount))
        ]
        if often or rest:
            what = f"has counted {', '.join(often)}" if often else f"is off by {rest}"
            self.oddities.append(f"a sum of {key} {what}: {operation.process} {operation.verb}")

    def _is_of_forgotten(self, operation: Operation, key: str, amount: int) -> bool:
        """Whether who looks added that itself, so long ago that regions may have forgotten it."""
        if self.forgotten_ns is None:
            return False
        began_ns = operation.invoked_ns - self.forgotten_ns
        return any(
            deed.life == life_of(operation) and amount in deed.items and deed.invoked_ns < began_ns
            for deed in self.deeds.get(key, [])
        )


def taken_apart(total: int, amounts: Iterable[int]) -> tuple[dict[int, int], int]:
    """How often each of `amounts` is in `total`, and what is left; see `BASE`."""
    counts: dict[int, int] = {}
    for amount in sorted(amounts, key=abs):
        digit = total // abs(amount) % BASE
        counts[amount] = digit if amount > 0 else -digit % BASE
        total -= amount * counts[amount]
    return counts, total
