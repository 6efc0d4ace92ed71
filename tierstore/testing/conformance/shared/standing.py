"""Leases on work, and what workers know together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tierstore.region.shared import Standing
from tierstore.testing.conformance.harness import TIMEOUT_S, need
from tierstore.testing.conformance.shared.bench import SHORT_MS, Hand, SharedBench

if TYPE_CHECKING:
    from tierstore.testing.conformance.shared.harness import SharedHarness

FIRST = Standing(0, "00c0ffee00c0ffee", 3, 41, 1_700_000_000_123)


def told(hand: Hand) -> Standing:
    """The standing without the time."""
    return replace(hand.edge.standing(TIMEOUT_S), now_ms=0)


class Leading(SharedBench):
    """Of many workers one does a kind of work."""

    def test_one_worker_leads(self, hand: Hand, other: Hand) -> None:
        """The first that asks; the others are told no, and are none the worse."""
        assert hand.lead(1)
        assert not other.lead(2)
        assert not hand.lead(2)
        assert hand.lead(1)

    def test_kinds_of_work_are_led_apart(self, hand: Hand) -> None:
        """One may have several, and several may each have one."""
        assert hand.lead(1, "pull")
        assert hand.lead(2, "push/3")
        assert hand.lead(1, "push/4")
        assert not hand.lead(1, "push/3")

    def test_a_lease_is_taken_over_after_its_end(self, hand: Hand, harness: SharedHarness) -> None:
        """By whoever asks first; then the one before is told no."""
        assert hand.lead(1, ttl_ms=SHORT_MS)
        harness.wait_ms(SHORT_MS + 50)
        assert hand.lead(2)
        assert not hand.lead(1)

    def test_a_renewed_lease_lasts_longer(self, hand: Hand, harness: SharedHarness) -> None:
        """From the renewal on."""
        hand.lead(1, ttl_ms=SHORT_MS)
        assert hand.lead(1)
        harness.wait_ms(SHORT_MS + 50)
        assert not hand.lead(2)

    def test_asking_in_vain_prolongs_nothing(self, hand: Hand, harness: SharedHarness) -> None:
        """The lease ends when its holder does not renew it."""
        hand.lead(1, ttl_ms=SHORT_MS)
        assert not hand.lead(2)
        harness.wait_ms(SHORT_MS + 50)
        assert hand.lead(3)

    def test_a_lease_that_is_given_up_is_free(self, hand: Hand, other: Hand) -> None:
        """At once; its holder has it no longer."""
        hand.lead(1)
        assert not hand.lead(1, ttl_ms=0)
        assert other.lead(2)
        assert not hand.lead(1)

    def test_nobody_gives_up_what_another_has(self, hand: Hand) -> None:
        """Nor what nobody has."""
        assert not hand.lead(2, ttl_ms=0)
        hand.lead(1)
        assert not hand.lead(2, ttl_ms=0)
        assert not hand.lead(2)
        assert hand.lead(1)

    def test_holders_are_told_apart_to_the_last_bit(self, hand: Hand) -> None:
        """Of 53."""
        holder = (1 << 53) - 1
        assert hand.lead(holder)
        assert not hand.lead(holder - 1)
        assert hand.lead(holder)


class StandingTogether(SharedBench):
    """How far the feed was followed is known to all, and moves in one step."""

    def test_nothing_is_known_at_first(self, hand: Hand) -> None:
        """No region, no cursor."""
        assert told(hand) == Standing(0)

    def test_what_one_advanced_all_know(self, hand: Hand, other: Hand) -> None:
        """Every field, but the time, which is the server's."""
        assert hand.edge.advance(replace(FIRST, now_ms=5), 0, TIMEOUT_S)
        assert told(other) == FIRST

    def test_a_standing_tells_the_servers_time(self, hand: Hand, harness: SharedHarness) -> None:
        """Now, not when it was advanced."""
        before_ms = hand.edge.standing(TIMEOUT_S).now_ms
        hand.edge.advance(FIRST, 0, TIMEOUT_S)
        harness.wait_ms(SHORT_MS)
        after_ms = hand.edge.standing(TIMEOUT_S).now_ms
        assert SHORT_MS <= after_ms - before_ms <= SHORT_MS + 5_000
        assert hand.info.now_ms <= before_ms

    def test_who_comes_from_another_cursor_advances_nothing(self, hand: Hand) -> None:
        """Somebody else was faster; it is told so."""
        hand.edge.advance(FIRST, 0, TIMEOUT_S)
        for was_cursor in (0, 40, 42):
            assert not hand.edge.advance(replace(FIRST, cursor=50), was_cursor, TIMEOUT_S)
        assert told(hand) == FIRST
        assert hand.edge.advance(replace(FIRST, cursor=50), 41, TIMEOUT_S)
        assert told(hand) == replace(FIRST, cursor=50)

    def test_the_first_standing_comes_from_cursor_0(self, hand: Hand) -> None:
        """And from no other."""
        assert not hand.edge.advance(FIRST, 7, TIMEOUT_S)
        assert told(hand) == Standing(0)

    def test_another_region_may_begin_at_a_lower_cursor(self, hand: Hand) -> None:
        """Cursors are compared for equality only."""
        hand.edge.advance(FIRST, 0, TIMEOUT_S)
        restored = Standing(0, "feedfeedfeedfeed", 4, 2, 1)
        assert hand.edge.advance(restored, 41, TIMEOUT_S)
        assert told(hand) == restored

    def test_the_moment_may_move_without_the_cursor(self, hand: Hand) -> None:
        """Nothing changed in the region, and that is known now."""
        hand.edge.advance(FIRST, 0, TIMEOUT_S)
        assert hand.edge.advance(replace(FIRST, pulled_ms=FIRST.pulled_ms + 5), 41, TIMEOUT_S)
        assert told(hand).pulled_ms == FIRST.pulled_ms + 5

    def test_cursors_are_compared_to_the_last_bit(self, hand: Hand) -> None:
        """Of 63."""
        cursor = (1 << 63) - 2
        hand.edge.advance(replace(FIRST, cursor=cursor), 0, TIMEOUT_S)
        assert not hand.edge.advance(FIRST, cursor + 1, TIMEOUT_S)
        assert told(hand).cursor == cursor
        assert hand.edge.advance(FIRST, cursor, TIMEOUT_S)

    def test_a_durable_standing_survives_a_restart(
        self, hand: Hand, harness: SharedHarness
    ) -> None:
        """Or there is none, where the server says that it is not durable."""
        need(harness, "restart")
        hand.edge.advance(FIRST, 0, TIMEOUT_S)
        harness.restart()
        later = Hand(harness.open())
        assert told(later) in ([FIRST] if later.info.is_durable else [FIRST, Standing(0)])
