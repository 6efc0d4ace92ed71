"""Identities: under which numbers entries go to the region, through restarts and losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.record import REPLICA_MAX
from tierstore.region.shared import TAGS, Identity
from tierstore.testing.conformance.harness import TIMEOUT_S, need
from tierstore.testing.conformance.shared.bench import (
    ELSEWHERE,
    KEY,
    ME,
    NEXT,
    TAG,
    Hand,
    SharedBench,
    keys_of,
    put,
    row,
    stamp,
    touched,
)

if TYPE_CHECKING:
    from tierstore.testing.conformance.shared.harness import SharedHarness

LATER = ME + 1
"""The replica of a second identity."""


class Numbering(SharedBench):
    """A number stands for one write, for ever."""

    def test_numbers_go_on_from_one_to_the_next_write(self, hand: Hand, other: Hand) -> None:
        """From 1, without gaps, whoever writes."""
        first = hand.wrote(put(KEY))
        second = other.wrote(put(NEXT), put(KEY, at=6))
        third = hand.wrote(put(KEY, at=7))
        assert [first, second, third] == [(1, 1), (2, 3), (4, 4)]
        assert hand.numbers() == [1, 2, 3, 4]

    def test_a_number_is_never_given_again(self, hand: Hand) -> None:
        """Also when nothing waits any more."""
        hand.wrote(put(KEY), put(NEXT))
        hand.settle(2, (KEY, 1, False), (NEXT, 2, False))
        assert hand.numbers() == []
        assert hand.wrote(put(KEY, at=6)) == (3, 3)

    def test_writes_that_are_not_taken_use_no_number(self, hand: Hand) -> None:
        """Those that are behind, and those for which there is no room."""
        hand.wrote(put(KEY, at=5))
        assert hand.write(put(KEY, at=4)).verdict == "behind"
        assert hand.write(put(NEXT), bytes_max=1).verdict == "full"
        assert hand.wrote(put(NEXT)) == (2, 2)

    def test_every_tag_has_numbers_of_its_own(self, hand: Hand) -> None:
        """All sixteen of them."""
        for tag in range(TAGS):
            (key,) = keys_of(tag, 1)
            hand.bind(tag, 100 + tag)
            assert hand.write(put(key)).numbers == (1, 1)
        assert [hand.numbers(100 + tag, tag) for tag in range(TAGS)] == [[1]] * TAGS


class Identities(SharedBench):
    """A tag is known to the region by one replica at a time."""

    def test_a_tag_has_no_identity_at_first(self, hand: Hand) -> None:
        """Nor has a fetched copy made one."""
        hand.fetched(row())
        assert [hand.identities(tag) for tag in range(TAGS)] == [[]] * TAGS

    def test_a_bound_tag_has_the_identity_that_was_given(self, hand: Hand) -> None:
        """It is new, of this run, and nothing waits."""
        assert hand.bind() == ME
        assert hand.identities() == [Identity(ME, hand.life, True, 0, 0, 0, ME)]

    def test_of_two_that_bind_both_get_one_identity(self, hand: Hand, other: Hand) -> None:
        """The first one's."""
        assert (hand.bind(TAG, ME), other.bind(TAG, LATER)) == (ME, ME)
        assert [one.replica for one in hand.identities()] == [ME]

    def test_the_largest_replica_can_be_bound(self, hand: Hand) -> None:
        """To its last bit."""
        assert hand.bind(TAG, REPLICA_MAX) == REPLICA_MAX
        assert [one.replica for one in hand.identities()] == [REPLICA_MAX]
        hand.write(put(KEY))
        assert hand.numbers(REPLICA_MAX) == [1]
        assert hand.numbers(REPLICA_MAX - 1) == []

    def test_identities_tell_how_much_waits(self, hand: Hand) -> None:
        """And how much less after some of it was settled."""
        hand.wrote(put(KEY, b"x" * 500), put(NEXT, b"x" * 900))
        (before,) = hand.identities()
        hand.settle(1, (KEY, 1, True))
        (after,) = hand.identities()
        assert (before.waiting, after.waiting) == (2, 1)
        assert 500 <= before.waiting_bytes - after.waiting_bytes < 900 <= after.waiting_bytes
        hand.settle(2, (NEXT, 2, True))
        assert [(one.waiting, one.waiting_bytes) for one in hand.identities()] == [(0, 0)]

    def test_an_introduced_identity_is_new_no_longer(self, hand: Hand, other: Hand) -> None:
        """For anybody; to say it again is no error, nor is to say it of one that is not there."""
        hand.bind()
        for _ in range(2):
            hand.edge.introduce(TAG, ME, TIMEOUT_S)
        hand.edge.introduce(TAG, LATER, TIMEOUT_S)
        assert [(one.replica, one.is_new) for one in other.identities()] == [(ME, False)]

    def test_binding_again_keeps_what_is_known(self, hand: Hand) -> None:
        """That it was introduced, and its numbers."""
        hand.wrote(put(KEY))
        hand.edge.introduce(TAG, ME, TIMEOUT_S)
        before = hand.identities()
        hand.bind(TAG, LATER)
        assert hand.identities() == before
        assert hand.wrote(put(NEXT)) == (2, 2)

    def test_a_dismissed_identity_is_forgotten_with_its_entries(self, hand: Hand) -> None:
        """The next write finds the tag unbound, and numbers begin at 1 under another."""
        hand.wrote(put(KEY))
        hand.edge.dismiss(TAG, ME, TIMEOUT_S)
        assert (hand.identities(), hand.waiting()) == ([], [])
        assert hand.write(put(NEXT)).verdict == "unbound"
        assert hand.bind(TAG, LATER) == LATER
        assert hand.write(put(NEXT)).numbers == (1, 1)
        assert hand.numbers(LATER) == [1]

    def test_a_copy_that_only_a_dismissed_entry_made_goes(self, hand: Hand) -> None:
        """Nothing will ever settle it, and the region need not have it; clean ones stay."""
        hand.wrote(put(KEY))
        hand.fetched(row(), NEXT)
        hand.edge.dismiss(TAG, ME, TIMEOUT_S)
        assert list(hand.copies(KEY, NEXT)) == [NEXT]

    def test_dismissing_what_is_not_there_is_no_error(self, hand: Hand) -> None:
        """It changes nothing, also of another tag."""
        hand.wrote(put(KEY))
        hand.wrote(put(ELSEWHERE))
        hand.edge.dismiss(TAG, LATER, TIMEOUT_S)
        hand.edge.dismiss(TAG + 2, ME, TIMEOUT_S)
        assert hand.numbers() == hand.numbers(tag=4) == [1]

    def test_a_dismissed_tag_has_room_again(self, hand: Hand) -> None:
        """What was forgotten does not wait."""
        hand.wrote(put(KEY, b"x" * 3_000))
        hand.edge.dismiss(TAG, ME, TIMEOUT_S)
        hand.bind(TAG, LATER)
        assert hand.write(put(NEXT, b"x" * 3_000), bytes_max=4_000).verdict == "written"


