"""The expiry index against a sorted list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tierstore.placement.expiry import BUCKET_MS, ExpiryIndex


class Entry:
    def __init__(self, expires_at: int | None) -> None:
        self.expires_at = expires_at
        self.where = 1


def pop_all(index: ExpiryIndex[Entry], now_ms: int) -> list[Entry]:
    popped = []
    while (entry := index.pop_expired(now_ms)) is not None:
        popped.append(entry)
    return popped


expiries = st.lists(st.none() | st.integers(0, 20 * BUCKET_MS), max_size=50)
steps = st.lists(st.integers(0, 21 * BUCKET_MS), max_size=6).map(sorted)


@given(expiries, steps)
def test_each_expired_entry_is_popped_once_never_early_and_at_most_a_bucket_late(
    expires_at_ms: list[int | None], times_ms: list[int]
) -> None:
    index: ExpiryIndex[Entry] = ExpiryIndex()
    waiting = {Entry(at) for at in expires_at_ms}
    for entry in waiting:
        index.add(entry)
    for now_ms in times_ms:
        for entry in pop_all(index, now_ms):
            waiting.remove(entry)
            assert entry.expires_at is not None
            assert entry.expires_at <= now_ms
        left = [entry.expires_at for entry in waiting if entry.expires_at is not None]
        assert all(at + BUCKET_MS > now_ms for at in left)


@given(expiries, expiries)
def test_discarded_unmanaged_and_prolonged_entries_are_not_popped(
    expires_at_ms: list[int | None], prolonged_ms: list[int | None]
) -> None:
    index: ExpiryIndex[Entry] = ExpiryIndex()
    entries = [Entry(at) for at in expires_at_ms]
    for entry in entries:
        index.add(entry)
    for entry in entries[::3]:
        index.discard(entry)
    for entry in entries[1::3]:
        entry.where = 0
    for entry, at in zip(entries[2::3], prolonged_ms, strict=False):
        entry.expires_at = None if at is None else at + 100 * BUCKET_MS
        index.add(entry)

    popped = pop_all(index, 50 * BUCKET_MS)

    kept = [entry for entry in entries[2::3][len(prolonged_ms) :] if entry.expires_at is not None]
    assert sorted(map(id, popped)) == sorted(map(id, kept))


@given(expiries)
def test_a_rebuilt_index_holds_one_item_for_each_entry_that_expires(
    expires_at_ms: list[int | None],
) -> None:
    index: ExpiryIndex[Entry] = ExpiryIndex()
    entries = [Entry(at) for at in expires_at_ms]
    for entry in entries:
        index.add(entry)
        entry.expires_at = None if entry.expires_at is None else entry.expires_at + 9 * BUCKET_MS
        index.add(entry)
    index.rebuild(entries)

    assert len(index) == sum(entry.expires_at is not None for entry in entries)
