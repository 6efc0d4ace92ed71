"""The replicas of a store's region, for its operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.frozen import frozen
from tierstore.store.receipt import seconds_of
from tierstore.units import MS_PER_S

if TYPE_CHECKING:
    from tierstore.region.rows import ReplicaState
    from tierstore.store.core import Core


@frozen
class Member:
    """A replica that the region knows. Times are seconds since the epoch."""

    replica: str
    """As receipts name it."""
    batches: int
    """How many batches the region has of it, or the number of the last entry of its queue."""
    acknowledged: int
    """The position of the feed up to which it has everything: it holds the floor there."""
    registered_at: float | None
    seen_at: float | None
    silent_s: float | None
    """How long ago that was, by this machine's clock."""
    is_retired: bool
    """It was silent for the horizon, or retired by an operator: it holds nothing back."""
    is_here: bool
    """Whether it is the one that was asked."""


def roster(core: Core, timeout: float | None) -> list[Member]:
    """All replicas that the region knows, those that were silent for longest first.

    Raises UnavailableError.
    """
    link, deadline = core.replica.state.link, core.deadline(timeout)
    link.register(deadline)
    states = link.observed(lambda: link.region.replicas(deadline.remaining_s()))
    here, now_ms = core.replica.state.replica, core.replica.state.now_ms()
    ordered = sorted(states, key=lambda state: state.seen_ms)
    return [_member(state, here, now_ms) for state in ordered]


def retire(core: Core, replica: int, timeout: float | None) -> bool:
    """Retire a replica, whether it is heard of again or not; False if it was not there to retire.

    Raises UnavailableError.
    """
    link, deadline = core.replica.state.link, core.deadline(timeout)
    link.register(deadline)
    done: bool = link.observed(lambda: link.region.retire(replica, deadline.remaining_s()))
    return done


def _member(state: ReplicaState, here: int, now_ms: int) -> Member:
    silent_s = max(0, now_ms - state.seen_ms) / MS_PER_S if state.seen_ms else None
    return Member(
        f"{state.replica:x}",
        state.applied,
        state.acknowledged,
        seconds_of(state.registered_ms or None),
        seconds_of(state.seen_ms or None),
        silent_s,
        state.retired,
        state.replica == here,
    )
