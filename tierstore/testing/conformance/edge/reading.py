"""Local reads: what was written here is seen here, at once and as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tierstore.errors import InvalidKeyError
from tierstore.testing.conformance.edge.bench import EdgeBench
from tierstore.testing.conformance.nasty import KEY_PAIRS, NASTY_KEYS
from tierstore.values import encode

if TYPE_CHECKING:
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.store.store import Store
    from tierstore.testing.conformance.edge.observed import ObservedRegion

VALUES: list[Any] = [
    None, True, False, 0, -1, 2**63 - 1, -(2**63), 1.5, float("inf"), "", "é\0😀", b"",
    bytes(range(256)), [], [1, [2, [3]]], {}, {"a": {"b": [None, b"x"]}},
    datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
]  # fmt: skip


class EdgeReading(EdgeBench):
    """Read-your-writes, on one replica."""

    @pytest.mark.parametrize("value", VALUES, ids=ascii)
    def test_a_value_comes_back_as_it_was(
        self, store: Store, region: ObservedRegion, value: Any
    ) -> None:
        """Before the flush, after it, and as its own encoding in the region."""
        store.put("k", value)
        assert (store.get("k", "absent"), type(store.get("k"))) == (value, type(value))
        store.flush()
        assert store.get("k", "absent") == value
        assert region.payload("k") == encode(value)

    def test_a_write_is_seen_before_it_is_flushed(
        self, store: Store, region: ObservedRegion
    ) -> None:
        """By every verb, and the region need not have heard of it."""
        store.put("k", 1)
        assert (store.get("k"), store.read("k").value, store.exists("k")) == (1, 1, True)
        assert store.get_many(["k"]) == {"k": 1}
        assert [(entry.key, entry.value) for entry in store.scan()] == [("k", 1)]
        assert region.payload("k") is None

    def test_the_last_write_is_the_one_that_is_seen(
        self, store: Store, region: ObservedRegion
    ) -> None:
        """However many there are between two flushes."""
        for number in range(10):
            store.put("k", number)
            assert store.get("k") == number
            if number % 4 == 0:
                store.flush()
        store.flush()
        assert region.payload("k") == encode(9)

    def test_a_write_needs_no_region(self, store: Store, region: ObservedRegion) -> None:
        """Nor does a read of what was written here."""
        region.plan.is_region_down = True
        store.put("k", 1)
        store.delete("gone")
        assert store.get("k") == 1
        assert store.get("gone", "absent") == "absent"

    def test_an_absent_key_is_absent(self, store: Store) -> None:
        """A default, no receipt, no entry."""
        assert store.get("k") is None
        assert store.get("k", 7) == 7
        assert not store.exists("k")
        reading = store.read("k")
        assert (reading.found, reading.value, reading.version, reading.tier) == (
            False, None, None, None,
        )  # fmt: skip
        assert store.get_many(["k"]) == {}

    def test_none_is_a_value(self, store: Store) -> None:
        """It is told from absence."""
        store.put("k", None)
        assert store.get("k", 7) is None
        assert store.exists("k")
        assert store.get_many(["k", "x"]) == {"k": None}

    def test_a_mutable_value_is_a_fresh_object(self, store: Store) -> None:
        """What a caller does to it changes nobody's next read."""
        value = {"list": [1]}
        store.put("k", value)
        value["list"].append(2)
        store.get("k")["list"].append(3)
        assert store.get("k") == {"list": [1]}

    def test_a_deleted_key_is_absent(self, store: Store, region: ObservedRegion) -> None:
        """Before and after the flush, whether it existed or not, and it can come back."""
        store.put("k", 1)
        store.flush()
        store.delete("k")
        assert store.get("k") is None
        store.flush()
        assert (store.get("k"), region.payload("k")) == (None, None)
        store.delete("never there")
        store.put("k", 2)
        assert store.get("k") == 2

    def test_many_keys_are_written_read_and_deleted_at_once(self, store: Store) -> None:
        """As one by one."""
        items = {f"k{number}": number for number in range(300)}
        store.put_many(items)
        assert store.get_many(items) == items
        store.delete_many([f"k{number}" for number in range(0, 300, 2)])
        left = {key: number for key, number in items.items() if number % 2}
        assert store.get_many(items) == left
        store.flush()
        assert store.get_many(items) == left

    @pytest.mark.parametrize("pair", KEY_PAIRS, ids=ascii)
    def test_two_keys_that_look_alike_are_two_keys(
        self, store: Store, region: ObservedRegion, pair: tuple[str, str]
    ) -> None:
        """At the edge, in its outbox, and in the region."""
        left, right = pair
        store.put(left, "left")
        assert store.get(right) is None
        store.put(right, "right")
        assert store.get_many([left, right]) == {left: "left", right: "right"}
        store.delete(left)
        store.flush()
        assert (store.get(left), store.get(right)) == (None, "right")
        assert set(region.memory.rows) == {left, right}

    def test_what_is_no_key_is_refused(self, store: Store, region: ObservedRegion) -> None:
        """Before anything happens."""
        for key in ("", "k" * 1025, "é" * 513, "\ud800"):
            with pytest.raises(InvalidKeyError):
                store.put(key, 1)
            with pytest.raises(InvalidKeyError):
                store.get(key)
        assert not region.calls

    def test_a_receipt_says_where_an_answer_came_from(self, store: Store, other: Store) -> None:
        """The edge for what is here, the region for what was fetched."""
        other.put("k", 1)
        other.flush()
        first, second = store.read("k"), store.read("k")
        assert (first.tier, second.tier) == ("regional", "edge")
        assert (first.value, second.value) == (1, 1)
        assert first.version == second.version == other.read("k").version

    def test_metadata_comes_back(self, store: Store, other: Store) -> None:
        """Here, and elsewhere."""
        metadata = {"content-type": "é", "": "\0"}
        store.put("k", 1, metadata=metadata)
        assert store.read("k").metadata == metadata
        store.flush()
        assert other.read("k").metadata == metadata
        store.put("k", 2)
        assert store.read("k").metadata == {}

    def test_a_version_is_the_same_before_and_after_the_flush(
        self, store: Store, other: Store
    ) -> None:
        """And on every replica; another write has another one, also of the same value."""
        store.put("k", 1)
        version = store.read("k").version
        store.flush()
        assert store.read("k").version == other.read("k").version == version
        store.put("k", 1)
        assert store.read("k").version != version

    def test_a_version_is_never_used_again(self, store: Store) -> None:
        """Neither after a delete nor when the clock stands still."""
        seen = set()
        for number in range(20):
            store.put("k", number)
            seen.add(store.read("k").version)
            if number % 5 == 0:
                store.delete("k")
        assert len(seen) == 20


