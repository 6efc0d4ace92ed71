"""Moves: a switch compares what the mover saw, and objects count who points at them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tierstore.errors import FencedError
from tierstore.record import ELSEWHERE
from tierstore.runtime import now_ms
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.region.bench import DAY_S, RegionBench
from tierstore.testing.conformance.region.mover import UNKNOWN_NAME

if TYPE_CHECKING:
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.harness import RegionHarness
    from tierstore.testing.conformance.region.mover import Mover
    from tierstore.testing.conformance.region.sender import Sender


class Moving(RegionBench):
    """Where a payload lies changes, and nothing else."""

    def test_a_move_there_and_back_changes_nothing_that_users_see(
        self, mover: Mover, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Version, metadata, expiry and place in the feed stay; the epoch counts the moves."""
        sender.send(sender.put("k", b"payload", metadata={"m": "x"}, expires_at_ms=1 << 45))
        before = mover.row("k")
        clock.advance(1)
        name, moved = mover.demote("k")
        cold = mover.row("k")
        assert (moved, cold.record.payload, cold.epoch) == (["k"], ELSEWHERE, before.epoch + 1)
        assert mover.objects()[name].live == 1
        assert (cold.entered_ms, cold.position) == (now_ms(clock), before.position)
        assert not mover.due()
        clock.advance(1)
        assert mover.promote("k", b"payload") == ["k"]
        back = {"epoch": before.epoch + 2, "entered_ms": now_ms(clock), "due_ms": None}
        assert replace(mover.row("k"), due_ms=None) == replace(before, **back)  # type: ignore[arg-type]
        assert mover.garbage() == [name]

    def test_a_payload_that_moved_is_no_longer_in_its_row(
        self, mover: Mover, sender: Sender, harness: RegionHarness
    ) -> None:
        """Or there would be two of them; and it is when it comes back."""
        sender.send(sender.put("k", b"payload"))
        mover.demote("k")
        assert not harness.raw_payload(b"k")
        mover.promote("k", b"payload")
        assert harness.raw_payload(b"k") == b"payload"

    @pytest.mark.parametrize("payload", [b"2", None], ids=["put", "delete"])
    def test_a_row_that_was_written_is_not_switched(
        self, mover: Mover, sender: Sender, payload: bytes | None
    ) -> None:
        """A write is never undone by a move; the others of the object move."""
        sender.write("k", "other")
        seen = {"k": mover.row("k")}
        sender.send(sender.put("k", payload))
        row = mover.row("k")
        name, moved = mover.demote("k", "other", seen=seen)
        assert moved == ["other"]
        assert mover.row("k") == row
        assert (mover.objects()[name].records, mover.objects()[name].live) == (2, 1)

    def test_a_row_that_was_moved_meanwhile_is_not_switched(
        self, mover: Mover, sender: Sender
    ) -> None:
        """The epoch tells two moves of one version apart."""
        sender.write("k")
        seen = mover.row("k")
        mover.demote("k")
        cold = mover.row("k")
        name, moved = mover.demote("k", seen={"k": seen})
        assert (moved, mover.row("k")) == ([], cold)
        assert name in mover.garbage()
        mover.promote("k", b"k")
        assert mover.promote("k", b"k", seen=cold) == []

    def test_a_key_that_is_gone_is_not_switched(self, mover: Mover, sender: Sender) -> None:
        """No row comes to be by a move."""
        sender.write("k")
        seen = replace(mover.row("k"), key="absent")
        assert mover.demote("absent", seen={"absent": seen})[1] == []
        assert sender.read("absent").rows == {}

    def test_a_touch_is_no_obstacle_and_is_kept(self, mover: Mover, sender: Sender) -> None:
        """The version is the same, so the move goes on, with the new expiry."""
        first = sender.put("k", b"1")
        sender.send(first)
        seen = mover.row("k")
        sender.send(sender.touch(first, 1 << 45))
        _, moved = mover.demote("k", seen={"k": seen})
        assert (moved, mover.row("k").record.expires_at_ms) == (["k"], 1 << 45)

    def test_a_touch_of_a_cold_key_leaves_it_cold(self, mover: Mover, sender: Sender) -> None:
        """The row's expiry overrides the object's, which is not rewritten."""
        first = sender.put("k", b"1")
        sender.send(first)
        name, _ = mover.demote("k")
        sender.send(sender.touch(first, 1 << 45))
        row = mover.row("k")
        assert (row.record.payload, row.record.expires_at_ms) == (ELSEWHERE, 1 << 45)
        assert row.cold is not None
        assert mover.objects()[name].live == 1

    def test_an_intent_ends_once(self, mover: Mover, sender: Sender) -> None:
        """By the switch to its object, or by being abandoned: after either, no switch."""
        sender.write("k", "l")
        name, _ = mover.demote("k")
        with pytest.raises(FencedError):
            mover.demote("l", name=name)
        assert mover.row("l").cold is None
        abandoned = mover.begin()
        mover.region.abandon(mover.epoch, [abandoned, name], TIMEOUT_S)
        with pytest.raises(FencedError):
            mover.demote("l", name=abandoned)
        assert mover.garbage() == [abandoned]
        assert mover.objects()[name].live == 1

    def test_a_switch_without_an_intent_is_fenced(self, mover: Mover, sender: Sender) -> None:
        """An object that nobody announced may be swept at any time."""
        sender.write("k")
        with pytest.raises(FencedError):
            mover.demote("k", name=UNKNOWN_NAME)
        assert mover.row("k").cold is None
        assert mover.objects() == {}

    def test_a_put_of_a_cold_key_brings_it_back(self, mover: Mover, sender: Sender) -> None:
        """The new payload is in the row; nothing points at the object any more."""
        sender.write("k")
        name, _ = mover.demote("k")
        sender.send(sender.put("k", b"new"))
        row = mover.row("k")
        assert (row.record.payload, row.cold) == (b"new", None)
        assert mover.garbage() == [name]

    def test_cold_rows_are_scanned_with_their_pointer(self, mover: Mover, sender: Sender) -> None:
        """With values and without: who scans has to know where the payload is."""
        sender.write("a", "b")
        mover.demote("a")
        cold, warm = sender.scan().rows
        assert (cold.cold is None, warm.cold is None) == (False, True)
        assert replace(cold, due_ms=None) == sender.row("a")
        assert sender.scan(values=False).rows[0].record.payload == ELSEWHERE


