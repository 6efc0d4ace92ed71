"""Queues, and what the end of a batch means for copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.testing.conformance.shared.bench import (
    ELSEWHERE,
    KEY,
    ME,
    NEXT,
    SHORT_MS,
    THIRD,
    Hand,
    SharedBench,
    keys_of,
    put,
    row,
    stamp,
    touched,
)

if TYPE_CHECKING:
    from typing import Any

    from tierstore.testing.conformance.shared.harness import SharedHarness


class Queueing(SharedBench):
    """What waits is found in order."""

    def test_an_empty_queue_is_empty(self, hand: Hand) -> None:
        """Of a tag that was never bound, of another identity, and of one without writes."""
        assert hand.queue() == []
        hand.bind()
        assert hand.queue() == hand.queue(ME + 1) == []

    def test_entries_come_in_the_order_of_their_numbers(self, hand: Hand) -> None:
        """Not of their keys, nor of their digits."""
        keys = keys_of(3, 120)[::-1]
        for key in keys[:60]:
            hand.wrote(put(key))
        hand.wrote(*[put(key) for key in keys[60:]])
        assert hand.waiting() == [(n, put(key)) for n, key in enumerate(keys, 1)]

    def test_a_limit_gives_the_first_entries(self, hand: Hand) -> None:
        """And no more, and all where there are fewer."""
        hand.wrote(*[put(key) for key in keys_of(3, 30)])
        for limit in (1, 7, 29, 30, 31):
            found = [entry.number for entry in hand.queue(limit=limit)]
            assert found == list(range(1, min(limit, 30) + 1))

    def test_looking_takes_nothing_away(self, hand: Hand, other: Hand) -> None:
        """Entries wait until they are settled, whoever looked."""
        hand.wrote(put(KEY), put(NEXT))
        assert hand.waiting() == other.waiting() == hand.waiting()

    def test_what_waits_is_whole(self, hand: Hand) -> None:
        """Deletions, touches, metadata, expiry, generations and types, as they were written."""
        fields: dict[str, Any] = {"metadata": {"é": "\0"}, "generation": stamp(2), "type": 4}
        deltas = [
            put(KEY, None),
            put(NEXT, b"\0\xff", expires_at_ms=1 << 50, touch=stamp(3), **fields),
            touched(THIRD, row(), 8, None),
        ]
        hand.wrote(*deltas)
        assert [entry.delta for entry in hand.queue()] == deltas

    def test_entries_wait_though_their_copies_are_replaced(self, hand: Hand) -> None:
        """The region decides which write wins."""
        hand.wrote(put(KEY))
        hand.show(row(at=50))
        hand.withdraw(KEY)
        assert hand.copies(KEY) == {}
        assert hand.waiting() == [(1, put(KEY))]

    def test_entries_do_not_go_by_themselves(self, hand: Hand, harness: SharedHarness) -> None:
        """Whatever the lifetimes of copies and records."""
        hand.fetched(row(), ttl_ms=SHORT_MS)
        hand.wrote(put(KEY, expires_at_ms=1))
        harness.wait_ms(SHORT_MS + 50)
        assert hand.waiting() == [(1, put(KEY, expires_at_ms=1))]


class Settling(SharedBench):
    """The region has a batch: its entries are forgotten and its copies become clean, or go."""

    def test_settled_entries_are_forgotten(self, hand: Hand) -> None:
        """Up to the number, and none after it."""
        hand.wrote(*[put(key) for key in keys_of(3, 20)])
        hand.settle(12)
        assert hand.numbers() == list(range(13, 21))

    def test_a_kept_copy_becomes_clean(self, hand: Hand) -> None:
        """As it was seen in the region at that moment."""
        hand.wrote(put(KEY))
        hand.settle(1, (KEY, 1, True), at_ms=70)
        found = hand.copy()
        assert (found.record, found.number, found.fetched_ms) == (put(KEY).record, 0, 70)
        hand.withdraw(KEY)
        assert hand.copies(KEY) == {}

    def test_a_kept_copy_goes_by_itself(self, hand: Hand, harness: SharedHarness) -> None:
        """After its `ttl_ms`."""
        hand.wrote(put(KEY))
        hand.settle(1, (KEY, 1, True), ttl_ms=SHORT_MS)
        assert KEY in hand.copies(KEY)
        harness.wait_ms(SHORT_MS + 50)
        assert hand.copies(KEY) == {}

    def test_a_kept_copy_is_not_confirmed_backwards(self, hand: Hand) -> None:
        """It was compared later by a fill."""
        hand.wrote(put(KEY))
        hand.fill(put(KEY).record, at_ms=90)
        hand.settle(1, (KEY, 1, True), at_ms=70)
        assert hand.copy().fetched_ms == 90

    def test_a_copy_that_is_not_kept_is_dropped(self, hand: Hand) -> None:
        """The region has something else; the next read asks it. Others stay."""
        hand.wrote(put(KEY), put(NEXT))
        hand.settle(2, (KEY, 1, False), (NEXT, 2, True))
        assert list(hand.copies(KEY, NEXT)) == [NEXT]

    def test_a_copy_that_shows_a_later_entry_stays_dirty(self, hand: Hand) -> None:
        """Whether or not the row shows what the batch wrote."""
        hand.wrote(put(KEY, b"1", at=5))
        hand.wrote(put(KEY, b"2", at=6))
        before = hand.copy()
        for keep in (True, False):
            hand.settle(1, (KEY, 1, keep), at_ms=70)
            assert hand.copy() == before
        assert hand.waiting() == [(2, put(KEY, b"2", at=6))]

    def test_a_copy_of_an_earlier_entry_settles_with_the_last(self, hand: Hand) -> None:
        """The number is the last of the batch that wrote the key, or beyond what the copy shows."""
        hand.wrote(put(KEY, b"1", at=5))
        hand.wrote(put(KEY, b"2", at=6))
        hand.settle(2, (KEY, 2, True))
        assert (hand.is_dirty(), hand.waiting()) == (False, [])

    def test_what_is_not_named_stays_dirty(self, hand: Hand) -> None:
        """Only its entry is forgotten."""
        hand.wrote(put(KEY), put(NEXT))
        hand.settle(2, (NEXT, 2, True))
        assert hand.is_dirty(KEY)
        assert hand.numbers() == []

    def test_a_clean_copy_is_left_alone(self, hand: Hand) -> None:
        """It replaced what the batch wrote, and is of the region."""
        hand.wrote(put(KEY))
        hand.fill(row(b"newer", at=9), at_ms=50)
        before = hand.copy()
        hand.settle(1, (KEY, 1, False), at_ms=70)
        assert (hand.copy(), hand.waiting()) == (before, [])

    def test_settling_what_has_no_copy_is_no_error(self, hand: Hand) -> None:
        """A touch of what was not here made none."""
        hand.wrote(touched(KEY, row(), 8, None))
        hand.settle(1, (KEY, 1, True))
        assert (hand.copies(KEY), hand.waiting()) == ({}, [])

    def test_settling_again_changes_nothing(self, hand: Hand) -> None:
        """An answer that was lost is asked for again, and much may have happened since."""
        hand.wrote(put(KEY), put(NEXT))
        hand.settle(2, (KEY, 1, False), (NEXT, 2, True))
        hand.wrote(put(KEY, b"again", at=8))
        before = hand.copies(KEY, NEXT)
        hand.settle(2, (KEY, 1, False), (NEXT, 2, True))
        assert hand.copies(KEY, NEXT) == before
        assert hand.numbers() == [3]

    def test_a_batch_that_was_settled_late_brings_nothing_back(self, hand: Hand) -> None:
        """A lower number than was settled before."""
        hand.wrote(put(KEY), put(NEXT), put(THIRD))
        hand.settle(3, (KEY, 1, True), (NEXT, 2, True), (THIRD, 3, True))
        hand.settle(1, (KEY, 1, True))
        assert hand.numbers() == []
        assert hand.wrote(put(KEY, at=8)) == (4, 4)

    def test_an_unknown_identity_settles_nothing(self, hand: Hand) -> None:
        """It was dismissed, and what it wrote went with it."""
        hand.wrote(put(KEY))
        hand.settle(1, (KEY, 1, False), replica=ME + 1)
        assert (hand.is_dirty(), hand.numbers()) == (True, [1])

    def test_other_tags_are_not_settled(self, hand: Hand) -> None:
        """Their queues have the same numbers."""
        hand.wrote(put(KEY))
        hand.wrote(put(ELSEWHERE))
        hand.settle(1, (KEY, 1, True))
        assert hand.is_dirty(ELSEWHERE)
        assert hand.numbers(tag=4) == [1]

    def test_a_large_batch_settles_at_once(self, hand: Hand) -> None:
        """Some are kept, some dropped, one was written again."""
        keys = keys_of(3, 600)
        hand.wrote(*[put(key) for key in keys])
        hand.wrote(put(keys[0], b"again", at=8))
        hand.settle(600, *[(key, n, n % 2 == 1) for n, key in enumerate(keys, 1)])
        assert set(hand.copies(*keys)) == set(keys[::2])
        assert [key for key in keys[::2] if hand.is_dirty(key)] == keys[:1]
        assert hand.numbers() == [601]
