"""Regions that break one promise each, and the behaviours that catch them."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from broken_suites import BrokenRegion

from tierstore.errors import UnavailableError
from tierstore.region.batch import Poisoned
from tierstore.region.capabilities import Capabilities
from tierstore.region.rows import Row
from tierstore.testing import MemoryRegion
from tierstore.testing.conformance.models import MemoryRegionHarness


def folding(fold):
    """A dict that takes keys for equal if `fold` makes them so."""

    class Folding(dict):
        def __getitem__(self, key):
            return super().__getitem__(fold(key))

        def __setitem__(self, key, row):
            super().__setitem__(fold(key), row)

        def __contains__(self, key):
            return super().__contains__(fold(key))

    return Folding


class TestDropsTombstones(BrokenRegion):
    caught_by = (
        "test_a_delete_leaves_a_tombstone_with_its_stamp",
        "test_a_write_older_than_a_tombstone_does_not_come_back",
        "test_a_scan_shows_tombstones",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def _store(self, plan):
            super()._store(plan)
            self.rows = {k: row for k, row in self.rows.items() if row.record.payload is not None}


class TestIgnoresPredecessors(BrokenRegion):
    caught_by = (
        "test_a_wrong_predecessor_is_fenced",
        "test_a_first_batch_that_names_a_predecessor_is_fenced",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def apply(self, batch, timeout_s):
            state = self._replicas.get(batch.replica)
            if state is not None and batch.number == state.applied + 1:
                state.digest = batch.predecessor
            return super().apply(batch, timeout_s)


class TestTakesEveryNumberForARepetition(BrokenRegion):
    caught_by = (
        "test_another_batch_under_an_applied_number_is_fenced",
        "test_a_batch_from_before_the_last_one_is_fenced",
        "test_of_two_batches_under_one_number_one_is_applied",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def apply(self, batch, timeout_s):
            state = self._replicas.get(batch.replica)
            if state is not None and batch.number <= state.applied:
                return self._batch_reply("applied", state, "", repeated=True)
            return super().apply(batch, timeout_s)


class TestAppliesARepetition(BrokenRegion):
    caught_by = (
        "test_a_repeated_batch_gets_the_stored_answer_and_changes_nothing",
        "test_one_batch_sent_by_several_at_once_is_applied_once",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def apply(self, batch, timeout_s):
            state = self._replicas.get(batch.replica)
            if state is not None and batch.number == state.applied > 0:
                state.applied, state.digest = batch.number - 1, batch.predecessor
            return super().apply(batch, timeout_s)


class TestFoldsCase(BrokenRegion):
    caught_by = (
        "test_two_keys_that_look_alike_are_two_keys[('a', 'A')]",
        "test_all_nasty_keys_are_there_at_once",
        "test_keys_are_stored_as_their_own_bytes",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.rows = folding(str.lower)()


class TestPadsWithBlanks(BrokenRegion):
    caught_by = ("test_two_keys_that_look_alike_are_two_keys[('a', 'a ')]",)

    class region_class(MemoryRegion):  # noqa: N801
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.rows = folding(lambda key: key.rstrip(" ") or " ")()


class TestScansByPattern(BrokenRegion):
    caught_by = ("test_wildcards_are_characters",)

    class region_class(MemoryRegion):  # noqa: N801
        def scan(self, start, end, limit, reverse, values, replica, timeout_s):
            page = super().scan("", None, 1000, reverse, values, replica, timeout_s)
            like = re.escape(start).replace("%", ".*").replace("_", ".")
            page.rows = [row for row in page.rows if re.match(like, row.key)]
            return page


class TestScansInTheOrderOfUtf16(BrokenRegion):
    caught_by = ("test_a_scan_is_in_byte_order", "test_all_nasty_keys_are_there_at_once")

    class region_class(MemoryRegion):  # noqa: N801
        def scan(self, *arguments):
            page = super().scan(*arguments)
            page.rows.sort(key=lambda row: row.key.encode("utf-16-be"))
            return page


class TestScansToTheEndInclusive(BrokenRegion):
    caught_by = ("test_a_range_is_half_open", "test_every_range_is_that_of_the_sorted_keys")

    class region_class(MemoryRegion):  # noqa: N801
        def scan(self, start, end, *arguments):
            return super().scan(start, None if end is None else end + "\0", *arguments)


class TestTakesAFullPageForTheLast(BrokenRegion):
    caught_by = ("test_pages_of_any_size_find_every_key_once",)

    class region_class(MemoryRegion):  # noqa: N801
        def scan(self, *arguments):
            page = super().scan(*arguments)
            page.next_key = None
            return page


class TestFeedsInTheOrderOfKeys(BrokenRegion):
    caught_by = (
        "test_every_changed_key_shows_once_with_its_latest_version",
        "test_pages_of_any_size_tell_everything_in_order",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def changes(self, *arguments):
            page = super().changes(*arguments)
            page.changes.sort(key=lambda change: change.key)
            return page


class TestShowsRowsBehindCursors(BrokenRegion):
    """A position is drawn, and its row appears a little later: a sequence without a lock."""

    caught_by = ("test_nothing_appears_behind_a_cursor",)

    class region_class(MemoryRegion):  # noqa: N801
        def apply(self, batch, timeout_s):
            reply = super().apply(batch, timeout_s)
            with self._lock:
                rows = [self.rows.pop(delta.key, None) for delta in batch.deltas]
            time.sleep(0.001 * (batch.replica % 3))
            with self._lock:
                self.rows.update({row.key: row for row in rows if row is not None})
            return reply


class TestForgetsGaps(BrokenRegion):
    caught_by = (
        "test_a_cursor_below_what_was_collected_is_a_gap",
        "test_a_cursor_ahead_of_the_feed_is_a_gap",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def changes(self, *arguments):
            return replace(super().changes(*arguments), gap=False)


class TestRepliesWithoutASnapshot(BrokenRegion):
    caught_by = ("test_a_reply_contains_what_it_says_is_applied",)

    class region_class(MemoryRegion):  # noqa: N801
        def apply(self, *arguments):
            time.sleep(0.001)
            return super().apply(*arguments)

        def read(self, keys, *arguments):
            rows = super().read(keys, *arguments).rows
            time.sleep(0.001)
            return replace(super().read([], *arguments), rows=rows)


class TestReadsKeyByKey(BrokenRegion):
    caught_by = ("test_a_read_never_sees_half_a_batch",)

    class region_class(MemoryRegion):  # noqa: N801
        def apply(self, *arguments):
            time.sleep(0.0005)
            return super().apply(*arguments)

        def read(self, keys, *arguments):
            reply = super().read([], *arguments)
            for key in keys:
                time.sleep(0.0005)
                reply.rows |= super().read([key], *arguments).rows
            return reply


class TestAnswersForAnotherReplica(BrokenRegion):
    caught_by = ("test_a_reply_says_what_of_the_asker_it_contains",)

    class region_class(MemoryRegion):  # noqa: N801
        def _applied(self, replica):
            return max((state.applied for state in self._replicas.values()), default=0)


class TestLetsTheBackendExpire(BrokenRegion):
    caught_by = ("test_an_expired_row_is_kept",)

    class region_class(MemoryRegion):  # noqa: N801
        def read(self, *arguments):
            self._expire()
            return super().read(*arguments)

        def scan(self, *arguments):
            self._expire()
            return super().scan(*arguments)

        def _expire(self):
            now_ms = self._now_ms()
            self.rows = {
                key: row
                for key, row in self.rows.items()
                if row.record.expires_at_ms is None or row.record.expires_at_ms > now_ms
            }


class TestExpiresInWholeSeconds(BrokenRegion):
    caught_by = ("test_expiry_comes_back_to_the_millisecond",)

    class region_class(MemoryRegion):  # noqa: N801
        def _store(self, plan):
            for row in plan.writes.values():
                if row.record.expires_at_ms is not None:
                    row.record.expires_at_ms -= row.record.expires_at_ms % 1000
            super()._store(plan)


class TestCutsLargePayloads(BrokenRegion):
    caught_by = ("test_a_payload_of_any_size_comes_back",)

    class region_class(MemoryRegion):  # noqa: N801
        def _store(self, plan):
            for row in plan.writes.values():
                row.record.payload = row.record.payload and row.record.payload[:65_535]
            super()._store(plan)


class TestStopsAtPoison(BrokenRegion):
    caught_by = ("test_a_poisoned_delta_is_quarantined_and_the_batch_goes_on",)

    class region_class(MemoryRegion):  # noqa: N801
        def apply(self, batch, timeout_s):
            if any(isinstance(delta, Poisoned) for delta in batch.deltas):
                raise UnavailableError("the batch makes no sense")
            return super().apply(batch, timeout_s)


class TestForgetsWhatIsHeld(BrokenRegion):
    caught_by = (
        "test_a_delta_from_the_future_is_held_until_its_time",
        "test_what_is_held_is_told_to_an_operator",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def _hold(self, plan, batch):
            pass


class TestCollectsAboveTheFloor(BrokenRegion):
    caught_by = ("test_a_dead_row_above_the_floor_stays",)

    class region_class(MemoryRegion):  # noqa: N801
        def maintain(self, *arguments):
            for state in self._replicas.values():
                state.acknowledged = self._position
            return super().maintain(*arguments)


class TestMovesTakePositions(BrokenRegion):
    caught_by = (
        "test_moves_take_no_position",
        "test_a_move_there_and_back_changes_nothing_that_users_see",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def switch(self, *arguments):
            moved = super().switch(*arguments)
            for key in moved:
                self._position += 1
                self.rows[key] = replace(self.rows[key], position=self._position)
            return moved


class TestSwitchesWhateverIsThere(BrokenRegion):
    caught_by = ("test_a_row_that_was_written_is_not_switched",)

    class region_class(MemoryRegion):  # noqa: N801
        def switch(self, epoch, made, switches, timeout_s):
            seen = [self._seen_now(item) for item in switches]
            return super().switch(epoch, made, seen, timeout_s)

        def _seen_now(self, item):
            row = self.rows.get(item.key) or Row(item.key, None)
            if row.record is None:
                return item
            record = row.record
            return replace(item, stamp=record.stamp, replica=record.replica, epoch=row.epoch)


class TestDoesNotFenceMovers(BrokenRegion):
    caught_by = ("test_whoever_lost_the_lease_changes_nothing",)

    class region_class(MemoryRegion):  # noqa: N801
        def _check(self, epoch):
            pass


class TestClaimsToBeDurable(BrokenRegion):
    caught_by = (
        "test_a_restart_keeps_what_is_durable_and_nothing_else",
        "test_a_crash_keeps_every_batch_that_was_answered",
    )

    class region_class(MemoryRegion):  # noqa: N801
        capabilities = Capabilities(ordered_scan=True)


class TestLetsDriverErrorsThrough(BrokenRegion):
    caught_by = ("test_a_region_that_does_not_answer_is_unavailable",)

    @pytest.fixture
    def harness(self):
        harness = MemoryRegionHarness()
        run = harness.plan.run

        def run_raw(*arguments):
            try:
                return run(*arguments)
            except UnavailableError as error:
                raise ConnectionResetError(str(error)) from error

        harness.plan.run = run_raw
        return harness


class TestLeavesAbilitiesOut(BrokenRegion):
    """Its harness neither damages rows nor says why it cannot."""

    caught_by = ("test_what_the_harness_cannot_do_is_declared",)

    @pytest.fixture
    def harness(self):
        harness = MemoryRegionHarness()
        harness.cannot = {n: why for n, why in harness.cannot.items() if n != "corrupt"}
        return harness


class TestTellsItsSecret(BrokenRegion):
    caught_by = ("test_a_secret_is_never_told",)

    @pytest.fixture
    def harness(self):
        class Talkative(MemoryRegion):
            def __repr__(self):
                return "Talkative('sql://user:c4n4ry@host')"

        harness = MemoryRegionHarness()
        harness.cannot = {n: why for n, why in harness.cannot.items() if n != "open_secret"}
        harness.open_secret = lambda: (Talkative(harness.clock), "c4n4ry")
        return harness
