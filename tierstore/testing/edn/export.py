"""Histories for Jepsen, written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.testing.edn.values import Fail, Keyword, check_fail
from tierstore.testing.edn.writer import write
from tierstore.testing.history import HistoryError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tierstore.testing.history import Event, History, Operation


def write_history(
    history: History, *, fail: Fail, keyed: bool = False, compares: Collection[str] = ("cas",)
) -> str:
    """The events of `history` as maps, one a line. `read_history` tells what the options mean.

    An operation in `compares` that answered False becomes `:fail`. One that never happened is left
    out where `:fail` would say that it had differed. Processes get numbers, and a new one after an
    answer that never came, since in Jepsen such a process never acts again.
    """
    is_differing = check_fail(fail) == "differed"
    left_out = {
        event
        for operation in history.operations()
        if is_differing and operation.outcome == "fail" and operation.verb in compares
        for event in (operation.invoked, operation.completed)
    }
    rows = _Rows(history.operations(), keyed, compares)
    made = [rows.row(event) for event in history.events if event.index not in left_out]
    numbered = ({Keyword("index"): index, **row} for index, row in enumerate(made))
    return "".join(f"{write(row)}\n" for row in numbered)


TXN = "txn"
"""What Elle calls an operation made of others, such as `[:append 1 2]` and `[:r 1 nil]`."""


class _Rows:
    """Turns events into maps, one after the other."""

    def __init__(
        self, operations: Iterable[Operation], keyed: bool, compares: Collection[str]
    ) -> None:
        given = {number for o in operations if (number := _number(o.process)) is not None}
        self._fresh = max(given, default=-1) + 1
        self._numbers: dict[str, int] = {str(number): number for number in given}
        self._arguments: dict[str, Any] = {}
        self._keyed, self._compares = keyed, compares

    def row(self, event: Event) -> dict[Keyword, Any]:
        """The map of `event`, without its index."""
        kind, value = self._answer(event)
        if event.verb == TXN:
            value = _with_keywords(value)
        if self._keyed:
            value = (_key(event), value)
        row: dict[Keyword, Any] = {
            Keyword("time"): event.time_ns,
            Keyword("type"): Keyword(kind),
            Keyword("process"): self._process(event),
            Keyword("f"): Keyword(event.verb),
            Keyword("value"): value,
        }
        return row if event.error is None else {**row, Keyword("error"): event.error}

    def _answer(self, event: Event) -> tuple[str, Any]:
        """The kind and the value that Jepsen gives it: an answer repeats the argument."""
        if event.kind == "invoke":
            self._arguments[event.process] = event.value
            return "invoke", event.value
        argument = self._arguments.pop(event.process)
        if event.kind != "ok":
            return event.kind, argument
        if event.verb in self._compares and isinstance(event.value, bool):
            return ("ok" if event.value else "fail"), argument
        return "ok", argument if event.value is None else event.value

    def _process(self, event: Event) -> int:
        if event.process not in self._numbers:
            self._numbers[event.process] = self._fresh
            self._fresh += 1
        number = self._numbers[event.process]
        if event.kind == "info":
            # Dropped and not replaced: who never acts again needs no new number.
            del self._numbers[event.process]
        return number


def _with_keywords(parts: Any) -> Any:
    """The parts of a transaction, each of which begins with its name; anything else as it is."""
    if not isinstance(parts, tuple):
        return parts
    return tuple(
        (Keyword(part[0]), *part[1:])
        if isinstance(part, tuple) and part and isinstance(part[0], str)
        else part
        for part in parts
    )


def _number(process: str) -> int | None:
    """The number that a process is named by, if it is."""
    return int(process) if process.isdecimal() and str(int(process)) == process else None


def _key(event: Event) -> str | int:
    if event.key is None:
        raise HistoryError(f"event {event.index} has no key to write")
    number = _number(event.key)
    return event.key if number is None else number
