"""Changes of keys that are no registers: they wait beside the region's row, and count once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.crdt.types import type_of
from tierstore.record import COUNTER, SET, Record
from tierstore.region.batch import CHANGE, RESET, Delta
from tierstore.testing.conformance.harness import TIMEOUT_S, need
from tierstore.testing.conformance.shared.bench import (
    ELSEWHERE,
    KEY,
    ME,
    NEXT,
    SHORT_MS,
    TAG,
    THIRD,
    TTL_MS,
    Hand,
    SharedBench,
    keys_of,
    put,
    row,
    stamp,
)

if TYPE_CHECKING:
    from typing import Any

    from tierstore.region.shared import TypedCopy
    from tierstore.testing.conformance.shared.harness import SharedHarness

LATER = 78
"""The identity after `ME`."""


def added(number: int, key: str = KEY, at: int = 5, replica: int = ME) -> Delta:
    """An increment."""
    counter: Any = type_of(COUNTER)
    payload = counter.encode_delta((number, 0))
    return Delta(key, CHANGE, Record(stamp(at), replica, payload, type=COUNTER))


def counted(number: int, at: int = 1, **more: Any) -> Record:
    """The region's row of a counter."""
    counter: Any = type_of(COUNTER)
    payload = counter.encode({9: (number, 0)})
    return row(payload, at, type=COUNTER, generation=1, **more)


class ChangingBench(SharedBench):
    """What tests of changes do all the time."""

    def look(self, hand: Hand, key: str = KEY) -> TypedCopy:
        """What is here of a key, none of it damaged."""
        reply = hand.edge.read_typed([key], TIMEOUT_S)
        assert reply.damaged == {}
        return reply.copies[key]

    def waits(self, hand: Hand, key: str = KEY) -> list[tuple[int, int, Delta]]:
        """What waits for a key."""
        return [(one.replica, one.number, one.delta) for one in self.look(hand, key).waiting]

    def fill(
        self,
        hand: Hand,
        record: Record,
        key: str = KEY,
        *,
        base: tuple[int, int] = (ME, 0),
        token: int = 1,
        at_ms: int = 1,
        ttl_ms: int = TTL_MS,
    ) -> set[str]:
        """Which of `key` shows the row now."""
        return hand.edge.fill_typed({key: record}, base, token, at_ms, ttl_ms, TIMEOUT_S)

    def fetched(self, hand: Hand, record: Record, key: str = KEY, *, applied: int = 0) -> None:
        """Have a row of `key`, as of a number of the identity."""
        hand.bind()
        hand.lease(key)
        assert self.fill(hand, record, key, base=(ME, applied)) == {key}

    def settle(self, hand: Hand, number: int, *keys: str, replica: int = ME) -> None:
        """The region has what waits up to `number`, of `keys`."""
        from tierstore.region.shared import Settled

        items = [Settled(key, number, False, is_typed=True) for key in keys]
        hand.edge.settle(TAG, replica, number, items, 1, TTL_MS, TIMEOUT_S)


