"""The part of `MemoryRegion` that lets sets and documents forget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.region.compacting import STEP_BYTES_MAX, Compactor, is_worth
from tierstore.region.protocol import Compaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.region.apply import Terms
    from tierstore.region.rows import RegionInfo, ReplicaState, Row
    from tierstore.runtime import Lock


class MemoryCompacting:
    """Steps over a dict."""

    rows: dict[str, Row]
    _lock: Lock
    _info: RegionInfo
    _replicas: dict[int, ReplicaState]
    _terms: Callable[[], Terms]
    _place: Callable[[Row], Row]
    _position: int
    _acknowledged_by_all: Callable[[], int]

    def compact(self, start: str, limit: int, timeout_s: float, is_dry: bool = False) -> Compaction:
        """Let sets and documents among some keys forget what they can."""
        with self._lock:
            terms = self._terms()
            done = Compaction(self._info.incarnation, terms.now_ms)
            replicas = {state.replica: state.retired for state in self._replicas.values()}
            reach = self._drawn_last() + limit
            compactor = Compactor(done, replicas, self._acknowledged_by_all(), reach, terms)
            for row in self._page(done, start, limit):
                compactor.look(row)
            if not is_dry:
                self.rows.update({row.key: self._place(row) for row in compactor.changed})
            return done

    def _drawn_last(self) -> int:
        """The highest position that is taken."""
        return self._position

    def _page(self, done: Compaction, start: str, limit: int) -> list[Row]:
        keys = sorted(key for key in self.rows if key >= start)
        rows: list[Row] = []
        size_bytes = 0
        for key in keys[:limit]:
            row = self.rows[key]
            if not is_worth(row.record.type, row.record.payload):
                continue
            size_bytes += len(row.record.payload or b"")
            if rows and size_bytes > STEP_BYTES_MAX:
                done.next_key = key
                return rows
            rows.append(row)
        done.next_key = keys[limit] if len(keys) > limit else None
        return rows
