"""Shared edges that break one promise each of copies, and what catches them."""

from __future__ import annotations

from dataclasses import replace

from broken_suites import BrokenShared

from tierstore.record import Record
from tierstore.region.shared import Copy
from tierstore.runtime import Runtime
from tierstore.testing.memory_lives import Placeholder
from tierstore.testing.memory_shared import MemoryShared


class KeepsPlaceholders(MemoryShared):
    """Forgets no placeholder in the call that `kept_in` names."""

    kept_in = ""

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name != type(self).kept_in:
            return found

        def call(*arguments):
            held = dict(self.placeholders)
            reply = found(*arguments)
            self.placeholders = held | self.placeholders
            return reply

        return call


class TestWritesVoidNoFill(BrokenShared):
    caught_by = (
        "test_a_write_that_settled_meanwhile_voids_the_fill",
        "test_a_touch_voids_the_fill",
    )

    class edge_class(KeepsPlaceholders):  # noqa: N801
        kept_in = "write"


class TestShowsVoidNoFill(BrokenShared):
    caught_by = ("test_a_show_voids_the_fill",)

    class edge_class(KeepsPlaceholders):  # noqa: N801
        kept_in = "show"


class TestNoticesVoidNoFill(BrokenShared):
    caught_by = ("test_a_notice_voids_the_fill",)

    class edge_class(KeepsPlaceholders):  # noqa: N801
        kept_in = "notice"


class TestWithdrawalsVoidNoFill(BrokenShared):
    caught_by = ("test_a_withdrawal_voids_the_fill",)

    class edge_class(KeepsPlaceholders):  # noqa: N801
        kept_in = "withdraw"


class TestClearingVoidsNoFill(BrokenShared):
    caught_by = ("test_clearing_voids_every_fill",)

    class edge_class(KeepsPlaceholders):  # noqa: N801
        kept_in = "clear_clean"


