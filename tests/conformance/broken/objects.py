"""Cold tiers that break one promise each, and the behaviours that catch them."""

from __future__ import annotations

import pytest

from tierstore.region.objects import ObjectInfo, ObjectMissingError, check_name
from tierstore.testing import MemoryObjects
from tierstore.testing.conformance import ObjectConformance
from tierstore.testing.conformance.models import MemoryObjectsHarness


class Broken(ObjectConformance):
    """A suite over objects in memory with one thing changed."""

    objects_class = MemoryObjects
    caught_by: tuple[str, ...] = ()

    @pytest.fixture
    def harness(self):
        harness = MemoryObjectsHarness()
        harness.make = self.objects_class
        harness.inner = harness.make()
        return harness


class TestOverwrites(Broken):
    caught_by = (
        "test_nothing_is_overwritten",
        "test_an_empty_object_takes_its_name",
        "test_of_several_puts_of_one_name_one_wins",
    )

    class objects_class(MemoryObjects):  # noqa: N801
        def put(self, name, parts, timeout_s):
            check_name(name)
            self.blobs[name] = b"".join(parts)


class TestShowsHalfOfAnObject(Broken):
    caught_by = (
        "test_half_of_an_object_is_never_visible",
        "test_a_put_whose_parts_fail_leaves_nothing",
        "test_a_name_is_free_after_a_put_that_failed",
    )

    class objects_class(MemoryObjects):  # noqa: N801
        def put(self, name, parts, timeout_s):
            super().put(name, [], timeout_s)
            for part in parts:
                self.blobs[name] += part


class TestDeletesSiblings(Broken):
    caught_by = ("test_names_that_differ_in_one_character_are_apart",)

    class objects_class(MemoryObjects):  # noqa: N801
        def delete(self, names, timeout_s):
            super().delete(names, timeout_s)
            for stem in (name.rpartition(".")[0] for name in names):
                self.blobs = {n: b for n, b in self.blobs.items() if not n.startswith(stem)}


class TestDeletesWhatIsForeign(Broken):
    caught_by = (
        "test_foreign_names_are_not_deleted",
        "test_a_name_that_was_not_minted_is_refused",
    )

    class objects_class(MemoryObjects):  # noqa: N801
        def delete(self, names, timeout_s):
            for name in names:
                self.blobs.pop(name, None)


class TestDeletesAThousandAtMost(Broken):
    caught_by = ("test_more_than_a_thousand_objects_are_deleted_at_once",)

    class objects_class(MemoryObjects):  # noqa: N801
        def delete(self, names, timeout_s):
            super().delete(names[:1_000], timeout_s)


class TestAnswersShort(Broken):
    caught_by = (
        "test_a_range_beyond_the_end_is_corruption",
        "test_an_object_that_was_cut_is_corruption",
    )

    class objects_class(MemoryObjects):  # noqa: N801
        def read(self, name, ranges, timeout_s):
            whole = self._find(name)
            return [whole[asked.start : asked.end] for asked in ranges]


class TestCountsFromTheEnd(Broken):
    caught_by = ("test_an_impossible_range_is_refused",)

    class objects_class(MemoryObjects):  # noqa: N801
        def read(self, name, ranges, timeout_s):
            whole = self._find(name)
            return [whole[asked.start :][: asked.length] for asked in ranges]


class TestAnswersInItsOwnOrder(Broken):
    caught_by = ("test_ranges_come_in_the_order_asked_for",)

    class objects_class(MemoryObjects):  # noqa: N801
        def read(self, name, ranges, timeout_s):
            return super().read(name, sorted(ranges, key=lambda asked: asked.start), timeout_s)


class TestStreamsNothingForWhatIsMissing(Broken):
    caught_by = (
        "test_a_missing_object_is_told_by_the_first_chunk",
        "test_a_deleted_object_is_missing",
    )

    class objects_class(MemoryObjects):  # noqa: N801
        def stream(self, name, timeout_s):
            try:
                yield from super().stream(name, timeout_s)
            except ObjectMissingError:
                return


class TestStreamsInOneChunk(Broken):
    caught_by = ("test_chunks_make_the_object",)

    class objects_class(MemoryObjects):  # noqa: N801
        def stream(self, name, timeout_s):
            yield self._find(name)


class TestKeepsText(Broken):
    caught_by = ("test_every_byte_may_stand_in_an_object",)

    class objects_class(MemoryObjects):  # noqa: N801
        def put(self, name, parts, timeout_s):
            super().put(name, [b"".join(parts).replace(b"\r\n", b"\n")], timeout_s)


class TestListsRegionsThatBeginAlike(Broken):
    caught_by = ("test_regions_are_listed_apart",)

    class objects_class(MemoryObjects):  # noqa: N801
        def list(self, prefix, after, limit, timeout_s):
            page = super().list(prefix, after, limit, timeout_s)
            region = prefix.rstrip("/")
            names = sorted(name for name in self.blobs if name.startswith(region))
            page.objects = [ObjectInfo(name, len(self.blobs[name])) for name in names]
            return page


class TestListsTheLastNameAgain(Broken):
    caught_by = (
        "test_pages_of_any_size_list_everything_once",
        "test_a_listing_goes_on_after_any_name",
    )

    class objects_class(MemoryObjects):  # noqa: N801
        def list(self, prefix, after, limit, timeout_s):
            again = after[:-1] + chr(ord(after[-1]) - 1) + "~" if after else after
            if limit < 2:
                return super().list(prefix, after, limit, timeout_s)
            return super().list(prefix, again, limit, timeout_s)


class TestTakesAnEmptyPageForTheEnd(Broken):
    caught_by = ("test_foreign_names_count_towards_the_limit",)

    class objects_class(MemoryObjects):  # noqa: N801
        def list(self, prefix, after, limit, timeout_s):
            page = super().list(prefix, after, limit, timeout_s)
            page.next_after = page.next_after if page.objects else None
            return page


class TestTakesForeignNamesForObjects(Broken):
    caught_by = ("test_foreign_names_are_reported_apart",)

    class objects_class(MemoryObjects):  # noqa: N801
        def list(self, prefix, after, limit, timeout_s):
            page = super().list(prefix, after, limit, timeout_s)
            page.objects += [ObjectInfo(name, len(self.blobs[name])) for name in page.foreign]
            page.foreign.clear()
            return page


class TestListsBeyondARegion(Broken):
    caught_by = ("test_a_prefix_beyond_a_region_is_refused",)

    class objects_class(MemoryObjects):  # noqa: N801
        def list(self, prefix, after, limit, timeout_s):
            return super().list(prefix if prefix.count("/") == 1 else "a/", after, limit, timeout_s)
