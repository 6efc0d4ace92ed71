"""Reads: ranges in the order asked for, whole streams, and what there is not."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from tierstore.errors import CorruptionError, InvalidArgumentError
from tierstore.region.objects import CHUNK_BYTES_MAX, ByteRange, ObjectMissingError
from tierstore.testing.conformance.harness import TIMEOUT_S, need
from tierstore.testing.conformance.object.bench import WHOLE, ObjectBench

if TYPE_CHECKING:
    from tierstore.testing.conformance.object.bench import Hand
    from tierstore.testing.conformance.object.harness import ObjectHarness

BEYOND = [(0, 9), (8, 1), (9, 0), (7, 2), (1 << 62, 1), (0, 1 << 62)]


class Ranges(ObjectBench):
    """The bytes of a range are those of the object."""

    def test_every_range_is_that_of_the_bytes(self, hand: Hand) -> None:
        """First, last, middle, empty: all (start, length) within the object."""
        name, size_bytes = hand.put(), len(WHOLE)
        asked = [
            (start, length)
            for start, length in product(range(size_bytes + 1), repeat=2)
            if start + length <= size_bytes
        ]
        assert hand.read(name, *asked) == [WHOLE[start : start + n] for start, n in asked]

    def test_ranges_come_in_the_order_asked_for(self, hand: Hand) -> None:
        """Whatever order suits the backend; overlapping and repeated ones, too."""
        name = hand.put()
        asked = [(4, 4), (0, 3), (8, 0), (0, 8), (2, 1), (4, 4)]
        assert hand.read(name, *asked) == [b"efgh", b"abc", b"", b"abcdefgh", b"c", b"efgh"]

    def test_no_range_is_no_bytes(self, hand: Hand) -> None:
        """Asking for nothing is answered."""
        assert hand.read(hand.put()) == []

    def test_an_empty_range_is_empty(self, hand: Hand) -> None:
        """Anywhere in an object, at its end, and in an empty object."""
        name = hand.put()
        assert hand.read(name, (0, 0), (3, 0), (8, 0)) == [b"", b"", b""]
        assert hand.read(hand.put([]), (0, 0)) == [b""]

    def test_hundreds_of_ranges_are_read_at_once(self, hand: Hand) -> None:
        """Adjacent ones, which an adapter may coalesce, and far ones, which it may not."""
        whole = bytes(number % 251 for number in range(300_000))
        name = hand.put([whole])
        adjacent = [(start, 100) for start in range(0, 50_000, 100)]
        assert b"".join(hand.read(name, *adjacent)) == whole[:50_000]
        far = [(start, 7) for start in range(0, 299_000, 997)]
        assert hand.read(name, *far) == [whole[start : start + 7] for start, _ in far]

    def test_a_range_may_cross_every_chunk(self, hand: Hand) -> None:
        """One range of a large object, from its second byte to its last but one."""
        whole = bytes(number % 251 for number in range(3 * CHUNK_BYTES_MAX + 5))
        name = hand.put([whole])
        assert hand.read(name, (1, len(whole) - 2)) == [whole[1:-1]]

    @pytest.mark.parametrize("asked", BEYOND, ids=str)
    def test_a_range_beyond_the_end_is_corruption(self, hand: Hand, asked: tuple[int, int]) -> None:
        """Rows say where bytes are: an object without them was cut. Never a short answer."""
        name = hand.put()
        with pytest.raises(CorruptionError) as caught:
            hand.read(name, (0, 1), asked)
        assert (caught.value.tier, caught.value.object) == ("cold", name)

    @pytest.mark.parametrize("asked", [(-1, 2), (2, -1), (-8, 8)], ids=str)
    def test_an_impossible_range_is_refused(self, hand: Hand, asked: tuple[int, int]) -> None:
        """No adapter may take a negative start for one from the end."""
        with pytest.raises(InvalidArgumentError):
            hand.read(hand.put(), asked)

    def test_an_object_that_was_cut_is_corruption(self, hand: Hand, harness: ObjectHarness) -> None:
        """Found by reading what is no longer there; what still is can be read."""
        need(harness, "cut")
        name = hand.put()
        harness.cut(name, 5)
        assert hand.read(name, (0, 5)) == [WHOLE[:5]]
        with pytest.raises(CorruptionError):
            hand.read(name, (4, 2))

    def test_a_missing_object_is_missing(self, hand: Hand) -> None:
        """Typed, so that the reader looks at the row again; not corruption."""
        hand.put()
        name = hand.mint()
        with pytest.raises(ObjectMissingError) as caught:
            hand.read(name, (0, 1))
        assert (caught.value.outcome, caught.value.retry) == ("none", "now")
        with pytest.raises(ObjectMissingError):
            hand.read(name)

    def test_a_deleted_object_is_missing(self, hand: Hand) -> None:
        """At once, and for reads and streams alike."""
        name, kept = hand.put(), hand.put()
        hand.delete(name)
        with pytest.raises(ObjectMissingError):
            hand.read(name, (0, 1))
        with pytest.raises(ObjectMissingError):
            hand.stream(name)
        assert hand.read(kept, (0, 3)) == [b"abc"]


class Streaming(ObjectBench):
    """A stream is the whole object, in chunks of bounded size."""

    @pytest.mark.parametrize("size_bytes", [1, CHUNK_BYTES_MAX, 5 * CHUNK_BYTES_MAX + 3])
    def test_chunks_make_the_object(self, hand: Hand, size_bytes: int) -> None:
        """None is empty, none is larger than `CHUNK_BYTES_MAX`."""
        whole = bytes(number % 251 for number in range(size_bytes))
        chunks = hand.stream(hand.put([whole]))
        assert b"".join(chunks) == whole
        assert all(0 < len(chunk) <= CHUNK_BYTES_MAX for chunk in chunks)

    def test_an_empty_object_has_no_chunks(self, hand: Hand) -> None:
        """And that is no error."""
        assert hand.stream(hand.put([])) == []

    def test_a_missing_object_is_told_by_the_first_chunk(self, hand: Hand) -> None:
        """Making the iterator does nothing."""
        hand.put()
        stream = hand.objects.stream(hand.mint(), TIMEOUT_S)
        with pytest.raises(ObjectMissingError):
            next(stream)

    def test_two_streams_do_not_disturb_each_other(self, hand: Hand) -> None:
        """Read in turns, each is whole; so are ranges read between."""
        wholes = [bytes([number]) * (2 * CHUNK_BYTES_MAX + number) for number in (1, 2)]
        names = [hand.put([whole]) for whole in wholes]
        streams = [hand.objects.stream(name, TIMEOUT_S) for name in names]
        found = [b"", b""]
        for _ in range(4):
            for index, stream in enumerate(streams):
                found[index] += next(stream, b"")
                assert hand.read(names[0], (0, 1)) == [b"\x01"]
        assert found == wholes

    def test_a_stream_may_be_left_in_the_middle(self, hand: Hand) -> None:
        """What comes next works."""
        name = hand.put([bytes(3 * CHUNK_BYTES_MAX)])
        for _ in range(20):
            stream = hand.objects.stream(name, TIMEOUT_S)
            next(stream)
            del stream
        assert sum(map(len, hand.stream(name))) == 3 * CHUNK_BYTES_MAX

    def test_a_stream_and_a_read_agree(self, hand: Hand) -> None:
        """On every byte."""
        whole = bytes(number * 7 % 256 for number in range(CHUNK_BYTES_MAX + 17))
        name = hand.put([whole])
        read = hand.objects.read(name, [ByteRange(0, len(whole))], TIMEOUT_S)
        assert [b"".join(hand.stream(name))] == read