class TestTakesAnyToken(BrokenShared):
    caught_by = (
        "test_a_fill_of_another_token_is_not_stored",
        "test_the_latest_of_two_tokens_holds_the_key",
        "test_tokens_are_told_apart_to_the_last_bit",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def _is_held_by(self, key, token):
            return key in self.placeholders


class TestNeedsNoPlaceholder(BrokenShared):
    caught_by = (
        "test_a_fill_without_a_placeholder_is_not_stored",
        "test_a_placeholder_serves_one_fill",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def _is_held_by(self, key, token):
            self.placeholders[key] = Placeholder(token, 0)
            return True


class TestLeavesAPlaceholderToTheFirst(BrokenShared):
    caught_by = ("test_the_latest_of_two_tokens_holds_the_key",)

    class edge_class(MemoryShared):  # noqa: N801
        def lease(self, keys, token, timeout_s):
            return super().lease([k for k in keys if k not in self.placeholders], token, timeout_s)


class TestKeepsPlaceholdersForEver(BrokenShared):
    caught_by = ("test_a_placeholder_goes_by_itself",)

    class edge_class(MemoryShared):  # noqa: N801
        def lease(self, keys, token, timeout_s):
            now_ms = super().lease(keys, token, timeout_s)
            for held in self.placeholders.values():
                held.ends_ms = 1 << 62
            return now_ms


class TestKeepsCleanCopiesForEver(BrokenShared):
    caught_by = (
        "test_a_clean_copy_goes_by_itself",
        "test_what_is_shown_goes_by_itself",
        "test_a_kept_copy_goes_by_itself",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def _has(self, key):
            return key in self.copies


class TestTheLastFillWins(BrokenShared):
    caught_by = (
        "test_an_older_fill_never_replaces_a_newer_copy",
        "test_an_older_fill_leaves_a_dirty_copy",
        "test_an_older_row_is_not_shown",
        "test_a_dirty_copy_survives_an_older_row",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def _place(self, key, record, fetched_ms, ttl_ms):
            self.copies.pop(key, None)
            return super()._place(key, record, fetched_ms, ttl_ms)


class TestComparesStampsAsFloats(BrokenShared):
    caught_by = (
        "test_a_newer_fill_replaces_an_older_copy",
        "test_a_newer_row_replaces_the_copy",
        "test_a_newer_row_replaces_a_dirty_copy",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def _place(self, key, record, fetched_ms, ttl_ms):
            copy = self.copies.get(key)
            if copy is not None and float(copy.record.stamp) == float(record.stamp):
                return True
            return super()._place(key, record, fetched_ms, ttl_ms)


class TestAFillCleans(BrokenShared):
    caught_by = (
        "test_a_dirty_copy_that_is_confirmed_stays_dirty",
        "test_a_dirty_copy_that_is_confirmed_does_not_go_by_itself",
        "test_a_dirty_copy_stays_dirty_when_its_row_is_shown",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def _place(self, key, record, fetched_ms, ttl_ms):
            if key in self.copies and self.copies[key].record == record:
                self._clean(key)
            return super()._place(key, record, fetched_ms, ttl_ms)


class TestConfirmsBackwards(BrokenShared):
    caught_by = ("test_a_copy_is_never_confirmed_backwards",)

    class edge_class(MemoryShared):  # noqa: N801
        def _place(self, key, record, fetched_ms, ttl_ms):
            is_shown = super()._place(key, record, fetched_ms, ttl_ms)
            if is_shown:
                self.copies[key].fetched_ms = fetched_ms
            return is_shown


class TestChecksThenFills(BrokenShared):
    """In two steps, between which a write is lost from sight."""

    caught_by = ("test_a_write_beside_a_fill_is_never_hidden",)

    class edge_class(MemoryShared):  # noqa: N801
        def fill(self, records, token, fetched_ms, ttl_ms, timeout_s):
            held = [key for key in records if self._is_held_by(key, token)]
            Runtime().sleep(0.01)
            self.copies |= {key: Copy(records[key], 0, fetched_ms) for key in held}
            return set(held)


class TestWithdrawsWhatIsDirty(BrokenShared):
    caught_by = (
        "test_a_dirty_copy_survives_a_withdrawal",
        "test_a_touched_copy_survives_a_withdrawal",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def withdraw(self, keys, timeout_s):
            super().withdraw(keys, timeout_s)
            for key in keys:
                self._drop(key)


class TestClearsWhatIsDirty(BrokenShared):
    caught_by = ("test_dirty_copies_survive_clearing",)

    class edge_class(MemoryShared):  # noqa: N801
        def clear_clean(self, timeout_s):
            for key in list(self.copies):
                self._drop(key)


class TestShowsWhatIsNotHere(BrokenShared):
    caught_by = ("test_nothing_new_comes", "test_a_show_voids_the_fill")

    class edge_class(MemoryShared):  # noqa: N801
        def show(self, records, fetched_ms, ttl_ms, timeout_s):
            self.copies = {k: Copy(r, 0, fetched_ms) for k, r in records.items()} | self.copies
            return super().show(records, fetched_ms, ttl_ms, timeout_s)


class TestNamesEveryKeyThatChanged(BrokenShared):
    caught_by = (
        "test_a_copy_that_is_as_new_is_not_named",
        "test_each_key_is_compared_with_its_own_version",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def notice(self, changes, timeout_s):
            super().notice(changes, timeout_s)
            return set(changes)


class TestLeavesHeldBackCopiesDirty(BrokenShared):
    caught_by = ("test_a_dirty_copy_of_that_very_version_becomes_clean",)

    class edge_class(MemoryShared):  # noqa: N801
        def notice(self, changes, timeout_s):
            before = {key: copy.number for key, copy in self.copies.items()}
            older = super().notice(changes, timeout_s)
            for key, number in before.items():
                self.copies[key].number = number
            return older


class TestSharesItsCopies(BrokenShared):
    caught_by = (
        "test_copies_of_another_edge_are_not_read",
        "test_copies_of_another_edge_are_not_dropped",
    )

    class edge_class(MemoryShared):  # noqa: N801
        def __init__(self, runtime, every={}):  # noqa: B006
            super().__init__(runtime)
            self.copies = every


class TestTrimsKeys(BrokenShared):
    caught_by = ("test_keys_that_look_alike_are_apart",)

    class edge_class(MemoryShared):  # noqa: N801
        def read(self, keys, timeout_s):
            reply = super().read([key.strip() for key in keys], timeout_s)
            found = {key: reply.copies.get(key.strip()) for key in keys}
            reply.copies = {key: copy for key, copy in found.items() if copy}
            return reply


class TestReadsFiveHundredKeys(BrokenShared):
    caught_by = ("test_a_thousand_keys_are_read_at_once",)

    class edge_class(MemoryShared):  # noqa: N801
        def read(self, keys, timeout_s):
            return super().read(keys[:500], timeout_s)


class Fills(MemoryShared):
    """Stores something else than it was given."""

    def _place(self, key, record, fetched_ms, ttl_ms):
        return super()._place(key, self.spoiled(record), fetched_ms, ttl_ms)


class TestLosesMetadata(BrokenShared):
    caught_by = ("test_metadata_survives",)

    class edge_class(Fills):  # noqa: N801
        def spoiled(self, record):
            return Record(
                record.stamp, record.replica, record.payload, record.expires_at_ms, record.touch
            )


class TestLosesTouches(BrokenShared):
    caught_by = ("test_lifetimes_survive", "test_the_largest_numbers_survive")

    class edge_class(Fills):  # noqa: N801
        def spoiled(self, record):
            return Record(record.stamp, record.replica, record.payload, record.expires_at_ms)


class TestTakesATombstoneForNothing(BrokenShared):
    caught_by = ("test_a_tombstone_is_a_copy", "test_a_tombstone_counts_as_a_copy")

    class edge_class(MemoryShared):  # noqa: N801
        def _has(self, key):
            return super()._has(key) and self.copies[key].record.payload is not None


class TestDropsExpiredRecords(BrokenShared):
    caught_by = ("test_an_expired_record_is_still_a_copy",)

    class edge_class(MemoryShared):  # noqa: N801
        def _has(self, key):
            return (
                super()._has(key)
                and (self.copies[key].record.expires_at_ms or 1 << 62) > self._now_ms()
            )


class TestCallsItselfDurable(BrokenShared):
    caught_by = ("test_a_server_that_evicts_is_not_durable",)

    class edge_class(MemoryShared):  # noqa: N801
        def connect(self, timeout_s):
            return replace(super().connect(timeout_s), is_durable=True)
