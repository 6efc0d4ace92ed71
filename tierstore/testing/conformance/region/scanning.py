"""Scans are in byte order of UTF-8, half open, paged by key, and see tombstones."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from tierstore.record import ELSEWHERE
from tierstore.testing.conformance.harness import need
from tierstore.testing.conformance.nasty import NASTY_KEYS
from tierstore.testing.conformance.region.bench import RegionBench
from tierstore.testing.conformance.region.sender import scanned

if TYPE_CHECKING:
    from tierstore.testing.conformance.region.harness import RegionHarness
    from tierstore.testing.conformance.region.sender import Sender

SOME = ["a", "a\0", "a/b", "a/c", "b", "é", "\ue000", "\U00010000"]  # in byte order


def keys_of(
    sender: Sender,
    start: str = "",
    end: str | None = None,
    *,
    limit: int = 1000,
    reverse: bool = False,
) -> list[str]:
    """The keys that a scan from `start` to below `end` finds."""
    return [row.key for row in scanned(sender, start, end, limit=limit, reverse=reverse)]


class Scanning(RegionBench):
    """A scan finds each key of its range once, in order."""

    def test_a_scan_is_in_byte_order(self, sender: Sender) -> None:
        """Of UTF-8: no collation, and not the order of UTF-16."""
        sender.write(*reversed(SOME))
        assert keys_of(sender) == SOME

    def test_a_range_is_half_open(self, sender: Sender) -> None:
        """From `start`, inclusive, to `end`, exclusive."""
        sender.write(*SOME)
        assert keys_of(sender, "a/b", "b") == ["a/b", "a/c"]
        assert keys_of(sender, "a/b", "a/b\0") == ["a/b"]

    def test_an_empty_range_has_no_rows(self, sender: Sender) -> None:
        """Nor has one that ends before it begins, or lies beside all keys."""
        sender.write(*SOME)
        for bounds in (("a", "a"), ("b", "a"), ("c", "d"), ("\U0010ffff", None)):
            page = sender.scan(*bounds)
            assert (page.rows, page.next_key) == ([], None)

    def test_bounds_need_not_be_keys(self, sender: Sender) -> None:
        """Any text bounds a range, longer than a key can be, too."""
        sender.write(*SOME)
        assert keys_of(sender, "a" * 2000, "b" * 2000) == ["b"]

    def test_every_range_is_that_of_the_sorted_keys(self, sender: Sender) -> None:
        """All pairs of bounds, both directions, pages of one, two and all: as a list has it."""
        sender.write(*SOME)
        for start, end in product(["", *SOME], [*SOME, None]):
            low, high = start.encode(), None if end is None else end.encode()
            expected = [
                key for key in SOME
                if low <= key.encode() and (high is None or key.encode() < high)
            ]  # fmt: skip
            for limit in (1, 2, 100):
                assert keys_of(sender, start, end, limit=limit) == expected
                backwards = keys_of(sender, start, end, limit=limit, reverse=True)
                assert backwards == expected[::-1]

    def test_pages_of_any_size_find_every_key_once(self, sender: Sender) -> None:
        """A page goes on where the last one ended."""
        sender.write(*NASTY_KEYS)
        for limit in (1, 7, len(NASTY_KEYS) - 1, len(NASTY_KEYS), 1000):
            assert keys_of(sender, limit=limit) == NASTY_KEYS
            assert keys_of(sender, limit=limit, reverse=True) == NASTY_KEYS[::-1]

    def test_a_page_that_is_just_full_is_the_last(self, sender: Sender) -> None:
        """No next page is promised where there is none."""
        sender.write("a", "b")
        assert sender.scan(limit=2).next_key is None
        assert sender.scan(limit=1).next_key == "b"
        assert sender.scan(limit=2, reverse=True).next_key is None

    def test_wildcards_are_characters(self, sender: Sender) -> None:
        """`%`, `_`, `*`, `?` and `[` in bounds stand for themselves."""
        keys = ["a%1", "a*1", "a?1", "a[x]1", "a_1", "ab1", "axx1"]
        sender.write(*keys)
        for prefix in ("a%", "a_", "a*", "a?", "a["):
            end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
            assert keys_of(sender, prefix, end) == [key for key in keys if key.startswith(prefix)]

    def test_a_scan_shows_tombstones(self, sender: Sender) -> None:
        """Whoever merges a page with writes of its own has to know what is deleted."""
        sender.send(sender.put("a", None), sender.put("b", b"1"))
        for values in (True, False):
            tombstone, live = scanned(sender, values=values)
            assert (tombstone.record.payload, live.record.payload is None) == (None, False)

    def test_a_scan_without_values_tells_everything_else(self, sender: Sender) -> None:
        """`ELSEWHERE` stands for a payload; version, expiry and metadata are there."""
        put = sender.put("k", b"x" * 100, metadata={"x": "y"}, expires_at_ms=1 << 45)
        sender.send(put)
        (row,) = scanned(sender, values=False)
        assert row.record.payload == ELSEWHERE
        assert row.record.fields() == put.record.fields()

    def test_a_scan_finds_the_rows_that_a_read_finds(self, sender: Sender) -> None:
        """Field by field."""
        sender.send(sender.put("a", None), sender.put("b", b"1", expires_at_ms=1 << 41))
        found = {row.key: replace(row, due_ms=None) for row in scanned(sender)}
        assert found == sender.rows("a", "b")

    def test_a_key_that_is_there_throughout_shows_once(self, sender: Sender) -> None:
        """While others are written, deleted and overwritten between the pages."""
        stay = [f"stay/{number}" for number in range(6)]
        sender.write(*stay)
        for reverse in (False, True):
            found, bounds, number = list[str](), ("", None), 0
            while True:
                start, end = bounds
                page = sender.scan(start, end, limit=2, reverse=reverse)
                found += [row.key for row in page.rows]
                number += 1
                sender.write(f"a/{number}", f"z/{number}", stay[number % 6])
                if page.next_key is None:
                    break
                bounds = (start, page.next_key) if reverse else (page.next_key, end)  # type: ignore[assignment]
            assert sorted(key for key in found if key in stay) == stay

    def test_large_rows_end_no_scan_early(self, sender: Sender) -> None:
        """A page may end before its limit; the scan goes on."""
        keys = [f"key/{number}" for number in range(6)]
        for key in keys:
            sender.send(sender.put(key, bytes(1 << 20)))
        assert keys_of(sender) == keys
        assert keys_of(sender, reverse=True) == keys[::-1]

    def test_a_damaged_row_does_not_end_a_scan(
        self, sender: Sender, harness: RegionHarness
    ) -> None:
        """It is told apart from the others, and the page goes on behind it."""
        need(harness, "corrupt")
        sender.write("a", "b", "c")
        harness.corrupt(b"b")
        page = sender.scan()
        assert [row.key for row in page.rows] == ["a", "c"]
        assert list(page.corrupt) == ["b"]
