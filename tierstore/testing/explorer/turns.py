"""Actors that take turns: production code in greenlets, switched only at tier calls.

An actor is a function that runs until its next *boundary* and then hands over. There is one before
every tier call and one after it, before the reply is seen: "done, but the caller does not know
yet" is a state in which others run. Waiting for a lock, for an event or for time to pass hands
over as well. Nothing else does, so between two boundaries an actor is alone.

A crash is what design rules of simulation make of it: the actor's tiers are cut first, then its
greenlet is thrown away. A greenlet that goes runs its `finally` blocks; cut off, they reach
nothing that outlives the process.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tierstore.errors import OutcomeUnknownError, UnavailableError
from tierstore.testing.explorer.story import Event
from tierstore.testing.faults import Crash, FaultPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tierstore.testing.explorer.steps import Call, Step
    from tierstore.testing.faults import Kind

    T = TypeVar("T")


class Greenlet(Protocol):
    """What is used of `greenlet.greenlet`. Its truth is whether it began and has not ended."""

    def switch(self) -> object: ...
    def throw(self, error: BaseException) -> object: ...
    def __bool__(self) -> bool: ...


READS = frozenset(
    (
        "connect", "read", "changes", "scan", "aside", "replicas", "stream", "list", "due",
        "garbage", "stale_intents", "known_objects", "stay", "objects", "peers", "versions",
        "fingerprint",
    )
)  # fmt: skip
"""Tier calls that change nothing: a reply that got lost is as if nothing had happened."""


class Wait:
    """What a blocked actor waits for, and until when."""

    __slots__ = ("is_over", "ready", "until_ns", "what")

    def __init__(self, what: str, ready: Callable[[], bool], until_ns: int | None) -> None:
        self.what = what
        self.ready = ready
        self.until_ns = until_ns
        self.is_over = False
        """Whether its time is up."""


class Actor:
    """One function under way: a thread of `process`, as far as the others can tell."""

    def __init__(self, name: str, number: int, process: str) -> None:
        self.name = name
        self.number = number
        self.process = process
        self.is_alone = False
        """Whether no other actor shares its process, so that only tier calls can be seen."""
        self.plan = FaultPlan()
        self.has_fault = False
        self.step: Step | None = None
        """What it does next, if that is known: a tier call, or letting time pass."""
        self.wait: Wait | None = None
        self.in_call = False
        self.has_ended = False
        self.has_crashed = False
        self.error: Exception | None = None
        self.greenlet: Greenlet | None = None

    def __repr__(self) -> str:
        return f"Actor({self.name!r})"

    @property
    def is_over(self) -> bool:
        """Whether it will never run again."""
        return self.has_ended or self.has_crashed

    @property
    def can_run(self) -> bool:
        """Whether it could take the next turn."""
        wait = self.wait
        return not self.is_over and (wait is None or wait.is_over or wait.ready())


class DeadlockError(AssertionError):
    """No actor can run, and no time that passes will change that."""


class Explorer:
    """Whose turn it is. One for each world; outside of `run` everything goes straight through."""

    def __init__(self) -> None:
        self.actors: dict[str, Actor] = {}
        self.current: Actor | None = None
        """Who runs; None for the program that set the world up or looks at it afterwards."""
        self.events: list[Event] | None = None
        """What happened, if somebody wants to tell it: a list to record into."""
        self.now_ns: Callable[[], int] = lambda: 0
        self.move_clock: Callable[[int], None] = lambda _: None
        self._hub: Greenlet | None = None

    def run(
        self,
        functions: Mapping[str, Callable[[], object]],
        choose: Callable[[list[Actor], Actor | None], Actor],
        *,
        processes: Mapping[str, str],
        faults: Mapping[str, tuple[int, Kind]],
    ) -> None:
        """Run `functions` to their ends, `choose` saying who goes on at each boundary.

        `choose` gets those who can run and who ran last. Raises what an actor raised, and
        DeadlockError.
        """
        self._prepare(functions, processes)
        for name, (n, kind) in faults.items():
            self.actors[name].plan.arm(n, kind)
            self.actors[name].has_fault = True
        try:
            self._start_loners()
            last: Actor | None = None
            while (runnable := self._next_runnable()) is not None:
                last = choose(runnable, last)
                self._resume(last)
        finally:
            self._discard(self.actors.values())

    def _prepare(
        self, functions: Mapping[str, Callable[[], object]], processes: Mapping[str, str]
    ) -> None:
        """Make the actors, none of which has begun."""
        green = require_greenlet()
        self._hub = green.getcurrent()
        for number, (name, function) in enumerate(functions.items(), 2):
            actor = self.actors[name] = Actor(name, number, processes.get(name, "one process"))
            actor.greenlet = green.greenlet(partial(self._body, actor, function))
        homes = [actor.process for actor in self.actors.values()]
        for actor in self.actors.values():
            actor.is_alone = homes.count(actor.process) == 1

    def crash(self, name: str) -> None:
        """End the process of the actor `name` where it stands; called by an actor, or for one.

        All actors of that process end with it.
        """
        process = self.actors[name].process
        for actor in self.actors.values():
            if actor.process == process and not actor.has_ended:
                actor.plan.crashed = actor.has_crashed = True
                self.note(actor, "crashes")
        if self.current is not None and self.current.has_crashed:
            raise Crash(name)

    # What actors call

    def call(self, call: Call, run: Callable[[], T]) -> T:
        """What `run` returns, with a boundary before it and one after it."""
        actor = self.current
        if actor is None or actor.in_call:
            return run()
        self._hand_over(actor, call)
        reply, error = self._answer(actor, call, run)
        if not actor.is_alone:
            self._hand_over(actor, None)
        self.note(actor, "hears", call)
        if error is not None:
            raise error
        return reply  # type: ignore[return-value]

    def let_time_pass(self, step: Step, until_ns: int) -> None:
        """A boundary; then it is `until_ns`. Within a tier call, or outside, time just passes."""
        actor = self.current
        if actor is not None and not actor.in_call:
            self._hand_over(actor, step)
            self.note(actor, step.text())
        self.move_clock(until_ns)

    def wait(self, what: str, ready: Callable[[], bool], timeout_s: float | None) -> bool:
        """Whether `ready()` came true, waiting for it while others run.

        Time passes only when nobody can run; then the shortest wait is over first.
        """
        if ready():
            return True
        actor = self.current
        if actor is None:
            raise DeadlockError(f"nobody is left who could release {what}")
        until_ns = None if timeout_s is None else self.now_ns() + round(timeout_s * 1e9)
        self.note(actor, f"waits for {what}")
        wait = Wait(what, ready, until_ns)
        self._hand_over(actor, None, wait)
        if wait.is_over and not ready():
            self.note(actor, f"has waited long enough for {what}")
            return False
        return True

    def note(self, actor: Actor, what: str, call: Call | None = None, outcome: Any = None) -> None:
        """Record what `actor` did, if a story is wanted."""
        if self.events is not None:
            self.events.append(Event(actor.name, what, call, outcome))

    # How turns are taken

    def _body(self, actor: Actor, function: Callable[[], object]) -> None:
        try:
            function()
            actor.has_ended = True
        except Crash:
            if not actor.has_crashed:
                self._end_process(actor)
        except Exception as error:
            actor.error = error
            actor.has_ended = True

    def _end_process(self, actor: Actor) -> None:
        try:
            self.crash(actor.name)
        except Crash:
            return

    def _answer(
        self, actor: Actor, call: Call, run: Callable[[], T]
    ) -> tuple[T | None, Exception | None]:
        actor.in_call = True
        try:
            lost = UnavailableError if call.verb in READS else OutcomeUnknownError
            reply = actor.plan.run(call.name, run, lost)
        except Exception as error:
            self.note(actor, "does", call, error)
            return None, error
        except Crash:
            self.note(actor, "ends at", call)
            raise
        finally:
            actor.in_call = False
        self.note(actor, "does", call, reply)
        return reply, None

    def _hand_over(self, actor: Actor, step: Step | None, wait: Wait | None = None) -> None:
        if actor.has_crashed:
            raise Crash(actor.name)
        assert self._hub is not None
        actor.step, actor.wait = step, wait
        self._hub.switch()
        actor.step = actor.wait = None
        if actor.has_crashed:
            raise Crash(actor.name)

    def _start_loners(self) -> None:
        """Whoever shares its memory with nobody may as well be at its first tier call."""
        for actor in self.actors.values():
            if actor.is_alone:
                self._resume(actor)

    def _resume(self, actor: Actor) -> None:
        assert actor.greenlet is not None
        self.current = actor
        try:
            actor.greenlet.switch()
        finally:
            self.current = None
        self._discard(other for other in self.actors.values() if other.has_crashed)
        if actor.error is not None:
            raise actor.error

    def _next_runnable(self) -> list[Actor] | None:
        """Who can run now, or after some time has passed; None if all are over."""
        while True:
            runnable = [actor for actor in self.actors.values() if actor.can_run]
            if runnable:
                return runnable
            waiting = [actor for actor in self.actors.values() if not actor.is_over]
            if not waiting:
                return None
            self._pass_time(waiting)

    def _pass_time(self, waiting: list[Actor]) -> None:
        ends = [a.wait.until_ns for a in waiting if a.wait and a.wait.until_ns is not None]
        if not ends:
            held = ", ".join(f"{a.name} waits for {a.wait.what}" for a in waiting if a.wait)
            raise DeadlockError(f"deadlock: {held}")
        self.move_clock(min(ends))
        for actor in waiting:
            if actor.wait is not None and actor.wait.until_ns == min(ends):
                actor.wait.is_over = True

    def _discard(self, actors: Iterable[Actor]) -> None:
        """Cut actors off, then throw their greenlets away."""
        for actor in actors:
            green, actor.greenlet = actor.greenlet, None
            if not green:
                continue  # never begun, or at its end
            actor.plan.crashed = actor.has_crashed = True
            self.current = actor
            try:
                green.throw(Crash(actor.name))
            finally:
                self.current = None


def require_greenlet() -> Any:
    """The module; raises ImportError, with the line that installs it."""
    try:
        return import_module("greenlet")
    except ImportError as error:
        raise ImportError(
            "exploring schedules needs greenlet: pip install 'tierstore[testing]'"
        ) from error
