"""Background work as explicit steps, each with its interval.

A driver (a thread, or virtual time) calls `run_due`; so does `maintain`. A step that fails is
tried again later and later, with jitter, so that edges do not come back all at once. Whatever it
raises, the others go on, and so does the thread: nobody would notice its end.
"""

from __future__ import annotations

from tierstore.errors import FencedError, TierStoreError, UnavailableError
from tierstore.replica.breaker import PAUSE_S_MAX
from tierstore.runtime import jitter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from tierstore.runtime import Runtime

    class Moving(Protocol):
        """The engine of moves, as far as a replica shows it."""

        @property
        def tally(self) -> dict[str, int]: ...
        @property
        def is_mover(self) -> bool: ...
        @property
        def last_error(self) -> str | None: ...
        def step(self) -> None: ...
        def pause_s(self) -> float: ...
        def release(self, timeout_s: float) -> None: ...

    class Linking(Protocol):
        """The engine of links between regions, as far as a replica shows it."""

        def figures(self) -> list[Any]: ...
        def standings(self) -> list[Any]: ...


BACKOFF_S_MAX = 30.0
"""Between attempts of what fails; `PAUSE_S_MAX` where only a tier that is away is in the way of
work that is wanted often, since that work is what notices that it is back."""


class Step:
    """One kind of background work."""

    __slots__ = (
        "due_s", "failures", "interval_s", "is_logged", "is_needed", "name", "next_slice",
        "pause_s", "release", "work",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        interval_s: float,
        work: Callable[[], object],
        is_needed: Callable[[], bool],
        pause_s: Callable[[], float] | None = None,
        next_slice: Callable[[], Callable[[], object] | None] = lambda: None,
        release: Callable[[float], object] = lambda _: None,
    ) -> None:
        """`pause_s`, if given, says after each run when the next is wanted.

        `next_slice` is what a run left undone and need not wait, for who wants all of it now;
        `release` lets others do it, and go of what was opened for it, within so many seconds.
        """
        self.release = release
        self.name = name
        self.pause_s = pause_s
        self.next_slice = next_slice
        self.interval_s = interval_s
        self.work = work
        self.is_needed = is_needed
        self.due_s = 0.0
        self.failures = 0
        self.is_logged = False  # that it fails


class Schedule:
    """Steps and when each is due next."""

    def __init__(self, runtime: Runtime, steps: list[Step]) -> None:
        self._runtime = runtime
        self._steps = steps
        self.last_error: TierStoreError | None = None
        now = runtime.monotonic()
        for step in steps:
            step.due_s = now + step.interval_s

    def next_due(self) -> float:
        """When the next step is due, on the monotonic clock."""
        return min(step.due_s for step in self._steps)

    def run_due(self) -> None:
        """Run the steps that are due and needed."""
        for step in self._steps:
            if step.due_s <= self._runtime.monotonic():
                self._run(step)

    def hasten(self, name: str, within_s: float) -> None:
        """Let the step of that name be due within `within_s`, unless it keeps failing."""
        for step in self._steps:
            if step.name == name and not step.failures:
                step.due_s = min(step.due_s, self._runtime.monotonic() + within_s)

    def run_all(self, budget_s: float | None = None) -> list[TierStoreError]:
        """Run every step that is needed, due or not, to its end; returns what failed.

        No further step, or slice of one, begins once `budget_s` seconds have passed.
        """
        failures = []
        ends_s = float("inf") if budget_s is None else self._runtime.monotonic() + budget_s
        for step in self._steps:
            if self._runtime.monotonic() > ends_s:
                break
            if (error := self._run_to_end(step, ends_s)) is not None:
                failures.append(error)
        return failures

    def release(self, timeout_s: float) -> None:
        """Let others do what steps do for all, as far as the tiers can be told."""
        for step in self._steps:
            try:
                step.release(timeout_s)
            except TierStoreError:
                self._runtime.sometimes("a step's lease not released")

    def _run_to_end(self, step: Step, ends_s: float) -> TierStoreError | None:
        error = self._run(step)
        while error is None and self._runtime.monotonic() <= ends_s:
            work = step.next_slice()
            if work is None:
                break
            error = self._run(step, work)
        return error

    def _run(self, step: Step, work: Callable[[], object] | None = None) -> TierStoreError | None:
        error = _failure(step, work or step.work)
        if error is not None:
            self.last_error = error
        step.failures = 0 if error is None else step.failures + 1
        _log(step, error)
        step.due_s = self._runtime.monotonic() + self._pause_s(step, error)
        return error

    def _pause_s(self, step: Step, error: TierStoreError | None) -> float:
        if not step.failures:
            return step.interval_s if step.pause_s is None else step.pause_s()
        failures = 0 if step.pause_s is not None else min(step.failures, 16)  # it holds back itself
        is_away = isinstance(error, UnavailableError) and step.interval_s <= PAUSE_S_MAX
        bound_s = PAUSE_S_MAX if is_away else BACKOFF_S_MAX
        longest_s = min(bound_s, step.interval_s * 2.0**failures)
        return longest_s * (0.5 + jitter(self._runtime) / 2)


def _failure(step: Step, work: Callable[[], object]) -> TierStoreError | None:
    """What went wrong when `step` did `work`, if it is needed at all."""
    try:
        if step.is_needed():
            work()
    except TierStoreError as exc:
        return exc
    except Exception as exc:
        error = TierStoreError(f"the background step {step.name!r} broke: {exc!r}")
        error.__cause__ = exc
        return error
    return None


def _log(step: Step, error: TierStoreError | None) -> None:
    """Tell once that a step fails, and once that it no longer does.

    Not where others do: the link of a region that is away, the flusher of being fenced.
    """
    was_logged = step.is_logged
    is_told = isinstance(error, (UnavailableError, FencedError))
    step.is_logged = error is not None and (was_logged or not is_told)
    if step.is_logged is was_logged:
        return
    from tierstore.replica.log import log

    if error is None:
        log("info", "the background step %r works again", step.name)
    else:
        log("error", "the background step %r fails: %s", step.name, error, cause=error.__cause__)
