"""The feed: each changed key shows, nothing appears behind a cursor, gaps are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.testing.conformance.harness import TIMEOUT_S, need
from tierstore.testing.conformance.region.bench import DAY_S, RegionBench

if TYPE_CHECKING:
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.harness import RegionHarness
    from tierstore.testing.conformance.region.mover import Mover
    from tierstore.testing.conformance.region.sender import Sender


def pulled(sender: Sender, cursor: int, limit: int) -> tuple[dict[str, int], int]:
    """(The stamp that the feed tells of each key from `cursor` on, the cursor at its end)."""
    seen: dict[str, int] = {}
    while True:
        page = sender.changes(cursor, limit)
        positions = [change.position for change in page.changes]
        assert positions == sorted(set(positions))
        assert all(cursor < position for position in positions)
        assert all(at <= page.cursor or at > page.position for at in positions)
        assert len(positions) <= limit
        assert not page.gap
        seen.update({change.key: change.stamp for change in page.changes})
        if page.is_complete:
            return seen, page.cursor
        assert page.cursor > cursor
        cursor = page.cursor


class Feed(RegionBench):
    """Who follows the feed hears of every change."""

    def test_an_empty_region_has_an_empty_feed(self, sender: Sender) -> None:
        """Position 0 is a cursor of it, not a gap."""
        page = sender.changes(0)
        assert (page.changes, page.cursor, page.position, page.gap) == ([], 0, 0, False)

    def test_every_changed_key_shows_once_with_its_latest_version(self, sender: Sender) -> None:
        """Versions between two pulls collapse."""
        latest = {}
        for key in "abacab":
            delta = sender.put(key, b"1")
            sender.send(delta)
            latest[key] = delta.record.stamp
        page = sender.changes(0)
        assert [change.key for change in page.changes] == ["c", "a", "b"]
        assert {change.key: change.stamp for change in page.changes} == latest
        assert (page.cursor, page.is_complete) == (page.position, True)

    def test_pages_of_any_size_tell_everything_in_order(self, sender: Sender) -> None:
        """Following the cursor loses and repeats nothing."""
        for number in range(11):
            sender.write(f"key/{number}", "again")
        for limit in (1, 2, 3, 11, 12, 100):
            seen, cursor = pulled(sender, 0, limit)
            assert set(seen) == {f"key/{number}" for number in range(11)} | {"again"}
            assert cursor == sender.changes(cursor).position

    def test_pulls_between_writes_see_each_of_them(self, sender: Sender) -> None:
        """A cursor taken at any time leads to all that came after."""
        cursor, seen, expected = 0, dict[str, int](), dict[str, int]()
        for number in range(20):
            delta = sender.put(f"key/{number % 7}", b"1")
            sender.send(delta)
            expected[delta.key] = delta.record.stamp
            if number % 3 == 0:
                told, cursor = pulled(sender, cursor, 2)
                seen |= told
        seen |= pulled(sender, cursor, 2)[0]
        assert seen == expected

    def test_a_full_last_page_is_followed_by_an_empty_one(self, sender: Sender) -> None:
        """Whose cursor is the region's position."""
        position = sender.write("a", "b").position
        page = sender.changes(0, 2)
        assert (len(page.changes), page.cursor) == (2, position)
        after = sender.changes(page.cursor, 2)
        assert (after.changes, after.cursor, after.gap) == ([], position, False)
        assert after.is_complete

    def test_a_page_that_leaves_changes_out_is_not_complete(self, sender: Sender) -> None:
        """Who believes that it is takes copies for younger than they are."""
        sender.write("a", "b", "c")
        assert not sender.changes(0, 2).is_complete
        assert sender.changes(0, 4).is_complete

    def test_a_cursor_ahead_of_the_feed_is_a_gap(self, sender: Sender) -> None:
        """It is from another life of the region: start again from the position."""
        position = sender.write("a").position
        for cursor in (position + 1, 1 << 62, 1 << 80):
            page = sender.changes(cursor)
            assert (page.gap, page.changes, page.cursor) == (True, [], position)

    def test_a_cursor_below_what_was_collected_is_a_gap(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Who did not hear of a delete before it was forgotten must not believe it did."""
        sender.write("a")
        first = sender.changes(0).position
        position = sender.send(sender.put("a", None), sender.put("b", b"1")).position
        deleted = sender.changes(first).changes[0].position
        clock.advance(8 * DAY_S)
        sender.acknowledge(position)
        assert sender.region.maintain(10, TIMEOUT_S).collected == 1
        assert sender.changes(first).gap
        page = sender.changes(deleted)
        assert (page.gap, [change.key for change in page.changes]) == (False, ["b"])

    def test_a_delete_shows(self, sender: Sender) -> None:
        """As any other change of the key."""
        position = sender.write("a", "b").position
        sender.send(sender.put("a", None))
        assert [change.key for change in sender.changes(position).changes] == ["a"]

    def test_a_touch_shows_with_its_lifetime(self, sender: Sender) -> None:
        """A copy at the edge learns of its new expiry by the feed alone."""
        put = sender.put("k", b"1")
        position = sender.send(put).position
        touch = sender.touch(put, 1_800_000_000_000)
        sender.send(touch)
        (change,) = sender.changes(position).changes
        assert (change.stamp, change.replica) == (put.record.stamp, 7)
        assert (change.touch, change.expires_at_ms) == (touch.record.touch, 1_800_000_000_000)

    def test_heat_takes_no_position(self, sender: Sender) -> None:
        """Accesses are no change that a replica has to hear of."""
        position = sender.write("k").position
        assert sender.use("k", reads=5).position == position
        assert sender.changes(position).changes == []

    def test_moves_take_no_position(self, sender: Sender, mover: Mover) -> None:
        """Nor is where a payload lies."""
        position = sender.write("k").position
        mover.demote("k")
        mover.promote("k", b"k")
        page = sender.changes(position)
        assert (page.changes, page.position) == ([], position)

    def test_what_is_held_shows_when_it_is_let_in(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Behind every cursor that was given out before."""
        position = sender.send(sender.put("k", b"1", stamp=sender.stamp(600))).position
        assert sender.changes(0).changes == []
        clock.advance(601)
        sender.region.maintain(10, TIMEOUT_S)
        assert [change.key for change in sender.changes(position).changes] == ["k"]

    def test_own_writes_show_too(self, sender: Sender, other: Sender) -> None:
        """The feed is the same for whoever asks."""
        sender.write("a")
        other.write("b")
        for asking in (sender, other):
            assert [change.key for change in asking.changes(0).changes] == ["a", "b"]

    def test_a_change_of_a_damaged_row_still_shows(
        self, sender: Sender, harness: RegionHarness
    ) -> None:
        """So that a reader comes, and finds the damage."""
        need(harness, "corrupt")
        sender.write("a", "b")
        harness.corrupt(b"a")
        assert {change.key for change in sender.changes(0).changes} == {"a", "b"}
