"""What copies do when they are told of the region: `notice`, `show`, `withdraw`, `clear_clean`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.region.shared import tag_of
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.shared.bench import (
    ELSEWHERE,
    KEY,
    NEXT,
    REGION,
    SHORT_MS,
    THIRD,
    TTL_MS,
    Hand,
    SharedBench,
    put,
    row,
    touched,
    version,
)

if TYPE_CHECKING:
    from tierstore.record import Record
    from tierstore.testing.conformance.shared.harness import SharedHarness


class Noticing(SharedBench):
    """Versions of the region are compared with copies."""

    @pytest.mark.parametrize("newer", [row(at=2), row(at=1, replica=REGION + 1), row(touch=1)])
    def test_a_copy_that_is_older_is_named(self, hand: Hand, newer: Record) -> None:
        """By stamp, then replica, then touch."""
        hand.fetched(row(), KEY, ELSEWHERE)
        assert hand.notice(newer, KEY, ELSEWHERE) == {KEY, ELSEWHERE}
        assert hand.shown(KEY) == {KEY: b"row"}

    def test_a_copy_that_is_as_new_is_not_named(self, hand: Hand) -> None:
        """Nor one that is newer, nor a key that has none."""
        hand.fetched(row(at=2), KEY, NEXT)
        assert hand.notice(row(at=2), KEY) == set()
        assert hand.notice(row(at=1), NEXT) == set()
        assert hand.notice(row(at=1), THIRD) == set()
        assert list(hand.copies(KEY, NEXT, THIRD)) == [KEY, NEXT]

    def test_each_key_is_compared_with_its_own_version(self, hand: Hand) -> None:
        """Of a notice of many."""
        hand.fetched(row(at=2), KEY, NEXT, ELSEWHERE)
        told = {KEY: version(row(at=3)), NEXT: version(row(at=1)), ELSEWHERE: version(row(at=4))}
        assert hand.edge.notice(told, TIMEOUT_S) == {KEY, ELSEWHERE}

    def test_a_dirty_copy_of_that_very_version_becomes_clean(self, hand: Hand) -> None:
        """The region held it back and shows it now; the copy is no longer the only one."""
        hand.wrote(put(KEY))
        assert hand.notice(put(KEY).record) == set()
        assert (hand.shown(KEY), hand.is_dirty()) == ({KEY: b"put"}, False)

    def test_a_dirty_copy_that_is_newer_stays_dirty(self, hand: Hand) -> None:
        """What it shows has yet to reach the region."""
        hand.wrote(put(KEY))
        assert hand.notice(row(at=4)) == set()
        assert hand.is_dirty()

    def test_a_dirty_copy_that_is_older_has_lost(self, hand: Hand) -> None:
        """It is named, and may go like any other."""
        hand.wrote(put(KEY))
        assert hand.notice(row(at=6)) == {KEY}
        assert (hand.shown(KEY), hand.is_dirty()) == ({KEY: b"put"}, False)

    def test_a_notice_forgets_no_entry(self, hand: Hand) -> None:
        """What waits has yet to be sent."""
        hand.wrote(put(KEY))
        hand.notice(put(KEY).record)
        assert hand.waiting() == [(1, put(KEY))]


class Showing(SharedBench):
    """Rows that somebody came by are shown where a copy is."""

    def test_a_newer_row_replaces_the_copy(self, hand: Hand) -> None:
        """With the moment at which it was seen."""
        hand.fetched(row(b"older"), KEY, ELSEWHERE)
        now_ms = hand.copy().fetched_ms + 3
        assert hand.show(row(at=2), KEY, ELSEWHERE, at_ms=now_ms) == {KEY, ELSEWHERE}
        assert (hand.copy().record, hand.copy().fetched_ms) == (row(at=2), now_ms)

    def test_nothing_new_comes(self, hand: Hand) -> None:
        """What was not read under a placeholder may be older than what was dropped here."""
        assert hand.show(row()) == set()
        assert hand.copies(KEY) == {}

    def test_an_older_row_is_not_shown(self, hand: Hand) -> None:
        """The copy stays as it is."""
        hand.fetched(row(b"newer", at=2))
        before = hand.copy()
        assert hand.show(row(at=1), at_ms=before.fetched_ms + 1) == set()
        assert hand.copy() == before

    def test_the_row_of_the_copy_confirms_it(self, hand: Hand, harness: SharedHarness) -> None:
        """Later than before, and for another `ttl_ms`."""
        now_ms = hand.fetched(row(), ttl_ms=SHORT_MS)
        assert hand.show(row(), at_ms=now_ms + 9) == {KEY}
        harness.wait_ms(SHORT_MS + 50)
        assert hand.copy().fetched_ms == now_ms + 9

    def test_what_is_shown_goes_by_itself(self, hand: Hand, harness: SharedHarness) -> None:
        """After its own `ttl_ms`."""
        hand.fetched(row())
        hand.show(row(at=2), ttl_ms=SHORT_MS)
        harness.wait_ms(SHORT_MS + 50)
        assert hand.copies(KEY) == {}

    def test_a_dirty_copy_survives_an_older_row(self, hand: Hand) -> None:
        """The only place that shows an acknowledged write."""
        hand.wrote(put(KEY))
        assert hand.show(row(at=4)) == set()
        assert (hand.shown(KEY), hand.is_dirty()) == ({KEY: b"put"}, True)

    def test_a_dirty_copy_stays_dirty_when_its_row_is_shown(self, hand: Hand) -> None:
        """As with a fill."""
        number, _ = hand.wrote(put(KEY))
        assert hand.show(put(KEY).record, at_ms=5) == {KEY}
        assert (hand.copy().number, hand.copy().fetched_ms) == (number, 5)

    def test_a_newer_row_replaces_a_dirty_copy(self, hand: Hand) -> None:
        """Which has lost, and is clean now."""
        hand.wrote(put(KEY))
        assert hand.show(row(b"newer", at=6)) == {KEY}
        assert (hand.shown(KEY), hand.is_dirty()) == ({KEY: b"newer"}, False)


class Withdrawing(SharedBench):
    """What is clean can be dropped at any time."""

    def test_a_withdrawn_copy_is_gone(self, hand: Hand) -> None:
        """And only that."""
        hand.fetched(row(), KEY, NEXT, ELSEWHERE)
        hand.withdraw(KEY, ELSEWHERE)
        assert list(hand.copies(KEY, NEXT, ELSEWHERE)) == [NEXT]

    def test_withdrawing_what_is_not_here_is_no_error(self, hand: Hand) -> None:
        """It may have gone by itself; nor is a withdrawal of nothing."""
        hand.withdraw(KEY)
        hand.edge.withdraw([], TIMEOUT_S)
        assert hand.copies(KEY) == {}

    def test_a_dirty_copy_survives_a_withdrawal(self, hand: Hand) -> None:
        """Together with its entry."""
        number, _ = hand.wrote(put(KEY))
        before = hand.copy()
        hand.withdraw(KEY)
        assert hand.copy() == before
        assert hand.numbers() == [number]

    def test_a_touched_copy_survives_a_withdrawal(self, hand: Hand) -> None:
        """A touch that waits makes a fetched copy dirty."""
        hand.fetched(row())
        hand.wrote(touched(KEY, row(), 8, None))
        hand.withdraw(KEY)
        assert hand.is_dirty()

    def test_clearing_drops_everything_clean(self, hand: Hand) -> None:
        """Of every tag, however many."""
        keys = [f"clean/{n}" for n in range(500)]
        hand.fetched(row(), *keys)
        hand.edge.clear_clean(TIMEOUT_S)
        assert hand.copies(*keys) == {}

    def test_dirty_copies_survive_clearing(self, hand: Hand) -> None:
        """With their entries, in whatever tag, among clean ones."""
        for key in (KEY, ELSEWHERE):
            hand.wrote(put(key))
        hand.fetched(row(), NEXT)
        hand.edge.clear_clean(TIMEOUT_S)
        assert hand.shown(KEY, NEXT, ELSEWHERE) == {KEY: b"put", ELSEWHERE: b"put"}
        assert hand.is_dirty(KEY)
        assert hand.is_dirty(ELSEWHERE)
        assert hand.numbers() == hand.numbers(tag=tag_of(ELSEWHERE)) == [1]

    def test_clearing_changes_nothing_else(self, hand: Hand) -> None:
        """Identities, leases and the standing stay."""
        hand.bind()
        hand.lead(1)
        before = hand.identities()
        hand.edge.clear_clean(TIMEOUT_S)
        assert hand.identities() == before
        assert not hand.lead(2)

    def test_a_key_can_be_fetched_after_it_was_withdrawn(self, hand: Hand) -> None:
        """Also with an older row than there was: the region knows."""
        hand.fetched(row(at=2))
        hand.withdraw(KEY)
        hand.fetched(row(b"again", at=1), ttl_ms=TTL_MS)
        assert hand.shown(KEY) == {KEY: b"again"}
