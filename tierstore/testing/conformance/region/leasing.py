"""One mover a region: the lease, its epoch, and what becomes of who lost it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.errors import FencedError
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.region.bench import DAY_S, RegionBench
from tierstore.testing.conformance.region.mover import TTL_MS, UNKNOWN_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.mover import Mover
    from tierstore.testing.conformance.region.sender import Sender


class Leasing(RegionBench):
    """Whoever moves keys has the lease."""

    def test_one_holder_at_a_time(self, mover: Mover, clock: ManualRuntime) -> None:
        """Another gets the lease when it is over, with a higher epoch."""
        assert mover.lease().is_held
        other = mover.region.lease(2, TTL_MS, None, TIMEOUT_S)
        assert (other.is_held, other.epoch) == (False, mover.epoch)
        clock.advance(TTL_MS / 1000)
        taken = mover.region.lease(2, TTL_MS, None, TIMEOUT_S)
        assert (taken.is_held, taken.epoch) == (True, mover.epoch + 1)
        assert not mover.lease().is_held

    def test_renewing_keeps_the_epoch_and_taking_again_does_not(
        self, mover: Mover, clock: ManualRuntime
    ) -> None:
        """Whoever let the lease run out may have missed another holder."""
        epoch = mover.epoch
        clock.advance(TTL_MS / 2000)
        assert mover.lease().epoch == epoch
        clock.advance(TTL_MS / 1000)
        assert mover.lease().epoch == epoch + 1

    def test_a_note_reaches_the_next_holder(self, mover: Mover, clock: ManualRuntime) -> None:
        """Written when the lease is renewed, kept when it is taken."""
        assert mover.lease("mine").note == "mine"
        assert mover.lease().note == "mine"
        clock.advance(2 * TTL_MS / 1000)
        assert mover.region.lease(2, TTL_MS, "theirs", TIMEOUT_S).note == "mine"
        assert mover.region.lease(2, TTL_MS, "theirs", TIMEOUT_S).note == "theirs"
        assert mover.region.lease(1, TTL_MS, "mine", TIMEOUT_S).note == "theirs"

    def test_a_lease_given_up_is_free(self, mover: Mover) -> None:
        """At once."""
        mover.lease(ttl_ms=0)
        assert mover.region.lease(2, TTL_MS, None, TIMEOUT_S).is_held

    def test_a_lease_from_before_the_clock_was_set_back_keeps_nobody_out(
        self, mover: Mover, clock: ManualRuntime
    ) -> None:
        """One that claims to last a year is from another time."""
        clock.jump(365 * DAY_S)
        epoch = mover.lease().epoch
        mover.region.maintain(10, TIMEOUT_S)  # which keeps the highest time that was seen
        clock.jump(-365 * DAY_S)
        taken = mover.region.lease(2, TTL_MS, None, TIMEOUT_S)
        assert (taken.is_held, taken.epoch) == (True, epoch + 1)

    def test_a_clock_that_is_set_back_a_little_ends_no_lease(
        self, mover: Mover, clock: ManualRuntime
    ) -> None:
        """A minute is no other time."""
        clock.jump(-60)
        assert not mover.region.lease(2, TTL_MS, None, TIMEOUT_S).is_held
        assert mover.lease().epoch == mover.epoch

    def test_a_long_lease_is_no_claim_from_another_time(self, mover: Mover) -> None:
        """Whoever asks for a day gets a day."""
        mover.lease(ttl_ms=DAY_S * 1000)
        assert not mover.region.lease(2, DAY_S * 1000, None, TIMEOUT_S).is_held

    def test_whoever_lost_the_lease_changes_nothing(
        self, mover: Mover, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Every call of a mover names its epoch, and is fenced by a later one."""
        sender.write("k")
        row, name = mover.row("k"), mover.begin()
        due = mover.due()["k"]
        clock.advance(TTL_MS / 1000)
        other = mover.other()
        calls: list[Callable[[], object]] = [
            lambda: mover.begin(),
            lambda: mover.demote("k", name=name),
            lambda: mover.promote("k", b"1"),
            lambda: mover.settle(due, None, "cold", "because"),
            lambda: mover.region.review_all(mover.epoch, 0, 10, TIMEOUT_S),
            lambda: mover.region.abandon(mover.epoch, [name], TIMEOUT_S),
            lambda: mover.region.forget_objects(mover.epoch, [name], TIMEOUT_S),
            lambda: mover.region.put_marker(mover.epoch, name, TIMEOUT_S),
        ]
        for call in calls:
            with pytest.raises(FencedError):
                call()
        assert mover.row("k") == row
        assert mover.due()["k"] == due
        assert mover.region.stay("k", TIMEOUT_S) is None
        assert mover.region.stale_intents(other.epoch, 10, TIMEOUT_S) == [name]

    def test_a_mark_is_known_for_good_and_never_stale(
        self, mover: Mover, clock: ManualRuntime
    ) -> None:
        """By it the region recognizes its cold tier, however long ago it was put there."""
        assert mover.region.marker(TIMEOUT_S) is None
        mover.region.put_marker(mover.epoch, UNKNOWN_NAME, TIMEOUT_S)
        assert mover.region.marker(TIMEOUT_S) == UNKNOWN_NAME
        second = f"{UNKNOWN_NAME[:-5]}x.val"
        mover.region.put_marker(mover.epoch, second, TIMEOUT_S)
        assert mover.region.marker(TIMEOUT_S) == UNKNOWN_NAME
        assert mover.region.known_objects([second], TIMEOUT_S) == set()
        clock.advance(365 * DAY_S)
        later = mover.other()
        assert later.region.marker(TIMEOUT_S) == UNKNOWN_NAME
        assert later.region.stale_intents(later.epoch, 10, TIMEOUT_S) == []
        assert later.region.known_objects([UNKNOWN_NAME], TIMEOUT_S) == {UNKNOWN_NAME}
        assert later.objects() == {}

    def test_intents_of_earlier_holders_are_stale(self, mover: Mover, clock: ManualRuntime) -> None:
        """The next holder finds what the last one meant to write."""
        mine = [mover.begin(), mover.begin()]
        assert mover.region.stale_intents(mover.epoch, 10, TIMEOUT_S) == []
        clock.advance(TTL_MS / 1000)
        other = mover.other()
        theirs = other.begin()
        assert sorted(other.region.stale_intents(other.epoch, 10, TIMEOUT_S)) == sorted(mine)
        assert len(other.region.stale_intents(other.epoch, 1, TIMEOUT_S)) == 1
        known = other.region.known_objects([*mine, theirs, UNKNOWN_NAME], TIMEOUT_S)
        assert known == {*mine, theirs}
