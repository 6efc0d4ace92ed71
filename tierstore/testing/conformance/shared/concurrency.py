"""Several threads and several workers at once: what each was told is checked afterwards."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tierstore.region.shared import Standing
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.shared.bench import (
    KEY,
    ME,
    TAG,
    Hand,
    SharedBench,
    keys_of,
    put,
    row,
    stamp,
)
from tierstore.testing.conformance.together import outcomes_of, together

if TYPE_CHECKING:
    from tierstore.testing.conformance.shared.harness import SharedHarness

WRITERS, EACH = 4, 15


class SharedConcurrency(SharedBench):
    """Nothing is lost, torn or told twice."""

    @pytest.fixture
    def hands(self, harness: SharedHarness) -> list[Hand]:
        """Pairs of threads share a handle; the tag is bound."""
        hands = [Hand(harness.open()) for _ in range(WRITERS // 2)] * 2
        hands[0].bind()
        return hands

    def test_threads_that_write_lose_nothing(self, hands: list[Hand]) -> None:
        """Each write has its number, and every entry is the one that was given it."""
        keys = keys_of(TAG, WRITERS * EACH)
        told: dict[int, str] = {}

        def work(index: int) -> None:
            for key in keys[index::WRITERS]:
                first, last = hands[index].wrote(put(key))
                assert first == last
                told[first] = key

        together(*[partial(work, index) for index in range(WRITERS)])
        assert sorted(told) == list(range(1, WRITERS * EACH + 1))
        assert hands[0].waiting() == [(n, put(told[n])) for n in sorted(told)]

    def test_writers_of_one_key_agree_on_the_last(self, hands: list[Hand]) -> None:
        """Whoever is behind tries again above; entries and the copy are in order of stamps."""

        def work(index: int) -> None:
            at = 0
            for _ in range(EACH):
                reply = hands[index].write(put(KEY, at=at, replica=index + 1))
                while reply.verdict == "behind":
                    at = reply.stamp - stamp(0) + 1
                    reply = hands[index].write(put(KEY, at=at, replica=index + 1))
                assert reply.verdict == "written"
                at += 1

        together(*[partial(work, index) for index in range(WRITERS)])
        records = [entry.delta.record for entry in hands[0].queue() if entry.delta]
        order = [(record.stamp, record.replica) for record in records]
        assert order == sorted(set(order))
        assert len(order) == WRITERS * EACH
        assert hands[0].copy().record == records[-1]
        assert hands[0].copy().number == len(order)

    def test_one_write_sent_by_several_at_once_is_queued_once(self, hands: list[Hand]) -> None:
        """All are told that it is written."""
        for at in range(10, 10 + EACH):
            sent = outcomes_of([partial(hand.write, put(KEY, at=at)) for hand in hands])
            assert {getattr(found, "verdict", found) for found in sent} == {"written"}
        assert hands[0].numbers() == list(range(1, EACH + 1))

    def test_those_that_bind_at_once_get_one_identity(self, hands: list[Hand]) -> None:
        """In every tag."""
        for tag in range(4, 10):
            calls = [partial(hand.bind, tag, 100 + n) for n, hand in enumerate(hands)]
            found = set(outcomes_of(calls))
            assert len(found) == 1
            assert {one.replica for one in hands[0].identities(tag)} == found

    def test_of_several_that_would_lead_one_does(self, hands: list[Hand]) -> None:
        """Each kind of work has one leader."""
        for number in range(EACH):
            work = f"work/{number}"
            calls = [partial(hand.lead, n, work) for n, hand in enumerate(hands, 1)]
            assert sorted(map(str, outcomes_of(calls))) == ["False"] * (WRITERS - 1) + ["True"]

    def test_of_several_that_advance_from_one_cursor_one_does(self, hands: list[Hand]) -> None:
        """No step is taken twice, and none is overwritten."""
        steps = [partial(_count_up, hand) for hand in hands]
        won = outcomes_of(steps)
        assert sum(number for number in won if isinstance(number, int)) == EACH * WRITERS
        assert hands[0].edge.standing(TIMEOUT_S).cursor == EACH * WRITERS

    def test_a_write_beside_a_fill_is_never_hidden(self, hands: list[Hand]) -> None:
        """Whichever came first, the write is shown and dirty."""
        reader, writer = hands[:2]
        for number, key in enumerate(keys_of(TAG, 40), 1):
            now_ms = reader.lease(key)
            older = row(b"older", at=1)
            together(
                partial(writer.write, put(key)), partial(reader.fill, older, key, at_ms=now_ms)
            )
            assert reader.shown(key) == {key: b"put"}
            assert reader.copy(key).number == number

    def test_a_withdrawal_beside_a_fill_leaves_nothing(self, hands: list[Hand]) -> None:
        """It drops the copy, or voids the fill."""
        reader, other = hands[:2]
        for key in keys_of(TAG, 40):
            now_ms = reader.lease(key)
            together(partial(other.withdraw, key), partial(reader.fill, row(), key, at_ms=now_ms))
            assert reader.copies(key) == {}

    def test_a_write_beside_its_settling_stays_dirty(self, hands: list[Hand]) -> None:
        """The copy that shows a later write is neither dropped nor taken for clean."""
        writer, sender = hands[:2]
        writer.wrote(put(KEY, b"0", at=10))
        for number in range(1, 40):
            delta = put(KEY, b"%d" % number, at=10 + number)
            settled = (KEY, number, number % 2 == 0)
            together(partial(writer.write, delta), partial(sender.settle, number, settled))
            assert writer.waiting() == [(number + 1, delta)]
            assert (writer.shown(KEY), writer.is_dirty()) == ({KEY: b"%d" % number}, True)

    def test_a_read_never_sees_half_a_write(self, hands: list[Hand]) -> None:
        """All keys of a write change at once, in copies and in the queue."""
        keys, done = keys_of(TAG, 4), list[bool]()

        def write() -> None:
            for at in range(10, 10 + 2 * EACH):
                hands[0].wrote(*[put(key, b"%d" % at, at=at) for key in keys])
            done.append(True)

        def read(hand: Hand) -> None:
            while not done:
                shown = hand.shown(*keys)
                assert len(shown) in (0, len(keys))
                assert len(set(shown.values())) <= 1
                assert len(hand.queue()) % len(keys) == 0

        together(write, partial(read, hands[1]), partial(read, hands[2]))

    def test_a_queue_beside_writes_has_no_gap(self, hands: list[Hand]) -> None:
        """Who sends what waits sends all of it, in order."""
        keys, sent = keys_of(TAG, 2 * EACH), list[int]()

        def send() -> None:
            while len(sent) < 2 * EACH:
                found = [entry.number for entry in hands[1].queue(limit=5)]
                if found:
                    sent.extend(found)
                    hands[1].settle(found[-1])

        together(send, *[partial(_write_all, hands[n], keys[n::2]) for n in (0, 1)])
        assert sent == list(range(1, 2 * EACH + 1))
        assert hands[0].numbers(ME) == []


def _write_all(hand: Hand, keys: list[str]) -> None:
    for key in keys:
        hand.wrote(put(key))


def _count_up(hand: Hand) -> int:
    """Advance the cursor by 1, over and over; how often that succeeded."""
    won = 0
    while won < EACH:
        now = hand.edge.standing(TIMEOUT_S).cursor
        won += hand.edge.advance(Standing(0, "r", 1, now + 1, 0), now, TIMEOUT_S)
    return won
