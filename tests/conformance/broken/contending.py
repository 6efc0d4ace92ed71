"""Coordinators that let commits get in each other's way, and the behaviours that catch them."""

from __future__ import annotations

import threading
from contextlib import suppress

from broken_suites import BrokenRegion

from tierstore.errors import DeadlineExceededError
from tierstore.testing import MemoryRegion

MEETING_S = 0.01
LOCKING_S = 0.2


class Overlapping(MemoryRegion):
    """Between reading and writing, a commit lets another one come as far, if there is one."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._met = threading.Barrier(2)

    def meet(self):
        """Wait for another, a moment."""
        with suppress(threading.BrokenBarrierError):
            self._met.wait(MEETING_S)
        if self._met.broken:
            self._met.reset()

    def overlap(self, commit, timeout_s):
        """`commit` of rows that were read before."""
        with self._lock:
            answer, rows = self._known(commit), self._cells(commit)
        if answer is not None:
            return answer
        self.meet()
        with self._lock:
            return self._write_commit(commit, self._judge(rows, commit))


class TestReadsOutsideTheTransaction(BrokenRegion):
    caught_by = (
        "test_of_those_who_expect_one_version_one_wins",
        "test_of_those_who_find_a_key_absent_one_creates_it",
        "test_no_write_skew_over_keys_that_are_there",
        "test_a_longer_life_does_not_bring_back_what_was_replaced",
    )

    class region_class(Overlapping):  # noqa: N801
        def commit(self, commit, timeout_s):
            return self.overlap(commit, timeout_s)


class TestLocksKeysThatArePresentOnly(BrokenRegion):
    caught_by = (
        "test_of_those_who_find_a_key_absent_one_creates_it",
        "test_no_write_skew_over_keys_that_are_absent",
    )

    class region_class(Overlapping):  # noqa: N801
        def commit(self, commit, timeout_s):
            if len(self._cells(commit)) == len(commit.cells()):
                return super().commit(commit, timeout_s)
            return self.overlap(commit, timeout_s)


class TestLocksWhatIsWrittenOnly(BrokenRegion):
    caught_by = (
        "test_no_write_skew_over_keys_that_are_there",
        "test_no_write_skew_over_keys_that_are_absent",
    )

    class region_class(Overlapping):  # noqa: N801
        def commit(self, commit, timeout_s):
            if {check.cell for check in commit.checks} <= {write.cell for write in commit.writes}:
                return super().commit(commit, timeout_s)
            return self.overlap(commit, timeout_s)


class TestAsksForTheOperationBeforeItLocks(BrokenRegion):
    caught_by = (
        "test_one_operation_sent_by_several_at_once_happens_once",
        "test_one_id_for_two_requests_at_once_is_of_one",
    )

    class region_class(Overlapping):  # noqa: N801
        def commit(self, commit, timeout_s):
            with self._lock:
                answer = self._known(commit)
            if answer is not None:
                return answer
            self.meet()
            with self._lock:
                return self._write_commit(commit, self._judge(self._cells(commit), commit))


class TestSettlesBesideACommit(BrokenRegion):
    """Who asks is told of what there was, and what happens meanwhile happens all the same."""

    caught_by = ("test_what_is_asked_about_while_it_is_committed",)

    class region_class(Overlapping):  # noqa: N801
        def commit(self, commit, timeout_s):
            if not commit.operation_id:
                return super().commit(commit, timeout_s)
            return self.overlap(commit, timeout_s)

        def settle(self, operation_id, timeout_s):
            reply = super().settle(operation_id, timeout_s)
            self.meet()
            return reply


class TestLocksInTheOrderOfTheCommit(BrokenRegion):
    """Two that name keys in another order wait for each other."""

    caught_by = ("test_keys_named_in_any_order_never_block_each_other_for_good",)

    class region_class(Overlapping):  # noqa: N801
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self._locks = {}

        def commit(self, commit, timeout_s):
            held = []
            try:
                for write in commit.writes:
                    lock = self._locks.setdefault(write.cell, threading.Lock())
                    if not lock.acquire(timeout=LOCKING_S):
                        raise DeadlineExceededError("others were in the way for too long")
                    held.append(lock)
                    self.meet()
                return super().commit(commit, timeout_s)
            finally:
                for lock in held:
                    lock.release()


class TestGivesOneNumberTwice(BrokenRegion):
    """It draws the number before it has the locks."""

    caught_by = ("test_versions_of_a_key_grow_in_the_order_of_its_writes",)

    class region_class(Overlapping):  # noqa: N801
        def commit(self, commit, timeout_s):
            number = self._number
            self.meet()
            with self._lock:
                self._number = number
                return self._write_commit(commit, self._judge(self._cells(commit), commit))


class TestShowsHalfOfACommit(BrokenRegion):
    caught_by = ("test_money_is_neither_made_nor_lost",)

    class region_class(Overlapping):  # noqa: N801
        def _carry_out(self, plan):
            rest = dict(plan.writes)
            for cell in [*plan.writes][1:]:
                del plan.writes[cell]
            super()._carry_out(plan)
            self._lock.release()
            self.meet()
            self._lock.acquire()
            plan.writes = rest
            super()._carry_out(plan)

        def read(self, *arguments):
            self.meet()
            return super().read(*arguments)
