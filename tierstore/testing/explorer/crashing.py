"""`crashes`: one actor, failing at every tier call in every way, then recovered and checked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from tierstore.errors import TierStoreError
from tierstore.testing.explorer.exploring import Fault
from tierstore.testing.explorer.story import ScheduleError, tell
from tierstore.testing.explorer.turns import require_greenlet
from tierstore.testing.explorer.world import World
from tierstore.testing.faults import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.testing.explorer.story import Event
    from tierstore.testing.faults import Kind

W = TypeVar("W", bound=World)
_ACTOR = "actor"


@dataclass(slots=True)
class Crashes:
    """What was tried."""

    runs: int = 0
    """Worlds in which a call went wrong."""
    by_kind: Counter[str] = field(default_factory=Counter)
    """How many of them for each kind of fault."""
    at: list[str] = field(default_factory=list)
    """The tier calls, in the order in which they went wrong under the first kind."""


def crashes(
    make_world: Callable[[], W],
    actor: Callable[[W], object],
    recover: Callable[[W], object],
    check: Callable[[W], object],
    *,
    kinds: Sequence[Kind] = KINDS,
) -> Crashes:
    """Let the n-th tier call of `actor` go wrong, for every n and every one of `kinds`.

    Each in a world of its own: the actor runs until it ends, raises a TierStoreError because of
    the fault, or crashes; then `recover` runs undisturbed, and `check` after it. After a crash
    `recover` goes on with what a new process would find, not with stores of the old one; files
    that the old one had locked are for it to let go (`FaultyJournalDirectory.abandon`). The world
    is checked once without a fault, too. Raises ScheduleError, telling what happened, if `recover`
    or `check` raises, or the actor something else; ImportError without greenlet.
    """
    require_greenlet()
    seen = Crashes()
    for kind in kinds:
        for n in count(1):
            at = _run(make_world, actor, recover, check, Fault(n, kind))
            if at is None:
                break
            seen.runs += 1
            seen.by_kind[kind] += 1
            if kind == kinds[0]:
                seen.at.append(at)
    return seen


def _run(
    make_world: Callable[[], W],
    actor: Callable[[W], object],
    recover: Callable[[W], object],
    check: Callable[[W], object],
    fault: Fault,
) -> str | None:
    """Which call went wrong, None if there were fewer calls."""
    world = make_world()
    explorer = world.explorer
    events: list[Event] = []
    explorer.events = events

    def tolerant() -> None:
        try:
            actor(world)
        except TierStoreError:
            if explorer.actors[_ACTOR].plan.fired is None:
                raise

    try:
        plans = {_ACTOR: (fault.n, fault.kind)}
        explorer.run({_ACTOR: tolerant}, lambda able, _: able[0], processes={}, faults=plans)
        recover(world)
        check(world)
    except Exception as error:
        reason = f"{fault.kind!r} at tier call {fault.n}: {type(error).__name__}: {error}"
        raise ScheduleError(reason, tell(events), (), 1) from error
    finally:
        world.close()
    return explorer.actors[_ACTOR].plan.fired
