"""What stays at the edge: within its capacity, never instead of something newer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.errors import ValueTooLargeError
from tierstore.testing.conformance.edge.bench import EdgeBench
from tierstore.values import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.store.store import Store
    from tierstore.testing.conformance.edge.harness import EdgeHarness
    from tierstore.testing.conformance.edge.observed import ObservedRegion

CAPACITY_BYTES = 64 << 10


class Capacity(EdgeBench):
    """Copies are bounded in bytes; acknowledged writes are not copies."""

    @pytest.fixture
    def tight(self, harness: EdgeHarness) -> Store:
        """A store whose edge has room for some sixty copies."""
        edge = harness.policy()["tiers"]["edge"]
        return harness.open(tiers={"edge": {**edge, "capacity": "64KiB"}})

    def test_copies_stay_within_the_capacity(self, tight: Store, other: Store) -> None:
        """However many keys are read; each of them can be read again."""
        keys = [f"k{number}" for number in range(300)]
        other.put_many(dict.fromkeys(keys, b"v" * 1000))
        other.flush()
        for key in keys:
            assert tight.get(key) == b"v" * 1000
            assert tight.stats()["edge"]["used_bytes"] <= CAPACITY_BYTES
        assert tight.stats()["edge"]["evicted"] > 0
        assert tight.get_many(keys) == dict.fromkeys(keys, b"v" * 1000)

    def test_a_write_that_is_not_flushed_is_never_evicted(
        self, tight: Store, region: ObservedRegion
    ) -> None:
        """Whatever is read meanwhile: it may be the only copy."""
        tight.put_many({f"own{number}": b"o" * 1000 for number in range(100)})
        region.plan.is_region_down = True
        assert tight.get_many([f"own{n}" for n in range(100)]) == {
            f"own{n}": b"o" * 1000 for n in range(100)
        }
        region.plan.is_region_down = False
        tight.flush()
        assert tight.stats()["edge"]["used_bytes"] <= CAPACITY_BYTES
        assert len(region.memory.rows) == 100

    def test_a_value_larger_than_the_edge_is_read_through(self, tight: Store, other: Store) -> None:
        """It is answered, and pushes nothing out."""
        tight.put("k", 1)
        tight.flush()
        other.put("large", b"x" * (2 * CAPACITY_BYTES))
        other.flush()
        for _ in range(2):
            assert tight.get("large") == b"x" * (2 * CAPACITY_BYTES)
        assert tight.read("k").tier == "edge"

    def test_a_value_above_the_rules_bound_makes_no_copy(
        self, store: Store, other: Store, region: ObservedRegion
    ) -> None:
        """`edge: {max_value: 1KiB}`: larger ones are read through, smaller ones kept."""
        other.put_many({"small/large": b"x" * 2_000, "small/k": b"x" * 100})
        other.flush()
        for key, calls in (("small/large", 3), ("small/k", 1)):
            before = region.calls["read"]
            for _ in range(3):
                assert len(store.get(key)) in (100, 2_000)
            assert region.calls["read"] == before + calls

    def test_a_value_above_the_limit_is_refused_before_anything_happens(
        self, harness: EdgeHarness, region: ObservedRegion
    ) -> None:
        """`limits.value` counts encoded bytes."""
        store = harness.open(limits={"value": "1KiB"})
        store.put("k", b"v" * 1_000)
        for key in ("k", "reg/k", "mem/k"):
            with pytest.raises(ValueTooLargeError):
                store.put(key, b"v" * 1_025)
        assert store.get("k") == b"v" * 1_000
        assert not region.calls

    def test_large_values_travel(self, store: Store, other: Store) -> None:
        """A batch has room for one that is larger than batches are meant to be."""
        sizes = {f"k{number}": number for number in (1, 1 << 16, 1 << 20, 5 << 20)}
        for key, size_bytes in sizes.items():
            store.put(key, bytes(size_bytes))
        store.flush()
        assert {key: len(value) for key, value in other.get_many(sizes).items()} == sizes


class Races(EdgeBench):
    """A reply that is old by the time it arrives is not kept."""

    @pytest.mark.parametrize("verb", ["put", "delete"])
    def test_a_write_made_while_its_key_is_fetched_wins(
        self, store: Store, other: Store, region: ObservedRegion, verb: str
    ) -> None:
        """The fill is void: no later read shows what was there before the write."""
        other.put("k", "old")
        other.flush()
        act: Callable[[], object] = lambda: (  # noqa: E731
            store.put("k", "new") if verb == "put" else store.delete("k")
        )
        region.meanwhile("read", act)
        store.get("k")
        expected = "new" if verb == "put" else None
        assert store.get("k") == expected
        store.flush()
        assert store.get("k") == expected
        assert region.payload("k") == (encode("new") if verb == "put" else None)

    def test_absence_that_is_old_by_the_time_it_arrives_is_not_remembered(
        self, store: Store, region: ObservedRegion
    ) -> None:
        """A put of the key while the region was asked for it."""
        region.meanwhile("read", lambda: store.put("neg/k", 1))
        store.get("neg/k")
        assert store.get("neg/k") == 1

    def test_a_reply_older_than_what_the_feed_told_is_not_kept(
        self, store: Store, other: Store, region: ObservedRegion
    ) -> None:
        """Another's write and a pull while the region was asked: reads do not go back."""
        store.put("resident", 1)
        store.flush()
        other.put("k", "old")
        other.flush()

        def overtake() -> None:
            other.put("k", "new")
            other.flush()
            store.maintain()

        region.meanwhile("read", overtake)
        store.get("k")
        store.maintain()
        assert store.get("k") == "new"

    def test_a_pull_does_not_undo_an_own_write(
        self, store: Store, other: Store, region: ObservedRegion
    ) -> None:
        """What is not flushed yet stays on top of what the feed tells."""
        store.put("k", "old")
        store.flush()
        other.put("k", "theirs")
        other.flush()
        store.put("k", "mine")
        region.meanwhile("changes", lambda: store.put("k", "mine"))
        store.maintain()
        assert store.get("k") == "mine"
        store.flush()
        store.maintain()
        other.maintain()
        assert store.get("k") == other.get("k") == "mine"

    def test_reads_of_a_key_do_not_go_back(self, store: Store, other: Store) -> None:
        """Through flushes, pulls and evictions of another's writes."""
        seen = -1
        for number in range(30):
            other.put("k", number)
            if number % 3 == 0:
                other.flush()
            if number % 4 == 0:
                store.maintain()
            if number % 5 == 0:
                store.get("k", max_age=0)
            found = store.get("k", -1)
            assert found >= seen
            seen = found
