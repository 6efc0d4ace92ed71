"""Shared edges that break one promise each of writes, and the behaviours that catch them."""

from __future__ import annotations

from dataclasses import replace

from broken_suites import BrokenShared

from tierstore.region.batch import PUT, TOUCH
from tierstore.region.shared import Copy, WriteReply
from tierstore.testing.memory_shared import MemoryShared


class TestAWrittenCopyGoesByItself(BrokenShared):
    caught_by = ("test_a_write_does_not_go_by_itself",)

    class edge_class(MemoryShared):  # noqa: N801
        def write(self, deltas, run, bytes_max, timeout_s):
            ends_ms = dict(self.ends_ms)
            reply = super().write(deltas, run, bytes_max, timeout_s)
            self.ends_ms |= ends_ms
            return reply


class TestWritesKeyByKey(BrokenShared):
    caught_by = (
        "test_of_a_write_that_is_behind_no_key_is_written",
        "test_full_takes_nothing",
        "test_a_write_that_is_behind_leaves_placeholders",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def write(self, deltas, run, bytes_max, timeout_s):
            replies = [
                super(type(self), self).write([d], run, bytes_max, timeout_s) for d in deltas
            ]
            bad = [reply for reply in replies if reply.verdict != "written"]
            first = replies[0].numbers[0]
            return bad[0] if bad else replace(replies[-1], numbers=(first, replies[-1].numbers[1]))


class TestIsNeverBehind(BrokenShared):
    caught_by = (
        "test_a_write_with_a_newer_copy_is_behind",
        "test_a_tie_of_stamps_is_broken_by_the_replica",
        "test_a_touch_of_another_version_is_behind",
        "test_a_tombstone_counts_as_a_copy",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def _met(self, delta):
            return 0


class TestTellsAnyStampThatItMet(BrokenShared):
    caught_by = ("test_behind_tells_the_highest_stamp_met",)

    class edge_class(MemoryShared):  # noqa: N801
        def write(self, deltas, run, bytes_max, timeout_s):
            reply = super().write(deltas, run, bytes_max, timeout_s)
            if reply.verdict == "behind":
                reply.stamp = min(filter(None, map(self._met, deltas)))
            return reply


class TestQueuesARepetitionAgain(BrokenShared):
    caught_by = (
        "test_a_repeated_write_counts_as_written_and_is_queued_once",
        "test_a_repeated_write_that_settled_is_not_queued_again",
        "test_a_write_repeated_by_another_worker_is_queued_once",
        "test_one_write_sent_by_several_at_once_is_queued_once",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def _was_written(self, delta):
            return False


class TestAnswersARepetitionWithBehind(BrokenShared):
    caught_by = (
        "test_a_repeated_write_counts_as_written_and_is_queued_once",
        "test_a_repeated_write_is_recognised_across_a_restart",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def _was_written(self, delta):
            return False

        def _met(self, delta):
            return delta.record.stamp if super()._was_written(delta) else super()._met(delta)


class TestTakesAStampForAVersion(BrokenShared):
    caught_by = ("test_the_same_stamp_of_another_replica_is_another_write",)

    class edge_class(MemoryShared):  # noqa: N801
        def _was_written(self, delta):
            copy = self.copies.get(delta.key)
            return copy is not None and copy.record.stamp == delta.record.stamp


class TestATouchMakesACopy(BrokenShared):
    caught_by = ("test_a_touch_without_a_copy_is_only_queued",)

    class edge_class(MemoryShared):  # noqa: N801
        def _write(self, life, delta):
            super()._write(life, delta)
            self.copies.setdefault(delta.key, Copy(delta.record, life.last))


class TestATouchOverwrites(BrokenShared):
    caught_by = (
        "test_a_touch_moves_the_lifetime_of_the_copy",
        "test_a_touch_of_what_was_written_here_keeps_it_dirty",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def _write(self, life, delta):
            super()._write(life, delta)
            if delta.op == TOUCH and delta.key in self.copies:
                self.copies[delta.key].record = delta.record


class TestQueuesTheStateForATouch(BrokenShared):
    caught_by = ("test_the_entry_of_a_touch_is_a_touch",)

    class edge_class(MemoryShared):  # noqa: N801
        def _write(self, life, delta):
            super()._write(life, delta)
            if delta.op == TOUCH and delta.key in self.copies:
                put = type(delta)(delta.key, PUT, self.copies[delta.key].record)
                life.queue[life.last] = put


class TestHasNoBound(BrokenShared):
    caught_by = (
        "test_full_takes_nothing",
        "test_full_tells_what_waits_and_keeps_it",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def write(self, deltas, run, bytes_max, timeout_s):
            return super().write(deltas, run, 1 << 60, timeout_s)


class TestForgetsToMakeRoom(BrokenShared):
    caught_by = (
        "test_there_is_room_again_when_entries_settle",
        "test_a_dismissed_tag_has_room_again",
    )

    class edge_class(MemoryShared):  # noqa: N801
        taken = 0

        def write(self, deltas, run, bytes_max, timeout_s):
            size = sum(len(delta.record.payload or b"") for delta in deltas)
            if self.taken + size > bytes_max:
                return WriteReply("full", queued_bytes=self.taken)
            self.taken += size
            return super().write(deltas, run, bytes_max, timeout_s)