class EdgeScanning(EdgeBench):
    """A scan is the region's page with this edge's own writes on top."""

    def test_own_writes_are_on_top(self, store: Store, other: Store, clock: ManualRuntime) -> None:
        """New, overwritten and deleted keys, before they are flushed."""
        other.put_many({"a": 1, "b": 1, "c": 1})
        other.flush()
        clock.advance(1)
        store.put_many({"b": 2, "d": 2})
        store.delete("c")
        found = [(entry.key, entry.value) for entry in store.scan()]
        assert found == [("a", 1), ("b", 2), ("d", 2)]

    def test_a_scan_is_in_byte_order(self, store: Store) -> None:
        """Of flushed and unflushed keys alike, in both directions, by pages of any size."""
        store.put_many(dict.fromkeys(NASTY_KEYS[::2], 1))
        store.flush()
        store.put_many(dict.fromkeys(NASTY_KEYS[1::2], 1))
        assert [entry.key for entry in store.scan()] == NASTY_KEYS
        assert [entry.key for entry in store.scan(reverse=True)] == NASTY_KEYS[::-1]
        for size in (1, 7, 1000):
            pages = store.scan().pages(size)
            assert [entry.key for page in pages for entry in page.entries] == NASTY_KEYS

    def test_a_prefix_is_no_pattern(self, store: Store) -> None:
        """`%`, `_`, `*` and brackets stand for themselves."""
        keys = ["a%1", "a*1", "a[x]1", "a_1", "ab1"]
        store.put_many(dict.fromkeys(keys, 1))
        for flushed in (False, True):
            if flushed:
                store.flush()
            for prefix in ("a%", "a*", "a[", "a_", "ab"):
                found = [entry.key for entry in store.scan(prefix)]
                assert found == [key for key in keys if key.startswith(prefix)]

    def test_a_range_is_half_open_and_limited(self, store: Store) -> None:
        """From `start` to below `end`, at most `limit`."""
        store.put_many({f"k{number}": number for number in range(6)})
        store.flush()
        store.put("k6", 6)
        assert [e.key for e in store.scan("k", start="k2", end="k5")] == ["k2", "k3", "k4"]
        assert [e.key for e in store.scan("k", limit=2, reverse=True)] == ["k6", "k5"]

    def test_a_cursor_goes_on_in_another_process(self, store: Store, other: Store) -> None:
        """A page may be resumed later, and elsewhere."""
        store.put_many({f"k{number}": number for number in range(5)})
        store.flush()
        first = next(store.scan("k").pages(2))
        rest = other.scan("k", cursor=first.cursor)
        assert [entry.key for entry in rest] == ["k2", "k3", "k4"]

    def test_a_view_adds_its_prefix(self, store: Store) -> None:
        """And shows only what has it."""
        view = store.prefixed("tenant/7/")
        view.put("k", 1)
        store.put("k", 2)
        assert (store.get("tenant/7/k"), view.get("k")) == (1, 1)
        assert [entry.key for entry in view.scan()] == ["k"]
