"""Events as they were recorded, and the operations that pairs of them make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind = Literal["invoke", "ok", "fail", "info"]
Outcome = Literal["ok", "fail", "info"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a history: an invocation or its answer."""

    index: int
    """Place in the history, from 0."""
    time_ns: int
    process: str
    kind: Kind
    verb: str
    key: str | None
    value: Any
    """The argument of an invocation, the result of an "ok", otherwise None."""
    error: str | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of one process, from its invocation to its answer, if one came.

    "ok" took effect between `invoked` and `completed`. "fail" never took effect. "info" is not
    known to have taken effect: it may, at any time after `invoked`, also after everything else.
    """

    process: str
    verb: str
    key: str | None = None
    argument: Any = None
    outcome: Outcome = "ok"
    result: Any = None
    error: str | None = None
    invoked: int = 0
    """Index of the event."""
    completed: int | None = None
    """Index of the event; None for "info"."""
    invoked_ns: int = 0
    completed_ns: int | None = None

    def __str__(self) -> str:
        key = "" if self.key is None else f" {self.key}"
        argument = "" if self.argument is None else f" {self.argument!r}"
        end = "∞)" if self.completed is None else f"{self.completed}]"
        return f"{self.process} {self.verb}{key}{argument} → {self.answer} [{self.invoked}, {end}"

    @property
    def answer(self) -> str:
        """What came back, for people."""
        if self.outcome == "ok":
            return "ok" if self.result is None and self.argument is not None else repr(self.result)
        what = "failed" if self.outcome == "fail" else "unknown"
        return f"{what} ({self.error})" if self.error else what


def by_key(operations: Iterable[Operation]) -> dict[str | None, list[Operation]]:
    """The operations on each key, keys in order of first use."""
    parts: dict[str | None, list[Operation]] = {}
    for operation in operations:
        parts.setdefault(operation.key, []).append(operation)
    return parts
