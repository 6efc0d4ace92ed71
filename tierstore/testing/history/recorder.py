"""The recorder: events are appended, never changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tierstore.testing.history.errors import HistoryError
from tierstore.testing.history.events import Event, Kind, Operation, Outcome, by_key
from tierstore.testing.history.values import freeze

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class _Row(NamedTuple):
    """An event without its index, which is its place in the list."""

    time_ns: int | None
    kind: Kind
    call: Invocation
    value: Any
    error: str | None


@dataclass(eq=False, slots=True)
class Invocation:
    """An operation that has begun; `ok`, `fail` or `info` ends it, exactly once."""

    process: str
    verb: str
    key: str | None
    _history: History = field(repr=False)

    def ok(self, result: Any = None) -> None:
        """It took effect and answered `result`."""
        self._history._complete(self, "ok", freeze(result), None)

    def fail(self, error: str) -> None:
        """It certainly never took effect; `error` says why."""
        self._history._complete(self, "fail", None, error)

    def info(self, error: str) -> None:
        """Nobody knows whether it took effect, or will: a timeout, a lost reply."""
        self._history._complete(self, "info", None, error)


class History:
    """What happened, in order. Threads may record into one history without a lock of their own.

    `clock` returns nanoseconds; without it the time of an event is its index.
    """

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        self._clock = clock
        # Appending to a list and dict.setdefault are atomic, so no lock is needed; an index is
        # not stored because no thread could know it before it has appended.
        self._rows: list[_Row] = []
        self._open: dict[str, Invocation] = {}

    def __len__(self) -> int:
        """How many events there are."""
        return len(self._rows)

    def invoke(
        self, process: str, verb: str, key: str | None = None, value: Any = None
    ) -> Invocation:
        """Record that `process` begins an operation; call this before the store is asked.

        Raises `HistoryError` if the process has an operation open.
        """
        value, call = freeze(value), Invocation(process, verb, key, self)
        if (open_ := self._open.setdefault(process, call)) is not call:
            raise HistoryError(f"process {process!r} has not ended its {open_.verb} of {open_.key}")
        self._rows.append(_Row(self._now_ns(), "invoke", call, value, None))
        return call

    def _complete(self, call: Invocation, kind: Outcome, value: Any, error: str | None) -> None:
        if self._open.get(call.process) is not call:
            raise HistoryError(f"this {call.verb} of process {call.process!r} has already ended")
        self._rows.append(_Row(self._now_ns(), kind, call, value, error))
        del self._open[call.process]

    def _now_ns(self) -> int | None:
        return None if self._clock is None else self._clock()

    @property
    def events(self) -> list[Event]:
        """All events so far, in order."""
        return [
            Event(
                index,
                index if row.time_ns is None else row.time_ns,
                row.call.process,
                row.kind,
                row.call.verb,
                row.call.key,
                row.value,
                row.error,
            )
            for index, row in enumerate(self._rows)
        ]

    def operations(self) -> list[Operation]:
        """All operations, in order of invocation; one that was never answered counts as info."""
        return pair(self.events)

    def by_key(self) -> dict[str | None, list[Operation]]:
        """The operations on each key, keys in order of first use."""
        return by_key(self.operations())

    def filter(self, keep: Callable[[Operation], object]) -> list[Operation]:
        """The operations for which `keep` is true, in order of invocation."""
        return [operation for operation in self.operations() if keep(operation)]

    def dumps(self) -> str:
        """The history as JSON lines; the first says the version of the format."""
        from tierstore.testing.history import jsonl

        return jsonl.dumps(self.events)

    @classmethod
    def loads(cls, text: str) -> History:
        """The history that `dumps` wrote. Raises `HistoryError` with the number of the line."""
        from tierstore.testing.history import jsonl

        return jsonl.loads(text)

    @classmethod
    def from_events(cls, events: Iterable[Event]) -> History:
        """A history of given events, in the given order; indexes are assigned anew.

        Raises `HistoryError` for an answer without an invocation, or two open operations.
        """
        made = Replay()
        for event in events:
            made.add(event)
        return made.history

    @classmethod
    def from_operations(cls, operations: Iterable[Operation]) -> History:
        """A history of given operations, ordered by `invoked` and `completed`, numbered anew.

        Raises `HistoryError` if two have an event index in common, or one contradicts itself.
        """
        from tierstore.testing.history.unpairing import unpair

        return cls.from_events(unpair(operations))


class Replay:
    """Events that become a history again, one by one."""

    def __init__(self) -> None:
        self.history = History(clock=lambda: self._time_ns)
        self._time_ns = 0

    def add(self, event: Event) -> None:
        """Append `event`. Raises `HistoryError` if it cannot come next."""
        self._time_ns = event.time_ns
        _check(event)
        if event.kind == "invoke":
            self.history.invoke(event.process, event.verb, event.key, event.value)
            return
        call = self.history._open.get(event.process)
        if call is None or (call.verb, call.key) != (event.verb, event.key):
            raise HistoryError(
                f"process {event.process!r} has no open {event.verb} of {event.key} to end"
            )
        value = freeze(event.value)
        self.history._complete(call, event.kind, value, event.error)


def _check(event: Event) -> None:
    if event.kind in ("invoke", "ok") and event.error is not None:
        raise HistoryError(f"an event {event.kind!r} has no error, not {event.error!r}")
    if event.kind in ("fail", "info") and event.value is not None:
        raise HistoryError(f"an event {event.kind!r} has no value, not {event.value!r}")


def pair(events: Iterable[Event]) -> list[Operation]:
    """The operations that `events` make, in order of invocation."""
    begun: list[Event] = []
    ended: dict[int, Event] = {}
    last: dict[str, int] = {}
    for event in events:
        if event.kind == "invoke":
            last[event.process] = event.index
            begun.append(event)
        else:
            ended[last[event.process]] = event
    return [_operation(event, ended.get(event.index)) for event in begun]


def _operation(invoke: Event, end: Event | None) -> Operation:
    outcome: Outcome = "info" if end is None or end.kind == "invoke" else end.kind
    known = end if outcome != "info" else None
    return Operation(
        process=invoke.process,
        verb=invoke.verb,
        key=invoke.key,
        argument=invoke.value,
        outcome=outcome,
        result=end.value if end else None,
        error=end.error if end else None,
        invoked=invoke.index,
        completed=known.index if known else None,
        invoked_ns=invoke.time_ns,
        completed_ns=known.time_ns if known else None,
    )
