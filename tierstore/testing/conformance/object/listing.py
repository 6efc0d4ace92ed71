"""Listings: every object of a prefix once, in byte order, and what tierstore did not make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.errors import InvalidArgumentError, TierStoreError
from tierstore.region.objects import SEGMENT, VALUE, Leftover, ObjectInfo, parse_name
from tierstore.testing.conformance.harness import TIMEOUT_S, need
from tierstore.testing.conformance.object.bench import OTHER, REGION, ObjectBench, put_many

if TYPE_CHECKING:
    from tierstore.testing.conformance.object.bench import Hand
    from tierstore.testing.conformance.object.harness import ObjectHarness

FOREIGN = [f"{REGION}/{leaf}" for leaf in ("!", "0-x", "1-018bcfe56800-x.seg", "zzz", "ünlist")]


class ListingOfObjects(ObjectBench):
    """A listing finds what there is."""

    def test_an_empty_tier_lists_nothing(self, hand: Hand) -> None:
        """And says that this is all."""
        page = hand.page()
        assert (page.objects, page.next_after, page.foreign, page.leftovers) == ([], None, [], [])

    def test_names_come_in_byte_order_with_their_sizes(self, hand: Hand) -> None:
        """Not in the order in which they were written."""
        sizes = {
            hand.put([bytes(size_bytes)], kind=kind): size_bytes
            for size_bytes in range(6)
            for kind in (SEGMENT, VALUE)
        }
        assert hand.page().objects == [ObjectInfo(name, sizes[name]) for name in sorted(sizes)]

    @pytest.mark.parametrize("limit", [1, 2, 3, 5, 12, 13, 1000])
    def test_pages_of_any_size_list_everything_once(self, hand: Hand, limit: int) -> None:
        """Each page goes on after the last name of the one before."""
        names = sorted(hand.put() for _ in range(12))
        assert hand.names(limit=limit) == names
        assert len(list(hand.pages(limit=limit))) == -(-len(names) // limit)

    def test_a_page_that_is_just_full_is_the_last(self, hand: Hand) -> None:
        """No next page is promised where there is none."""
        for _ in range(3):
            hand.put()
        assert hand.page(limit=3).next_after is None
        assert hand.page(limit=2).next_after is not None

    def test_a_listing_goes_on_after_any_name(self, hand: Hand) -> None:
        """Present or not, beyond the last one, too."""
        names = sorted(hand.put() for _ in range(4))
        for index, name in enumerate(names):
            after = [info.name for info in hand.page(after=name).objects]
            assert after == names[index + 1 :]
        assert [info.name for info in hand.page(after=names[1] + "~").objects] == names[2:]
        assert hand.page(after=f"{REGION}/~").objects == []

    def test_a_listing_goes_on_where_a_name_was_deleted(self, hand: Hand) -> None:
        """A cursor outlives the object that it names."""
        names = sorted(hand.put() for _ in range(4))
        after = hand.page(limit=2).next_after
        assert after is not None
        hand.delete(names[1])
        assert [info.name for info in hand.page(after=after).objects] == names[2:]

    def test_regions_are_listed_apart(self, hand: Hand) -> None:
        """Also those whose ids begin alike."""
        ids = ["a", "ab", "a0", "b", REGION, OTHER]
        names = {region: hand.put(region=region) for region in ids}
        for region, name in names.items():
            assert hand.names(f"{region}/") == [name]

    def test_a_prefix_may_be_the_beginning_of_a_name(self, hand: Hand) -> None:
        """Or a whole one."""
        names = sorted(hand.put() for _ in range(4))
        for prefix in (names[1], names[1][:-6], names[0][: len(REGION) + 3]):
            assert hand.names(prefix) == [name for name in names if name.startswith(prefix)]

    @pytest.mark.parametrize(
        "prefix", ["", "/", ".", "..", "../", REGION, f"{REGION}/a/b", f"{REGION}/\0", "A/", "a b/"]
    )
    def test_a_prefix_beyond_a_region_is_refused(self, hand: Hand, prefix: str) -> None:
        """A listing never shows what another region, or another application, has."""
        hand.put()
        with pytest.raises(InvalidArgumentError):
            hand.page(prefix)

    def test_wildcards_in_a_prefix_are_characters(self, hand: Hand, harness: ObjectHarness) -> None:
        """A prefix is no pattern."""
        hand.put()
        for prefix in ("*", "?", "[0-9]", "%", "_"):
            assert hand.names(f"{REGION}/{prefix}") == []

    def test_what_is_deleted_is_not_listed(self, hand: Hand) -> None:
        """At once."""
        names = sorted(hand.put() for _ in range(3))
        hand.delete(names[1])
        assert hand.names() == [names[0], names[2]]

    def test_what_is_there_throughout_is_listed_once(self, hand: Hand) -> None:
        """While others come and go between the pages."""
        stay = sorted(hand.put() for _ in range(8))
        found: list[str] = []
        passing: list[str] = []
        for page in hand.pages(limit=3):
            found += [info.name for info in page.objects]
            passing.append(hand.put())
            if len(passing) > 1:
                hand.delete(passing[-2])
        assert [name for name in found if name in stay] == stay
        assert len(found) == len(set(found))

    def test_more_than_a_thousand_objects_are_listed(
        self, hand: Hand, harness: ObjectHarness
    ) -> None:
        """More than one request of any backend tells at once."""
        names = put_many(hand, harness, 1_005)
        assert hand.names() == names
        assert len(hand.page(limit=2000).objects) in (1_000, 1_005)


class Foreign(ObjectBench):
    """What tierstore did not make is shown and left alone."""

    @pytest.fixture
    def own(self, hand: Hand, harness: ObjectHarness) -> str:
        """An object among foreign names."""
        need(harness, "plant")
        own = hand.put()
        for name in FOREIGN:
            harness.plant(name, b"foreign")
        return own

    def test_foreign_names_are_reported_apart(self, hand: Hand, own: str) -> None:
        """An operator has to know; nothing takes them for objects."""
        page = hand.page()
        assert [info.name for info in page.objects] == [own]
        assert page.foreign == sorted(FOREIGN, key=str.encode)
        assert page.leftovers == []

    def test_foreign_names_count_towards_the_limit(self, hand: Hand, own: str) -> None:
        """So a page may have no object and go on."""
        pages = list(hand.pages(limit=1))
        assert len(pages) == len(FOREIGN) + 1
        assert sum(len(page.objects) for page in pages) == 1
        first = pages[0]
        assert (first.objects, first.foreign) == ([], [f"{REGION}/!"])
        assert first.next_after is not None

    def test_foreign_names_are_not_opened(self, hand: Hand, own: str) -> None:
        """Neither read, nor streamed, nor written."""
        for name in FOREIGN:
            with pytest.raises(InvalidArgumentError):
                hand.read(name, (0, 1))
            with pytest.raises(InvalidArgumentError):
                hand.stream(name)
            with pytest.raises(InvalidArgumentError):
                hand.objects.put(name, [b"x"], TIMEOUT_S)

    def test_foreign_names_are_not_deleted(
        self, hand: Hand, harness: ObjectHarness, own: str
    ) -> None:
        """And whoever asks for one among others deletes none."""
        for name in FOREIGN:
            with pytest.raises(InvalidArgumentError):
                hand.delete(own, name)
        assert harness.raw_names() == {own, *FOREIGN}

    def test_what_was_planted_under_a_minted_name_is_an_object(
        self, hand: Hand, harness: ObjectHarness
    ) -> None:
        """Another process of tierstore may have written it."""
        need(harness, "plant")
        hand.put()
        name = hand.mint()
        harness.plant(name, b"written elsewhere")
        assert name in hand.names()
        assert hand.read(name, (8, 9)) == [b"elsewhere"]

    def test_leftovers_are_told_with_their_time_and_can_be_deleted(
        self, hand: Hand, harness: ObjectHarness
    ) -> None:
        """What a put that was cut off left is no object, nor foreign."""
        need(harness, "plant_leftover")
        kept, name = hand.put(), hand.mint()
        left = harness.plant_leftover(name)
        parsed = parse_name(name)
        assert parsed is not None
        page = hand.page()
        assert [info.name for info in page.objects] == [kept]
        assert (page.leftovers, page.foreign) == ([Leftover(left, parsed.minted_ms)], [])
        with pytest.raises(TierStoreError):
            hand.read(name, (0, 1))
        for _ in range(2):
            hand.delete(left)
        assert hand.page().leftovers == []
        assert hand.names() == [kept]
