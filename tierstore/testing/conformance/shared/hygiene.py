"""What a handle says of itself, leaves behind and tells; and edges that share a server."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, cast

import pytest

from tierstore.errors import UnavailableError
from tierstore.region.shared import Standing
from tierstore.testing.conformance.harness import TIMEOUT_S, need, undeclared
from tierstore.testing.conformance.shared.bench import (
    BYTES_MAX,
    ELSEWHERE,
    KEY,
    ME,
    NEXT,
    TAG,
    TTL_MS,
    Hand,
    SharedBench,
    put,
    row,
)
from tierstore.testing.conformance.telling import told

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.region.shared import SharedEdge
    from tierstore.testing.conformance.shared.harness import SharedHarness


def calls_of(edge: SharedEdge, run: str) -> list[Callable[[], object]]:
    """One call of everything that asks the server."""
    rows, t = {KEY: row()}, TIMEOUT_S
    return [
        lambda: edge.connect(t),
        lambda: edge.read([KEY], t),
        lambda: edge.lease([KEY], 1, t),
        lambda: edge.fill(rows, 1, 1, TTL_MS, t),
        lambda: edge.show(rows, 1, TTL_MS, t),
        lambda: edge.withdraw([KEY], t),
        lambda: edge.notice({KEY: (1, 1, 0)}, t),
        lambda: edge.clear_clean(t),
        lambda: edge.write([put(KEY)], run, BYTES_MAX, t),
        lambda: edge.bind(TAG, run, ME, t),
        lambda: edge.identities(TAG, t),
        lambda: edge.introduce(TAG, ME, t),
        lambda: edge.queue(TAG, ME, 10, t),
        lambda: edge.settle(TAG, ME, 1, [], 1, TTL_MS, t),
        lambda: edge.dismiss(TAG, ME, t),
        lambda: edge.lead("pull", 1, TTL_MS, t),
        lambda: edge.standing(t),
        lambda: edge.advance(Standing(0), 0, t),
    ]


class SharedConnecting(SharedBench):
    """What a server says of itself."""

    def test_a_server_says_what_it_is(self, hand: Hand) -> None:
        """Its life, its version, and why it is durable or is not."""
        info = hand.info
        assert all([info.run, info.version, info.why])
        assert info.now_ms > 0

    def test_a_server_that_evicts_is_not_durable(self, harness: SharedHarness) -> None:
        """Whatever it writes to its disk: an acknowledged write may go. It says why."""
        need(harness, "evicting")
        with harness.evicting():
            info = harness.open().connect(TIMEOUT_S)
        assert not info.is_durable
        assert info.why

    def test_an_edge_is_shared(self, hand: Hand) -> None:
        """That is what it is for."""
        assert hand.edge.capabilities.shared

    def test_connecting_changes_nothing(self, hand: Hand) -> None:
        """However often."""
        hand.wrote(put(KEY))
        before = (hand.copies(KEY), hand.waiting(), hand.identities())
        for _ in range(3):
            assert hand.edge.connect(TIMEOUT_S).run == hand.run
        assert (hand.copies(KEY), hand.waiting(), hand.identities()) == before


class SharedHygiene(SharedBench):
    """Nothing is left open, nothing secret is told, nothing of a driver leaves."""

    def test_what_the_harness_cannot_do_is_declared(self, harness: SharedHarness) -> None:
        """A test is skipped for a reason that is written down, or it runs."""
        assert list(undeclared(harness)) == []

    def test_a_server_that_is_away_is_unavailable(self, hand: Hand, harness: SharedHarness) -> None:
        """For every call, by an error of ours; nothing happened, and it works again afterwards."""
        need(harness, "unreachable")
        hand.wrote(put(NEXT))
        with harness.unreachable():
            for call in calls_of(hand.edge, hand.run):
                with pytest.raises(UnavailableError):
                    call()
        hand.edge.connect(TIMEOUT_S)
        assert (hand.copies(KEY), hand.waiting()) == ({}, [(1, put(NEXT))])

    def test_calls_of_nothing_do_nothing(self, hand: Hand) -> None:
        """No keys, no rows, no changes, nothing settled."""
        hand.wrote(put(KEY))
        assert hand.edge.lease([], 1, TIMEOUT_S) > 0
        assert hand.edge.fill({}, 1, 1, TTL_MS, TIMEOUT_S) == set()
        assert hand.edge.show({}, 1, TTL_MS, TIMEOUT_S) == set()
        assert hand.edge.notice({}, TIMEOUT_S) == set()
        hand.settle(0)
        assert (hand.is_dirty(), hand.numbers()) == (True, [1])

    def test_large_calls_are_whole(self, hand: Hand) -> None:
        """A thousand keys of all tags in each, as in a read."""
        keys = [f"large/{n}" for n in range(1_000)]
        hand.fetched(row(), *keys)
        assert hand.notice(row(at=2), *keys) == set(keys)
        assert hand.show(row(at=2), *keys) == set(keys)
        hand.withdraw(*keys[:999])
        assert list(hand.copies(*keys)) == keys[999:]

    def test_calls_but_writes_may_be_sent_again(self, hand: Hand) -> None:
        """The second time, nothing more happens."""
        hand.wrote(put(NEXT))
        now_ms = hand.lease(KEY)
        hand.lease(KEY)
        for _ in range(2):
            assert hand.fill(row(), KEY, at_ms=now_ms) == {KEY}
        for _ in range(2):
            assert hand.show(row(at=2), KEY, at_ms=now_ms) == {KEY}
        for _ in range(2):
            hand.bind()
            hand.settle(1, (NEXT, 1, True))
            assert hand.lead(1)
        assert (hand.copy().record, hand.numbers()) == (row(at=2), [])
        assert not hand.is_dirty(NEXT)

    def test_closing_is_idempotent(self, harness: SharedHarness) -> None:
        """Also of a handle that was never used."""
        unused, used = harness.open(), harness.open()
        used.connect(TIMEOUT_S)
        for edge in (unused, used):
            edge.close()
            edge.close()

    def test_closing_one_handle_leaves_the_others(self, hand: Hand, harness: SharedHarness) -> None:
        """And everything that is here."""
        first = Hand(harness.open())
        first.wrote(put(KEY))
        first.edge.close()
        assert (hand.shown(KEY), hand.numbers()) == ({KEY: b"put"}, [1])

    def test_calls_do_not_pile_up_resources(self, hand: Hand, harness: SharedHarness) -> None:
        """A hundred of them need no more than one did."""
        need(harness, "open_resources")
        calls = calls_of(hand.edge, hand.run)
        for call in calls:
            call()
        before = harness.open_resources()
        for call in calls * 20:
            call()
        assert harness.open_resources() <= before

    def test_closing_releases_everything(self, harness: SharedHarness) -> None:
        """Connections go back to what they were."""
        need(harness, "open_resources")
        before = harness.open_resources()
        for _ in range(5):
            hand = Hand(harness.open())
            for call in calls_of(hand.edge, hand.run):
                call()
            hand.edge.close()
        assert harness.open_resources() == before

    def test_a_secret_is_never_told(self, harness: SharedHarness) -> None:
        """Neither by the handle nor by what it raises, to the last cause."""
        need(harness, "open_secret")
        opened, secret = harness.open_secret()
        texts = [repr(opened), str(opened), f"{opened}"]
        if not isinstance(opened, BaseException):
            with pytest.raises(UnavailableError) as caught:
                cast("SharedEdge", opened).connect(0.2)
            opened = caught.value
        texts += told(opened)
        assert not [text for text in texts if secret in text]

    def test_errors_survive_pickling(self, harness: SharedHarness) -> None:
        """They cross process boundaries as they are."""
        need(harness, "unreachable")
        edge = harness.open()
        with harness.unreachable(), pytest.raises(UnavailableError) as caught:
            edge.connect(TIMEOUT_S)
        copied = copy.copy(caught.value)  # by `__reduce__`, as pickling does
        assert (type(copied), str(copied)) == (type(caught.value), str(caught.value))
        assert (copied.outcome, copied.retry) == (caught.value.outcome, caught.value.retry)


class Neighbours(SharedBench):
    """Edges that share a server share nothing else."""

    @pytest.fixture
    def stranger(self, harness: SharedHarness) -> Hand:
        """A hand on another edge."""
        need(harness, "open_other")
        return Hand(harness.open_other())

    def test_copies_of_another_edge_are_not_read(self, hand: Hand, stranger: Hand) -> None:
        """Fetched or written."""
        stranger.fetched(row(), KEY)
        stranger.wrote(put(NEXT))
        assert hand.copies(KEY, NEXT) == {}

    def test_copies_of_another_edge_are_not_dropped(self, hand: Hand, stranger: Hand) -> None:
        """Nor are placeholders."""
        stranger.fetched(row(), KEY)
        stranger.lease(NEXT)
        hand.withdraw(KEY, NEXT)
        hand.notice(row(at=9), NEXT)
        hand.edge.clear_clean(TIMEOUT_S)
        assert stranger.shown(KEY) == {KEY: b"row"}
        assert stranger.fill(row(), NEXT) == {NEXT}

    def test_queues_and_identities_are_apart(self, hand: Hand, stranger: Hand) -> None:
        """With numbers of their own."""
        stranger.wrote(put(KEY), put(NEXT))
        assert hand.identities() == []
        assert hand.wrote(put(KEY, b"mine")) == (1, 1)
        hand.settle(9, (KEY, 9, False))
        hand.edge.dismiss(TAG, ME, TIMEOUT_S)
        assert stranger.waiting() == [(1, put(KEY)), (2, put(NEXT))]
        assert stranger.is_dirty()

    def test_leases_and_standings_are_apart(self, hand: Hand, stranger: Hand) -> None:
        """Each edge follows its region for itself."""
        assert stranger.lead(1)
        assert hand.lead(2)
        stranger.edge.advance(Standing(0, "other", 1, 5, 6), 0, TIMEOUT_S)
        assert hand.edge.standing(TIMEOUT_S).cursor == 0
        hand.fetched(row(), ELSEWHERE)
        assert stranger.copies(ELSEWHERE) == {}
