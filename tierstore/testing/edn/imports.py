"""Histories of Jepsen, read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tierstore.testing.edn.reader import Reader
from tierstore.testing.edn.values import Fail, check_fail, plain
from tierstore.testing.edn.writer import write
from tierstore.testing.history import Event, History, HistoryError
from tierstore.testing.history.recorder import Replay

if TYPE_CHECKING:
    from collections.abc import Collection

_TYPES = ("invoke", "ok", "fail", "info")


def read_history(
    text: str, *, fail: Fail, keyed: bool = False, compares: Collection[str] = ("cas",)
) -> History:
    """The history in `text`: maps one after the other, or one vector of them.

    `fail` says what `:fail` means for the verbs in `compares`: that the operation ran, saw
    something else and answered so ("differed": its result is False), or that it never happened
    ("never"). For other verbs it always means the latter.

    With `keyed`, a value is a key and the value proper, as `jepsen.independent` has it. What no
    client did, like the work of `:nemesis`, is left out; keywords become strings. An answer that
    repeats the argument is no result: None, or True for `compares`. Raises `EdnError` with line
    and column.
    """
    reader, events = Reader(text), _Events(_Conventions(check_fail(fail), keyed, compares))
    for at, value in reader.items():
        try:
            events.add(plain(value))
        except (TypeError, ValueError) as error:
            raise reader.error(str(error), at) from error
    return events.history


@dataclass(frozen=True, slots=True)
class _Conventions:
    fail: Fail
    keyed: bool
    compares: Collection[str]

    def split(self, value: Any) -> _Call:
        """The key and the argument."""
        if not self.keyed:
            return _Call(None, value)
        if not isinstance(value, tuple) or len(value) != 2 or type(value[0]) not in (int, str):
            raise HistoryError(f":value must be a key and a value, not {write(value):.60}")
        return _Call(str(value[0]), value[1])


class _Call(NamedTuple):
    key: str | None
    argument: Any


class _Events:
    """The history that maps of Jepsen make, one event each."""

    def __init__(self, conventions: _Conventions) -> None:
        self._replay, self._conventions = Replay(), conventions
        self._open: dict[int, _Call] = {}

    @property
    def history(self) -> History:
        """What has been added."""
        return self._replay.history

    def add(self, row: Any) -> None:
        """Append the event that `row` tells. Raises `HistoryError` if there is none."""
        if not isinstance(row, dict):
            raise HistoryError(f"expected a map, not {write(row):.60}")
        kind, process = _field(row, "type", str), _field(row, "process", int, str)
        if kind not in _TYPES:
            raise HistoryError(f":type must be one of :{', :'.join(_TYPES)}, not {kind!r:.60}")
        if isinstance(process, int):
            made = self._invoke(row, process) if kind == "invoke" else self._end(row, kind, process)
            self._replay.add(made)

    def _invoke(self, row: dict[str, Any], process: int) -> Event:
        call = self._conventions.split(row.get("value"))
        self._open[process] = call
        return self._event(row, "invoke", process, call, call.argument)

    def _end(self, row: dict[str, Any], kind: Any, process: int) -> Event:
        call = self._open.get(process)
        if call is None:
            raise HistoryError(f"process {process} has no open operation to end")
        is_compare = row.get("f") in self._conventions.compares
        if kind == "ok":
            value = self._conventions.split(row.get("value")).argument
            echo = True if is_compare else None
            result = echo if value == call.argument else value
            return self._event(row, "ok", process, call, result)
        if kind == "fail" and is_compare and self._conventions.fail == "differed":
            return self._event(row, "ok", process, call, False)
        return self._event(row, kind, process, call, None, _error(row))

    def _event(
        self,
        row: dict[str, Any],
        kind: Any,
        process: int,
        call: _Call,
        value: Any,
        error: str | None = None,
    ) -> Event:
        index, verb = len(self.history), _field(row, "f", str)
        time_ns = _field(row, "time", int) if "time" in row else index
        return Event(index, time_ns, str(process), kind, verb, call.key, value, error)


def _field(row: dict[str, Any], name: str, *types: type) -> Any:
    value = row.get(name)
    if type(value) not in types:
        raise HistoryError(f"the map needs a :{name}, which cannot be {write(value):.60}")
    return value


def _error(row: dict[str, Any]) -> str | None:
    error = row.get("error")
    return error if error is None or isinstance(error, str) else write(error)
