"""Scans: keys in order, from the directory plus what was written here and is not there yet.

Each page is one snapshot, the whole scan is not; a key that is present throughout appears exactly
once, since pages go on from the last key and not from a count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import CorruptionError

if TYPE_CHECKING:
    from tierstore.record import Record
    from tierstore.region.protocol import ScanPage
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
    with state.lock:
        ticket = state.outbox.begin_request()
    try:
        page = state.link.call(
            lambda timeout_s: state.link.region.scan(
                start, end, limit, reverse, values, state.replica, timeout_s
            ),
            deadline,
        )
        with state.lock:
            merged = _overlaid(state, page, start, end, reverse=reverse)
            now = state.now_ms()
    finally:
        with state.lock:
            state.outbox.end_request(ticket)
    live = [(key, record) for key, record in merged.items() if record.is_live(now)]
    live.sort(key=lambda item: item[0].encode(), reverse=reverse)
    return live, page.next_key


def _overlaid(
    state: ReplicaState, page: ScanPage, start: str, end: str | None, *, reverse: bool
) -> dict[str, Record]:
    """The page's rows, and own writes within its range, joined."""
    low, high = start.encode(), None if end is None else end.encode()
    if page.next_key is not None:
        if reverse:
            low = page.next_key.encode()
        else:
            high = page.next_key.encode()
    rows = {row.key: row.record for row in page.rows}
    keys = set(rows)
    for key in state.outbox.pending_keys(page.applied):
        if low <= (raw := key.encode()) and (high is None or raw < high):
            keys.add(key)
    merged: dict[str, Record] = {}
    for key in keys:
        _refuse_damaged(state, page, key)
        shown = state.outbox.overlay(key, rows.get(key), page.applied)
        if shown is not None:
            merged[key] = shown
    return merged


def _refuse_damaged(state: ReplicaState, page: ScanPage, key: str) -> None:
    reason = page.corrupt.get(key) or state.corrupt.get(key)
    if reason is not None:
        tier = "regional" if key in page.corrupt else "edge"
        raise CorruptionError(f"key {key!r}: {reason}", key=key, tier=tier)
