"""Several functions at once, each in a thread of its own, and what they did in order."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tierstore.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.runtime.manual import ManualRuntime

ENDS_WITHIN_S = 60.0


def together(*functions: Callable[[], object]) -> None:
    """Run all of `functions` at once and return when all have ended.

    Raises what the first of them that failed raised.
    """
    runtime, failures = Runtime(), list[BaseException]()
    gate = runtime.event()
    ended = [runtime.event() for _ in functions]

    def run(index: int) -> None:
        try:
            gate.wait(ENDS_WITHIN_S)
            functions[index]()
        except BaseException as failure:
            failures.append(failure)
        finally:
            ended[index].set()

    for index in range(len(functions)):
        runtime.spawn(partial(run, index), f"together-{index}")
    gate.set()
    is_over = [event.wait(ENDS_WITHIN_S) for event in ended]
    if failures:
        raise failures[0]
    assert all(is_over), f"a thread was still at work after {ENDS_WITHIN_S:g} s"


def outcomes_of(calls: Sequence[Callable[[], object]]) -> list[object]:
    """What each of `calls`, made at once, returned or raised, in their order."""
    found: list[object] = [None] * len(calls)

    def note(index: int) -> None:
        try:
            found[index] = calls[index]()
        except Exception as error:
            found[index] = error

    together(*[partial(note, index) for index in range(len(calls))])
    return found


class Waiting(Runtime):
    """The real runtime with the wall clock of another: for threads that wait for each other."""

    def __init__(self, clock: ManualRuntime) -> None:
        self._clock = clock

    def time_ns(self) -> int:
        """The wall clock of the harness."""
        return self._clock.time_ns()
