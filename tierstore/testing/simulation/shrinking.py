"""A script that fails, made as short as it can be and still fail in the same way.

Steps and faults are struck out by ddmin (Zeller & Hildebrandt, "Simplifying and Isolating
Failure-Inducing Input", IEEE TSE 28(2), 2002, figure 3); then the world and what is left in it are
made plainer, one property after the other, until nothing more can be. A step that is struck out
leaves its pause to the next one of its client, so that the rest keeps its time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from tierstore.testing.simulation import simpler
from tierstore.testing.simulation.run import play
from tierstore.testing.simulation.signature import signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tierstore.testing.simulation.script import Script, Step

    Item = TypeVar("Item")
    Candidates = Callable[[Script], Iterable[Script]]

RUNS_MAX = 600
EVENTS_TARGET = 25
SEEDS = 3
"""How many worlds' chances a story that is still long is tried with."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The shortest script that was found."""

    script: Script
    signature: str
    """The kind of violation that the script was shrunk for, and still shows."""
    runs: int
    """How many scripts were played."""
    is_complete: bool
    """Whether nothing more could be left out; otherwise the runs or the time were spent."""

    @property
    def events(self) -> int:
        """How many steps and faults are left."""
        return events_of(self.script)


def events_of(script: Script) -> int:
    """How many steps and faults `script` has."""
    return len(script.steps) + len(script.faults)


def shrink(
    script: Script,
    violations: list[str],
    *,
    runs_max: int = RUNS_MAX,
    is_over: Callable[[], bool] = lambda: False,
) -> Shrunk:
    """The shortest script found that fails as `script` does, of which `violations` were told.

    Plays `runs_max` scripts at most, and none once `is_over()`. The same script is found every
    time if it is `runs_max` that bounds it. Raises ValueError if nothing was violated.
    """
    wanted = signature(violations)
    if wanted is None:
        raise ValueError("only a script that fails can be shrunk")
    shrinker = _Shrinker(script, wanted, runs_max, is_over)
    try:
        shrinker.shrink()
    except _SpentError:
        return Shrunk(shrinker.best, wanted, shrinker.runs, is_complete=False)
    return Shrunk(shrinker.best, wanted, shrinker.runs, is_complete=True)


class _SpentError(Exception):
    """No more scripts may be played."""


class _Shrinker:
    """The best script so far, and what was tried."""

    def __init__(
        self, script: Script, wanted: str, runs_max: int, is_over: Callable[[], bool]
    ) -> None:
        self.best = script
        self.runs = 0
        self._wanted = wanted
        self._runs_max = runs_max
        self._is_over = is_over
        self._tried: set[Script] = set()

    def shrink(self) -> None:
        """Leave out and simplify until neither helps any more."""
        self._cut_tail()
        before = None
        while before != self.best:
            before = self.best
            self._strike_out()
            for candidates in simpler.WORLDS:
                self._improve(candidates)
            self._strike_out()
            for candidates in simpler.EVENTS:
                self._improve(candidates)
            if events_of(self.best) > EVENTS_TARGET:
                self._change_seed()

    def _fails(self, script: Script) -> bool:
        """Whether `script` fails in the wanted way; it is the best then."""
        if script in self._tried:
            return False
        if self.runs >= self._runs_max or self._is_over():
            raise _SpentError
        self._tried.add(script)
        self.runs += 1
        if signature(play(script).violations) != self._wanted:
            return False
        self.best = script
        return True

    def _cut_tail(self) -> None:
        """Halve a long script from its end, which a search in parts would find later."""
        while len(steps := self.best.steps) > 1:
            if not self._fails(replace(self.best, steps=steps[: len(steps) // 2])):
                return

    def _strike_out(self) -> None:
        ddmin(self.best.faults, lambda kept: self._fails(replace(self.best, faults=kept)))
        ddmin(self.best.steps, lambda kept: self._fails(with_steps(self.best, kept)))

    def _improve(self, candidates: Candidates) -> None:
        """Take the first candidate that fails, again and again."""
        while any(self._fails(script) for script in candidates(self.best) if script != self.best):
            continue

    def _change_seed(self) -> None:
        """Another seed is another course of chance, in which less may be needed."""
        best = self.best
        for seed in range(best.seed + 1, best.seed + 1 + SEEDS):
            if self._fails(replace(best, seed=seed)):
                return


def with_steps(script: Script, kept: Sequence[Step]) -> Script:
    """`script` with no other steps than `kept`, each of which begins about when it did."""
    left = {step.number: step for step in kept}
    owed_ms: dict[int, float] = {}
    steps: list[Step] = []
    for step in script.steps:
        pause_ms = owed_ms.pop(step.client, 0.0) + step.pause_ms
        if step.number in left:
            steps.append(replace(left[step.number], pause_ms=pause_ms))
        else:
            owed_ms[step.client] = pause_ms
    return replace(script, steps=tuple(steps))


def ddmin(items: tuple[Item, ...], fails: Callable[[tuple[Item, ...]], bool]) -> tuple[Item, ...]:
    """A part of `items`, in order, that `fails` and of which no single item can be left out.

    Only complements are tried, and the search goes on behind what was struck out instead of at
    the front: parts that were needed a moment ago mostly still are.

    >>> ddmin(tuple(range(20)), lambda part: {3, 17} <= set(part))
    (3, 17)
    """
    if not items or fails(()):
        return ()
    size = -(-len(items) // 2)
    while True:
        before, start = len(items), 0
        while start < len(items):
            rest = items[:start] + items[start + size :]
            if rest and fails(rest):
                items = rest
            else:
                start += size
        if size == 1 and len(items) == before:
            return items
        size = max(1, size // 2)
