"""Regions that lose or mistake what waits on cold rows, and the behaviours that catch them."""

from __future__ import annotations

from dataclasses import replace

from broken_suites import BrokenRegion

from tierstore.record import SET
from tierstore.region.waiting import base_of, encode_base
from tierstore.testing import MemoryRegion


def rewait(row, change):
    """`row` with what `change` makes of the things that wait on it."""
    if row.cold is None or row.record.type != SET:
        return row
    base = base_of(row)
    return replace(row, cold=encode_base(replace(base, waiting=tuple(change(base.waiting)))))


class Storing(MemoryRegion):
    """Stores something else than it was told."""

    def change(self, waiting):
        return waiting

    def _store(self, plan):
        super()._store(plan)
        for key in plan.writes:
            self.rows[key] = rewait(self.rows[key], self.change)


class TestKeepsTheLastChangeOnly(BrokenRegion):
    caught_by = (
        "test_what_waits_is_kept_with_all_that_it_depends_on",
        "test_no_dot_is_given_twice",
        "test_much_may_wait_and_is_due",
        "test_changes_of_one_batch_wait_in_its_order",
    )

    class region_class(Storing):  # noqa: N801
        def change(self, waiting):
            return waiting[-1:]


class TestForgetsWhoseChangeItIs(BrokenRegion):
    caught_by = ("test_what_waits_is_kept_with_all_that_it_depends_on",)

    class region_class(Storing):  # noqa: N801
        def change(self, waiting):
            return [replace(each, origin=0) for each in waiting]


class TestAppliesAllUnderItsLastName(BrokenRegion):
    caught_by = ("test_another_life_of_the_region_gives_dots_of_its_own",)

    class region_class(Storing):  # noqa: N801
        def change(self, waiting):
            return [replace(each, actor=each.actor and self._info.actor) for each in waiting]


class TestSwitchesWhateverCameMeanwhile(BrokenRegion):
    caught_by = (
        "test_a_switch_never_loses_what_came_meanwhile[change]",
        "test_a_switch_never_loses_what_came_meanwhile[state]",
        "test_a_row_that_was_written_is_not_switched[put]",
    )

    class region_class(MemoryRegion):  # noqa: N801
        def switch(self, epoch, made, switches, timeout_s):
            rows = self.rows
            now = [
                replace(s, stamp=rows[s.key].record.stamp, replica=rows[s.key].record.replica)
                for s in switches
            ]
            return super().switch(epoch, made, now, timeout_s)


class TestTellsReadersOfTheObjectAlone(BrokenRegion):
    caught_by = ("test_reads_and_scans_bring_what_waits",)

    class region_class(MemoryRegion):  # noqa: N801
        def scan(self, *arguments):
            page = super().scan(*arguments)
            page.rows = [rewait(row, lambda waiting: ()) for row in page.rows]
            return page


class TestDropsWhatWaitedInVain(BrokenRegion):
    caught_by = ("test_what_waited_in_vain_is_kept_aside_when_the_key_comes_home",)

    class region_class(MemoryRegion):  # noqa: N801
        def _keep_refused(self, refused):
            pass
