"""Shared edges that break one promise each of keys that are no registers."""

from __future__ import annotations

from dataclasses import replace

from broken_suites import BrokenShared

from tierstore.region.batch import CHANGE
from tierstore.region.shared import tag_of
from tierstore.testing.memory_shared import MemoryShared


class TestJoinsWhereItWaits(BrokenShared):
    """The last change of a key takes the place of the one before, which may be sent already."""

    caught_by = (
        "test_changes_of_a_key_wait_in_their_order",
        "test_equal_changes_all_count",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def _write(self, life, delta):
            for number in [n for n, d in life.queue.items() if d.key == delta.key]:
                if delta.op >= CHANGE:
                    del life.queue[number], life.before[number]
            super()._write(life, delta)


class TestTakesEqualChangesForRepeated(BrokenShared):
    caught_by = ("test_equal_changes_all_count",)

    class edge_class(MemoryShared):  # noqa: N801
        def _was_written(self, delta):
            waiting = self._waiting(delta.key)
            return super()._was_written(delta) or any(one.delta == delta for one in waiting)


class TestVoidsFillsByChanges(BrokenShared):
    caught_by = ("test_a_change_leaves_the_placeholder",)

    class edge_class(MemoryShared):  # noqa: N801
        def _write(self, life, delta):
            super()._write(life, delta)
            self.placeholders.pop(delta.key, None)


class TestKeepsFillsWhenSettled(BrokenShared):
    """A row from before the batch would lack what is forgotten."""

    caught_by = ("test_settling_voids_a_fill",)

    class edge_class(MemoryShared):  # noqa: N801
        def settle(self, tag, replica, number, settled, *rest):
            kept = {s.key: self.placeholders.get(s.key) for s in settled}
            super().settle(tag, replica, number, settled, *rest)
            self.placeholders.update({k: p for k, p in kept.items() if p is not None})


class TestKeepsRowsWhenSettled(BrokenShared):
    caught_by = ("test_settling_forgets_what_waited_and_the_row",)

    class edge_class(MemoryShared):  # noqa: N801
        def settle(self, tag, replica, number, settled, *rest):
            others = [item for item in settled if not item.is_typed]
            super().settle(tag, replica, number, others, *rest)


class TestDropsAllRowsOfATag(BrokenShared):
    caught_by = ("test_settling_one_key_leaves_others",)

    class edge_class(MemoryShared):  # noqa: N801
        def settle(self, tag, replica, number, settled, *rest):
            super().settle(tag, replica, number, settled, *rest)
            for key in [key for key in self.bases if tag_of(key) == tag]:
                self._drop(key)


class TestForgetsByNumberAlone(BrokenShared):
    caught_by = ("test_settling_a_later_life_leaves_an_earlier_one",)

    class edge_class(MemoryShared):  # noqa: N801
        def settle(self, tag, replica, number, settled, *rest):
            for life in self.lives[tag]:
                super().settle(tag, life.replica, number, settled, *rest)


class TestFillsUnderAnyIdentity(BrokenShared):
    caught_by = ("test_nothing_is_stored_under_another_identity",)

    class edge_class(MemoryShared):  # noqa: N801
        def _current(self, tag):
            return Anyone(super()._current(tag))


class Anyone(int):
    """An identity that is taken for any other."""

    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


class TestFillsBesideEarlierLives(BrokenShared):
    caught_by = ("test_nothing_is_stored_while_something_of_an_earlier_life_waits",)

    class edge_class(MemoryShared):  # noqa: N801
        def fill_typed(self, records, base, *rest):
            waiting, self._waiting = self._waiting, lambda key: []
            try:
                return super().fill_typed(records, base, *rest)
            finally:
                self._waiting = waiting


class TestFillsWithoutAPlaceholder(BrokenShared):
    caught_by = ("test_without_a_placeholder_nothing_is_stored",)

    class edge_class(MemoryShared):  # noqa: N801
        def _is_held_by(self, key, token):
            return super()._is_held_by(key, token) or key not in self.copies


class TestReplacesNewerRows(BrokenShared):
    caught_by = ("test_an_older_row_replaces_none",)

    class edge_class(MemoryShared):  # noqa: N801
        def _is_older(self, key, record):
            return True


class TestNeverReplacesAnIdentity(BrokenShared):
    caught_by = ("test_an_identity_can_be_replaced_within_a_life",)

    class edge_class(MemoryShared):  # noqa: N801
        def bind(self, tag, run, replica, timeout_s, instead_of=0):
            return super().bind(tag, run, replica, timeout_s)


class TestReplacesAnIdentityEachTime(BrokenShared):
    caught_by = ("test_an_identity_can_be_replaced_within_a_life",)

    class edge_class(MemoryShared):  # noqa: N801
        def bind(self, tag, run, replica, timeout_s, instead_of=0):
            instead_of = self._current(tag) if instead_of else 0
            return super().bind(tag, run, replica, timeout_s, instead_of)


class TestTakesAnotherOrigin(BrokenShared):
    caught_by = ("test_the_origin_stays",)

    class edge_class(MemoryShared):  # noqa: N801
        def bind(self, tag, run, replica, timeout_s, instead_of=0):
            bound = super().bind(tag, run, replica, timeout_s, instead_of)
            self.origins[tag] = bound
            return bound


class TestForgetsWhoNumbered(BrokenShared):
    caught_by = ("test_the_writer_is_told_its_identity",)

    class edge_class(MemoryShared):  # noqa: N801
        def write(self, *arguments):
            return replace(super().write(*arguments), replica=0)


class TestExpelsWhatIsUnderstood(BrokenShared):
    caught_by = ("test_what_is_understood_is_not_expelled",)

    class edge_class(MemoryShared):  # noqa: N801
        def expel(self, tag, replica, number, timeout_s):
            self.unreadable.add((replica, number))
            return super().expel(tag, replica, number, timeout_s)


class TestExpelsAnyEntry(BrokenShared):
    caught_by = ("test_only_the_first_entry_is_expelled",)

    class edge_class(MemoryShared):  # noqa: N801
        def expel(self, tag, replica, number, timeout_s):
            for life in self._lives(tag, replica):
                if (replica, number) in self.unreadable and number in life.queue:
                    self._lose(life, number, True)
                    return b"?"
            return None


class TestLeavesWhatShowsAnExpelledEntry(BrokenShared):
    caught_by = ("test_an_expelled_entry_is_gone_and_what_shows_it",)

    class edge_class(MemoryShared):  # noqa: N801
        def _lose(self, life, number, is_given=False):
            del life.queue[number], life.before[number]