class Changing(ChangingBench):
    """What waits is found by key, and in the queue."""

    def test_of_what_never_was_there_is_nothing(self, hand: Hand) -> None:
        """No row, nothing that waits, no identity."""
        found = self.look(hand)
        assert (found.record, found.waiting, found.current, found.origin) == (None, [], 0, 0)

    def test_a_change_waits_for_its_key_and_in_the_queue(self, hand: Hand, other: Hand) -> None:
        """Under one number; other workers see it; no copy comes of it."""
        assert hand.wrote(added(5)) == (1, 1)
        assert self.waits(other) == [(ME, 1, added(5))]
        assert other.waiting() == [(1, added(5))]
        assert (self.look(hand).record, self.waits(hand, NEXT)) == (None, [])

    def test_changes_of_a_key_wait_in_their_order(self, hand: Hand, other: Hand) -> None:
        """More of them than have one digit, whoever made them, between those of others."""
        for number in range(1, 31):
            maker = hand if number % 2 else other
            maker.wrote(added(number, at=100 - number), added(number, NEXT))
        assert [delta for _, _, delta in self.waits(hand)] == [
            added(number, at=100 - number) for number in range(1, 31)
        ]

    def test_equal_changes_all_count(self, hand: Hand) -> None:
        """A write that was answered is not the one before, however alike."""
        for _ in range(3):
            hand.wrote(added(1))
        assert [number for _, number, _ in self.waits(hand)] == [1, 2, 3]

    def test_changes_and_puts_are_written_together(self, hand: Hand) -> None:
        """All or none: nothing is written where a put is behind."""
        hand.wrote(put(NEXT, at=50))
        assert hand.write(added(1), put(NEXT, at=5)).verdict == "behind"
        assert self.waits(hand) == []
        hand.wrote(added(1), put(NEXT, at=60))
        assert (self.waits(hand), hand.numbers()) == ([(ME, 2, added(1))], [1, 2, 3])

    def test_a_full_queue_takes_no_change(self, hand: Hand) -> None:
        """As it takes no put."""
        hand.wrote(added(1))
        reply = hand.write(added(2), bytes_max=reply_bytes(hand))
        assert (reply.verdict, self.waits(hand)) == ("full", [(ME, 1, added(1))])

    def test_an_unbound_tag_takes_no_change(self, hand: Hand) -> None:
        """It could not be numbered."""
        assert hand.write(added(1)).verdict == "unbound"
        assert self.waits(hand) == []

    def test_changes_that_wait_are_whole(self, hand: Hand) -> None:
        """Deletions, lifetimes, generations and types, as they were written."""
        told = Record(stamp(3), ME, None, 1 << 50, stamp(3), type=SET, generation=7)
        for op in (CHANGE, RESET):
            hand.wrote(Delta(KEY, op, told))
        assert [delta for *_, delta in self.waits(hand)] == [
            Delta(KEY, CHANGE, told),
            Delta(KEY, RESET, told),
        ]

    def test_many_keys_are_looked_at_at_once(self, hand: Hand) -> None:
        """Of one tag and of others."""
        some = keys_of(3, 40)
        for key in some:
            hand.wrote(added(1, key))
        hand.wrote(added(2, ELSEWHERE))
        copies = hand.edge.read_typed([*some, ELSEWHERE], TIMEOUT_S).copies
        assert all(len(copies[key].waiting) == 1 for key in [*some, ELSEWHERE])

    def test_the_writer_is_told_its_identity(self, hand: Hand) -> None:
        """With the numbers."""
        hand.bind()
        reply = hand.write(added(1), added(2, NEXT))
        assert (reply.replica, reply.numbers) == (ME, (1, 2))
        assert hand.identities()[-1].last == 2


