"""The last writer wins, in whatever order writes arrive; so do deletes and touches."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

from tierstore.record import Record
from tierstore.region.batch import PUT, TOUCH, Delta
from tierstore.region.outcomes import APPLIED, SUPERSEDED
from tierstore.runtime import now_ms
from tierstore.testing.conformance.region.bench import RegionBench

if TYPE_CHECKING:
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.sender import Sender

LATER_MS = 1_800_000_000_000


class Merging(RegionBench):
    """What a row holds is the join of what was written."""

    def test_the_last_writer_wins_in_every_order(self, sender: Sender) -> None:
        """Four writes of two replicas, a delete among them, in all 24 orders: one result."""
        stamps = [sender.stamp() for _ in range(3)]
        writes = [
            (stamps[0], 9, b"first"), (stamps[1], 9, None), (stamps[2], 8, b"same stamp"),
            (stamps[2], 9, b"winner"),
        ]  # fmt: skip
        keys = []
        for number, order in enumerate(permutations(writes)):
            keys.append(f"key/{number}")
            for stamp, replica, payload in order:
                sender.send(Delta(keys[-1], PUT, Record(stamp, replica, payload)))
        assert len(keys) == 24
        assert sender.payloads(*keys) == dict.fromkeys(keys, b"winner")

    def test_equal_versions_are_decided_by_content_in_either_order(self, sender: Sender) -> None:
        """Two records of one stamp and replica: every region keeps the same one."""
        stamp = sender.stamp()
        contents = b"one", b"two"
        for key, order in (("ab", contents), ("ba", contents[::-1])):
            for payload in order:
                sender.send(sender.put(key, payload, stamp=stamp))
        assert sender.row("ab").record.payload == sender.row("ba").record.payload

    def test_an_older_write_is_superseded_and_takes_no_position(self, sender: Sender) -> None:
        """Who comes too late changes nothing, and is told."""
        old = sender.stamp()
        position = sender.send(sender.put("k", b"new")).position
        reply = sender.send(sender.put("k", b"old", stamp=old))
        assert list(reply.outcomes) == [SUPERSEDED]
        assert reply.position == position

    def test_the_same_write_again_takes_no_position(self, sender: Sender) -> None:
        """A join that changes nothing is no change: nothing echoes between regions."""
        delta = sender.put("k", b"1")
        position = sender.send(delta).position
        reply = sender.send(delta)
        assert (list(reply.outcomes), reply.position) == ([APPLIED], position)

    def test_a_delete_leaves_a_tombstone_with_its_stamp(self, sender: Sender) -> None:
        """A deleted key keeps a row, or an older write would bring it back."""
        sender.write("k")
        delete = sender.put("k", None)
        sender.send(delete)
        record = sender.row("k").record
        assert (record.payload, record.stamp) == (None, delta_stamp(delete))

    def test_deleting_what_is_absent_leaves_a_tombstone(self, sender: Sender) -> None:
        """An older put of the key may still be under way."""
        sender.send(sender.put("k", None))
        assert sender.row("k").record.payload is None

    def test_a_write_older_than_a_tombstone_does_not_come_back(self, sender: Sender) -> None:
        """Deletes win over what was written before them."""
        old = sender.stamp()
        sender.send(sender.put("k", None))
        assert list(sender.send(sender.put("k", b"1", stamp=old)).outcomes) == [SUPERSEDED]
        assert sender.row("k").record.payload is None

    def test_a_key_can_be_written_again_after_its_delete(self, sender: Sender) -> None:
        """A tombstone is no bar to a newer write."""
        for payload in (b"1", None, b"2"):
            sender.send(sender.put("k", payload))
        assert sender.payloads("k") == {"k": b"2"}

    def test_metadata_comes_back(self, sender: Sender) -> None:
        """Any text, and none is not the same as some."""
        metadata = {"b": "é", "a": "\0", "": "empty name", "long": "x" * 900}
        sender.send(sender.put("k", b"1", metadata=metadata), sender.put("bare", b"1"))
        assert sender.row("k").record.metadata == metadata
        assert not sender.row("bare").record.metadata

    def test_a_put_replaces_metadata_and_expiry(self, sender: Sender) -> None:
        """Nothing of the old record stays beside the new payload."""
        sender.send(sender.put("k", b"1", metadata={"a": "b"}, expires_at_ms=LATER_MS))
        sender.send(sender.put("k", b"2"))
        record = sender.row("k").record
        assert (record.metadata or None, record.expires_at_ms) == (None, None)

    def test_expiry_comes_back_to_the_millisecond(self, sender: Sender) -> None:
        """Expiry is absolute and is never rounded to what the backend can count in."""
        for expires_at_ms in (LATER_MS, LATER_MS + 1, (1 << 50) + 7):
            sender.send(sender.put("k", b"1", expires_at_ms=expires_at_ms))
            assert sender.row("k").record.expires_at_ms == expires_at_ms

    def test_an_expired_row_is_kept(self, sender: Sender, clock: ManualRuntime) -> None:
        """The backend drops nothing by itself: an expired row is as good as a tombstone."""
        sender.send(sender.put("k", b"1", expires_at_ms=now_ms(clock) + 1000))
        clock.advance(3600)
        assert not sender.row("k").record.is_live(now_ms(clock))
        assert [row.key for row in sender.scan().rows] == ["k"]

    def test_a_touch_moves_the_expiry_and_nothing_else(self, sender: Sender) -> None:
        """Version, payload and metadata stay."""
        put = sender.put("k", b"1", metadata={"a": "b"}, expires_at_ms=LATER_MS)
        sender.send(put)
        assert list(sender.send(sender.touch(put, LATER_MS + 5)).outcomes) == [APPLIED]
        record = sender.row("k").record
        assert (record.stamp, record.payload, record.metadata) == (
            put.record.stamp, b"1", {"a": "b"},
        )  # fmt: skip
        assert record.expires_at_ms == LATER_MS + 5
        assert record.touch > record.stamp

    def test_a_touch_may_end_an_expiry(self, sender: Sender) -> None:
        """None is for ever."""
        put = sender.put("k", b"1", expires_at_ms=LATER_MS)
        sender.send(put, sender.touch(put, None))
        assert sender.row("k").record.expires_at_ms is None

    def test_the_later_touch_wins_in_either_order(self, sender: Sender) -> None:
        """Two touches of one version are ordered by their stamps."""
        for key, order in (("ab", (0, 1)), ("ba", (1, 0))):
            put = sender.put(key, b"1")
            touches = [sender.touch(put, LATER_MS + n, at=sender.stamp()) for n in range(2)]
            sender.send(put)
            for index in order:
                sender.send(touches[index])
            assert sender.row(key).record.expires_at_ms == LATER_MS + 1

    def test_a_touch_of_another_version_changes_nothing(self, sender: Sender) -> None:
        """A touch names the version that it is for."""
        old = sender.put("k", b"1")
        sender.send(old)
        sender.send(sender.put("k", b"2"))
        reply = sender.send(sender.touch(old, LATER_MS))
        assert list(reply.outcomes) == [SUPERSEDED]
        assert sender.row("k").record.expires_at_ms is None

    def test_a_touch_of_an_absent_key_makes_no_row(self, sender: Sender) -> None:
        """There is nothing whose life could be prolonged."""
        record = Record(sender.stamp(), 7, None, LATER_MS, sender.stamp())
        assert list(sender.send(Delta("k", TOUCH, record)).outcomes) == [SUPERSEDED]
        assert sender.read("k").rows == {}

    def test_the_size_of_a_row_is_that_of_key_and_payload(self, sender: Sender) -> None:
        """Bytes of UTF-8, not characters."""
        sender.send(sender.put("é", b"12345"))
        assert sender.row("é").size == 7

    def test_a_row_remembers_when_it_was_created(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """`created_ms` is the region's time of the first write, whatever comes later."""
        sender.write("k")
        created_ms = now_ms(clock)
        clock.advance(10)
        sender.write("k")
        assert sender.row("k").created_ms == created_ms


def delta_stamp(delta: Delta) -> int:
    """The stamp of what a delta writes."""
    return delta.record.stamp
