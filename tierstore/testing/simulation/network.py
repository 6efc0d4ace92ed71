"""The way from a process to a tier, and what goes wrong on it.

A call travels there, is done, and its answer travels back; each part can take time, fail, or be
cut off. What the caller is told is what an adapter would tell it: UnavailableError if nothing
happened, DeadlineExceededError if it waited in vain for a read, OutcomeUnknownError if a write may
have happened, or may yet.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from tierstore.errors import DeadlineExceededError, OutcomeUnknownError, UnavailableError
from tierstore.testing.explorer.turns import READS
from tierstore.testing.plan import Crash
from tierstore.testing.simulation.options import Rates
from tierstore.testing.simulation.scheduler import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from tierstore.runtime.chance import Chance
    from tierstore.testing.simulation.scheduler import Process, Scheduler
    from tierstore.testing.simulation.telling import Teller

REPEATABLE = frozenset(
    ("apply", "commit", "register", "acknowledge", "set_aside", "introduce", "join", "trust")
)
"""Writes that the protocol of regions lets arrive twice."""
LATE_MS_MAX = 5000


@dataclass(slots=True)
class Weather:
    """How the way to a tier is now. Windows of faults change it and change it back."""

    refuses: int = 0
    """How many faults under way refuse every call at once."""
    loses_requests: int = 0
    """How many of them swallow calls."""
    loses_replies: int = 0
    """How many of them swallow answers."""
    slow_ms: float = 0.0
    """What a call takes longer, each way."""
    rates: Rates = field(default_factory=Rates)
    """What goes wrong by chance."""

    def clear(self) -> None:
        """Nothing is wrong any more."""
        self.refuses = self.loses_requests = self.loses_replies = 0
        self.slow_ms, self.rates = 0.0, Rates()


class Wire:
    """What all calls of one process to one tier share."""

    def __init__(
        self,
        scheduler: Scheduler,
        process: Process,
        server: Process,
        chance: Chance,
        weather: Weather,
        latency_ms_max: int,
        teller: Teller,
        played: Counter[str],
        late_ms_max: int = LATE_MS_MAX,
    ) -> None:
        """`server` is where calls go on that their caller has given up; `played` counts faults."""
        self.scheduler = scheduler
        self.process = process
        self.weather = weather
        self._server = server
        self._chance = chance
        self._latency_ms_max = latency_ms_max
        self._teller = teller
        self._played = played
        self._late_ms_max = late_ms_max
        self.asks = teller.asks

    def carry(
        self,
        name: str,
        verb: str,
        timeout_s: float,
        run: Callable[[], Any],
        run_later: Callable[[], Any],
    ) -> Any:
        """What `run` returns, done at the other end; raises what an adapter would.

        `run_later` does the same for nobody.
        """
        self.process.begin_io(name)
        if self.scheduler.current is None:
            return run()
        try:
            reply = self._carry(name, verb, self.scheduler.now_ns + _ns(timeout_s), run, run_later)
        except Exception as error:
            self._teller.call(self.process.name, name, error)
            raise
        self._teller.call(self.process.name, name, reply)
        return reply

    def _carry(
        self,
        name: str,
        verb: str,
        until_ns: int,
        run: Callable[[], Any],
        run_later: Callable[[], Any],
    ) -> Any:
        weather, rates = self.weather, self.weather.rates
        if weather.refuses or self._strikes("call refused", rates.error):
            self.scheduler.sleep(0)
            raise UnavailableError(f"{name}: the connection was refused")
        if weather.loses_requests:
            self._give_up(name, verb, until_ns)
        if self._strikes("call done late", rates.late):
            self._do_later(name, run_later)
            self._give_up(name, verb, until_ns)
        self._travel(name, run_later)
        if self.scheduler.now_ns > until_ns:
            raise DeadlineExceededError(f"{name}: it took too long to get there")
        reply = run()
        if _is_repeatable(verb, reply) and self._strikes("call repeated", rates.duplicate):
            self._do_later(name, run_later)
        self._travel(name, None)
        if weather.loses_replies or self.scheduler.now_ns > until_ns:
            self._give_up(name, verb, until_ns)
        if self._strikes("reply lost", rates.lost):
            kind = UnavailableError if verb in READS else OutcomeUnknownError
            raise kind(f"{name}: the connection broke before the answer came")
        return reply

    def _strikes(self, kind: str, rate: float) -> bool:
        """Whether a fault that happens at this rate does so now; counted if it does."""
        if not self._chance.happens(rate):
            return False
        self._played[kind] += 1
        return True

    def _travel(self, name: str, run_later: Callable[[], Any] | None) -> None:
        """Take as long as one way takes; a caller that dies meanwhile may have been heard."""
        slow_ms = self._chance.random() * (self._latency_ms_max + self.weather.slow_ms)
        try:
            self.scheduler.sleep(int(slow_ms * NS_PER_MS))
        except Crash:
            if run_later is not None and self.weather.rates.late:
                self._do_later(name, run_later)
            raise

    def _give_up(self, name: str, verb: str, until_ns: int) -> NoReturn:
        """Wait in vain, then tell the caller what it can know."""
        self.scheduler.sleep(max(0, until_ns - self.scheduler.now_ns))
        if verb in READS:
            raise DeadlineExceededError(f"{name}: no answer came in time")
        raise OutcomeUnknownError(f"{name}: no answer came in time")

    def _do_later(self, name: str, run_later: Callable[[], Any]) -> None:
        """Let the call be done by the other end alone, whatever becomes of its caller."""

        def act() -> None:
            try:
                reply = run_later()
            except Exception as error:
                reply = error
            self._teller.call("late", name, reply)

        delay_ns = int(self._chance.random() * self._late_ms_max * NS_PER_MS)
        self.scheduler.spawn(self._server, f"late {name}", act, delay_ns)


class RemoteTier:
    """A tier at the other end of a wire. Attributes that are no methods are those of `inner`."""

    def __init__(self, inner: Any, name: str, wire: Wire, later: Any = None) -> None:
        """`later` is `inner`, as it is done without its caller, if that is another object."""
        self._inner = inner
        self._later = later or inner
        self._name = name
        self._wire = wire

    def __repr__(self) -> str:
        return f"RemoteTier({self._name!r})"

    def __getattr__(self, verb: str) -> Any:
        attribute = getattr(self._inner, verb)
        if verb.startswith("_") or not callable(attribute) or verb == "close":
            return attribute
        method = self._carried(verb, attribute)
        self.__dict__[verb] = method
        return method

    def _carried(self, verb: str, method: Callable[..., Any]) -> Callable[..., Any]:
        names = list(inspect.signature(method).parameters)
        place, wire, name = names.index("timeout_s"), self._wire, f"{self._name}.{verb}"

        def call(*arguments: Any, **keywords: Any) -> Any:
            timeout_s = arguments[place] if len(arguments) > place else keywords["timeout_s"]
            sent = tuple(_held(argument) for argument in arguments)
            wire.asks(sent)
            return wire.carry(
                name,
                verb,
                timeout_s,
                lambda: _held(method(*sent, **keywords)),
                lambda: _held(getattr(self._later, verb)(*sent, **keywords)),
            )

        return call


def _is_repeatable(verb: str, reply: Any) -> bool:
    """Whether a call may arrive once more. A commit that was refused never happens afterwards."""
    return verb in REPEATABLE and (verb != "commit" or reply.verdict == "committed")


def _held(value: Any) -> Any:
    """`value`, with what an iterator yields taken out of it: a request is sent as a whole."""
    return list(value) if hasattr(value, "__next__") else value


def _ns(duration_s: float) -> int:
    return int(min(duration_s, 1e6) * NS_PER_S)