class Restarting(SharedBench):
    """A server that was restarted, or lost something, begins another life."""

    @pytest.fixture
    def later(self, hand: Hand, harness: SharedHarness) -> Hand:
        """A hand after a restart; before it, KEY and NEXT were written and something fetched."""
        need(harness, "restart")
        hand.wrote(put(KEY), put(NEXT))
        hand.fetched(row(), ELSEWHERE)
        harness.restart()
        return Hand(harness.open())

    def test_a_life_is_another_after_a_restart(self, hand: Hand, later: Hand) -> None:
        """And one and the same for all who connect meanwhile."""
        assert later.run != hand.run
        assert later.edge.connect(TIMEOUT_S).run == later.run

    def test_a_life_is_the_same_as_long_as_it_lasts(self, hand: Hand, other: Hand) -> None:
        """For every handle and every call."""
        assert hand.run == other.run == hand.edge.connect(TIMEOUT_S).run

    def test_a_tag_is_unbound_after_a_restart(self, later: Hand) -> None:
        """Nothing happens until it has an identity in this life."""
        before = later.waiting()
        assert later.write(put(KEY, at=8)).verdict == "unbound"
        assert later.waiting() == before

    def test_nobody_writes_under_a_past_life(self, hand: Hand, later: Hand) -> None:
        """A worker that missed the restart would give numbers that were given before."""
        assert later.write(put(KEY, at=8), run=hand.run).verdict == "unbound"
        later.bind(TAG, LATER)
        assert later.write(put(KEY, at=8), run=hand.run).verdict == "unbound"
        assert later.numbers() == [1, 2]

    def test_what_was_acknowledged_survives_a_restart(self, later: Hand) -> None:
        """Where the server says that it is durable: the copies of writes, and their entries."""
        if later.info.is_durable:
            assert later.shown(KEY, NEXT) == {KEY: b"put", NEXT: b"put"}
            assert later.waiting() == [(1, put(KEY)), (2, put(NEXT))]
            assert later.is_dirty()

    def test_a_new_life_numbers_from_one_and_old_identities_keep_theirs(
        self, hand: Hand, later: Hand
    ) -> None:
        """The oldest comes first, and the last is the one that writes go to."""
        assert later.bind(TAG, LATER) == LATER
        assert later.write(put(KEY, at=8)).numbers == (1, 1)
        found = [(one.replica, one.run) for one in later.identities()]
        assert found == [(ME, hand.life), (LATER, later.life)]
        assert later.waiting(LATER) == [(1, put(KEY, at=8))]
        assert later.waiting(ME) == [(1, put(KEY)), (2, put(NEXT))]

    def test_what_remains_settles_under_its_own_numbers(self, later: Hand) -> None:
        """And nothing of another identity settles with it."""
        later.bind(TAG, LATER)
        later.write(put(KEY, at=8))
        later.settle(2, (KEY, 1, True), (NEXT, 2, True), replica=ME)
        assert (later.numbers(ME), later.numbers(LATER)) == ([], [1])
        assert not later.is_dirty(NEXT)

    def test_a_number_of_another_identity_settles_no_copy(self, later: Hand) -> None:
        """The copy shows entry 1 of the second identity; entry 2 of the first is another write."""
        later.bind(TAG, LATER)
        later.write(put(NEXT, b"second", at=8))
        for keep in (True, False):
            later.settle(2, (NEXT, 2, keep), replica=ME)
            assert later.shown(NEXT) == {NEXT: b"second"}
            assert later.is_dirty(NEXT)

    def test_a_touch_in_a_new_life_settles_under_its_own_number(self, later: Hand) -> None:
        """The copy was written by one identity and touched by another."""
        later.bind(TAG, LATER)
        later.write(touched(NEXT, put(NEXT).record, 8, None))
        later.settle(2, (NEXT, 2, True), replica=ME)
        assert later.is_dirty(NEXT)
        later.settle(1, (NEXT, 1, True), replica=LATER)
        assert (later.is_dirty(NEXT), later.copy(NEXT).record.touch) == (False, stamp(8))

    def test_dismissing_an_old_identity_spares_what_is_written_since(self, later: Hand) -> None:
        """Its entries go, but not a copy that shows a later write, which waits."""
        later.bind(TAG, LATER)
        later.write(put(KEY, b"second", at=8))
        later.edge.dismiss(TAG, ME, TIMEOUT_S)
        assert [one.replica for one in later.identities()] == [LATER]
        assert (later.shown(KEY), later.is_dirty()) == ({KEY: b"second"}, True)
        assert list(later.copies(NEXT)) == []
        assert later.write(put(NEXT)).numbers == (2, 2)

    def test_waiting_entries_of_all_identities_count_as_queued(self, later: Hand) -> None:
        """The room of a tag is one."""
        later.bind(TAG, LATER)
        queued = later.write(put(KEY, at=8)).queued_bytes
        assert queued == sum(one.waiting_bytes for one in later.identities())

    def test_a_handle_that_stays_open_notices_a_restart(
        self, hand: Hand, harness: SharedHarness
    ) -> None:
        """When it connects again."""
        need(harness, "restart")
        harness.restart()
        assert hand.edge.connect(TIMEOUT_S).run != hand.run

    def test_a_repeated_write_is_recognised_across_a_restart(self, later: Hand) -> None:
        """It waits under the old identity and needs no second entry."""
        if later.info.is_durable:
            later.bind(TAG, LATER)
            assert later.write(put(KEY)).verdict == "written"
            assert (later.numbers(ME), later.numbers(LATER)) == ([1, 2], [])


