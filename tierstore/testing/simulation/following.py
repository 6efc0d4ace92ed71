"""Somebody watches what changes in a region, and goes on with it at edge after edge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierstore import Gap
from tierstore.record import ELSEWHERE, REGISTER, format_version, version
from tierstore.store.watching import CURSOR

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from tierstore import Change
    from tierstore.region.rows import Row
    from tierstore.store.store import Store
    from tierstore.testing.simulation.node import Node
    from tierstore.testing.simulation.sites import Site

PREFIX = ""
ROWS_MAX = 100_000
TIMEOUT_S = 10.0
FIRST_S = 3.0


@dataclass(slots=True)
class Follower:
    """Who watches one region."""

    cursor: str | None = None
    since: int = -1
    """The position from which on all was told; -1: nothing was, so far."""
    told: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By key, what was told of it last, and its version."""
    oddities: list[str] = field(default_factory=list)
    is_busy: bool = False
    node: Node | None = None
    """Where it looked last."""

    def look(self, node: Node, store: Store, reached: Counter[str]) -> int:
        """Take all that changed since the last look; how much. Raises UnavailableError."""
        if self.is_busy:
            return 0
        count, self.is_busy = 0, True
        try:
            with store.watch(PREFIX, since=self.cursor) as watch:
                while (change := watch.next(self._patience_s)) is not None:
                    self._take(change, reached)
                    count += 1
        finally:
            self.is_busy = False
        if count and self.node not in (None, node):
            reached["watch went on at another edge"] += 1
        self.node = node
        return count

    @property
    def _patience_s(self) -> float:
        """How long it waits for a change: for the first, of which it gets a cursor."""
        return FIRST_S if self.cursor is None else 0.0

    def _take(self, change: Change | Gap, reached: Counter[str]) -> None:
        position = _position(change.cursor)
        if isinstance(change, Gap):
            reached["watch told of a gap"] += 1
            self.told.clear()
            self.since = position
        else:
            before = -1 if self.cursor is None else _position(self.cursor)
            if position <= before and self.told.get(change.key) == (change.kind, change.version):
                self.oddities.append(f"a watch told {change.key} again at {position}")
            self.told[change.key] = change.kind, change.version
            self.since = position if self.since < 0 else self.since
        self.cursor = change.cursor

    def check(self, site: Site) -> Iterator[str]:
        """What is wrong, once all has been told."""
        yield from self.oddities
        page = site.region.scan(PREFIX, None, ROWS_MAX, False, True, 0, TIMEOUT_S)
        now_ms = site.clock.time_ns() // 1_000_000
        for row in page.rows if self.since >= 0 else ():
            if row.position > self.since and not self._was_told(row, now_ms):
                told = self.told.get(row.key, "nothing")
                yield f"a watch of {site.name} was told {told} of {row.key}, which is {row}"

    def _was_told(self, row: Row, now_ms: int) -> bool:
        kind, known = self.told.get(row.key, ("", ""))
        is_live = row.record.is_live(now_ms)
        # What has expired is no change: it was told while it lived.
        is_kind = kind == ("put" if is_live else "delete") or row.record.expires_at_ms is not None
        return is_kind and (_has_no_version(row) or known in _versions(row))


def _versions(row: Row) -> list[str]:
    """As what a row may have been told: it may have come home since."""
    record = row.record
    return [version(record), format_version(record.stamp, record.replica)]


def _has_no_version(row: Row) -> bool:
    """Whether only what lies in an object tells it: of another type than the register."""
    return row.record.type != REGISTER and row.record.payload == ELSEWHERE


def _position(cursor: str) -> int:
    return int(CURSOR.decode(cursor)[3])
