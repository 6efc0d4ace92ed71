"""Whoever listens hears of every copy that changes or goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.errors import UnavailableError
from tierstore.testing.conformance.harness import TIMEOUT_S, need
from tierstore.testing.conformance.nasty import NASTY_KEYS
from tierstore.testing.conformance.shared.bench import (
    ELSEWHERE,
    KEY,
    NEXT,
    THIRD,
    Hand,
    SharedBench,
    put,
    row,
    touched,
)
from tierstore.testing.conformance.shared.ear import Ear

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.testing.conformance.shared.harness import SharedHarness

LAST = "last"
"""A key that is written when everything else was said."""


class Listening(SharedBench):
    """Changes are told to listeners, by whoever made them."""

    @pytest.fixture
    def ear(self, hand: Hand, other: Hand) -> Iterator[Ear]:
        """One that listens to another handle; KEY, NEXT and ELSEWHERE were fetched before."""
        hand.fetched(row(), KEY, NEXT, ELSEWHERE)
        with Ear(other.edge) as ear:
            yield ear

    def test_a_listener_is_ready_before_the_first_word(self, hand: Hand, ear: Ear) -> None:
        """Once, and what happens from then on is told."""
        hand.wrote(put(KEY))
        assert ear.hears(KEY)
        assert ear.words[0] == "ready"
        assert ear.words.count("ready") == 1

    def test_a_write_is_heard(self, hand: Hand, ear: Ear) -> None:
        """Of each key that was written."""
        hand.wrote(put(KEY), put(NEXT))
        assert ear.hears(KEY, NEXT)

    def test_a_touch_is_heard(self, hand: Hand, ear: Ear) -> None:
        """The lifetime of the copy changed."""
        hand.wrote(touched(KEY, row(), 8, None))
        assert ear.hears(KEY)

    def test_a_fill_that_replaces_is_heard(self, hand: Hand, ear: Ear) -> None:
        """Who kept the older copy should not."""
        assert hand.fill(row(at=2), KEY) == {KEY}
        assert ear.hears(KEY)

    def test_a_row_that_is_shown_is_heard(self, hand: Hand, ear: Ear) -> None:
        """Where it replaced a copy."""
        assert hand.show(row(at=2), KEY) == {KEY}
        assert ear.hears(KEY)

    def test_a_withdrawal_is_heard(self, hand: Hand, ear: Ear) -> None:
        """Of each key that went."""
        hand.withdraw(KEY, ELSEWHERE)
        assert ear.hears(KEY, ELSEWHERE)

    def test_clearing_is_heard(self, hand: Hand, ear: Ear) -> None:
        """Of each key, or of all."""
        hand.edge.clear_clean(TIMEOUT_S)
        assert ear.hears(KEY, NEXT, ELSEWHERE)

    def test_a_copy_that_is_dropped_when_it_settles_is_heard(self, hand: Hand, ear: Ear) -> None:
        """The region has something else."""
        hand.wrote(put(KEY))
        assert ear.hears(KEY)
        ear.forget()
        hand.settle(1, (KEY, 1, False))
        assert ear.hears(KEY)

    def test_a_copy_that_is_dismissed_is_heard(self, hand: Hand, ear: Ear) -> None:
        """It goes with its entry."""
        hand.wrote(put(KEY))
        assert ear.hears(KEY)
        ear.forget()
        hand.edge.dismiss(3, 77, TIMEOUT_S)
        assert ear.hears(KEY)

    def test_what_changes_nothing_is_not_heard(self, hand: Hand, ear: Ear) -> None:
        """Reads, older rows, writes that are behind, and what happens to other keys."""
        hand.copies(KEY, NEXT)
        hand.fill(row(at=0), KEY)
        hand.bind()
        hand.write(put(NEXT, at=0))
        hand.wrote(put(LAST))
        assert ear.hears(LAST)
        assert ear.keys() == {LAST}

    def test_nothing_is_heard_of_another_edge(
        self, hand: Hand, ear: Ear, harness: SharedHarness
    ) -> None:
        """On the same server, of the same keys."""
        need(harness, "open_other")
        stranger = Hand(harness.open_other())
        stranger.fetched(row(), KEY, NEXT)
        stranger.withdraw(KEY)
        stranger.wrote(put(NEXT))
        hand.wrote(put(LAST))
        assert ear.hears(LAST)
        assert (ear.keys(), ear.heard_of_all()) == ({LAST}, False)

    def test_nasty_keys_are_heard_as_they_are(self, hand: Hand, ear: Ear) -> None:
        """No other key is named."""
        _fetch_unheard(hand, ear, *NASTY_KEYS)
        for key in NASTY_KEYS:
            hand.withdraw(key)
        assert ear.hears(*NASTY_KEYS)
        assert ear.heard_of_all() or ear.keys() == set(NASTY_KEYS)

    def test_what_is_told_can_be_read(self, hand: Hand, ear: Ear) -> None:
        """Whoever reads on hearing of a key finds the change or what came after it."""
        for at in range(10, 30):
            ear.forget()
            hand.wrote(put(KEY, b"%d" % at, at=at))
            assert ear.hears(KEY)
            assert hand.shown(KEY) == {KEY: b"%d" % at}

    def test_every_listener_hears(self, hand: Hand, harness: SharedHarness) -> None:
        """Each for itself; one that has stopped is no hindrance."""
        with Ear(harness.open()) as first, Ear(harness.open()) as second:
            with Ear(harness.open()):
                pass
            hand.wrote(put(KEY))
            assert first.hears(KEY)
            assert second.hears(KEY)

    def test_many_changes_are_all_heard(self, hand: Hand, ear: Ear) -> None:
        """However fast they come."""
        keys = [f"many/{n}" for n in range(1_000)]
        _fetch_unheard(hand, ear, *keys)
        hand.withdraw(*keys)
        assert ear.hears(*keys)

    def test_a_stopped_listener_returns(self, hand: Hand, ear: Ear) -> None:
        """Without an error, and hears nothing more."""
        ear.stop()
        before = len(ear.words)
        hand.wrote(put(THIRD))
        assert ear.error is None
        assert len(ear.words) == before

    def test_a_handle_works_while_it_is_listened_to(self, other: Hand, ear: Ear) -> None:
        """Listening keeps nothing that calls need."""
        other.wrote(put(KEY))
        assert other.shown(KEY) == {KEY: b"put"}
        assert ear.hears(KEY)

    def test_who_cannot_be_heard_is_unavailable(self, ear: Ear, harness: SharedHarness) -> None:
        """The listener is not left to believe that nothing happens."""
        need(harness, "unreachable")
        with harness.unreachable():
            assert ear.wait_until(ear.ended.is_set)
        assert isinstance(ear.error, UnavailableError)

    def test_listening_to_who_is_away_is_unavailable(
        self, hand: Hand, harness: SharedHarness
    ) -> None:
        """It is never ready."""
        need(harness, "unreachable")
        ear = Ear(hand.edge)
        with harness.unreachable(), pytest.raises(UnavailableError), ear:
            pass
        assert "ready" not in ear.words

    def test_a_restart_is_not_slept_through(self, ear: Ear, harness: SharedHarness) -> None:
        """The listener is told that all may have changed, or that it hears nothing more."""
        need(harness, "restart")
        harness.restart()
        assert ear.wait_until(lambda: ear.heard_of_all() or ear.ended.is_set())
        assert ear.error is None or isinstance(ear.error, UnavailableError)


def _fetch_unheard(hand: Hand, ear: Ear, *keys: str) -> None:
    """Have clean copies of `keys`, and nothing said of them that is still to be heard."""
    hand.fetched(row(), *keys)
    hand.wrote(put(LAST))
    assert ear.hears(LAST)
    ear.forget()
