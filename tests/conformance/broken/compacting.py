"""Regions that forget too much of sets and documents, too early or nothing; what catches them."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

from broken_suites import BrokenRegion

from tierstore.crdt import document
from tierstore.record import DOCUMENT
from tierstore.region.compacting import Compactor
from tierstore.testing import MemoryRegion, memory_compacting


class Compacting(MemoryRegion):
    """Forgets as another compactor finds right."""

    compactor = Compactor

    def compact(self, *arguments):
        with mock.patch.object(memory_compacting, "Compactor", self.compactor):
            return super().compact(*arguments)


class TestForgetsNothing(BrokenRegion):
    caught_by = (
        "test_a_set_forgets_whose_adds_were_whose",
        "test_a_document_that_is_mostly_history_is_made_compact",
        "test_a_look_changes_nothing",
    )

    class region_class(Compacting):  # noqa: N801
        class compactor(Compactor):  # noqa: N801
            def look(self, row):
                pass


class TestForgetsWhoseAddsTheLivingMade(BrokenRegion):
    caught_by = (
        "test_a_replica_may_discard_what_it_has_not_seen",
        "test_who_is_retired_discards_nothing_any_more",
        "test_regions_that_forget_come_to_rest",
    )

    class region_class(Compacting):  # noqa: N801
        class compactor(Compactor):  # noqa: N801
            def _is_gone(self, actor, origin):
                return True


class TestForgetsWhatOtherRegionsTold(BrokenRegion):
    caught_by = ("test_what_another_region_was_told_only_that_forgets",)

    class region_class(Compacting):  # noqa: N801
        class compactor(Compactor):  # noqa: N801
            def _is_gone(self, actor, origin):
                return self._replicas.get(origin, True)


class TestKeepsWhatTheRetiredMade(BrokenRegion):
    caught_by = ("test_who_is_retired_discards_nothing_any_more",)

    class region_class(Compacting):  # noqa: N801
        class compactor(Compactor):  # noqa: N801
            def _is_gone(self, actor, origin):
                return origin not in self._replicas and super()._is_gone(actor, origin)


class TestForgetsThePastAtOnce(BrokenRegion):
    caught_by = (
        "test_the_past_is_forgotten_once_nobody_speaks_of_it",
        "test_the_past_stays_while_somebody_has_not_heard_of_it",
    )

    class region_class(Compacting):  # noqa: N801
        class compactor(Compactor):  # noqa: N801
            def _is_over(self, row, past):
                return True


class TestForgetsThePastOnceAllHaveHeard(BrokenRegion):
    """However little time has passed: another region may speak of it still."""

    caught_by = ("test_the_past_is_forgotten_once_nobody_speaks_of_it",)

    class region_class(Compacting):  # noqa: N801
        class compactor(Compactor):  # noqa: N801
            def _is_over(self, row, past):
                past.since_ms = 0
                return super()._is_over(row, past)


class TestForgetsThePastAfterTheHorizon(BrokenRegion):
    """Whoever has not heard that it is past."""

    caught_by = ("test_the_past_stays_while_somebody_has_not_heard_of_it",)

    class region_class(Compacting):  # noqa: N801
        class compactor(Compactor):  # noqa: N801
            def _is_over(self, row, past):
                self._floor = row.position
                return super()._is_over(row, past)


class TestRemembersThePastForEver(BrokenRegion):
    caught_by = ("test_the_past_is_forgotten_once_nobody_speaks_of_it",)

    class region_class(Compacting):  # noqa: N801
        class compactor(Compactor):  # noqa: N801
            def _is_over(self, row, past):
                return False


class TestRemembersNoPast(BrokenRegion):
    caught_by = ("test_edits_of_what_it_was_are_not_lost",)

    class region_class(Compacting):  # noqa: N801
        class compactor(Compactor):  # noqa: N801
            def _change(self, row, payload):
                if row.record.type == DOCUMENT:
                    payload = document.encode(document.as_seen(document.decode(payload)))
                super()._change(row, payload)


class TestKeepsTheVersionOfWhatItChanges(BrokenRegion):
    """Copies and other regions take it for what they have."""

    caught_by = ("test_a_set_forgets_whose_adds_were_whose",)

    class region_class(Compacting):  # noqa: N801
        class compactor(Compactor):  # noqa: N801
            def _change(self, row, payload):
                super()._change(row, payload)
                old, new = row.record, self.changed[-1].record
                new.stamp, new.replica = old.stamp, old.replica


class TestChangesWithoutAWord(BrokenRegion):
    caught_by = (
        "test_a_set_forgets_whose_adds_were_whose",
        "test_a_document_that_is_mostly_history_is_made_compact",
    )

    class region_class(Compacting):  # noqa: N801
        def compact(self, *arguments):
            with mock.patch.object(self, "_place", lambda row: row):
                return super().compact(*arguments)


class TestDoesWhatItOnlyLooksAt(BrokenRegion):
    caught_by = ("test_a_look_changes_nothing",)

    class region_class(MemoryRegion):  # noqa: N801
        def compact(self, start, limit, timeout_s, is_dry=False):
            return super().compact(start, limit, timeout_s)


class TestReportsWhatItDoesNotDo(BrokenRegion):
    caught_by = (
        "test_a_set_forgets_whose_adds_were_whose",
        "test_a_document_that_is_mostly_history_is_made_compact",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def compact(self, start, limit, timeout_s, is_dry=False):
            return super().compact(start, limit, timeout_s, True)


class TestReportsNothingOfWhatItDoes(BrokenRegion):
    caught_by = (
        "test_a_set_forgets_whose_adds_were_whose",
        "test_the_past_is_forgotten_once_nobody_speaks_of_it",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def compact(self, *arguments):
            done = super().compact(*arguments)
            return replace(done, sets=0, documents=0, pasts=0, freed_bytes=0)


class TestReportsWhatItHasFreedAsMore(BrokenRegion):
    caught_by = ("test_a_set_forgets_whose_adds_were_whose",)

    class region_class(MemoryRegion):  # noqa: N801
        def compact(self, *arguments):
            done = super().compact(*arguments)
            return replace(done, freed_bytes=2 * done.freed_bytes)


class TestTakesTheFirstStepForTheLast(BrokenRegion):
    caught_by = ("test_steps_are_bounded_and_go_through_all_keys",)

    class region_class(MemoryRegion):  # noqa: N801
        def compact(self, *arguments):
            return replace(super().compact(*arguments), next_key=None)


class TestGoesThroughAllKeysAtOnce(BrokenRegion):
    caught_by = ("test_steps_are_bounded_and_go_through_all_keys",)

    class region_class(MemoryRegion):  # noqa: N801
        def compact(self, start, limit, timeout_s, is_dry=False):
            return super().compact(start, 2**20, timeout_s, is_dry)