class Garbage(RegionBench):
    """Objects live as long as rows point at them, and are told when none does."""

    def test_pointers_are_released_by_every_way_to_lose_them(
        self, mover: Mover, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Overwritten, deleted, collected, brought back: each counts once."""
        keys = ["overwritten", "deleted", "collected", "kept"]
        deltas = [sender.put(key, b"1") for key in keys]
        sender.send(*deltas)
        expires = sender.touch(deltas[2], now_ms(clock) + 1000)
        name, moved = mover.demote(*keys)
        assert sorted(moved) == sorted(keys)
        sender.send(sender.put("overwritten", b"2"), sender.put("overwritten", b"3"))
        assert mover.objects()[name].live == 3
        sender.send(sender.put("deleted", None), sender.put("deleted", None))
        assert mover.objects()[name].live == 2
        sender.send(expires)
        assert mover.row("collected").cold is not None
        clock.advance(30 * DAY_S)
        sender.acknowledge(sender.read("kept").position)
        assert mover.region.maintain(100, TIMEOUT_S).collected == 2
        assert mover.objects()[name].live == 1
        assert not mover.garbage()
        mover.lease()
        mover.promote("kept", b"1")
        assert mover.garbage() == [name]

    def test_what_is_held_releases_when_it_is_let_in(
        self, mover: Mover, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Not before: until then the object is what the row shows."""
        sender.write("k")
        name, _ = mover.demote("k")
        sender.send(sender.put("k", b"2", stamp=sender.stamp(3600)))
        assert mover.objects()[name].live == 1
        clock.advance(3601)
        mover.region.maintain(100, TIMEOUT_S)
        assert (mover.row("k").record.payload, mover.garbage()) == (b"2", [name])

    def test_garbage_is_told_once_it_is_old_and_until_it_is_forgotten(
        self, mover: Mover, sender: Sender, clock: ManualRuntime
    ) -> None:
        """What rows point at is never forgotten."""
        sender.write("k", "l")
        name, _ = mover.demote("k")
        live, _ = mover.demote("l")
        sender.write("k")
        dead_ms = now_ms(clock)
        assert mover.region.garbage(dead_ms, 10, TIMEOUT_S) == []
        assert mover.region.garbage(dead_ms + 1, 10, TIMEOUT_S) == [name]
        mover.region.forget_objects(mover.epoch, [name, live, UNKNOWN_NAME], TIMEOUT_S)
        assert set(mover.objects()) == {live}
        assert mover.region.known_objects([name, live], TIMEOUT_S) == {live}

    def test_objects_come_with_the_least_live_first(self, mover: Mover, sender: Sender) -> None:
        """Up to a limit: those are the ones worth compacting."""
        sender.write(*[f"k{number}" for number in range(6)])
        whole, _ = mover.demote("k0", "k1")
        half, _ = mover.demote("k2", "k3")
        none, _ = mover.demote("k4", "k5")
        sender.write("k2", "k4", "k5")
        assert [item.name for item in mover.region.objects(9, TIMEOUT_S)] == [none, half, whole]
        assert len(mover.region.objects(1, TIMEOUT_S)) == 1

    def test_figures_count_objects_and_records(self, mover: Mover, sender: Sender) -> None:
        """Of the whole cold tier, live and dead."""
        sender.write("a", "b", "c")
        mover.demote("a", "b")
        mover.demote("c")
        sender.write("c", "a")
        told = mover.region.overview(5, TIMEOUT_S)
        assert (told.objects, told.size_bytes, told.records) == (2, 200, 3)
        assert (told.live, told.dead) == (1, 1)
