"""Scans: keys in order, from the directory plus what was written here and is not there yet.

Each page is one snapshot, the whole scan is not; a key that is present throughout appears exactly
once, since pages go on from the last key and not from a count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import CorruptionError
from tierstore.region.damage import damage
from tierstore.region.rows import STRONG
from tierstore.replica.cold import elsewhere, fetch, hydrate
from tierstore.replica.install import refresh

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.record import Record
    from tierstore.region.protocol import ScanPage
    from tierstore.region.rows import Row
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.state import ReplicaState


def scan_page(
    state: ReplicaState,
    start: str,
    end: str | None,
    limit: int,
    deadline: Deadline,
    *,
    reverse: bool,
    values: bool,
) -> tuple[list[tuple[str, Record]], str | None]:
    """Live keys in [start, end) with their records, and where the next page goes on.

    Order is that of the keys' UTF-8 bytes. The page may be empty though more pages follow; the
    second item is None after the last one. Going on means the next `start`, or the next `end`
    if `reverse`. Raises UnavailableError, or CorruptionError naming a damaged key.
    """
    state.link.breaker.admit(deadline.timeout_s)
    with state.lock:
        ticket = state.outbox.begin_request()
    sent_at_s = state.runtime.monotonic()
    try:
        queued = () if state.shared is None else state.shared.waiting(deadline)
        page = state.link.call(
            lambda timeout_s: state.link.region.scan(
                start, end, limit, reverse, values, state.replica, timeout_s
            ),
            deadline,
        )
        state.link.note_shown(page.position, page.rows)
        is_inside = _bounds(page, start, end, reverse=reverse)
        merged = _merged(state, page, is_inside, deadline, sent_at_s if values else None)
    finally:
        with state.lock:
            state.outbox.end_request(ticket)
    if state.shared is not None:
        if values:  # of the region's rows alone: what waits has yet to get there
            rows = {row.key: row.record for row in page.rows}
            state.shared.keep_up(rows, sent_at_s, deadline.renewed())
        state.shared.join(merged, queued, is_inside, deadline.renewed())
    there = {row.key: page.now_ms for row in page.rows if row.consistency == STRONG}
    return _live(merged, state.now_ms(), there, reverse=reverse), page.next_key


def _merged(
    state: ReplicaState,
    page: ScanPage,
    is_inside: Callable[[str], bool],
    deadline: Deadline,
    sent_at_s: float | None,
) -> dict[str, Record]:
    """The page with own writes. Copies here keep up with it if it was asked for values, then."""
    cold = {} if sent_at_s is None else _bring_cold(state, page, deadline)
    with state.lock:
        _refuse_damaged(state, page, cold, is_inside)
        merged = _overlaid(state, page, is_inside)
        if sent_at_s is not None:
            _keep_up(state, page, merged, sent_at_s)
            state.edge.evict(state.now_ms())
    return merged


def _live(
    records: dict[str, Record], now_ms: int, there: dict[str, int], *, reverse: bool
) -> list[tuple[str, Record]]:
    """What has a value now, in order; `there`, by key, is now for who alone may tell."""
    live = [(k, record) for k, record in records.items() if record.is_live(there.get(k, now_ms))]
    live.sort(key=lambda item: _raw(item[0]), reverse=reverse)
    return live


def _bring_cold(state: ReplicaState, page: ScanPage, deadline: Deadline) -> dict[str, Row]:
    """Replace rows that only point at their payload. One that moved meanwhile is read again.

    Returns the rows of what is damaged.
    """
    wanted = elsewhere(page.rows)
    if not wanted:
        return {}
    rows = {row.key: row for row in page.rows}
    gone = hydrate(state, rows, page.corrupt, wanted, deadline)
    if gone:
        again = fetch(state, sorted(gone), deadline)
        page.corrupt.update(again.corrupt)
        for key in gone:
            rows.pop(key)
        rows.update(again.rows)
    page.rows = [row for row in rows.values() if row.key not in page.corrupt]
    return {key: rows[key] for key in page.corrupt if key in rows}


def _bounds(page: ScanPage, start: str, end: str | None, *, reverse: bool) -> Callable[[str], bool]:
    """Whether a key lies in the range that `page` answers for."""
    low, high = _raw(start), None if end is None else _raw(end)
    if page.next_key is not None:
        if reverse:
            low = _raw(page.next_key)
        else:
            high = _raw(page.next_key)

    def is_inside(key: str) -> bool:
        return low <= (raw := _raw(key)) and (high is None or raw < high)

    return is_inside


def _overlaid(
    state: ReplicaState, page: ScanPage, is_inside: Callable[[str], bool]
) -> dict[str, Record]:
    """The page's rows, and own writes within its range, joined."""
    rows = {row.key: row.record for row in page.rows}
    for record in rows.values():  # what is written after seeing them is ordered after them
        state.clock.merge_admitted(max(record.stamp, record.touch))
    keys = set(rows) | set(filter(is_inside, state.outbox.pending_keys(page.applied)))
    merged: dict[str, Record] = {}
    for key in keys:
        shown = state.outbox.overlay(key, rows.get(key), page.applied)
        if shown is not None:
            merged[key] = shown
    return merged


def _keep_up(
    state: ReplicaState, page: ScanPage, merged: dict[str, Record], sent_at_s: float
) -> None:
    """Let no copy be older than what the scan shows: reads of one replica never go back."""
    is_current = state.shared is None and page.position >= state.cursor
    for key, record in merged.items():
        refresh(state, key, record, sent_at_s, is_current=is_current)


def _refuse_damaged(
    state: ReplicaState, page: ScanPage, cold: dict[str, Row], is_inside: Callable[[str], bool]
) -> None:
    """Raise CorruptionError for the first damaged key of a page that `get` would refuse, too.

    `cold` are the rows of those whose object is damaged.
    """
    for key in sorted(filter(is_inside, [*page.corrupt, *state.corrupt]), key=_raw):
        if key in state.corrupt:
            raise CorruptionError(f"key {key!r}: {state.corrupt[key]}", key=key, tier="edge")
        if state.outbox.own_state(key) is None:
            raise damage(key, page.corrupt[key], cold.get(key))


def _raw(key: str) -> bytes:
    """The bytes of a key; the name of a damaged row need not be UTF-8."""
    return key.encode("utf-8", "surrogateescape")
