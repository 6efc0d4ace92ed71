"""A run as rows of one table, in the order in which things happened: who, when, what.

The history has what clients asked and were told, the moments have calls and faults; each moment
says how much of the history came before it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from tierstore.testing.simulation.scheduler import NS_PER_MS
from tierstore.testing.simulation.wording import (
    answer_text,
    asked_text,
    call_text,
    end_text,
    fault_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tierstore.testing.history import Event, Operation
    from tierstore.testing.simulation.run import Run
    from tierstore.testing.simulation.telling import Moment

Kind = Literal["ask", "answer", "whole", "call", "fault", "end", "more"]
TIERS = ("region", "cold")
FAULTS = "faults"
LATE = "late calls"
_ENDLESS = frozenset((
    "end of jump", "end of pause", "end of flip", "end of link pause", "end of link retired",
))  # fmt: skip
"""Ends at which nothing ends: a pause has none here, and a clock that jumped stays there."""
_SEEN_MAX = 2
"""After so many calls that are all alike and between which nothing happens, the rest is counted."""
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that happened."""

    at_ns: int
    kind: Kind
    """"whole" is an operation between whose beginning and end nothing else happened."""
    lane: str
    """Where: a client, the background of a node, or where faults or late calls are told."""
    text: str
    operation: Operation | None = None
    tier: str = ""
    """Of a call: the tier that was called."""
    node: str = ""
    """Of a fault: the node that it concerns."""
    fault: str = ""
    """Of a fault, or its end: the kind."""
    is_bad: bool = False
    """Whether a violation speaks of it."""


@dataclass(frozen=True, slots=True)
class Chronicle:
    """What happened in a run, for people."""

    rows: tuple[Row, ...]

    @classmethod
    def of(cls, run: Run) -> Chronicle:
        """The chronicle of a run that was played to be told."""
        rows = _joined(_merged(run))
        return cls(tuple(_without_repetition(rows)))


def is_told_of(operation: Operation, violation: str) -> bool:
    """Whether `violation` speaks of `operation`."""
    if str(operation) in violation:
        return True
    life = operation.process.partition("/")[0]
    begin, end = operation.invoked_ns, operation.completed_ns
    until = "?" if end is None else f"{end / NS_PER_MS:.3f}"
    when = f"by {life} at {begin / NS_PER_MS:.3f} to {until} ms"
    return any(what in violation for what in _told_as(operation, when))


def _told_as(operation: Operation, when: str) -> list[str]:
    """How violations begin to tell of an operation on one key."""
    if operation.verb == "put":
        return [f"(put {operation.argument[0]!r:.30} {when}"]
    if operation.verb == "put_many":
        return [f"(put {value!r:.30} {when}" for value in operation.argument[0].values()]
    if operation.verb.startswith("delete"):
        return [f"(delete {when}"]
    keys = [operation.key] if operation.key else operation.argument or ()
    if operation.verb == "scan":
        keys = [key for key, _ in operation.result or ()]
    return [f"{operation.verb} of {key} {when}" for key in keys]


def lane_of(task: str) -> str:
    """The lane of a task: lives of one client follow each other in one lane."""
    name, _, client = task.replace(" background", "/background").partition("/")
    node = name.partition(".")[0]
    return f"{node}/background" if client == "final" or not client else f"{node}/{client}"


def _merged(run: Run) -> Iterator[Row]:
    """All events and moments, in order."""
    told = iter(_moment_rows(run))
    pending = next(told, None)
    for event, operation in _paired(run.history.events, run.history.operations()):
        while pending is not None and pending[0] <= event.index:
            yield pending[1]
            pending = next(told, None)
        yield _event_row(event, operation, run.violations)
    while pending is not None:
        yield pending[1]
        pending = next(told, None)


def _paired(
    events: Iterable[Event], operations: list[Operation]
) -> Iterator[tuple[Event, Operation]]:
    begun = {operation.invoked: operation for operation in operations}
    current: dict[str, Operation] = {}
    for event in events:
        if event.kind == "invoke":
            current[event.process] = begun[event.index]
        yield event, current[event.process]


def _event_row(event: Event, operation: Operation, violations: list[str]) -> Row:
    is_bad = any(is_told_of(operation, violation) for violation in violations)
    is_asked = event.kind == "invoke"
    text = asked_text(operation) if is_asked else answer_text(operation)
    kind: Kind = "ask" if is_asked else "answer"
    return Row(event.time_ns, kind, lane_of(event.process), text, operation, is_bad=is_bad)


def _moment_rows(run: Run) -> Iterator[tuple[int, Row]]:
    """Calls and faults, each with the number of events before it."""
    processes = {event.process for event in run.history.events}
    for moment in run.moments:
        if moment.who not in processes and moment.what not in _ENDLESS:
            yield moment.after, _moment_row(moment, run)


def _moment_row(moment: Moment, run: Run) -> Row:
    if moment.who == "nemesis":
        fault = moment.what.removeprefix("end of ")
        kind: Kind = "fault" if fault == moment.what else "end"
        text = _told_fault(moment, run) if kind == "fault" else end_text(fault, moment.outcome)
        return Row(moment.at_ns, kind, FAULTS, text, node=moment.outcome, fault=fault)
    tier = moment.what.partition(".")[0]
    lane = LATE if moment.who == "late" else lane_of(moment.task)
    text = call_text(moment) if tier in TIERS else f"{tier}.{call_text(moment)}"
    return Row(moment.at_ns, "call", lane, text, tier=tier if tier in TIERS else "")


def _told_fault(moment: Moment, run: Run) -> str:
    for fault in run.script.faults:
        if (fault.kind, int(fault.at_ms * NS_PER_MS)) == (moment.what, moment.at_ns):
            return fault_text(fault, run.script.options)
    return f"{moment.what} ({moment.outcome})"


def _joined(rows: Iterable[Row]) -> Iterator[Row]:
    """With an answer that follows its question at once on the same row."""
    asked: Row | None = None
    for row in rows:
        if asked is None:
            asked = row if row.kind == "ask" else None
            if asked is None:
                yield row
        elif row.kind == "answer" and row.operation == asked.operation:
            yield replace(asked, kind="whole", text=f"{asked.text} → {row.text}")
            asked = None
        else:
            yield asked
            asked = row if row.kind == "ask" else None
            if asked is None:
                yield row
    if asked is not None:
        yield asked


def _without_repetition(rows: Iterable[Row]) -> Iterator[Row]:
    """With calls that are all alike counted, as those of a background that finds nothing to do."""
    seen: Counter[tuple[str, str]] = Counter()
    hidden: list[Row] = []
    for row in rows:
        if row.kind != "call":
            yield from _counted(hidden)
            hidden.clear()
            seen.clear()
            yield row
            continue
        alike = row.lane, _DIGITS.sub("#", row.text)
        seen[alike] += 1
        if seen[alike] > _SEEN_MAX:
            hidden.append(row)
        else:
            yield row
    yield from _counted(hidden)


def _counted(hidden: list[Row]) -> Iterator[Row]:
    """One row for each lane of calls that are not shown."""
    counts = Counter(row.lane for row in hidden)
    for lane, count in counts.items():
        last = [row for row in hidden if row.lane == lane][-1]
        yield Row(last.at_ns, "more", lane, f"… {count} more such calls", tier=last.tier)