class Basing(ChangingBench):
    """Rows that say what they contain of the queue."""

    def test_a_row_shows_beside_what_waits(self, hand: Hand, other: Hand) -> None:
        """With its number, unchanged by later changes."""
        hand.wrote(added(1))
        self.fetched(hand, counted(10), applied=1)
        other.wrote(added(2))
        found = self.look(hand)
        assert (found.record, found.base) == (counted(10), (ME, 1))
        assert [one.number for one in found.waiting] == [1, 2]

    def test_a_change_leaves_the_placeholder(self, hand: Hand) -> None:
        """The row says that it does not contain it."""
        hand.bind()
        hand.lease()
        hand.wrote(added(1))
        assert self.fill(hand, counted(10)) == {KEY}
        assert (self.look(hand).base, len(self.waits(hand))) == ((ME, 0), 1)

    def test_without_a_placeholder_nothing_is_stored(self, hand: Hand) -> None:
        """Nor under another token."""
        hand.bind()
        assert self.fill(hand, counted(10)) == set()
        hand.lease(token=2)
        assert self.fill(hand, counted(10)) == set()
        assert self.look(hand).record is None

    def test_settling_voids_a_fill(self, hand: Hand) -> None:
        """The row may be from before the region had what is forgotten now."""
        hand.wrote(added(1))
        hand.lease()
        self.settle(hand, 1, KEY)
        assert self.fill(hand, counted(10)) == set()

    def test_settling_forgets_what_waited_and_the_row(self, hand: Hand) -> None:
        """Up to the number; what came later waits on."""
        hand.wrote(added(1))
        self.fetched(hand, counted(10))
        hand.wrote(added(2))
        self.settle(hand, 1, KEY)
        assert self.look(hand).record is None
        assert self.waits(hand) == [(ME, 2, added(2))]
        assert hand.numbers() == [2]

    def test_settling_one_key_leaves_others(self, hand: Hand) -> None:
        """Of which nothing was in the batch."""
        hand.wrote(added(1))
        self.fetched(hand, counted(10), NEXT)
        self.settle(hand, 1, KEY)
        assert self.look(hand, NEXT).record == counted(10)

    def test_settling_a_later_life_leaves_an_earlier_one(self, hand: Hand) -> None:
        """Its numbers say nothing about those of the one before."""
        hand.wrote(added(1))
        hand.edge.bind(TAG, hand.run, LATER, TIMEOUT_S, ME)
        hand.write(added(2))
        self.settle(hand, 1, KEY, replica=LATER)
        assert self.waits(hand) == [(ME, 1, added(1))]

    def test_nothing_is_stored_under_another_identity(self, hand: Hand) -> None:
        """What the row contains of the one that the tag has now is not known."""
        hand.bind()
        hand.lease()
        hand.edge.bind(TAG, hand.run, LATER, TIMEOUT_S, ME)
        assert self.fill(hand, counted(10), base=(ME, 0)) == set()

    def test_nothing_is_stored_while_something_of_an_earlier_life_waits(self, hand: Hand) -> None:
        """What the row contains of that is not known."""
        hand.wrote(added(1))
        hand.edge.bind(TAG, hand.run, LATER, TIMEOUT_S, ME)
        hand.lease()
        assert self.fill(hand, counted(10), base=(LATER, 0)) == set()
        hand.lease(NEXT)
        assert self.fill(hand, counted(10), NEXT, base=(LATER, 0)) == {NEXT}

    def test_a_row_before_the_first_write(self, hand: Hand) -> None:
        """The tag has no identity yet: nothing that it will number is in the row."""
        hand.lease()
        assert self.fill(hand, counted(10), base=(0, 0)) == {KEY}
        hand.wrote(added(1))
        found = self.look(hand)
        assert (found.record, found.base, len(found.waiting)) == (counted(10), (0, 0), 1)

    def test_an_older_row_replaces_none(self, hand: Hand) -> None:
        """A newer one does, with what that contains."""
        self.fetched(hand, counted(10, at=5), applied=0)
        assert self.fill(hand, counted(9, at=4)) == set()
        assert self.look(hand).record == counted(10, at=5)
        hand.wrote(added(1))
        assert self.fill(hand, counted(11, at=6), base=(ME, 1)) == {KEY}
        found = self.look(hand)
        assert (found.record, found.base) == (counted(11, at=6), (ME, 1))

    def test_rows_are_noticed_withdrawn_and_cleared(self, hand: Hand) -> None:
        """As clean copies are; what waits stays."""
        for clears in (False, True):
            hand.wrote(added(1))
            self.fetched(hand, counted(10))
            assert hand.notice(counted(11, at=9)) == {KEY}
            if clears:
                hand.edge.clear_clean(TIMEOUT_S)
            else:
                hand.withdraw()
            assert (self.look(hand).record, len(self.waits(hand)) > 0) == (None, True)

    def test_a_row_goes_by_itself(self, hand: Hand, harness: SharedHarness) -> None:
        """After its time; what waits does not."""
        hand.wrote(added(1))
        hand.lease()
        self.fill(hand, counted(10), ttl_ms=SHORT_MS)
        harness.wait_ms(SHORT_MS + 50)
        assert (self.look(hand).record, len(self.waits(hand))) == (None, 1)


