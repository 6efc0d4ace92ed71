"""Regions that break one promise to links between regions, and the behaviours that catch them."""

from __future__ import annotations

from dataclasses import replace

from broken_suites import BrokenRegion

from tierstore.region import fingerprints
from tierstore.testing import MemoryRegion


class TestJoinsWhateverTheLinkBelieves(BrokenRegion):
    caught_by = (
        "test_a_page_is_joined_once",
        "test_nothing_happens_unless_the_peer_is_as_the_link_knows_it",
        "test_a_peer_that_is_thought_known_or_unknown_is_told",
        "test_of_two_links_one_joins_a_page",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def join(self, page, timeout_s):
            known = self._peers.get(page.after.region)
            return super().join(replace(page, before=known), timeout_s)


class TestStoresWhatDidNotChange(BrokenRegion):
    caught_by = ("test_what_changes_nothing_takes_no_place_in_the_feed",)

    class region_class(MemoryRegion):  # noqa: N801
        def join(self, page, timeout_s):
            reply = super().join(page, timeout_s)
            for row in page.rows if reply.is_joined else ():
                if row.key in self.rows:
                    self.rows[row.key] = self._place(self.rows[row.key])
                    reply.changed += 1
            return reply


class TestMovesThePeerBeforeItsRows(BrokenRegion):
    caught_by = ("test_a_page_without_payloads_is_refused_whole",)

    class region_class(MemoryRegion):  # noqa: N801
        def join(self, page, timeout_s):
            if self._peers.get(page.after.region) == page.before:
                self._peers[page.after.region] = page.after
                page = replace(page, before=page.after)
            return super().join(page, timeout_s)


class TestKeepsBackEachTime(BrokenRegion):
    caught_by = (
        "test_a_register_ahead_of_the_clock_waits_for_it",
        "test_what_can_never_be_joined_is_kept_aside_alone",
        "test_what_is_old_and_unknown_of_the_late_waits_for_an_operator",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def join(self, page, timeout_s):
            self._count = getattr(self, "_count", 1000) + 100
            rows = [replace(row, position=row.position + self._count) for row in page.rows]
            return super().join(replace(page, rows=rows), timeout_s)


class TestForgetsThatAPeerIsLate(BrokenRegion):
    caught_by = (
        "test_another_reader_makes_a_peer_late",
        "test_a_retired_reader_is_not_entered_again",
        "test_a_peer_that_is_not_waited_for_is_late_from_the_next_page_on",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def introduce(self, peer, reader, timeout_s):
            registration = super().introduce(peer, reader, timeout_s)
            self._peers[peer.region] = replace(self._peers[peer.region], is_late=False)
            return registration

        def _is_late(self, known, peer):
            return False


class TestLetsALinkSayWhoIsLate(BrokenRegion):
    caught_by = ("test_a_link_that_forgets_that_a_peer_is_late_changes_nothing",)

    class region_class(MemoryRegion):  # noqa: N801
        def _is_late(self, known, peer):
            return super()._is_late(None, peer)


class TestEntersThePeerAnew(BrokenRegion):
    caught_by = ("test_what_a_peer_was_read_stays_when_it_is_introduced",)

    class region_class(MemoryRegion):  # noqa: N801
        def introduce(self, peer, reader, timeout_s):
            self._peers.pop(peer.region, None)
            return super().introduce(peer, reader, timeout_s)


class TestLeavesExpiryOutOfFingerprints(BrokenRegion):
    caught_by = ("test_every_change_shows", "test_it_is_made_of_keys_and_versions")

    class region_class(MemoryRegion):  # noqa: N801
        def fingerprint(self, *arguments):
            told = super().fingerprint(*arguments)
            for key, row in self.rows.items():
                if row.record.touch:
                    told.digest ^= fingerprints.hash_version(
                        key.encode(), fingerprints.version_bytes(row)
                    )
            return told


class TestPutsHeatIntoFingerprints(BrokenRegion):
    caught_by = ("test_what_is_no_content_does_not_show",)

    class region_class(MemoryRegion):  # noqa: N801
        def fingerprint(self, *arguments):
            told = super().fingerprint(*arguments)
            told.digest ^= int(sum(row.heat * 100 for row in self.rows.values()))
            return told


class TestPagesOverlap(BrokenRegion):
    caught_by = ("test_pages_add_up", "test_ranges_are_half_open")

    class region_class(MemoryRegion):  # noqa: N801
        def fingerprint(self, start, end, limit, timeout_s):
            end = None if end is None else end + "\0"
            return super().fingerprint(start, end, limit, timeout_s)


class TestTellsVersionsWithPayloads(BrokenRegion):
    caught_by = ("test_versions_come_without_payloads",)

    class region_class(MemoryRegion):  # noqa: N801
        def versions(self, keys, timeout_s):
            reply = super().versions(keys, timeout_s)
            reply.rows = {key: self.rows[key] for key in reply.rows}
            return reply
