"""Names: minted ones of every form are objects, all others are refused by every verb."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.errors import InvalidArgumentError
from tierstore.region.objects import INCARNATION_MAX, MINTED_MS_MAX, SEGMENT, mint_name
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.object.bench import (
    OTHER,
    PARTS,
    REGION,
    WHOLE,
    ObjectBench,
    put_many,
)

if TYPE_CHECKING:
    from tierstore.testing.conformance.object.bench import Hand
    from tierstore.testing.conformance.object.harness import ObjectHarness

LEAF = "1-018bcfe56800-0123456789abcdef.seg"
UNMINTED = [
    "", "x", LEAF, f"{REGION}/", f"{REGION}/notes.txt", f"{REGION}/{LEAF[:-4]}.tmp",
    f"{REGION}/0{LEAF}", f"{REGION}/{LEAF.upper()}", f"{REGION}/{LEAF}\n", f"{REGION}/{LEAF} ",
    f"{REGION}/../{REGION}/{LEAF}", f"../{LEAF}", f"./{LEAF}", f"/{LEAF}", f"/{REGION}/{LEAF}",
    f"{REGION}//{LEAF}", f"{REGION}/a/{LEAF}", f"{REGION}\0/{LEAF}", f"{REGION}/{LEAF}\0",
    f"{REGION.upper()}/{LEAF}", f"{REGION}/{LEAF[:-5]}٣.seg", f"{REGION}\\{LEAF}",
    f"{REGION}%2F{LEAF}", f"{REGION}/..", "..", f"{'r' * 65}/{LEAF}",
]  # fmt: skip


class Names(ObjectBench):
    """A name leads to one object, inside its region."""

    @pytest.mark.parametrize("name", UNMINTED, ids=ascii)
    def test_a_name_that_was_not_minted_is_refused(
        self, hand: Hand, harness: ObjectHarness, name: str
    ) -> None:
        """By put, read, stream and delete, before anything happens."""
        own = hand.put()
        with pytest.raises(InvalidArgumentError):
            hand.objects.put(name, [b"x"], TIMEOUT_S)
        with pytest.raises(InvalidArgumentError):
            hand.read(name, (0, 1))
        with pytest.raises(InvalidArgumentError):
            next(hand.objects.stream(name, TIMEOUT_S))
        with pytest.raises(InvalidArgumentError):
            hand.delete(own, name)
        assert harness.raw_names() == {own}

    @pytest.mark.parametrize("region", ["0", "z" * 64, "con", "nul", "0x1", REGION])
    @pytest.mark.parametrize("incarnation", [0, INCARNATION_MAX])
    def test_every_minted_name_is_an_object(
        self, hand: Hand, harness: ObjectHarness, region: str, incarnation: int
    ) -> None:
        """Of the shortest and the longest regions, the first and the last life."""
        name = mint_name(harness.clock, region, incarnation, SEGMENT)
        hand.objects.put(name, PARTS, TIMEOUT_S)
        assert harness.raw_object(name) == WHOLE
        assert hand.names(f"{region}/") == [name]
        assert hand.read(name, (0, 3)) == [b"abc"]
        hand.delete(name)
        assert harness.raw_names() == set()

    def test_the_earliest_and_the_latest_name_are_objects(self, hand: Hand) -> None:
        """A clock that is wrong makes names that sort oddly, and work."""
        times = [0, 1, MINTED_MS_MAX]
        names = [f"{REGION}/1-{minted_ms:012x}-0123456789abcdef.seg" for minted_ms in times]
        for name in names:
            hand.objects.put(name, [b"x"], TIMEOUT_S)
        assert hand.names() == names

    def test_names_that_differ_in_one_character_are_apart(
        self, hand: Hand, harness: ObjectHarness
    ) -> None:
        """Whichever character it is."""
        base = f"{REGION}/1-018bcfe56800-0123456789abcdef.seg"
        names = [
            base,
            base.replace("/1-", "/2-"),
            base.replace("6800", "6801"),
            base.replace("cdef.", "cdee."),
            base.replace(".seg", ".val"),
        ]
        for name in names:
            hand.objects.put(name, [name.encode()], TIMEOUT_S)
        hand.delete(names[0])
        assert harness.raw_object(names[0]) is None
        for name in names[1:]:
            assert harness.raw_object(name) == name.encode()


class Deleting(ObjectBench):
    """Deleting removes what is named, and nothing else."""

    def test_deleting_is_idempotent(self, hand: Hand, harness: ObjectHarness) -> None:
        """What is gone, or never was, counts as removed."""
        kept, gone = hand.put(), hand.put()
        never, elsewhere = hand.mint(), hand.mint(region=OTHER)
        for _ in range(2):
            hand.delete(never, gone, elsewhere)
            assert harness.raw_names() == {kept}

    def test_deleting_nothing_does_nothing(self, hand: Hand, harness: ObjectHarness) -> None:
        """No name, no request."""
        name = hand.put()
        hand.delete()
        assert harness.raw_names() == {name}

    def test_a_name_may_be_given_twice(self, hand: Hand, harness: ObjectHarness) -> None:
        """In one call."""
        name = hand.put()
        hand.delete(name, name)
        assert harness.raw_names() == set()

    def test_objects_of_several_regions_are_deleted_at_once(
        self, hand: Hand, harness: ObjectHarness
    ) -> None:
        """Each under its own prefix; twins elsewhere stay."""
        here, there = hand.put(), hand.put(region=OTHER)
        twin = f"{OTHER}/{here.partition('/')[2]}"
        hand.objects.put(twin, [b"twin"], TIMEOUT_S)
        hand.delete(here, there)
        assert harness.raw_names() == {twin}

    def test_more_than_a_thousand_objects_are_deleted_at_once(
        self, hand: Hand, harness: ObjectHarness
    ) -> None:
        """More than one request of any backend takes."""
        names = put_many(hand, harness, 1_005)
        kept = hand.put()
        hand.delete(*names)
        assert harness.raw_names() == {kept}

    def test_deleting_before_anything_was_put_does_nothing(
        self, hand: Hand, harness: ObjectHarness
    ) -> None:
        """A region that has nothing has no place yet either."""
        hand.delete(hand.mint())
        assert harness.raw_names() == set()

    def test_a_deleted_object_is_gone_for_the_driver(
        self, hand: Hand, harness: ObjectHarness
    ) -> None:
        """No marker, no older version, under its name."""
        name = hand.put()
        hand.delete(name)
        assert harness.raw_object(name) is None