class Losing(SharedBench):
    """A server that comes back without its latest entries."""

    @pytest.fixture
    def rest(self, hand: Hand, harness: SharedHarness) -> Hand:
        """Of three entries the latest is lost."""
        need(harness, "lose")
        hand.wrote(put(KEY, b"1", at=5))
        hand.wrote(put(NEXT, b"2", at=6))
        hand.wrote(put(KEY, b"3", at=7))
        harness.lose(1)
        return Hand(harness.open())

    def test_a_loss_is_the_end_of_a_life(self, hand: Hand, rest: Hand) -> None:
        """As a restart is."""
        assert rest.run != hand.run
        assert rest.write(put(KEY, at=8)).verdict == "unbound"

    def test_a_lost_number_is_not_given_to_another_write(self, rest: Hand) -> None:
        """The region may have the lost entry; what comes next has another identity."""
        rest.bind(TAG, LATER)
        assert rest.write(put(KEY, b"4", at=8)).numbers == (1, 1)
        assert (rest.numbers(ME), rest.numbers(LATER)) == ([1, 2], [1])

    def test_what_was_not_lost_waits_as_before(self, rest: Hand) -> None:
        """Under its numbers."""
        assert rest.waiting() == [(1, put(KEY, b"1", at=5)), (2, put(NEXT, b"2", at=6))]

    def test_no_copy_shows_a_lost_entry_for_ever(self, rest: Hand) -> None:
        """It shows an entry that waits, or is not here."""
        found = rest.copies(KEY, NEXT)
        assert found[NEXT].number == 2
        assert KEY not in found or found[KEY].number in (0, 1)
