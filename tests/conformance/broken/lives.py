"""Regions that break a promise to replicas after a restore, and the behaviours that catch them."""

from __future__ import annotations

from dataclasses import replace

from broken_suites import BrokenRegion

from tierstore.region.lives import BATCHES, NOTHING
from tierstore.testing import MemoryRegion


class TestForgetsWhereFrom(BrokenRegion):
    caught_by = (
        "test_a_life_says_where_it_gets_back_what_it_lacks",
        "test_batches_that_are_gone_are_passed_over_and_listed",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def reincarnate(self, timeout_s, regains=NOTHING):
            super().reincarnate(timeout_s, regains)
            self._info = replace(self._info, regains=NOTHING)
            return self._info


class TestRetiresWhoShouldSendAgain(BrokenRegion):
    caught_by = ("test_replicas_keep_their_numbers",)

    class region_class(MemoryRegion):  # noqa: N801
        def reincarnate(self, timeout_s, regains=NOTHING):
            for state in self._replicas.values():
                state.retired = True
            return super().reincarnate(timeout_s, regains)


class TestWelcomesWhoWasRetired(BrokenRegion):
    caught_by = ("test_replicas_keep_their_numbers",)

    class region_class(MemoryRegion):  # noqa: N801
        def reincarnate(self, timeout_s, regains=NOTHING):
            for state in self._replicas.values() if regains == BATCHES else ():
                state.retired = False
            return super().reincarnate(timeout_s, regains)


class TestCountsTheTimeOfABackupAsSilence(BrokenRegion):
    caught_by = ("test_nobody_was_silent_while_there_was_no_region",)

    class region_class(MemoryRegion):  # noqa: N801
        def reincarnate(self, timeout_s, regains=NOTHING):
            seen = {replica: state.seen_ms for replica, state in self._replicas.items()}
            info = super().reincarnate(timeout_s, regains)
            for replica, state in self._replicas.items():
                state.seen_ms = seen[replica]
            return info


class TestPassesOverFromAnywhere(BrokenRegion):
    caught_by = ("test_nothing_is_passed_over_but_from_what_is_there",)

    class region_class(MemoryRegion):  # noqa: N801
        def resume(self, replica, after, number, digest, timeout_s):
            known = self._replicas.get(replica)
            after = known.applied if known is not None else 0
            return super().resume(replica, after, number, digest, timeout_s)


class TestPassesOverInAnyLife(BrokenRegion):
    caught_by = ("test_nothing_is_passed_over_in_another_life",)

    class region_class(MemoryRegion):  # noqa: N801
        def resume(self, *asked):
            info = self._info
            self._info = replace(info, regains=BATCHES)
            try:
                return super().resume(*asked)
            finally:
                self._info = info


class TestListsNoLoss(BrokenRegion):
    caught_by = (
        "test_batches_that_are_gone_are_passed_over_and_listed",
        "test_a_replica_that_the_backup_never_knew_is_entered",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def resume(self, *asked):
            try:
                return super().resume(*asked)
            finally:
                self._aside = {name: e for name, e in self._aside.items() if e.kind != "lost"}


class TestLeavesTheRetiredRetired(BrokenRegion):
    caught_by = ("test_a_replica_that_was_retired_lives_again",)

    class region_class(MemoryRegion):  # noqa: N801
        def resume(self, replica, *asked):
            known = self._replicas.get(replica)
            was_retired = known is not None and known.retired
            standing = super().resume(replica, *asked)
            if was_retired:
                self._replicas[replica].retired = standing.state.retired = True
            return standing
