"""`explore` and `replay`: a program of actors under all schedules, or under one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from tierstore.testing.explorer.search import DivergedError, RedundantError, Search
from tierstore.testing.explorer.story import ScheduleError, tell
from tierstore.testing.explorer.turns import Actor, require_greenlet
from tierstore.testing.explorer.world import World
from tierstore.testing.faults import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierstore.testing.explorer.story import Event, Schedule

W = TypeVar("W", bound=World)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one actor: its `n`-th tier call, counted from 1, in the way of `kind`.

    The kinds are those of `tierstore.testing.FaultPlan`.
    """

    n: int
    kind: Kind


@dataclass(slots=True)
class Exploration:
    """What an exploration saw."""

    schedules: int = 0
    """How many were run to their ends; no two are the same."""
    is_complete: bool = True
    """Whether these were all within the bound on preemptions."""
    redundant: int = 0
    """How many were given up half-way, with `reduce`, because others stand for them."""
    reached: Counter[str] = field(default_factory=Counter)
    """How often each situation marked with `Runtime.sometimes` came up."""


@dataclass(frozen=True, slots=True)
class Program(Generic[W]):
    """A world, who acts in it, and what must hold in the end."""

    make_world: Callable[[], W]
    actors: Mapping[str, Callable[[W], object]]
    check: Callable[[W], object]
    processes: Mapping[str, str]
    faults: Mapping[str, Fault]

    def run(
        self,
        choose: Callable[[list[Actor], Actor | None], Actor],
        events: list[Event] | None = None,
    ) -> Counter[str]:
        """Run one schedule; returns what it reached. Raises what an actor or the check raised."""
        world = self.make_world()
        try:
            explorer = world.explorer
            explorer.events = events
            functions = {name: _bound(act, world) for name, act in self.actors.items()}
            plans = {name: (fault.n, fault.kind) for name, fault in self.faults.items()}
            explorer.run(functions, choose, processes=self.processes, faults=plans)
            self.check(world)
            return world.runtime.reached
        finally:
            world.close()


def explore(
    make_world: Callable[[], W],
    actors: Mapping[str, Callable[[W], object]],
    check: Callable[[W], object],
    *,
    preemptions_max: int | None = None,
    schedules_max: int | None = None,
    processes: Mapping[str, str] | None = None,
    faults: Mapping[str, Fault] | None = None,
    reduce: bool = False,
) -> Exploration:
    """Run `actors` in a world of their own under every schedule, and `check` the world after each.

    At most `preemptions_max` switches away from an actor that could go on, None for no bound; at
    most `schedules_max` schedules in all. `processes` says which actors share memory: those with
    the same process do, those not named share one. An actor alone in its process can be seen by
    others only at its tier calls, so it hands over only before them (it notices that time passed
    at the next one). `faults` lets one tier call
    of an actor go wrong; a crash ends all actors of its process.

    `reduce` leaves out schedules that differ from one that was run only in the order of steps that
    cannot see each other: tier calls of different tiers or objects, reads, code of different
    processes. It asks that actors touch tiers and each other through tier calls alone.

    Raises ScheduleError for the first schedule in which an actor raises, all block, or the check
    fails; ValueError for `reduce` with a bound, under which the schedule that stands for others
    may be out of bounds; ImportError without greenlet.
    """
    if reduce and preemptions_max is not None:
        raise ValueError("reduce needs all schedules: leave out preemptions_max, or reduce")
    require_greenlet()
    program = Program(make_world, actors, check, processes or {}, faults or {})
    search = Search(preemptions_max, reduce=reduce)
    seen = Exploration()
    while True:
        _run_next(program, search, seen)
        if not search.advance():
            return seen
        if seen.schedules == schedules_max:
            seen.is_complete = False
            return seen


def replay(
    make_world: Callable[[], W],
    actors: Mapping[str, Callable[[W], object]],
    check: Callable[[W], object],
    schedule: Schedule,
    *,
    processes: Mapping[str, str] | None = None,
    faults: Mapping[str, Fault] | None = None,
) -> str:
    """The story of `schedule`, run once more; where it ends early, who runs goes on.

    Raises ScheduleError if it fails, as `explore` did; ImportError without greenlet.
    """
    require_greenlet()
    program = Program(make_world, actors, check, processes or {}, faults or {})
    events: list[Event] = []
    try:
        program.run(_follow(schedule), events)
    except Exception as error:
        raise ScheduleError(_reason(error), tell(events), tuple(schedule), 1) from error
    return tell(events)


def _run_next(program: Program[W], search: Search, seen: Exploration) -> None:
    try:
        seen.reached += program.run(search.choose)
        seen.schedules += 1
    except RedundantError:
        seen.redundant += 1
    except DivergedError:
        raise
    except Exception as error:
        seen.schedules += 1
        raise _told(program, search.schedule, seen.schedules, error) from error


def _told(program: Program[W], schedule: Schedule, schedules: int, error: Exception) -> Exception:
    """The failure with its story, for which the schedule is run again."""
    events: list[Event] = []
    try:
        program.run(_follow(schedule), events)
    except Exception as again:
        return ScheduleError(_reason(again), tell(events), schedule, schedules)
    return DivergedError(
        f"{_reason(error)}: but not when {schedule!r} was repeated, so something in the world or"
        " in an actor is not deterministic"
    )


def _follow(schedule: Schedule) -> Callable[[list[Actor], Actor | None], Actor]:
    turns = iter(schedule)

    def choose(runnable: list[Actor], last: Actor | None) -> Actor:
        name = next(turns, None)
        if name is None:
            return last if last is not None and last in runnable else runnable[0]
        for actor in runnable:
            if actor.name == name:
                return actor
        able = [actor.name for actor in runnable]
        raise DivergedError(f"{name!r} cannot run now, only {able}: another program's schedule")

    return choose


def _bound(act: Callable[[W], object], world: W) -> Callable[[], object]:
    return lambda: act(world)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
