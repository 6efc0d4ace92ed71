"""A history taken apart: writes, looks, touches and flushes, by key and by process."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tierstore.testing.simulation.travelling import session_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierstore.testing.history import Operation
    from tierstore.testing.simulation.families import Family

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Put:
    """A write of one key; of None, if it was a delete."""

    operation: Operation
    key: str
    value: str | None
    ttl_ns: int | None
    life: str
    session: str
    outcome: str
    invoked: int
    completed: int | None
    invoked_ns: int
    completed_ns: int | None

    def __str__(self) -> str:
        what = "delete" if self.value is None else f"put {self.value!r:.30}"
        end = "?" if self.completed_ns is None else f"{self.completed_ns / NS_PER_MS:.3f}"
        return f"({what} by {self.life} at {self.invoked_ns / NS_PER_MS:.3f} to {end} ms)"


@dataclass(frozen=True, slots=True)
class Look:
    """What one operation saw of one key; None if it was not there."""

    operation: Operation
    key: str
    value: str | None
    life: str
    session: str
    verb: str
    invoked: int
    completed: int
    invoked_ns: int
    completed_ns: int

    def __str__(self) -> str:
        seen = "nothing" if self.value is None else f"{self.value!r:.30}"
        begin, end = self.invoked_ns / NS_PER_MS, self.completed_ns / NS_PER_MS
        return f"{self.verb} of {self.key} by {self.life} at {begin:.3f} to {end:.3f} ms → {seen}"


@dataclass(frozen=True, slots=True)
class Touch:
    """A new lifetime for the value that a key had, which may have been any of some."""

    completed: int | None
    invoked_ns: int
    completed_ns: int | None
    ttl_ns: int

    def may_move(self, put: Put) -> bool:
        """Whether it may have moved the end of `put`: only of what had begun when it ended."""
        return self.completed is None or put.invoked < self.completed


@dataclass(slots=True)
class Observed:
    """All that a history says of registers."""

    families: dict[str, Family]
    """The family of each key."""
    puts: dict[str, list[Put]] = field(default_factory=dict)
    looks: dict[str, list[Look]] = field(default_factory=dict)
    touches: dict[str, list[Touch]] = field(default_factory=dict)
    oddities: list[str] = field(default_factory=list)
    """What is wrong whatever was written."""
    _flushes: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    _flush_times: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, operations: Iterable[Operation], families: dict[str, Family]) -> Observed:
        """What `operations` say of keys of these `families`."""
        observed = cls(families)
        typed = {key for key, family in families.items() if family.is_typed}
        for operation in operations:
            if operation.key not in typed or operation.verb == "flush":
                observed._take(operation)
        return observed

    def first_flush_ns(self, life: str, since_ns: int) -> int | None:
        """When the first flush of `life` was answered that began at `since_ns` or later."""
        ends = [end for begun, end in self._flush_times.get(life, []) if begun >= since_ns]
        return min(ends, default=None)

    def flushed_ns(self, life: str, completed: int | None) -> int | None:
        """When a flush of `life` was answered that began after the event `completed`."""
        flushes = self._flushes.get(life, [])
        if completed is None:
            return None
        at = bisect_left(flushes, (completed, 0))
        return min((end_ns for _, end_ns in flushes[at:]), default=None)

    def _take(self, operation: Operation) -> None:
        verb = operation.verb
        if verb in ("put", "put_many", "delete", "delete_many"):
            self._take_write(operation)
        elif verb == "touch":
            self._take_touch(operation)
        elif operation.outcome == "ok":
            self._take_answer(operation)

    def _take_touch(self, operation: Operation) -> None:
        if operation.outcome == "fail" or operation.result is False:
            return  # there was nothing to touch
        touch = Touch(
            operation.completed, operation.invoked_ns, operation.completed_ns,
            operation.argument * NS_PER_MS,
        )  # fmt: skip
        self.touches.setdefault(operation.key or "", []).append(touch)

    def _take_write(self, operation: Operation) -> None:
        argument = operation.argument
        if operation.verb.startswith("put"):
            values, ttl_ms = argument
            written = {operation.key: values} if operation.verb == "put" else dict(values)
        else:
            ttl_ms = None
            written = dict.fromkeys(argument or (operation.key,))
        for key, value in written.items():
            self._add_put(operation, key or "", value, ttl_ms)

    def _add_put(
        self, operation: Operation, key: str, value: str | None, ttl_ms: int | None
    ) -> None:
        if value is not None and ttl_ms is None:
            ttl_ms = self.families[key].ttl_ms
        put = Put(
            operation, key, value, None if ttl_ms is None else ttl_ms * NS_PER_MS,
            life_of(operation), session_of(operation.process), operation.outcome,
            operation.invoked, operation.completed, operation.invoked_ns, operation.completed_ns,
        )  # fmt: skip
        self.puts.setdefault(key, []).append(put)

    def _take_answer(self, operation: Operation) -> None:
        verb, key, result = operation.verb, operation.key or "", operation.result
        if verb == "flush":
            ended = operation.invoked, operation.completed_ns or 0
            self._flushes.setdefault(life_of(operation), []).append(ended)
            times = operation.invoked_ns, ended[1]
            self._flush_times.setdefault(life_of(operation), []).append(times)
        elif verb in ("get", "read", "fresh", "final", "copy"):
            self._add_look(operation, key, result)
        elif verb == "exists" and not result:
            self._add_look(operation, key, None)
        elif verb == "get_many":
            for asked in operation.argument:
                self._add_look(operation, asked, result.get(asked))
        elif verb == "scan":
            self._take_scan(operation, key, result)

    def _take_scan(self, operation: Operation, key: str, result: Any) -> None:
        found: dict[str, Any] = dict(result)
        if len(found) != len(result):
            self.oddities.append(f"{operation} shows a key more than once")
        if [name for name, _ in result] != sorted(found):
            self.oddities.append(f"{operation} is not in the order of keys")
        prefix = key[: key.rfind("/") + 1]
        absent = {name for name in self.puts if name.startswith(prefix)} - found.keys()
        for name, value in found.items():
            self._add_look(operation, name, value)
        for name in sorted(absent):
            self._add_look(operation, name, None)

    def _add_look(self, operation: Operation, key: str, value: str | None) -> None:
        assert operation.completed is not None
        assert operation.completed_ns is not None
        look = Look(
            operation, key, value, life_of(operation), session_of(operation.process),
            operation.verb, operation.invoked, operation.completed, operation.invoked_ns,
            operation.completed_ns,
        )  # fmt: skip
        self.looks.setdefault(key, []).append(look)


def life_of(operation: Operation) -> str:
    """The process of which a client is."""
    return operation.process.partition("/")[0]
