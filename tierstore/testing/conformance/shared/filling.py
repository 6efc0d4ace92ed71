"""Fills: what is read at the region while others write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.region.shared import PLACEHOLDER_MS
from tierstore.testing.conformance.harness import TIMEOUT_S, need
from tierstore.testing.conformance.shared.bench import (
    ELSEWHERE,
    KEY,
    NEXT,
    REGION,
    SHORT_MS,
    TTL_MS,
    Hand,
    SharedBench,
    put,
    row,
    stamp,
    touched,
)

if TYPE_CHECKING:
    from tierstore.record import Record
    from tierstore.testing.conformance.shared.harness import SharedHarness


class Filling(SharedBench):
    """A row becomes a copy under a placeholder."""

    def test_a_fill_under_its_placeholder_is_stored(self, hand: Hand) -> None:
        """A clean copy, of the moment of the lease."""
        now_ms = hand.lease(KEY, ELSEWHERE)
        assert hand.fill(row(), KEY, ELSEWHERE, at_ms=now_ms) == {KEY, ELSEWHERE}
        found = hand.copies(KEY, ELSEWHERE)
        assert [(c.record, c.number, c.fetched_ms) for c in found.values()] == [
            (row(), 0, now_ms)
        ] * 2

    def test_a_fill_without_a_placeholder_is_not_stored(self, hand: Hand) -> None:
        """Nobody knows what happened to the key meanwhile."""
        assert hand.fill(row()) == set()
        assert hand.copies(KEY) == {}

    def test_a_fill_of_another_token_is_not_stored(self, hand: Hand) -> None:
        """And leaves the placeholder to its owner."""
        hand.lease(KEY, token=1)
        assert hand.fill(row(b"stranger"), token=2) == set()
        assert hand.fill(row(b"owner"), token=1) == {KEY}
        assert hand.shown(KEY) == {KEY: b"owner"}

    def test_the_latest_of_two_tokens_holds_the_key(self, hand: Hand, other: Hand) -> None:
        """A lease goes over that of another, whose fill then counts only if it is newer."""
        hand.lease(KEY, token=1)
        other.lease(KEY, token=2)
        assert hand.fill(row(b"first"), token=1) == set()
        assert other.fill(row(b"second"), token=2) == {KEY}
        assert hand.shown(KEY) == {KEY: b"second"}

    def test_tokens_are_told_apart_to_the_last_bit(self, hand: Hand) -> None:
        """Of 53."""
        token = (1 << 53) - 1
        hand.lease(KEY, token=token)
        assert hand.fill(row(), token=token - 1) == set()
        assert hand.fill(row(), token=token) == {KEY}

    def test_a_placeholder_serves_one_fill(self, hand: Hand) -> None:
        """After it, the token is worth nothing."""
        hand.fetched(row())
        hand.withdraw(KEY)
        assert hand.fill(row()) == set()
        assert hand.copies(KEY) == {}

    def test_a_lease_where_a_copy_is_changes_nothing(self, hand: Hand) -> None:
        """Neither of the copy nor for the time after it."""
        hand.fetched(row())
        before = hand.copy()
        hand.lease(KEY, token=2)
        assert hand.copy() == before
        hand.withdraw(KEY)
        assert hand.fill(row(), token=2) == set()

    def test_a_lease_tells_the_servers_time(self, hand: Hand, harness: SharedHarness) -> None:
        """By which everybody tells ages."""
        before_ms = hand.lease(KEY)
        harness.wait_ms(SHORT_MS)
        after_ms = hand.lease(NEXT)
        assert SHORT_MS <= after_ms - before_ms <= SHORT_MS + 5_000
        assert hand.info.now_ms <= before_ms

    def test_a_placeholder_goes_by_itself(self, hand: Hand, harness: SharedHarness) -> None:
        """After `PLACEHOLDER_MS` and not before; a fill comes too late then."""
        need(harness, "clock")
        hand.lease(KEY, NEXT)
        harness.wait_ms(PLACEHOLDER_MS - 1)
        assert hand.fill(row(), KEY) == {KEY}
        harness.wait_ms(1)
        assert hand.fill(row(), NEXT) == set()
        assert hand.copies(NEXT) == {}

    def test_a_clean_copy_goes_by_itself(self, hand: Hand, harness: SharedHarness) -> None:
        """After its `ttl_ms`."""
        hand.fetched(row(), KEY, ttl_ms=SHORT_MS)
        hand.fetched(row(), NEXT)
        assert KEY in hand.copies(KEY)
        harness.wait_ms(SHORT_MS + 50)
        assert list(hand.copies(KEY, NEXT)) == [NEXT]

    def test_where_there_is_no_room_nothing_is_stored(
        self, hand: Hand, harness: SharedHarness
    ) -> None:
        """And that is no error: the row is there all the same."""
        need(harness, "full")
        now_ms = hand.lease(KEY)
        with harness.full():
            assert hand.fill(row(b"x" * 65_536), at_ms=now_ms) == set()
        assert hand.copies(KEY) == {}


class Voiding(SharedBench):
    """What is learned of a key between lease and fill voids the fill: it may be older."""

    def test_a_write_voids_the_fill(self, hand: Hand, other: Hand) -> None:
        """The write is shown, though the row was read under a good placeholder."""
        hand.lease(KEY)
        other.wrote(put(KEY, b"written"))
        assert hand.fill(row(b"older")) == set()
        assert hand.shown(KEY) == {KEY: b"written"}

    def test_a_write_that_settled_meanwhile_voids_the_fill(self, hand: Hand, other: Hand) -> None:
        """Even when no copy is left to compare with."""
        hand.lease(KEY)
        number, _ = other.wrote(put(KEY))
        other.settle(number, (KEY, number, False))
        assert hand.fill(row(b"older")) == set()
        assert hand.copies(KEY) == {}

    def test_a_touch_voids_the_fill(self, hand: Hand, other: Hand) -> None:
        """Also one that finds no copy: the row may have been read before it."""
        hand.lease(KEY)
        other.wrote(touched(KEY, row(), 8, None))
        assert hand.fill(row()) == set()
        assert hand.copies(KEY) == {}

    def test_a_show_voids_the_fill(self, hand: Hand, other: Hand) -> None:
        """It shows nothing where nothing is, and what was read before is not stored either."""
        hand.lease(KEY, NEXT)
        assert other.show(row(at=3), KEY) == set()
        assert hand.fill(row(at=1), KEY, NEXT) == {NEXT}
        assert hand.copies(KEY) == {}

    def test_a_notice_voids_the_fill(self, hand: Hand, other: Hand) -> None:
        """Of the keys that it names, whatever their version."""
        hand.lease(KEY, NEXT)
        assert other.notice(row(at=1), KEY) == set()
        assert hand.fill(row(at=1), KEY, NEXT) == {NEXT}

    def test_a_withdrawal_voids_the_fill(self, hand: Hand, other: Hand) -> None:
        """Of the keys that it names."""
        hand.lease(KEY, NEXT)
        other.withdraw(KEY)
        assert hand.fill(row(), KEY, NEXT) == {NEXT}

    def test_clearing_voids_every_fill(self, hand: Hand, other: Hand) -> None:
        """Under whatever tag."""
        hand.lease(KEY, ELSEWHERE)
        other.edge.clear_clean(TIMEOUT_S)
        assert hand.fill(row(), KEY, ELSEWHERE) == set()

    def test_a_new_lease_of_the_token_is_good_again(self, hand: Hand) -> None:
        """What was voided is read once more."""
        hand.lease(KEY)
        hand.withdraw(KEY)
        hand.lease(KEY)
        assert hand.fill(row()) == {KEY}


class Refilling(SharedBench):
    """A fill where a copy is: the newer one stays."""

    @pytest.mark.parametrize("newer", [row(at=2), row(at=1, replica=REGION + 1), row(touch=1)])
    def test_an_older_fill_never_replaces_a_newer_copy(self, hand: Hand, newer: Record) -> None:
        """By stamp, then replica, then touch; nor is it reported as shown."""
        hand.fetched(newer)
        before = hand.copy()
        assert hand.fill(row(b"older"), token=5, at_ms=before.fetched_ms + 1) == set()
        assert hand.copy() == before

    @pytest.mark.parametrize("newer", [row(at=2), row(at=1, replica=REGION + 1), row(touch=1)])
    def test_a_newer_fill_replaces_an_older_copy(self, hand: Hand, newer: Record) -> None:
        """By stamp, then replica, then touch, and without a placeholder."""
        now_ms = hand.fetched(row(b"older"))
        assert hand.fill(newer, token=5, at_ms=now_ms + 1) == {KEY}
        assert (hand.copy().record, hand.copy().fetched_ms) == (newer, now_ms + 1)

    def test_a_stamp_counts_before_a_replica_and_that_before_a_touch(self, hand: Hand) -> None:
        """A later stamp of a lower replica is newer."""
        hand.fetched(row(b"1", at=1, replica=50, touch=stamp(9)))
        assert hand.fill(row(b"2", at=1, replica=51)) == {KEY}
        assert hand.fill(row(b"3", at=2, replica=3)) == {KEY}
        assert hand.shown(KEY) == {KEY: b"3"}

    def test_a_fill_confirms_a_copy_of_its_version(self, hand: Hand) -> None:
        """It was compared with the region later than before."""
        now_ms = hand.fetched(row())
        assert hand.fill(row(), at_ms=now_ms + 7) == {KEY}
        assert hand.copy().fetched_ms == now_ms + 7

    def test_a_copy_is_never_confirmed_backwards(self, hand: Hand) -> None:
        """An earlier moment does not replace a later one."""
        now_ms = hand.fetched(row())
        assert hand.fill(row(), at_ms=now_ms - 7) == {KEY}
        assert hand.copy().fetched_ms == now_ms

    def test_confirming_prolongs_a_clean_copy(self, hand: Hand, harness: SharedHarness) -> None:
        """Its `ttl_ms` begins anew."""
        hand.fetched(row(), ttl_ms=SHORT_MS)
        hand.fill(row(), ttl_ms=TTL_MS)
        harness.wait_ms(SHORT_MS + 50)
        assert KEY in hand.copies(KEY)

    def test_a_dirty_copy_that_is_confirmed_stays_dirty(self, hand: Hand) -> None:
        """The region has it, but its entry still waits."""
        number, _ = hand.wrote(put(KEY))
        assert hand.fill(put(KEY).record, at_ms=40) == {KEY}
        assert (hand.copy().number, hand.copy().fetched_ms) == (number, 40)

    def test_a_dirty_copy_that_is_confirmed_does_not_go_by_itself(
        self, hand: Hand, harness: SharedHarness
    ) -> None:
        """The `ttl_ms` of a fill is for clean ones."""
        hand.wrote(put(KEY))
        hand.fill(put(KEY).record, ttl_ms=SHORT_MS)
        harness.wait_ms(SHORT_MS + 50)
        assert hand.is_dirty()

    def test_an_older_fill_leaves_a_dirty_copy(self, hand: Hand) -> None:
        """The only place that shows an acknowledged write."""
        hand.wrote(put(KEY, b"written"))
        assert hand.fill(row(b"older", at=4)) == set()
        assert (hand.shown(KEY), hand.is_dirty()) == ({KEY: b"written"}, True)

    def test_a_newer_fill_replaces_a_dirty_copy_with_a_clean_one(self, hand: Hand) -> None:
        """The write that it showed has lost; its entry waits all the same."""
        number, _ = hand.wrote(put(KEY))
        assert hand.fill(row(b"newer", at=6)) == {KEY}
        assert (hand.shown(KEY), hand.is_dirty()) == ({KEY: b"newer"}, False)
        assert hand.numbers() == [number]

    def test_of_a_fill_of_many_each_key_counts_for_itself(self, hand: Hand) -> None:
        """Some are stored, some confirmed, some refused."""
        rows = {KEY: row(at=2), NEXT: row(at=2), ELSEWHERE: row(at=2)}
        hand.fetched(row(b"newer", at=3), NEXT)
        now_ms = hand.lease(ELSEWHERE)
        assert hand.edge.fill(rows, 1, now_ms, TTL_MS, TIMEOUT_S) == {ELSEWHERE}
        assert hand.shown(*rows) == {NEXT: b"newer", ELSEWHERE: b"row"}
