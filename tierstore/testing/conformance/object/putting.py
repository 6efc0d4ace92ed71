"""An object is its parts, whole and for ever, or it is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.errors import ValueTooLargeError
from tierstore.region.capabilities import Capabilities
from tierstore.region.objects import (
    CHUNK_BYTES_MAX,
    SEGMENT,
    VALUE,
    ByteRange,
    ObjectExistsError,
    ObjectMissingError,
)
from tierstore.testing.conformance.harness import TIMEOUT_S, need
from tierstore.testing.conformance.object.bench import OTHER, PARTS, WHOLE, Hand, ObjectBench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.testing.conformance.object.harness import ObjectHarness

SIZES = [0, 1, 4095, 64 << 10, (64 << 10) + 1, CHUNK_BYTES_MAX, CHUNK_BYTES_MAX + 1, 8 << 20]


class Putting(ObjectBench):
    """What was put is what there is."""

    def test_what_it_can_do_is_declared_before_it_is_used(self, hand: Hand) -> None:
        """Capabilities are static; listings go on from any name in every tier."""
        assert isinstance(hand.objects.capabilities, Capabilities)
        assert hand.objects.capabilities.ordered_scan

    def test_what_is_put_is_what_the_driver_finds(self, hand: Hand, harness: ObjectHarness) -> None:
        """The bytes of the parts, under exactly that name; a read does not vouch for them."""
        name = hand.put()
        assert harness.raw_object(name) == WHOLE
        assert harness.raw_names() == {name}

    @pytest.mark.parametrize("size_bytes", SIZES)
    def test_an_object_of_any_size_comes_back(
        self, hand: Hand, harness: ObjectHarness, size_bytes: int
    ) -> None:
        """At each size at which a driver may change its ways; up to `value_bytes_max`."""
        whole = (bytes(range(251)) * (size_bytes // 251 + 1))[:size_bytes]
        most = hand.objects.capabilities.value_bytes_max
        if most is not None and size_bytes > most:
            with pytest.raises(ValueTooLargeError):
                hand.put([whole])
            assert harness.raw_names() == set()
            return
        name = hand.put([whole])
        assert harness.raw_object(name) == whole
        assert hand.read(name, (0, size_bytes)) == [whole]
        assert [(info.name, info.size_bytes) for info in hand.page().objects] == [
            (name, size_bytes)
        ]

    @pytest.mark.parametrize("parts", [[], [b""], [b"", b"x", b""], [b"x"] * 1000], ids=len)
    def test_parts_of_any_kind_make_one_object(
        self, hand: Hand, harness: ObjectHarness, parts: list[bytes]
    ) -> None:
        """None, empty ones, and many small ones."""
        assert harness.raw_object(hand.put(parts)) == b"".join(parts)

    def test_parts_may_be_made_while_they_are_taken(
        self, hand: Hand, harness: ObjectHarness
    ) -> None:
        """`parts` is read once, from its beginning."""
        name = hand.put(bytes([number]) for number in range(5))
        assert harness.raw_object(name) == bytes(range(5))

    def test_every_byte_may_stand_in_an_object(self, hand: Hand, harness: ObjectHarness) -> None:
        """Objects are no text: no line ends, no encodings, no compression that shows."""
        whole = bytes(range(256)) + b"\r\n\n\r\x1a\0"
        name = hand.put([whole])
        assert harness.raw_object(name) == whole
        assert b"".join(hand.stream(name)) == whole

    def test_both_kinds_are_objects(self, hand: Hand) -> None:
        """Segments and values."""
        names = [hand.put(kind=SEGMENT), hand.put(kind=VALUE)]
        assert sorted(hand.names()) == sorted(names)

    def test_nothing_is_overwritten(self, hand: Hand, harness: ObjectHarness) -> None:
        """A name that is taken is refused, and what has it stays as it is."""
        name = hand.put()
        for other in ([b"other"], [], list(PARTS), [bytes(1 << 20)]):
            with pytest.raises(ObjectExistsError):
                hand.objects.put(name, other, TIMEOUT_S)
        assert harness.raw_object(name) == WHOLE
        assert harness.raw_names() == {name}

    def test_a_refused_put_says_that_nothing_happened(self, hand: Hand) -> None:
        """And that another name helps at once."""
        name = hand.put()
        with pytest.raises(ObjectExistsError) as caught:
            hand.objects.put(name, [b"other"], TIMEOUT_S)
        assert (caught.value.outcome, caught.value.retry) == ("none", "now")

    def test_an_empty_object_takes_its_name(self, hand: Hand) -> None:
        """It is there as any other."""
        name = hand.put([])
        with pytest.raises(ObjectExistsError):
            hand.objects.put(name, [b"x"], TIMEOUT_S)
        assert hand.read(name) == []

    def test_one_leaf_in_two_regions_is_two_objects(
        self, hand: Hand, harness: ObjectHarness
    ) -> None:
        """The region is part of the name."""
        name = hand.put([b"here"])
        twin = f"{OTHER}/{name.partition('/')[2]}"
        hand.objects.put(twin, [b"there"], TIMEOUT_S)
        assert [harness.raw_object(each) for each in (name, twin)] == [b"here", b"there"]

    @pytest.mark.parametrize("good", [0, 1, 40])
    def test_a_put_whose_parts_fail_leaves_nothing(
        self, hand: Hand, harness: ObjectHarness, good: int
    ) -> None:
        """What `parts` raises comes through, and no object is there, however much was written."""

        def parts() -> Iterator[bytes]:
            yield from [bytes(CHUNK_BYTES_MAX)] * good
            raise KeyError("parts")

        with pytest.raises(KeyError):
            hand.put(parts())
        assert hand.names() == []
        assert harness.raw_names() == set()

    def test_a_name_is_free_after_a_put_that_failed(
        self, hand: Hand, harness: ObjectHarness
    ) -> None:
        """Nothing stands in the way of trying again."""

        def parts() -> Iterator[bytes]:
            yield b"abc"
            raise KeyError("parts")

        name = hand.mint()
        with pytest.raises(KeyError):
            hand.objects.put(name, parts(), TIMEOUT_S)
        hand.objects.put(name, PARTS, TIMEOUT_S)
        assert harness.raw_object(name) == WHOLE

    def test_half_of_an_object_is_never_visible(self, hand: Hand) -> None:
        """While its parts are made, there is none, to reads and listings."""
        name, looks = hand.mint(), 0

        def parts() -> Iterator[bytes]:
            nonlocal looks
            for _ in range(4):
                yield bytes(CHUNK_BYTES_MAX)
                looks += 1
                with pytest.raises(ObjectMissingError):
                    hand.objects.read(name, [ByteRange(0, 1)], TIMEOUT_S)
                assert hand.names() == []

        hand.put([b"so that there is a region"], region=OTHER)
        hand.put([b"and this one"])
        present = set(hand.names())
        hand.delete(*present)
        hand.objects.put(name, parts(), TIMEOUT_S)
        assert looks == 4
        assert hand.names() == [name]

    def test_another_handle_finds_the_object_at_once(
        self, hand: Hand, harness: ObjectHarness
    ) -> None:
        """When `put` returns, the object is there for everybody."""
        name = hand.put()
        other = Hand(harness.open(), harness.clock)
        assert other.read(name, (0, len(WHOLE))) == [WHOLE]
        assert other.names() == [name]

    def test_a_restart_keeps_what_is_durable_and_nothing_else(
        self, hand: Hand, harness: ObjectHarness
    ) -> None:
        """Durable: every object as it was. Else: none."""
        need(harness, "restart")
        name = hand.put()
        harness.restart()
        again = Hand(harness.open(), harness.clock)
        if again.objects.capabilities.durable:
            assert again.read(name, (0, len(WHOLE))) == [WHOLE]
        else:
            assert harness.raw_names() == set()
            assert again.names() == []
