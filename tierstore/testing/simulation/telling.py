"""What happened in a run: enough to tell it, and to know it again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierstore.testing.explorer.brief import brief

if TYPE_CHECKING:
    from tierstore.testing.simulation.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened, for people."""

    at_ns: int
    who: str
    what: str
    outcome: str


class Teller:
    """Keeps what happened. Texts are made only if the run is to be told."""

    def __init__(self, scheduler: Scheduler, *, is_told: bool) -> None:
        self._scheduler = scheduler
        self._is_told = is_told
        self._marks: list[tuple[int, str, str, str]] = []
        self.moments: list[Moment] = []

    def call(self, who: str, name: str, outcome: Any) -> None:
        """A call of a tier, with its reply or the error it raised."""
        self._mark(who, name, type(outcome).__name__)
        if self._is_told:
            self.moments.append(Moment(self._scheduler.now_ns, who, name, brief(outcome)))

    def note(self, who: str, what: str, outcome: str = "") -> None:
        """Anything else: an operation of a client, a fault that begins or ends."""
        self._mark(who, what, outcome)
        if self._is_told:
            self.moments.append(Moment(self._scheduler.now_ns, who, what, outcome))

    def digest(self) -> str:
        """The same for two runs in which the same things happened at the same times."""
        return hashlib.sha256(repr(self._marks).encode()).hexdigest()[:16]

    def _mark(self, who: str, what: str, outcome: str) -> None:
        self._marks.append((self._scheduler.now_ns, who, what, outcome))
