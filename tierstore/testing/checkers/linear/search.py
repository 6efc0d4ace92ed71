"""The search for an order: Wing and Gong's algorithm with Lowe's memory of configurations.

Wing and Gong, "Testing and verifying concurrent objects", 1993; Lowe, "Testing for
linearizability", 2017. A configuration is which operations have been ordered, as bit masks, and
the state they leave; nothing is tried twice from the same one. It is remembered whole, since
CPython's hash of an integer repeats every 61 bits, but for the operations before the first that
has not been ordered, which are one number.

Beyond the papers: an operation known to be a read is ordered as soon as its result fits, without
an alternative, since wherever else it could stand, it can stand here. An operation without an
answer is tried last, and only where the operation after it comes out differently for it: from any
other place it could be left out.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, NamedTuple

from tierstore.testing.checkers.linear.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.testing.history import Operation
    from tierstore.testing.models import Model
    from tierstore.testing.models.protocol import States


_NOBODY: Hashable = object()


class _Frame(NamedTuple):
    """What to restore when the operation turns out not to be next."""

    operation: int
    reads: list[int]
    state: Hashable
    without: Hashable
    others: States
    """Further states that the operation may have left."""
    place: int
    unanswered: int


class Attempt(NamedTuple):
    """The order that got furthest, and the operation that should be next but cannot."""

    order: tuple[Operation, ...]
    state: Hashable
    blocked: Operation


class Search:
    """The search through one partition, which stops after a budget and can be continued."""

    def __init__(self, operations: Sequence[Operation], model: Model) -> None:
        answered = [o for o in operations if o.outcome == "ok"]
        unanswered = [o for o in operations if o.outcome == "info" and not model.is_read(o)]
        self._operations = [*answered, *unanswered]
        self._step, self._state = model.step, model.initial
        self._is_read = [model.is_read(operation) for operation in answered]
        self._timeline = Timeline(self._operations)
        self._answered = self._answers_left = len(answered)
        self._mask = self._mask_of_unanswered = 0
        # The state without the last operation, if it had no answer and nothing has differed yet.
        self._without = _NOBODY
        self._seen: set[tuple[int, int, int, Hashable]] = set()
        self._frames: list[_Frame] = []
        self._furthest = (0, 0)
        self._attempt: tuple[list[int], Hashable, int] = ([], None, 0)
        self.tried = 0
        """Configurations looked at, repeated ones counted."""
        self._first_reads = self._order_reads()
        self._begin()

    def advance(self, budget: int) -> bool | None:
        """Whether an order exists; None if `budget` more configurations did not tell."""
        until = self.tried + budget
        while self._answers_left:
            if self.tried >= until:
                return None
            if not self._try_next():
                self._note_attempt()
                if not self._frames:
                    return False
                self._step_back()
        return True

    @property
    def is_explained(self) -> bool:
        """Whether an order was found."""
        return not self._answers_left

    @property
    def attempt(self) -> Attempt:
        """The order that got furthest. Only after the search had to step back."""
        order, state, blocked = self._attempt
        operations = self._operations
        return Attempt(tuple(operations[i] for i in order), state, operations[blocked])

    @property
    def shortest_prefix(self) -> list[Operation]:
        """What was invoked before the answer at which a refuted partition went wrong.

        No order gets past that answer, and what is invoked later cannot help it.
        """
        moment = self.attempt.blocked.completed or 0
        begun = [operation for operation in self._operations if operation.invoked < moment]
        return sorted(begun, key=lambda operation: operation.invoked)

    def _begin(self) -> None:
        """Start with the first candidate again."""
        self._place, self._next_unanswered = self._timeline.next[0], self._answered

    def _try_next(self) -> bool:
        """Order the next candidate, if it leads anywhere new; false if there is none."""
        timeline = self._timeline
        if timeline.is_call[self._place]:
            index = timeline.owner[self._place]
            self._place = timeline.next[self._place]
            self._order(index, self._step(self._state, self._operations[index]))
            return True
        # All calls before the first return have been tried; now those that were never answered.
        while self._next_unanswered < len(self._operations):
            index = self._next_unanswered
            if timeline.called[index] > self._place:
                return False
            self._next_unanswered += 1
            if not self._mask_of_unanswered >> (index - self._answered) & 1:
                states = self._step(self._state, self._operations[index])
                self._order(index, tuple(state for state in states if state != self._state))
                return True
        return False

    def _order(self, index: int, states: States) -> None:
        """Let the operation be next and leave the first of `states` that leads anywhere new."""
        self.tried += 1
        if self._without is not _NOBODY:
            same = self._step(self._without, self._operations[index])
            states = tuple(state for state in states if state not in same)
        for number, state in enumerate(states, start=1):
            frame = self._frame(index, states[number:])
            self._lift(index)
            self._state = state
            frame.reads.extend(self._order_reads())
            has_answer = index < self._answered or frame.reads
            self._without = _NOBODY if has_answer else frame.state
            # What is not tried after an operation without an answer is tried without it, so the
            # configuration need not tell whether there was a choice.
            if (configuration := self._configuration()) not in self._seen:
                self._seen.add(configuration)
                self._frames.append(frame)
                self._begin()
                return
            self._undo(frame)

    def _frame(self, index: int, others: States) -> _Frame:
        return _Frame(
            index,
            [],
            self._state,
            self._without,
            others,
            self._place,
            self._next_unanswered,
        )

    def _configuration(self) -> tuple[int, int, int, Hashable]:
        timeline = self._timeline
        first = timeline.owner[timeline.next[0]] if self._answers_left else self._answered
        return first, self._mask >> first, self._mask_of_unanswered, self._state

    def _order_reads(self) -> list[int]:
        """Order every read that fits the state now; lifting one may bring others into reach."""
        timeline, ordered = self._timeline, []
        place = timeline.next[0]
        while timeline.is_call[place]:
            index = timeline.owner[place]
            if self._is_read[index] and self._step(self._state, self._operations[index]):
                self._lift(index)
                ordered.append(index)
            place = timeline.next[place]
        return ordered

    def _lift(self, index: int) -> None:
        self._flip(index)
        if index < self._answered:
            self._timeline.lift(index)
            self._answers_left -= 1

    def _flip(self, index: int) -> None:
        if index < self._answered:
            self._mask ^= 1 << index
        else:
            self._mask_of_unanswered ^= 1 << (index - self._answered)

    def _undo(self, frame: _Frame) -> None:
        for index in (*reversed(frame.reads), frame.operation):
            self._flip(index)
            if index < self._answered:
                self._timeline.put_back(index)
                self._answers_left += 1
        self._state, self._without = frame.state, frame.without
        self._place, self._next_unanswered = frame.place, frame.unanswered

    def _step_back(self) -> None:
        frame = self._frames.pop()
        self._undo(frame)
        if frame.others:
            self._order(frame.operation, frame.others)

    def _note_attempt(self) -> None:
        """Remember the order that got furthest in time, the longest of those."""
        count = self._answered - self._answers_left + self._mask_of_unanswered.bit_count()
        if (reached := (self._place, count)) > self._furthest:
            order = [*self._first_reads]
            for frame in self._frames:
                order += [frame.operation, *frame.reads]
            self._furthest = reached
            self._attempt = (order, self._state, self._timeline.owner[self._place])
