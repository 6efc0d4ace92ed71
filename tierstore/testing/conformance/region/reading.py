"""Reads are snapshots that say how much of the asking replica they contain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.region.outcomes import APPLIED, QUARANTINED
from tierstore.testing.conformance.harness import need
from tierstore.testing.conformance.region.bench import RegionBench

if TYPE_CHECKING:
    from tierstore.testing.conformance.region.harness import RegionHarness
    from tierstore.testing.conformance.region.sender import Sender


class Reading(RegionBench):
    """A read finds what there is, and no more."""

    def test_absent_keys_are_left_out(self, sender: Sender) -> None:
        """Absence is no row, not a row of nothing."""
        sender.write("a", "b")
        assert sender.payloads("a", "x", "b", "y") == {"a": b"a", "b": b"b"}

    def test_reading_no_key_tells_the_standing(self, sender: Sender) -> None:
        """A reply says where the region is, whatever was asked."""
        position = sender.write("k").position
        reply = sender.read()
        assert (reply.rows, reply.position, reply.applied) == ({}, position, 1)

    def test_a_thousand_keys_are_read_at_once(self, sender: Sender) -> None:
        """As many as one call may name, present or not."""
        keys = [f"key/{number:04}" for number in range(1_000)]
        sender.write(*keys[::2])
        assert sender.payloads(*keys) == {key: key.encode() for key in keys[::2]}

    def test_a_key_may_be_asked_for_twice(self, sender: Sender) -> None:
        """It is answered once."""
        sender.write("k")
        assert sender.payloads("k", "k", "x") == {"k": b"k"}

    def test_a_reply_says_what_of_the_asker_it_contains(
        self, sender: Sender, other: Sender
    ) -> None:
        """`applied` is that of the replica that asks, in reads, scans and pages of the feed."""
        for _ in range(3):
            sender.write("k")
        other.write("j")
        for asking, applied in ((sender, 3), (other, 1)):
            replies = asking.read("k"), asking.read("k", "j"), asking.scan(), asking.changes(0)
            assert {reply.applied for reply in replies} == {applied}

    def test_who_is_unknown_may_read(self, sender: Sender) -> None:
        """Nothing of it is applied."""
        sender.write("k")
        sender.replica = 99
        assert sender.read("k").applied == 0
        assert sender.payloads("k") == {"k": b"k"}

    def test_a_row_says_its_place_in_the_feed(self, sender: Sender) -> None:
        """Rows of one batch have places of their own, none above the reply's position."""
        position = sender.write("a", "b", "c").position
        places = [row.position for row in sender.read("a", "b", "c").rows.values()]
        assert len(set(places)) == 3
        assert max(places) == position

    def test_reading_changes_nothing(self, sender: Sender) -> None:
        """Neither the position nor a row's heat: those are told in batches."""
        sender.write("k")
        before, row = sender.read("k").position, sender.row("k")
        for _ in range(5):
            sender.read("k")
            sender.scan()
        assert (sender.read("k").position, sender.row("k")) == (before, row)

    def test_damage_is_reported_for_its_key_only(
        self, sender: Sender, harness: RegionHarness
    ) -> None:
        """A row that fails its checksum is neither returned nor absent; the others are well."""
        need(harness, "corrupt")
        sender.write("a", "b", "c")
        harness.corrupt(b"b")
        reply = sender.read("a", "b", "c")
        assert sorted(reply.rows) == ["a", "c"]
        assert list(reply.corrupt) == ["b"]
        alone = sender.read("b")
        assert (alone.rows, list(alone.corrupt)) == ({}, ["b"])

    def test_a_damaged_row_is_quarantined_not_overwritten(
        self, sender: Sender, harness: RegionHarness
    ) -> None:
        """What cannot be read cannot be joined: the write waits for an operator."""
        need(harness, "corrupt")
        sender.write("k", "j")
        harness.corrupt(b"k")
        damaged = harness.raw_payload(b"k")
        reply = sender.send(sender.put("k", b"2"), sender.put("j", b"2"))
        assert list(reply.outcomes) == [QUARANTINED, APPLIED]
        assert harness.raw_payload(b"k") == damaged
