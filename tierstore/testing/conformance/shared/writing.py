"""Writes: queued and shown in one step, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.errors import OverloadedError
from tierstore.testing.conformance.harness import need
from tierstore.testing.conformance.shared.bench import (
    BYTES_MAX,
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

    from tierstore.record import Record
    from tierstore.testing.conformance.shared.harness import SharedHarness


class SharedWriting(SharedBench):
    """What a write does to copies and to its tag's queue."""

    def test_a_write_is_shown_and_queued(self, hand: Hand) -> None:
        """The copy is dirty, with the number of the entry; it was never compared."""
        hand.bind()
        reply = hand.write(put(KEY))
        assert (reply.verdict, reply.numbers) == ("written", (1, 1))
        assert (hand.copy().record, hand.copy().number) == (put(KEY).record, 1)
        assert hand.copy().fetched_ms == 0
        assert hand.waiting() == [(1, put(KEY))]

    def test_a_write_of_many_keys_numbers_them_in_order(self, hand: Hand) -> None:
        """From the first to the last number that is told."""
        deltas = [put(key, b"%d" % n) for n, key in enumerate(keys_of(3, 200))]
        assert hand.wrote(*deltas) == (1, 200)
        assert hand.waiting() == list(enumerate(deltas, 1))
        found = hand.copies(*[delta.key for delta in deltas])
        assert [copy.number for copy in found.values()] == list(range(1, 201))

    def test_a_write_replaces_an_older_copy(self, hand: Hand) -> None:
        """A clean one and a dirty one; the entries of both writes wait."""
        hand.fetched(row())
        hand.wrote(put(KEY, b"1", at=5))
        hand.wrote(put(KEY, b"2", at=6))
        assert (hand.shown(KEY), hand.copy().number) == ({KEY: b"2"}, 2)
        assert hand.waiting() == [(1, put(KEY, b"1", at=5)), (2, put(KEY, b"2", at=6))]

    def test_a_write_does_not_go_by_itself(self, hand: Hand, harness: SharedHarness) -> None:
        """Whatever time the copy before it had."""
        hand.fetched(row(), ttl_ms=SHORT_MS)
        hand.wrote(put(KEY))
        harness.wait_ms(SHORT_MS + 50)
        assert hand.is_dirty()

    def test_a_write_with_a_newer_copy_is_behind(self, hand: Hand) -> None:
        """It is told the stamp that it met, and nothing happens."""
        hand.fetched(row(at=9))
        hand.bind()
        reply = hand.write(put(KEY, at=8))
        assert (reply.verdict, reply.stamp) == ("behind", stamp(9))
        assert (hand.shown(KEY), hand.is_dirty()) == ({KEY: b"row"}, False)
        assert hand.waiting() == []

    def test_a_tie_of_stamps_is_broken_by_the_replica(self, hand: Hand) -> None:
        """The lower one is behind, the higher one is written."""
        hand.fetched(row(at=5, replica=ME + 1), KEY)
        hand.fetched(row(at=5, replica=ME - 1), NEXT)
        hand.bind()
        assert hand.write(put(KEY, at=5)).verdict == "behind"
        assert hand.write(put(NEXT, at=5)).verdict == "written"

    def test_a_touch_of_the_copy_does_not_put_a_write_behind(self, hand: Hand) -> None:
        """Stamps are of values; a later touch of an older value loses to a newer value."""
        hand.fetched(row(at=4, touch=stamp(99)))
        hand.wrote(put(KEY, at=5))
        assert hand.shown(KEY) == {KEY: b"put"}

    def test_of_a_write_that_is_behind_no_key_is_written(self, hand: Hand) -> None:
        """Neither those before nor those after the one that met a newer copy."""
        hand.fetched(row(at=9), NEXT)
        hand.fetched(row(at=1), THIRD)
        hand.bind()
        before = hand.copies(KEY, NEXT, THIRD)
        assert hand.write(put(KEY), put(NEXT), put(THIRD)).verdict == "behind"
        assert hand.copies(KEY, NEXT, THIRD) == before
        assert hand.waiting() == []
        assert hand.wrote(put(KEY)) == (1, 1)

    def test_behind_tells_the_highest_stamp_met(self, hand: Hand) -> None:
        """So that one more attempt is enough."""
        hand.fetched(row(at=8), KEY)
        hand.fetched(row(at=9), NEXT)
        hand.fetched(row(at=7), THIRD)
        hand.bind()
        reply = hand.write(put(KEY), put(NEXT), put(THIRD))
        assert (reply.verdict, reply.stamp) == ("behind", stamp(9))

    def test_a_write_that_is_behind_leaves_placeholders(self, hand: Hand) -> None:
        """Nothing happened, so what is read at the region is still good."""
        hand.fetched(row(at=9), NEXT)
        hand.bind()
        hand.lease(KEY)
        assert hand.write(put(KEY), put(NEXT)).verdict == "behind"
        assert hand.fill(row(), KEY) == {KEY}

    def test_a_tombstone_counts_as_a_copy(self, hand: Hand) -> None:
        """A deletion that is newer puts a write behind; one that is older is overwritten."""
        hand.fetched(row(None, at=9))
        hand.bind()
        assert hand.write(put(KEY, at=8)).verdict == "behind"
        assert hand.write(put(KEY, at=10)).verdict == "written"

    def test_writes_of_another_tag_are_apart(self, hand: Hand) -> None:
        """With a queue and numbers of their own."""
        assert hand.wrote(put(KEY)) == (1, 1)
        assert hand.wrote(put(ELSEWHERE)) == (1, 1)
        assert hand.waiting() == [(1, put(KEY))]
        assert hand.waiting(tag=4) == [(1, put(ELSEWHERE))]

    def test_a_write_may_be_of_another_replica_than_the_identity(self, hand: Hand) -> None:
        """Workers have their own; the entry keeps it."""
        delta = put(KEY, replica=ME + 500)
        hand.wrote(delta)
        assert hand.waiting() == [(1, delta)]
        assert hand.copy().record == delta.record


