"""Counters: no increment lost, none counted twice, as far as the clients can tell."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from tierstore.testing.checkers.given import operations_of
from tierstore.testing.checkers.intervals import Interval, narrow, settled
from tierstore.testing.checkers.verdict import Verdict
from tierstore.testing.history import by_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tierstore.testing.history import History, Operation

NAME = "counters"


def counters(
    history: History | Iterable[Operation],
    *,
    initial: int = 0,
    final: Mapping[str, int] | None = None,
    is_eventual: bool = False,
) -> Verdict:
    """Whether every `get` lies where the `add`s allow, for each key apart.

    An add answered before a read began counts; one that had begun before the read ended, or was
    never answered, may count. `final` is what was read after everything had settled: it must be
    exact if every add was answered. Adds may be negative; an add that failed never counts.

    `is_eventual`: reads may lag behind what other processes did: an add of another one may count
    once it has begun, and must only in the end. Give an add that was answered, and that a crash may
    have taken all the same, as one that was never answered.

    The witness is a read with all adds that brought the sum nearer to it, and as few as suffice of
    those that did not.
    """
    parts, reads = by_key(operations_of(history)), 0
    for part in parts.values():
        reads += sum(operation.verb == "get" for operation in part)
        for view in _views(part) if is_eventual else (part,):
            if (wrong := _wrong_read(view, initial)) is not None:
                return wrong
    for key, number in (final or {}).items():
        if (wrong := _wrong_end(key, number, parts.get(key, ()), initial)) is not None:
            return wrong
    return Verdict("valid", NAME, "the adds explain every sum", figures={"reads": reads})


def _views(part: Sequence[Operation]) -> Iterator[list[Operation]]:
    """For each process that reads, what it must count: own adds; others may not have arrived."""
    for process in dict.fromkeys(read.process for read in part if read.verb == "get"):
        yield [
            operation if operation.process == process else _unanswered(operation)
            for operation in part
            if operation.verb == "add" or operation.process == process
        ]


def _unanswered(add: Operation) -> Operation:
    return add if add.outcome == "fail" else replace(add, outcome="info", completed=None)


def _wrong_read(part: Sequence[Operation], initial: int) -> Verdict | None:
    adds, sums = _adds(part), _Sums(part)
    for read in part:
        if read.verb != "get" or read.completed is None or read.outcome != "ok":
            continue
        allowed = sums.allowed(read.invoked, read.completed, initial)
        if allowed.off_by(read.result):
            reason = f"{read.key}: read {read.result}, but the adds allow {allowed}"
            begun = [add for add in adds if add.invoked < read.completed]
            return Verdict("invalid", NAME, reason, _around(read, begun, initial))
    return None


def _around(read: Operation, adds: list[Operation], initial: int) -> tuple[Operation, ...]:
    def allowed(part: Sequence[Operation]) -> Interval:
        assert read.completed is not None
        return _Sums(part).allowed(read.invoked, read.completed, initial)

    return (*narrow(adds, allowed, read.result), read)


def _wrong_end(key: str, number: int, part: Sequence[Operation], initial: int) -> Verdict | None:
    adds = _adds(part)
    if not _end(adds, initial).off_by(number):
        return None
    reason = f"{key}: ended as {number}, but the adds come to {_end(adds, initial)}"
    witness = narrow(adds, lambda some: _end(some, initial), number)
    return Verdict("invalid", NAME, reason, tuple(witness))


def _end(adds: Iterable[Operation], initial: int) -> Interval:
    return settled(adds, initial, lambda add: int(add.argument))


def _adds(part: Iterable[Operation]) -> list[Operation]:
    return [
        operation for operation in part if operation.verb == "add" and operation.outcome != "fail"
    ]


class _Sums:
    """Sums of the adds that had begun, and of those that were answered, before any moment."""

    def __init__(self, part: Iterable[Operation]) -> None:
        adds = _adds(part)
        begun = [(add.invoked, add.argument) for add in adds]
        answered = [(add.completed, add.argument) for add in adds if add.completed is not None]
        self._begun, self._answered = _by_sign(begun), _by_sign(answered)

    def allowed(self, start: int, end: int, initial: int) -> Interval:
        """Where a read from event `start` to event `end` may lie.

        Lowest if only what was answered before has been added and all that had begun subtracted.
        """
        more_begun, less_begun = (running.before(end) for running in self._begun)
        more_answered, less_answered = (running.before(start) for running in self._answered)
        return Interval(initial + more_answered + less_begun, initial + more_begun + less_answered)


class _Running:
    """Running sums of amounts in order of time."""

    def __init__(self, amounts: Iterable[tuple[int, int]]) -> None:
        pairs = sorted(amounts)
        self._moments = [moment for moment, _ in pairs]
        self._sums = [0, *accumulate(amount for _, amount in pairs)]

    def before(self, moment: int) -> int:
        """The sum of what came before `moment`."""
        return self._sums[bisect_left(self._moments, moment)]


def _by_sign(amounts: Sequence[tuple[int, int]]) -> tuple[_Running, _Running]:
    """Of the amounts above 0, and of those below."""
    above = _Running(pair for pair in amounts if pair[1] > 0)
    return above, _Running(pair for pair in amounts if pair[1] < 0)
