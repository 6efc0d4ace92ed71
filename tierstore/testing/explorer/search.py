"""All schedules, one after the other: depth-first over who goes on at each boundary.

Stateless model checking (Godefroid, "Model Checking for Programming Languages using VeriSoft",
POPL 1997): no state is stored; each schedule is run from the start, following the choices of the
one before up to the last that has an alternative left. Beyond that the actor that ran goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierstore.testing.explorer.steps import Local, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.testing.explorer.story import Schedule
    from tierstore.testing.explorer.turns import Actor


class RedundantError(Exception):
    """Every way to go on from here leads to a state that another schedule has shown."""


class DivergedError(AssertionError):
    """The same choices led elsewhere: the world or an actor is not deterministic."""


@dataclass(slots=True)
class Branch:
    """A boundary at which a choice was made."""

    names: list[str]
    """Who could run, the one that ran before first."""
    options: list[str]
    """Those of them that are tried."""
    index: int = 0
    """Which option is taken now; those before it are done with."""
    steps: dict[str, Step] = field(default_factory=dict)
    """What each of `names` was about to do, when schedules are reduced."""
    asleep: frozenset[str] = frozenset()
    """Who need not be tried here: a schedule before this one did so, to the same effect."""

    @property
    def taken(self) -> str:
        """Who goes on."""
        return self.options[self.index]


class Search:
    """Chooses who goes on, so that every schedule within the bound comes exactly once.

    A *preemption* is a switch away from an actor that could have gone on (Musuvathi and Qadeer,
    "Iterative Context Bounding for Systematic Testing of Multithreaded Programs", PLDI 2007). With
    `reduce`, one schedule stands for all that differ only in the order of independent steps, by
    sleep sets (Godefroid 1996, section 5.2).
    """

    def __init__(self, preemptions_max: int | None, *, reduce: bool) -> None:
        self._preemptions_max = preemptions_max
        self._reduce = reduce
        self._branches: list[Branch] = []
        self._depth = 0
        self._preemptions = 0

    @property
    def schedule(self) -> Schedule:
        """The choices of the schedule under way."""
        return tuple(branch.taken for branch in self._branches[: self._depth])

    def choose(self, runnable: list[Actor], last: Actor | None) -> Actor:
        """Who goes on. Raises RedundantError if nobody needs to."""
        could_go_on = last is not None and last in runnable
        ordered = sorted(runnable, key=lambda actor: actor is not last)  # stable: else as given
        names = [actor.name for actor in ordered]
        if self._depth == len(self._branches):
            self._branches.append(self._branch(names, ordered, could_go_on))
        branch = self._branches[self._depth]
        if branch.names != names:
            raise DivergedError(
                f"after {self.schedule!r} {branch.names} could run, and now {names} can: something"
                " in the world or in an actor is not deterministic"
            )
        self._depth += 1
        self._preemptions += could_go_on and branch.taken != names[0]
        return ordered[names.index(branch.taken)]

    def advance(self) -> bool:
        """Turn to the next schedule; False if all have been run."""
        branches = self._branches
        while branches and branches[-1].index + 1 >= len(branches[-1].options):
            branches.pop()
        self._depth = self._preemptions = 0
        if not branches:
            return False
        branches[-1].index += 1
        return True

    def _branch(self, names: list[str], actors: Sequence[Actor], could_go_on: bool) -> Branch:
        if self._reduce:
            return self._reduced_branch(names, actors)
        may_switch = self._preemptions_max is None or self._preemptions < self._preemptions_max
        return Branch(names, names if may_switch or not could_go_on else names[:1])

    def _reduced_branch(self, names: list[str], actors: Sequence[Actor]) -> Branch:
        time_is_up = any(actor.wait is not None and actor.wait.is_over for actor in actors)
        asleep = frozenset() if time_is_up or not self._branches else _still_asleep(self._branches)
        options = [name for name in names if name not in asleep]
        if not options:
            raise RedundantError
        steps = {actor.name: _next_step(actor) for actor in actors}
        return Branch(names, options, 0, steps, asleep)


def _next_step(actor: Actor) -> Step:
    if actor.has_fault:
        return Step("may end its process")  # which others of that process cannot overlook
    return actor.step or Local(actor.process)


def _still_asleep(branches: Sequence[Branch]) -> frozenset[str]:
    """Whoever was done with at the last branch, unless the step taken there may matter to it."""
    last = branches[-1]
    step = last.steps[last.taken]
    done = last.asleep.union(last.options[: last.index])
    return frozenset(
        name for name in done if name in last.steps and step.is_independent_of(last.steps[name])
    )
