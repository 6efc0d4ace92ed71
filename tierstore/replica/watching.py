"""Following the feed for a reader: the latest of each key under a prefix, in the feed's order.

A row changes in place, so of several changes between two looks only the last is seen. What the
feed tells out of its turn (see `ChangesPage`) is left for its turn: a cursor never goes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tierstore.frozen import frozen
from tierstore.record import version

if TYPE_CHECKING:
    from tierstore.region.protocol import ChangesPage
    from tierstore.region.rows import Row
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.state import ReplicaState

PAGE = 1000


@frozen
class Seen:
    """A row that changed. `position` is where to go on after it."""

    key: str
    kind: Literal["put", "delete"]
    version: str
    position: int


@frozen
class Look:
    """What one look found; `is_gap` if changes before it cannot be told any more."""

    seen: tuple[Seen, ...]
    position: int
    is_gap: bool
    is_complete: bool


def here(state: ReplicaState, deadline: Deadline) -> int:
    """The feed's position now."""
    return state.link.read([], deadline).position


def look(state: ReplicaState, prefix: str, position: int, deadline: Deadline) -> Look:
    """What changed under `prefix` since `position`, a page of it.

    Raises UnavailableError if the region does not answer; the next look then finds the same.
    """
    page = state.link.call(
        lambda timeout_s: state.link.region.changes(position, PAGE, state.replica, timeout_s),
        deadline,
    )
    if page.gap:
        return Look((), page.position, True, True)
    wanted = {
        change.key: change.position
        for change in page.changes
        if change.position <= page.cursor and change.key.startswith(prefix)
    }
    rows = state.link.read(list(wanted), deadline.renewed()).rows if wanted else {}
    now_ms = state.now_ms()
    told = (_seen(key, at, rows.get(key), now_ms) for key, at in wanted.items())
    seen = tuple(one for one in told if one is not None)
    return Look(seen, page.cursor, False, _is_at_end(page, position))


def _is_at_end(page: ChangesPage, position: int) -> bool:
    """Whether there is nothing to look at again at once."""
    return page.is_complete or page.cursor in (position, page.position)


def _seen(key: str, position: int, row: Row | None, now_ms: int) -> Seen | None:
    """What to tell of a change; None if a later one of the key will be told in its place."""
    if row is None:
        return Seen(key, "delete", "", position)
    if row.position > position:
        return None
    kind: Literal["put", "delete"] = "put" if row.record.is_live(now_ms) else "delete"
    return Seen(key, kind, version(row.record), position)
