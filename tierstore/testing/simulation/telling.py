"""What happened in a run: enough to tell it, and to know it again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierstore.testing.explorer.brief import brief

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.testing.history import History
    from tierstore.testing.simulation.scheduler import Scheduler, Task


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened, for people."""

    at_ns: int
    who: str
    what: str
    outcome: str
    task: str = ""
    """Which task did it, of those of `who`."""
    asked: str = ""
    """What a call was given."""
    after: int = 0
    """How many events of the history came before it."""


class Teller:
    """Keeps what happened. Texts are made only if the run is to be told."""

    def __init__(self, scheduler: Scheduler, *, is_told: bool) -> None:
        self._scheduler = scheduler
        self._is_told = is_told
        self._marks: list[tuple[int, str, str, str]] = []
        self.moments: list[Moment] = []
        self.count_events: Callable[[], int] = lambda: 0
        """How many events the history has so far."""
        self._asked: dict[Task | None, tuple[Any, ...]] = {}

    def asks(self, arguments: tuple[Any, ...]) -> None:
        """What the running task gives to the call of which is told next."""
        if self._is_told:
            self._asked[self._scheduler.current] = arguments

    def call(self, who: str, name: str, outcome: Any) -> None:
        """A call of a tier, with its reply or the error it raised."""
        self._mark(who, name, type(outcome).__name__)
        if self._is_told:
            given = self._asked.pop(self._scheduler.current, ())
            told = ", ".join(brief(item) for item in given if not isinstance(item, float))
            self._tell(who, name, brief(outcome), told)

    def note(self, who: str, what: str, outcome: str = "") -> None:
        """Anything else: an operation of a client, a fault that begins or ends."""
        self._mark(who, what, outcome)
        if self._is_told:
            self._tell(who, what, outcome)

    def digest(self, history: History) -> str:
        """The same for two runs in which the same happened, and was answered, at the same times."""
        seen = hashlib.sha256(repr(self._marks).encode())
        for event in history.events:
            seen.update(repr((event.time_ns, event.kind, event.process, event.value)).encode())
        return seen.hexdigest()[:16]

    def _tell(self, who: str, what: str, outcome: str, asked: str = "") -> None:
        task = self._scheduler.current
        name = "" if task is None else task.name
        now_ns, after = self._scheduler.now_ns, self.count_events()
        self.moments.append(Moment(now_ns, who, what, outcome, name, asked, after))

    def _mark(self, who: str, what: str, outcome: str) -> None:
        self._marks.append((self._scheduler.now_ns, who, what, outcome))