class Repeating(SharedBench):
    """A write whose answer was lost is sent again."""

    def test_a_repeated_write_counts_as_written_and_is_queued_once(self, hand: Hand) -> None:
        """By stamp and replica; the copy keeps its number."""
        hand.wrote(put(KEY), put(NEXT))
        again = hand.write(put(KEY), put(NEXT))
        assert again.verdict == "written"
        assert hand.waiting() == [(1, put(KEY)), (2, put(NEXT))]
        assert [copy.number for copy in hand.copies(KEY, NEXT).values()] == [1, 2]
        assert hand.wrote(put(THIRD)) == (3, 3)

    def test_a_repeated_write_that_settled_is_not_queued_again(self, hand: Hand) -> None:
        """The region has it."""
        hand.wrote(put(KEY))
        hand.settle(1, (KEY, 1, True))
        assert hand.write(put(KEY)).verdict == "written"
        assert (hand.waiting(), hand.is_dirty()) == ([], False)

    def test_the_same_stamp_of_another_replica_is_another_write(self, hand: Hand) -> None:
        """It is ordered by the replica, not taken for a repetition."""
        hand.wrote(put(KEY, b"1"))
        hand.wrote(put(KEY, b"2", replica=ME + 1))
        assert (hand.shown(KEY), hand.numbers()) == ({KEY: b"2"}, [1, 2])

    def test_a_repeated_touch_is_queued_once(self, hand: Hand) -> None:
        """It is what the copy shows already."""
        hand.fetched(row())
        for _ in range(2):
            hand.wrote(touched(KEY, row(), 8, 1 << 50))
        assert hand.numbers() == [1]

    def test_a_write_repeated_by_another_worker_is_queued_once(
        self, hand: Hand, other: Hand
    ) -> None:
        """What counts is what is here."""
        hand.wrote(put(KEY))
        assert other.write(put(KEY)).verdict == "written"
        assert hand.numbers() == [1]


class Touching(SharedBench):
    """Lifetimes move without their values."""

    @pytest.mark.parametrize("expires_at_ms", [None, 1 << 50])
    def test_a_touch_moves_the_lifetime_of_the_copy(
        self, hand: Hand, expires_at_ms: int | None
    ) -> None:
        """Everything else of it stays; it is dirty now."""
        was = row(expires_at_ms=1 << 49, metadata={"a": "b"}, generation=stamp(1))
        hand.fetched(was)
        number, _ = hand.wrote(touched(KEY, was, 8, expires_at_ms))
        found = hand.copy()
        fields: dict[str, Any] = {"metadata": {"a": "b"}, "generation": stamp(1)}
        assert found.record == row(expires_at_ms=expires_at_ms, touch=stamp(8), **fields)
        assert found.number == number

    def test_the_entry_of_a_touch_is_a_touch(self, hand: Hand) -> None:
        """The region gets what was written, not the value again."""
        hand.fetched(row())
        delta = touched(KEY, row(), 8, 1 << 50)
        hand.wrote(delta)
        assert hand.waiting() == [(1, delta)]

    def test_a_touch_without_a_copy_is_only_queued(self, hand: Hand) -> None:
        """There is no value to show."""
        delta = touched(KEY, row(), 8, 1 << 50)
        hand.wrote(delta)
        assert hand.copies(KEY) == {}
        assert hand.waiting() == [(1, delta)]

    def test_a_touch_of_another_version_is_behind(self, hand: Hand) -> None:
        """Of an older one and of the same stamp by another replica."""
        hand.fetched(row(at=3))
        hand.bind()
        before = hand.copy()
        for strange in (row(at=2), row(at=3, replica=ME)):
            reply = hand.write(touched(KEY, strange, 8, None))
            assert (reply.verdict, reply.stamp) == ("behind", stamp(3))
        assert (hand.copy(), hand.waiting()) == (before, [])

    def test_a_touch_of_what_was_written_here_keeps_it_dirty(self, hand: Hand) -> None:
        """Until the later of both entries is settled."""
        hand.wrote(put(KEY))
        hand.wrote(touched(KEY, put(KEY).record, 8, 1 << 50))
        hand.settle(1, (KEY, 1, True))
        assert (hand.copy().number, hand.copy().record.touch) == (2, stamp(8))
        assert hand.shown(KEY) == {KEY: b"put"}

    def test_an_older_touch_than_the_copys_changes_nothing(self, hand: Hand) -> None:
        """It is behind, and told a stamp that is as high as what it met."""
        record: Record = row(touch=stamp(9), expires_at_ms=1 << 50)
        hand.fetched(record)
        hand.bind()
        reply = hand.write(touched(KEY, record, 8, None))
        assert reply.verdict == "behind"
        assert reply.stamp >= stamp(9)
        assert (hand.copy().record, hand.waiting()) == (record, [])