class Expelling(ChangingBench):
    """Entries that cannot be understood."""

    def test_a_damaged_entry_is_told_with_its_bytes(
        self, hand: Hand, harness: SharedHarness
    ) -> None:
        """Where it is, under its number; what is behind it is as it was."""
        need(harness, "spoil")
        hand.wrote(put(KEY), put(NEXT))
        harness.spoil(TAG, ME, 0)
        first, second = hand.queue()
        assert (first.number, first.delta, bool(first.raw)) == (1, None, True)
        assert (second.number, second.delta) == (2, put(NEXT))

    def test_an_expelled_entry_is_gone_and_what_shows_it(
        self, hand: Hand, other: Hand, harness: SharedHarness
    ) -> None:
        """The copy of a register, or the change that waits for a key; nothing else."""
        need(harness, "spoil")
        hand.wrote(put(KEY), added(1, THIRD))
        hand.wrote(put(NEXT), added(2, THIRD))
        for number in (1, 2):
            harness.spoil(TAG, ME, 0)
            raw = hand.queue()[0].raw
            assert other.edge.expel(TAG, ME, number, TIMEOUT_S) == raw
        assert list(hand.copies(KEY, NEXT)) == [NEXT]
        assert self.waits(hand, THIRD) == [(ME, 4, added(2, THIRD))]
        assert (hand.numbers(), hand.identities()[-1].waiting) == ([3, 4], 2)
        assert hand.wrote(put(KEY, at=9)) == (5, 5)

    def test_only_the_first_entry_is_expelled(self, hand: Hand, harness: SharedHarness) -> None:
        """Another one waits for its turn; a number that is not there is none."""
        need(harness, "spoil")
        hand.wrote(put(KEY), put(NEXT))
        harness.spoil(TAG, ME, 1)
        for number in (1, 2, 3):
            assert hand.edge.expel(TAG, ME, number, TIMEOUT_S) is None
        assert hand.numbers() == [1, 2]


class Succeeding(ChangingBench):
    """Identities that follow one another."""

    def test_an_identity_can_be_replaced_within_a_life(self, hand: Hand) -> None:
        """Once, whoever asks for it again; what waits keeps its identity."""
        hand.wrote(added(1))
        bound = [hand.edge.bind(TAG, hand.run, n, TIMEOUT_S, ME) for n in (LATER, LATER + 1)]
        assert bound == [LATER, LATER]
        hand.write(added(2))
        assert self.waits(hand) == [(ME, 1, added(1)), (LATER, 1, added(2))]
        assert self.look(hand).current == LATER

    def test_the_origin_stays(self, hand: Hand, harness: SharedHarness) -> None:
        """Through lives of the server, and though the first identity is dismissed."""
        hand.wrote(added(1))
        harness.restart()
        later = Hand(harness.open())
        later.bind(TAG, LATER)
        assert (self.look(later).origin, later.identities()[-1].origin) == (ME, ME)
        later.edge.dismiss(TAG, ME, TIMEOUT_S)
        later.edge.dismiss(TAG, LATER, TIMEOUT_S)
        later.bind(TAG, LATER + 1)
        assert (self.look(later).origin, later.identities()[-1].origin) == (ME, ME)

    def test_what_waits_goes_with_a_dismissed_identity(self, hand: Hand) -> None:
        """And with no other."""
        hand.wrote(added(1), added(1, NEXT))
        hand.edge.bind(TAG, hand.run, LATER, TIMEOUT_S, ME)
        hand.write(added(2))
        hand.edge.dismiss(TAG, ME, TIMEOUT_S)
        assert self.waits(hand) == [(LATER, 1, added(2))]
        assert self.waits(hand, NEXT) == []

    def test_what_waits_outlives_the_server(self, hand: Hand, harness: SharedHarness) -> None:
        """Under its identity and number, before what comes in the next life."""
        hand.wrote(added(1))
        harness.restart()
        later = Hand(harness.open())
        if not later.info.is_durable:
            pytest.skip("this server may lose what it acknowledged")
        later.bind(TAG, LATER)
        later.write(added(2))
        assert self.waits(later) == [(ME, 1, added(1)), (LATER, 1, added(2))]

    def test_what_is_understood_is_not_expelled(self, hand: Hand) -> None:
        """Neither the first entry of a queue nor one that is not there."""
        hand.wrote(added(1), put(NEXT))
        for number in (0, 1, 2, 3):
            assert hand.edge.expel(TAG, ME, number, TIMEOUT_S) is None
        assert hand.numbers() == [1, 2]


def reply_bytes(hand: Hand) -> int:
    """What waits in the queue, in bytes."""
    return hand.identities()[-1].waiting_bytes
