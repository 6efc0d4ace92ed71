"""Coordinators that break one promise to those who commit, and the behaviours that catch them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from broken_suites import BrokenRegion

from tierstore.region.commits import DATA, DELETE, EXTEND, PRIVATE, Check, Version
from tierstore.region.operations import ABANDONED, digest_request
from tierstore.region.rows import STRONG
from tierstore.testing import MemoryRegion
from tierstore.testing.conformance.sqlite import SqliteHarness


class Sending(MemoryRegion):
    """Carries out another commit than it was sent."""

    def other(self, commit):
        return commit

    def commit(self, commit, timeout_s):
        return super().commit(self.other(commit), timeout_s)


class Finding(MemoryRegion):
    """Finds other rows than there are."""

    def other(self, row):
        return row

    def _row(self, cell):
        row = super()._row(cell)
        return None if row is None else self.other(row)


class Writing(MemoryRegion):
    """Writes something else than was planned."""

    def change(self, plan):
        plan.writes.clear()

    def _carry_out(self, plan):
        self.change(plan)
        super()._carry_out(plan)


def without_end(row):
    """`row` as if it lived for ever."""
    return replace(row, record=replace(row.record, expires_at_ms=None))


class TestSkipsTheOperationId(BrokenRegion):
    caught_by = (
        "test_a_commit_that_is_repeated_is_answered_as_before",
        "test_an_id_is_of_one_request",
        "test_what_has_happened_is_told",
        "test_one_operation_sent_by_several_at_once_happens_once",
    )

    class region_class(Sending):  # noqa: N801
        def other(self, commit):
            return replace(commit, operation_id="")


class TestForgetsTheResultOfAnOperation(BrokenRegion):
    caught_by = (
        "test_a_commit_that_is_repeated_is_answered_as_before",
        "test_what_has_happened_is_told",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def _keep_operation(self, operation_id, digest, version, answer=b""):
            super()._keep_operation(operation_id, digest, version)


class TestAnswersARepetitionWithTheVersionOfNow(BrokenRegion):
    caught_by = ("test_a_commit_that_is_repeated_is_answered_as_before",)

    class region_class(MemoryRegion):  # noqa: N801
        def _known(self, commit):
            reply = super()._known(commit)
            if reply is not None and reply.repeated:
                reply.version = Version(reply.incarnation, self._number)
            return reply


class TestTakesAnotherRequestForTheSame(BrokenRegion):
    caught_by = (
        "test_an_id_is_of_one_request",
        "test_what_names_a_request_may_be_given",
        "test_one_id_for_two_requests_at_once_is_of_one",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def _known(self, commit):
            found = self._operations.get(commit.operation_id)
            if found is not None and found.version != ABANDONED:
                kept = replace(found, digest=digest_request(commit))
                self._operations[commit.operation_id] = kept
            return super()._known(commit)


class TestKeepsAConflict(BrokenRegion):
    caught_by = ("test_a_conflict_is_not_kept",)

    class region_class(MemoryRegion):  # noqa: N801
        def _write_commit(self, commit, judged):
            reply = super()._write_commit(commit, judged)
            if commit.operation_id and reply.verdict == "conflict":
                self._keep_operation(commit.operation_id, digest_request(commit), ABANDONED)
            return reply


class TestDoesAgainWhatIsTooOldToTell(BrokenRegion):
    caught_by = ("test_an_id_too_old_to_tell_is_refused",)

    class region_class(MemoryRegion):  # noqa: N801
        def _known(self, commit):
            reply = super()._known(commit)
            return None if reply is not None and reply.verdict == "late" else reply


class TestTakesIdsFromTheFuture(BrokenRegion):
    caught_by = ("test_an_id_from_the_future_is_refused",)

    class region_class(MemoryRegion):  # noqa: N801
        def _known(self, commit):
            reply = super()._known(commit)
            return None if reply is not None and reply.verdict == "early" else reply


class TestForgetsOperationsTooEarly(BrokenRegion):
    caught_by = ("test_an_id_of_the_callers_holds_for_a_day",)

    class region_class(MemoryRegion):  # noqa: N801
        def maintain(self, *arguments):
            self._operations.clear()
            return super().maintain(*arguments)


class TestKeepsOperationsForEver(BrokenRegion):
    caught_by = ("test_an_id_of_the_callers_holds_for_a_day",)

    class region_class(MemoryRegion):  # noqa: N801
        def _keep_operation(self, operation_id, *arguments):
            super()._keep_operation(operation_id, *arguments)
            kept = self._operations[operation_id]
            self._operations[operation_id] = replace(kept, expires_ms=2**62)


class TestTellsTheUnknownAsAbandonedAndLetsItHappen(BrokenRegion):
    caught_by = ("test_what_has_not_happened_when_it_is_asked_about_never_does",)

    class region_class(MemoryRegion):  # noqa: N801
        def _keep_operation(self, operation_id, digest, version, answer=b""):
            if version != ABANDONED:
                super()._keep_operation(operation_id, digest, version, answer)


class TestAbandonsWhatHasHappened(BrokenRegion):
    caught_by = ("test_what_has_happened_is_told",)

    class region_class(MemoryRegion):  # noqa: N801
        def settle(self, operation_id, timeout_s):
            self._operations.pop(operation_id, None)
            return super().settle(operation_id, timeout_s)


class TestSkipsTheCheckOfALease(BrokenRegion):
    caught_by = ("test_a_write_under_a_lease_that_another_has_is_refused",)

    class region_class(Sending):  # noqa: N801
        def other(self, commit):
            checks = [c for c in commit.checks if c.cell.space == DATA or c.version is None]
            return replace(commit, checks=tuple(checks))


class TestForgetsLeasesThatAreHeld(BrokenRegion):
    caught_by = ("test_upkeep_forgets_no_private_record_that_is_live",)

    class region_class(MemoryRegion):  # noqa: N801
        def maintain(self, *arguments):
            self._private.clear()
            return super().maintain(*arguments)


class TestListsTheDead(BrokenRegion):
    caught_by = ("test_private_records_are_listed_by_prefix",)

    class region_class(MemoryRegion):  # noqa: N801
        def _private_reply(self, keys):
            reply = super()._private_reply(())
            reply.rows = {key: self._private[key] for key in self._private}
            return reply


class TestIgnoresLifetimes(BrokenRegion):
    caught_by = ("test_a_check_of_absence", "test_a_check_of_a_version")

    class region_class(Finding):  # noqa: N801
        def other(self, row):
            return without_end(row)


class TestTakesLifetimesForTimes(BrokenRegion):
    """What a client says is when it ends, not how long it lasts."""

    caught_by = (
        "test_what_is_put_is_read_under_the_version_of_the_reply",
        "test_a_longer_life_keeps_value_and_version",
    )

    class region_class(Writing):  # noqa: N801
        def change(self, plan):
            for row in plan.writes.values():
                if row.record.expires_at_ms is not None:
                    row.record.expires_at_ms -= self._now_ms()


class TestPassesAVersionOfWhatIsAbsent(BrokenRegion):
    caught_by = (
        "test_a_check_of_a_version",
        "test_one_check_that_fails_keeps_all_back",
        "test_a_write_under_a_lease_that_another_has_is_refused",
    )

    class region_class(Sending):  # noqa: N801
        def other(self, commit):
            now_ms = self._now_ms()
            found = {
                cell for cell, row in self._cells(commit).items() if row.record.is_live(now_ms)
            }
            checks = [c for c in commit.checks if c.version is None or c.cell in found]
            return replace(commit, checks=tuple(checks))


class TestTakesAnyVersionForTheOneChecked(BrokenRegion):
    caught_by = ("test_a_check_of_a_version", "test_versions_of_another_life_are_higher")

    class region_class(Sending):  # noqa: N801
        def other(self, commit):
            rows = self._cells(commit)

            def passing(check):
                row = rows.get(check.cell)
                if check.version is None or row is None:
                    return check
                return Check(check.cell, Version(row.record.replica, row.record.stamp))

            return replace(commit, checks=tuple(map(passing, commit.checks)))


class TestNamesTheFirstConflictAlone(BrokenRegion):
    caught_by = (
        "test_one_check_that_fails_keeps_all_back",
        "test_a_longer_life_keeps_value_and_version",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def commit(self, *arguments):
            reply = super().commit(*arguments)
            reply.conflicts = dict(list(reply.conflicts.items())[:1])
            return reply


class TestAppliesWhatWasNotChecked(BrokenRegion):
    """Half of a commit: the writes of keys that no check names."""

    caught_by = ("test_one_check_that_fails_keeps_all_back",)

    class region_class(MemoryRegion):  # noqa: N801
        def commit(self, commit, timeout_s):
            reply = super().commit(commit, timeout_s)
            if reply.verdict == "conflict":
                checked = {check.cell for check in commit.checks}
                rest = [write for write in commit.writes if write.cell not in checked]
                super().commit(replace(commit, checks=(), writes=tuple(rest)), timeout_s)
            return reply


class TestCommitsUsersKeysAlone(BrokenRegion):
    caught_by = ("test_checks_and_writes_of_different_keys", "test_spaces_are_apart")

    class region_class(Writing):  # noqa: N801
        def change(self, plan):
            for cell in [cell for cell in plan.writes if cell.space == PRIVATE]:
                del plan.writes[cell]


class TestReusesVersionsOfWhatIsGone(BrokenRegion):
    """It counts the versions of each key, beginning with what is there."""

    caught_by = ("test_versions_grow_and_never_come_again",)

    class region_class(MemoryRegion):  # noqa: N801
        def _judge(self, rows, commit):
            self._number = max((row.record.stamp for row in rows.values()), default=0)
            return super()._judge(rows, commit)


class TestNumbersGoOnInAnotherLife(BrokenRegion):
    caught_by = ("test_versions_of_another_life_are_higher",)

    class region_class(MemoryRegion):  # noqa: N801
        def reincarnate(self, *arguments):
            number = self._number
            info = super().reincarnate(*arguments)
            self._number = number
            return info


class TestGivesAnExtensionAVersion(BrokenRegion):
    caught_by = (
        "test_a_longer_life_keeps_value_and_version",
        "test_a_cold_key_is_written_and_extended_where_it_is",
    )

    class region_class(Writing):  # noqa: N801
        def change(self, plan):
            for row in plan.writes.values():
                row.record.stamp = self._number


class TestExtendsTheDead(BrokenRegion):
    caught_by = ("test_a_longer_life_keeps_value_and_version",)

    class region_class(MemoryRegion):  # noqa: N801
        def _judge(self, rows, commit):
            extended = {write.cell for write in commit.writes if write.op == EXTEND}
            living = {c: without_end(row) if c in extended else row for c, row in rows.items()}
            return super()._judge(living, commit)


class TestDeletesWithoutATrace(BrokenRegion):
    caught_by = ("test_a_delete_leaves_a_tombstone_that_the_feed_tells_of",)

    class region_class(MemoryRegion):  # noqa: N801
        def commit(self, commit, timeout_s):
            reply = super().commit(commit, timeout_s)
            for write in commit.writes:
                if write.op == DELETE and write.cell.space == DATA:
                    self.rows.pop(write.cell.key, None)
            return reply


class TestWritesOverEventualKeys(BrokenRegion):
    caught_by = ("test_a_key_keeps_its_consistency",)

    class region_class(Finding):  # noqa: N801
        def other(self, row):
            return replace(row, consistency=STRONG)


class TestLosesTheObjectThatIsReplaced(BrokenRegion):
    caught_by = ("test_a_cold_key_is_written_and_extended_where_it_is",)

    class region_class(Writing):  # noqa: N801
        def change(self, plan):
            plan.released.clear()


class TestTakesEveryLifeForTheSame(BrokenRegion):
    caught_by = ("test_what_was_meant_for_one_life_does_not_happen_in_another",)

    class region_class(Sending):  # noqa: N801
        def other(self, commit):
            return replace(commit, life=0)


class TestSaysCommittedAndWritesNothing(BrokenRegion):
    caught_by = ("test_what_is_put_is_read_under_the_version_of_the_reply",)
    region_class = Writing


class TestTakesTheDamagedForAbsent(BrokenRegion):
    caught_by = (
        "test_a_commit_takes_no_damaged_value_for_absent",
        "test_a_commit_overwrites_no_row_whose_version_is_damaged",
    )

    @pytest.fixture
    def harness(self, tmp_path, monkeypatch):
        from tierstore_sql import directory

        def leaving_out(read):
            def read_sound(*arguments, **options):
                *found, _ = read(*arguments, **options)
                return *found, {}

            return read_sound

        for name in ("read_rows", "read_bare_rows"):
            monkeypatch.setattr(directory, name, leaving_out(getattr(directory, name)))
        with SqliteHarness(tmp_path).entered() as harness:
            yield harness