class Refusing(SharedBench):
    """Writes that are not taken, wholly."""

    def test_a_tag_without_an_identity_is_unbound(self, hand: Hand) -> None:
        """Nothing happens until it is bound."""
        hand.lease(KEY)
        assert hand.write(put(KEY)).verdict == "unbound"
        assert (hand.copies(KEY), hand.identities()) == ({}, [])
        assert hand.fill(row()) == {KEY}

    def test_a_tag_is_bound_for_itself(self, hand: Hand) -> None:
        """Others are not."""
        hand.bind()
        assert hand.write(put(KEY)).verdict == "written"
        assert hand.write(put(ELSEWHERE)).verdict == "unbound"

    def test_full_takes_nothing(self, hand: Hand) -> None:
        """Not even those keys for which there would be room."""
        hand.bind()
        hand.fetched(row(), THIRD)
        before = hand.copies(KEY, NEXT, THIRD)
        deltas = [put(KEY, b"x"), put(NEXT, b"x" * 5_000), put(THIRD, b"x")]
        assert hand.write(*deltas, bytes_max=4_000).verdict == "full"
        assert (hand.copies(KEY, NEXT, THIRD), hand.waiting()) == (before, [])
        assert hand.wrote(put(KEY)) == (1, 1)

    def test_full_tells_what_waits_and_keeps_it(self, hand: Hand) -> None:
        """Without that which was not taken."""
        hand.bind()
        waiting = hand.write(put(KEY, b"x" * 3_000)).queued_bytes
        reply = hand.write(put(NEXT, b"x" * 3_000), bytes_max=4_000)
        assert (reply.verdict, reply.queued_bytes) == ("full", waiting)
        assert hand.numbers() == [1]

    def test_there_is_room_again_when_entries_settle(self, hand: Hand) -> None:
        """What does not wait does not count."""
        hand.bind()
        for number in range(1, 6):
            delta = put(KEY, b"x" * 3_000, at=10 + number)
            assert hand.write(delta, bytes_max=4_000).verdict == "written"
            assert hand.write(put(NEXT, b"x" * 3_000), bytes_max=4_000).verdict == "full"
            hand.settle(number, (KEY, number, True))

    def test_what_waits_in_another_tag_does_not_count(self, hand: Hand) -> None:
        """Each queue has its own bound."""
        hand.wrote(put(ELSEWHERE, b"x" * 3_900))
        hand.bind()
        assert hand.write(put(KEY, b"x" * 3_000), bytes_max=4_000).verdict == "written"

    def test_queued_bytes_count_payloads(self, hand: Hand) -> None:
        """As `identities` does, and at least as much as they have."""
        hand.bind()
        first = hand.write(put(KEY, b"x" * 1_000)).queued_bytes
        both = hand.write(put(NEXT, b"x" * 2_000)).queued_bytes
        assert 1_000 <= first <= both - 2_000
        assert [one.waiting_bytes for one in hand.identities()] == [both]
        assert both <= 3_000 + 1_000

    def test_a_server_without_room_takes_nothing(self, hand: Hand, harness: SharedHarness) -> None:
        """It is overloaded, which is worth another try later."""
        need(harness, "full")
        hand.bind()
        with harness.full(), pytest.raises(OverloadedError):
            hand.write(put(KEY, b"x" * 65_536), bytes_max=BYTES_MAX)
        assert (hand.copies(KEY), hand.waiting()) == ({}, [])
