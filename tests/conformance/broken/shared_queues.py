"""Shared edges that break one promise each of queues, identities, leases and listeners."""

from __future__ import annotations

from dataclasses import replace

from broken_suites import BrokenShared

from tierstore.runtime import Runtime
from tierstore.testing.memory_lives import Life
from tierstore.testing.memory_shared import MemoryShared


class TestGivesNumbersAgain(BrokenShared):
    caught_by = (
        "test_a_number_is_never_given_again",
        "test_a_batch_that_was_settled_late_brings_nothing_back",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def _write(self, life, delta):
            life.last = max(life.queue, default=0)
            super()._write(life, delta)


class TestNumbersGoOnInANewLife(BrokenShared):
    caught_by = (
        "test_a_new_life_numbers_from_one_and_old_identities_keep_theirs",
        "test_a_lost_number_is_not_given_to_another_write",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def bind(self, tag, run, replica, timeout_s):
            last = self.lives[tag][-1].last if self.lives[tag] else 0
            bound = super().bind(tag, run, replica, timeout_s)
            self.lives[tag][-1].last = last
            return bound


class TestStaysBoundForEver(BrokenShared):
    caught_by = (
        "test_a_tag_is_unbound_after_a_restart",
        "test_a_loss_is_the_end_of_a_life",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def restart(self, *, losing=0):
            super().restart(losing=losing)
            for lives in self.lives.values():
                for life in lives:
                    life.run = self.run


class TestTakesWritesOfAPastLife(BrokenShared):
    caught_by = ("test_nobody_writes_under_a_past_life",)

    class edge_class(MemoryShared):  # noqa: N801
        def write(self, deltas, run, bytes_max, timeout_s):
            return super().write(deltas, self.run, bytes_max, timeout_s)


class TestLivesOnAfterARestart(BrokenShared):
    caught_by = (
        "test_a_life_is_another_after_a_restart",
        "test_a_handle_that_stays_open_notices_a_restart",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def restart(self, *, losing=0):
            super().restart(losing=losing)
            self.run = "run-1"


class TestForgetsOldIdentities(BrokenShared):
    caught_by = (
        "test_a_new_life_numbers_from_one_and_old_identities_keep_theirs",
        "test_what_remains_settles_under_its_own_numbers",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def bind(self, tag, run, replica, timeout_s):
            bound = super().bind(tag, run, replica, timeout_s)
            del self.lives[tag][:-1]
            return bound


class TestForgetsWhatItAcknowledged(BrokenShared):
    caught_by = (
        "test_what_was_acknowledged_survives_a_restart",
        "test_a_durable_standing_survives_a_restart",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def restart(self, *, losing=0):
            run = self.run
            self.__init__(self._runtime)
            self.run = f"{run}1"


class TestBindsEverybody(BrokenShared):
    caught_by = (
        "test_of_two_that_bind_both_get_one_identity",
        "test_binding_again_keeps_what_is_known",
        "test_those_that_bind_at_once_get_one_identity",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def bind(self, tag, run, replica, timeout_s):
            self.lives[tag].append(Life(replica, run))
            return replica


class TestIntroducesNobody(BrokenShared):
    caught_by = ("test_an_introduced_identity_is_new_no_longer",)

    class edge_class(MemoryShared):  # noqa: N801
        def introduce(self, tag, replica, timeout_s):
            pass


class TestDismissesLaterWritesToo(BrokenShared):
    caught_by = ("test_dismissing_an_old_identity_spares_what_is_written_since",)

    class edge_class(MemoryShared):  # noqa: N801
        def dismiss(self, tag, replica, timeout_s):
            for life in self._lives(tag, replica):
                for delta in life.queue.values():
                    self._drop(delta.key)
            super().dismiss(tag, replica, timeout_s)


class TestLeavesWhatItDismissed(BrokenShared):
    caught_by = (
        "test_a_copy_that_only_a_dismissed_entry_made_goes",
        "test_a_copy_that_is_dismissed_is_heard",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def dismiss(self, tag, replica, timeout_s):
            self.lives[tag] = [life for life in self.lives[tag] if life.replica != replica]


class TestQueuesInTheOrderOfDigits(BrokenShared):
    caught_by = ("test_entries_come_in_the_order_of_their_numbers",)

    class edge_class(MemoryShared):  # noqa: N801
        def queue(self, tag, replica, limit, timeout_s):
            found = super().queue(tag, replica, 1 << 30, timeout_s)
            return sorted(found, key=lambda entry: str(entry.number))[:limit]


class TestTakesWhatItShows(BrokenShared):
    caught_by = ("test_looking_takes_nothing_away",)

    class edge_class(MemoryShared):  # noqa: N801
        def queue(self, tag, replica, limit, timeout_s):
            found = super().queue(tag, replica, limit, timeout_s)
            for life in self._lives(tag, replica):
                life.queue.clear()
            return found


class TestForgetsAllEntries(BrokenShared):
    caught_by = (
        "test_settled_entries_are_forgotten",
        "test_a_copy_that_shows_a_later_entry_stays_dirty",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def settle(self, tag, replica, number, *rest):
            super().settle(tag, replica, 1 << 60, *rest)


class Settles(MemoryShared):
    """Changes what is settled."""

    change = ()

    def settle(self, tag, replica, number, settled, *rest):
        changed = [replace(item, **dict(self.change)) for item in settled]
        super().settle(tag, replica, number, changed, *rest)


class TestKeepsWhatTheRegionHasNot(BrokenShared):
    caught_by = (
        "test_a_copy_that_is_not_kept_is_dropped",
        "test_a_copy_that_is_dropped_when_it_settles_is_heard",
    )

    class edge_class(Settles):  # noqa: N801
        change = (("keep", True),)


class TestDropsWhatTheRegionHas(BrokenShared):
    caught_by = ("test_a_kept_copy_becomes_clean",)

    class edge_class(Settles):  # noqa: N801
        change = (("keep", False),)


class TestSettlesLaterWritesToo(BrokenShared):
    caught_by = (
        "test_a_copy_that_shows_a_later_entry_stays_dirty",
        "test_settling_again_changes_nothing",
    )

    class edge_class(Settles):  # noqa: N801
        change = (("number", 1 << 60),)


class TestMixesNumbersOfIdentities(BrokenShared):
    caught_by = (
        "test_a_number_of_another_identity_settles_no_copy",
        "test_a_touch_in_a_new_life_settles_under_its_own_number",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def settle(self, tag, replica, number, settled, *rest):
            for life in self._lives(tag, replica):
                self.dirtied_by |= {item.key: life for item in settled}
            super().settle(tag, replica, number, settled, *rest)


class TestEverybodyLeads(BrokenShared):
    caught_by = ("test_one_worker_leads", "test_holders_are_told_apart_to_the_last_bit")

    class edge_class(MemoryShared):  # noqa: N801
        def lead(self, work, holder, ttl_ms, timeout_s):
            return True


class TestLeadsForEver(BrokenShared):
    caught_by = (
        "test_a_lease_is_taken_over_after_its_end",
        "test_a_lease_that_is_given_up_is_free",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def lead(self, work, holder, ttl_ms, timeout_s):
            return super().lead(work, holder, 1 << 40, timeout_s)


class TestAnybodyGivesUp(BrokenShared):
    caught_by = ("test_nobody_gives_up_what_another_has",)

    class edge_class(MemoryShared):  # noqa: N801
        def lead(self, work, holder, ttl_ms, timeout_s):
            if not ttl_ms:
                self.leases.pop(work, None)
            return super().lead(work, holder, ttl_ms, timeout_s)


class TestLeadsAllKindsOfWork(BrokenShared):
    caught_by = ("test_kinds_of_work_are_led_apart",)

    class edge_class(MemoryShared):  # noqa: N801
        def lead(self, work, holder, ttl_ms, timeout_s):
            return super().lead("work", holder, ttl_ms, timeout_s)


class TestAdvancesBlindly(BrokenShared):
    caught_by = (
        "test_who_comes_from_another_cursor_advances_nothing",
        "test_the_first_standing_comes_from_cursor_0",
        "test_cursors_are_compared_to_the_last_bit",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def advance(self, standing, was_cursor, timeout_s):
            return super().advance(standing, self._standing.cursor, timeout_s)


class TestAdvancesOnlyUpwards(BrokenShared):
    caught_by = ("test_another_region_may_begin_at_a_lower_cursor",)

    class edge_class(MemoryShared):  # noqa: N801
        def advance(self, standing, was_cursor, timeout_s):
            if standing.cursor < self._standing.cursor:
                return False
            return super().advance(standing, was_cursor, timeout_s)


class TestSpeaksBeforeItIsReady(BrokenShared):
    caught_by = ("test_a_listener_is_ready_before_the_first_word",)

    class edge_class(MemoryShared):  # noqa: N801
        def listen(self, on_ready, on_gone, wait_s, is_stopped):
            on_gone(["early"])
            super().listen(on_ready, on_gone, wait_s, is_stopped)


class TestKeepsFillsToItself(BrokenShared):
    caught_by = (
        "test_a_fill_that_replaces_is_heard",
        "test_a_row_that_is_shown_is_heard",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def _place(self, *arguments):
            is_shown = super()._place(*arguments)
            self.untold.clear()
            return is_shown


class TestKeepsWhatGoesToItself(BrokenShared):
    caught_by = (
        "test_a_withdrawal_is_heard",
        "test_clearing_is_heard",
        "test_a_copy_that_is_dropped_when_it_settles_is_heard",
        "test_many_changes_are_all_heard",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def _drop(self, key):
            super()._drop(key)
            self.untold.pop()


class TestIsSilentWhenAway(BrokenShared):
    caught_by = ("test_who_cannot_be_heard_is_unavailable",)

    class edge_class(MemoryShared):  # noqa: N801
        def listen(self, on_ready, on_gone, wait_s, is_stopped):
            self._listeners.append(on_gone)
            on_ready()
            while not is_stopped():
                self._runtime.sleep(wait_s)


class TestDoesNotReturn(BrokenShared):
    caught_by = ("test_a_stopped_listener_returns",)

    class edge_class(MemoryShared):  # noqa: N801
        def listen(self, on_ready, on_gone, wait_s, is_stopped):
            super().listen(on_ready, on_gone, wait_s, is_stopped)
            self._runtime.sleep(5)


class TestHearsOtherEdges(BrokenShared):
    caught_by = ("test_nothing_is_heard_of_another_edge",)

    class edge_class(MemoryShared):  # noqa: N801
        def __init__(self, runtime, everybody=[]):  # noqa: B006
            super().__init__(runtime)
            self._listeners = everybody


class TestLooksThenLeads(BrokenShared):
    """In two steps, between which another takes the lease."""

    caught_by = ("test_of_several_that_would_lead_one_does",)

    class edge_class(MemoryShared):  # noqa: N801
        def lead(self, work, holder, ttl_ms, timeout_s):
            if self.leases.get(work, (holder, 0))[0] != holder:
                return False
            Runtime().sleep(0.02)
            self.leases[work] = (holder, self._now_ms() + ttl_ms)
            return True
