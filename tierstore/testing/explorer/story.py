"""One schedule, told: who made which tier call, in which order, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierstore.testing.explorer.brief import brief

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.testing.explorer.steps import Call

Schedule = tuple[str, ...]
"""Who took each turn, from the first to the last: all that is needed to repeat it."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    actor: str
    what: str
    call: Call | None = None
    outcome: Any = None


class ScheduleError(AssertionError):
    """A schedule after which something is wrong, told as a story; `replay` repeats it."""

    def __init__(self, reason: str, story: str, schedule: Schedule, schedules: int) -> None:
        super().__init__(
            f"{reason}\n\n{story}\n\n(schedule {schedules};"
            f" to repeat it: replay(…, schedule={schedule!r}))"
        )
        self.story = story
        self.schedule = schedule
        self.schedules = schedules
        """How many were run, this one included."""


def tell(events: Sequence[Event]) -> str:
    """`events`, a line each, an actor that hears at once not mentioned twice."""
    width = max((len(event.actor) for event in events), default=0)
    lines: list[str] = []
    for index, event in enumerate(events):
        if event.what == "hears" and events[index - 1].actor == event.actor:
            continue
        following = events[index + 1 : index + 2]
        hears = bool(following) and following[0].actor == event.actor
        lines.append(f"{len(lines) + 1:4}  {event.actor:{width}}  {_line(event, hears)}")
    return "\n".join(lines)


def _line(event: Event, hears: bool) -> str:
    if event.call is None:
        return event.what
    if event.what == "does":
        raised = isinstance(event.outcome, Exception)
        sign = "raises" if raised else "→"
        later = "" if hears else "  (has not heard of it yet)"
        return f"{event.call.text()} {sign} {brief(event.outcome)}{later}"
    return f"{event.what} {event.call.name}"
