"""What a read finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.record import REPLICA_MAX, TYPE_CODES, Record
from tierstore.stamp import STAMP_MAX
from tierstore.testing.conformance.harness import TIMEOUT_S, need
from tierstore.testing.conformance.nasty import KEY_PAIRS, NASTY_KEYS
from tierstore.testing.conformance.shared.bench import (
    ELSEWHERE,
    KEY,
    NEXT,
    TTL_MS,
    Hand,
    SharedBench,
    put,
    row,
    stamp,
)

if TYPE_CHECKING:
    from typing import Any

    from tierstore.testing.conformance.shared.harness import SharedHarness

SIZES = [1, 2, 127, 128, 255, 256, 65_535, 65_536, 256 << 10]
SHORT_OF_EXPIRY_MS = 200


class SharedReading(SharedBench):
    """Copies come back as they went in."""

    def test_what_is_not_here_is_left_out(self, hand: Hand) -> None:
        """A read of nothing, and of keys that have no copy, finds nothing and fails not."""
        assert hand.copies() == {}
        assert hand.copies(KEY, ELSEWHERE) == {}

    def test_a_placeholder_is_no_copy(self, hand: Hand) -> None:
        """Whoever reads meanwhile is told that nothing is here."""
        hand.lease(KEY)
        assert hand.copies(KEY) == {}

    def test_a_thousand_keys_are_read_at_once(self, hand: Hand) -> None:
        """Each with its own record, whatever their tags, and the missing are left out."""
        rows = {f"many/{n}": row(b"%d" % n, at=n) for n in range(1_000)}
        now_ms = hand.lease(*rows)
        assert hand.edge.fill(rows, 1, now_ms, TTL_MS, TIMEOUT_S) == set(rows)
        found = hand.copies(*rows, *[f"none/{n}" for n in range(100)])
        assert {key: copy.record for key, copy in found.items()} == rows

    def test_a_key_may_be_asked_for_twice(self, hand: Hand) -> None:
        """It is one key of the reply."""
        hand.fetched(row())
        assert list(hand.copies(KEY, NEXT, KEY)) == [KEY]

    def test_workers_read_the_same(self, hand: Hand, other: Hand) -> None:
        """What one worker fetched or wrote is here for all."""
        hand.fetched(row())
        hand.wrote(put(NEXT))
        assert other.copies(KEY, NEXT) == hand.copies(KEY, NEXT)
        assert other.shown(KEY, NEXT) == {KEY: b"row", NEXT: b"put"}

    def test_what_a_read_returned_is_the_callers(self, hand: Hand) -> None:
        """To change it changes nothing here."""
        hand.fetched(row())
        found = hand.copy()
        found.number, found.fetched_ms, found.record = 9, 9, row(b"spoiled")
        assert (hand.copy().number, hand.shown(KEY)) == (0, {KEY: b"row"})

    def test_a_damaged_copy_is_told_and_hurts_no_other(
        self, hand: Hand, harness: SharedHarness
    ) -> None:
        """With its key and a reason; it is not among the copies."""
        need(harness, "corrupt")
        hand.fetched(row(), KEY, NEXT)
        harness.corrupt(KEY)
        reply = hand.edge.read([KEY, NEXT], TIMEOUT_S)
        assert (list(reply.copies), list(reply.damaged)) == ([NEXT], [KEY])
        assert reply.damaged[KEY]


class SharedTrip(SharedBench):
    """Nothing of a record is lost or changed on its way in and out."""

    @pytest.mark.parametrize("key", NASTY_KEYS, ids=ascii)
    def test_any_key_can_be_fetched_and_written(self, hand: Hand, key: str) -> None:
        """Whatever characters it has."""
        hand.fetched(row(b"1"), key)
        assert hand.shown(key) == {key: b"1"}
        hand.wrote(put(key, b"2"))
        assert hand.shown(key) == {key: b"2"}

    @pytest.mark.parametrize("pair", KEY_PAIRS, ids=ascii)
    def test_keys_that_look_alike_are_apart(self, hand: Hand, pair: tuple[str, str]) -> None:
        """Exactly the key that was asked for is found."""
        first, second = pair
        hand.fetched(row(), first)
        assert list(hand.copies(first, second)) == [first]

    @pytest.mark.parametrize("size_bytes", SIZES)
    def test_payloads_of_any_size_are_fetched_and_written(
        self, hand: Hand, size_bytes: int
    ) -> None:
        """From one byte, the shortest encoded value, to 256 KiB, of any bytes."""
        payload = (bytes(range(256)) * (size_bytes // 256 + 1))[:size_bytes]
        delta = put(NEXT, payload)
        hand.fetched(row(payload))
        hand.wrote(delta)
        assert hand.shown(KEY, NEXT) == {KEY: payload, NEXT: payload}
        assert hand.waiting() == [(1, delta)]

    @pytest.mark.parametrize("payload", [b"\0", b"\r\n", b"\xff\xfe", b"*3\r\n$3\r\n", b"nil"])
    def test_payloads_are_bytes_and_nothing_else(self, hand: Hand, payload: bytes) -> None:
        """What looks like a line end, a protocol or nothing at all stays what it is."""
        hand.fetched(row(payload))
        assert hand.shown(KEY) == {KEY: payload}

    def test_a_tombstone_is_a_copy(self, hand: Hand) -> None:
        """That a key is deleted is known here, fetched or written."""
        hand.fetched(row(None))
        hand.wrote(put(NEXT, None))
        assert hand.shown(KEY, NEXT) == {KEY: None, NEXT: None}

    def test_metadata_survives(self, hand: Hand) -> None:
        """Of any text, in any number, and none stays none."""
        metadata = {"": "", "é": "\0", **{f"m{n}": "x" * n for n in range(50)}}
        hand.fetched(row(metadata=metadata))
        delta = put(NEXT, metadata=metadata)
        hand.wrote(delta)
        assert hand.copy(KEY).record.metadata == hand.copy(NEXT).record.metadata == metadata
        assert hand.waiting() == [(1, delta)]

    def test_lifetimes_survive(self, hand: Hand) -> None:
        """When it expires, be that long ago, and the stamp of the last touch."""
        fields: list[dict[str, Any]] = [
            {"expires_at_ms": 1, "touch": 0},
            {"expires_at_ms": 1 << 50, "touch": stamp(3)},
        ]
        for key, more in zip((KEY, NEXT), fields, strict=True):
            hand.fetched(row(**more), key)
            assert hand.copy(key).record == row(**more)

    def test_an_expired_record_is_still_a_copy(self, hand: Hand, harness: SharedHarness) -> None:
        """Who reads it sees that it is over; only `ttl_ms` ends a copy."""
        expires_at_ms = hand.info.now_ms + SHORT_OF_EXPIRY_MS
        hand.fetched(row(expires_at_ms=expires_at_ms))
        hand.wrote(put(NEXT, expires_at_ms=expires_at_ms))
        harness.wait_ms(2 * SHORT_OF_EXPIRY_MS)
        found = hand.copies(KEY, NEXT)
        assert [copy.record.expires_at_ms for copy in found.values()] == [expires_at_ms] * 2

    @pytest.mark.parametrize("kind", TYPE_CODES.values(), ids=list(TYPE_CODES))
    def test_types_and_generations_survive(self, hand: Hand, kind: int) -> None:
        """Of every kind of value."""
        record = row(type=kind, generation=stamp(2))
        hand.fetched(record)
        assert hand.copy().record == record

    def test_the_largest_numbers_survive(self, hand: Hand) -> None:
        """To the last bit of stamps and replicas."""
        record = Record(STAMP_MAX, REPLICA_MAX, b"x", STAMP_MAX, STAMP_MAX, None, 1, STAMP_MAX)
        hand.fetched(record)
        assert hand.copy().record == record
        older = Record(STAMP_MAX - 1, REPLICA_MAX, b"x")
        assert hand.show(older) == set()
        assert hand.copy().record == record
