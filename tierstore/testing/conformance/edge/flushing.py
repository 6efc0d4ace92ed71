"""From the edge to the region: numbered batches, each applied once, in whatever way it fails."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from tierstore.errors import OverloadedError, UnavailableError
from tierstore.region.batch import FIRST_PREDECESSOR
from tierstore.testing.conformance.edge.bench import EdgeBench
from tierstore.values import encode

if TYPE_CHECKING:
    from tierstore.store.store import Store
    from tierstore.testing.conformance.edge.harness import EdgeHarness
    from tierstore.testing.conformance.edge.observed import ObservedRegion


def check_chain(region: ObservedRegion) -> None:
    """Each replica's batches have the numbers from 1 on, once each, and name each other."""
    assert [batch for batch in region.batches if batch.repeated] == []
    for replica in {batch.replica for batch in region.batches}:
        own = [batch for batch in region.batches if batch.replica == replica]
        assert [batch.number for batch in own] == list(range(1, len(own) + 1))
        assert own[0].predecessor == FIRST_PREDECESSOR
        assert all(later.predecessor == batch.digest for batch, later in pairwise(own))


class Flushing(EdgeBench):
    """Every write reaches the region once."""

    def test_a_flush_brings_every_write(self, store: Store, region: ObservedRegion) -> None:
        """When `flush` returns, the region has what was written before."""
        store.put_many({f"k{number}": number for number in range(20)})
        store.delete("gone")
        store.flush()
        assert {key: region.payload(key) for key in region.memory.rows} == {
            **{f"k{number}": encode(number) for number in range(20)}, "gone": None,
        }  # fmt: skip
        assert store.stats()["outbox"]["unflushed"] == 0

    def test_batches_are_numbered_and_name_their_predecessor(
        self, store: Store, region: ObservedRegion
    ) -> None:
        """From 1 on, without a gap."""
        for number in range(5):
            store.put("k", number)
            store.flush()
        assert len(region.batches) == 5
        check_chain(region)

    def test_writes_of_a_key_are_joined_per_flush(
        self, store: Store, region: ObservedRegion
    ) -> None:
        """Only the last of them travels."""
        for number in range(50):
            store.put("k", number)
        store.flush()
        assert [batch.keys for batch in region.batches] == [("k",)]

    def test_nothing_to_flush_sends_nothing(self, store: Store, region: ObservedRegion) -> None:
        """However often it is asked."""
        store.put("k", 1)
        for _ in range(3):
            store.flush()
        assert len(region.batches) == 1

    def test_a_batch_has_a_thousand_entries_at_most(
        self, store: Store, region: ObservedRegion
    ) -> None:
        """More go into several."""
        store.put_many({f"k{number}": number for number in range(2_500)})
        store.flush()
        assert sum(len(batch.keys) for batch in region.batches) == 2_500
        assert max(len(batch.keys) for batch in region.batches) <= 1_000
        check_chain(region)

    def test_a_lost_reply_applies_nothing_twice(self, store: Store, region: ObservedRegion) -> None:
        """The same batch is sent again, and the region knows it."""
        store.put("warm", 0)
        store.flush()
        store.put("k", 1)
        region.lose_reply()
        with pytest.raises(UnavailableError):
            store.flush()
        store.put("later", 2)
        store.flush()
        first, sent, again, later = region.batches
        assert (sent.digest, again.digest) == (again.digest, sent.digest)
        assert (sent.repeated, again.repeated, later.repeated) == (False, True, False)
        assert (first.number, sent.number, later.number) == (1, 2, 3)
        assert region.payload("k") == encode(1)

    def test_a_write_during_an_outage_waits_for_its_end(
        self, store: Store, region: ObservedRegion
    ) -> None:
        """It is seen here all the time, and reaches the region afterwards."""
        region.plan.is_region_down = True
        for number in range(3):
            store.put("k", number)
            with pytest.raises(UnavailableError):
                store.flush()
            assert store.get("k") == number
        region.plan.is_region_down = False
        store.flush()
        assert region.payload("k") == encode(2)
        check_chain(region)

    def test_a_write_made_while_a_batch_travels_is_not_lost(
        self, store: Store, region: ObservedRegion
    ) -> None:
        """It is newer than what the batch says of its key, here and in the region."""
        store.put("k", "old")
        region.meanwhile("apply", lambda: store.put("k", "new"))
        store.flush()
        assert store.get("k") == "new"
        store.flush()
        assert region.payload("k") == encode("new")

    def test_the_background_flushes(self, harness: EdgeHarness, region: ObservedRegion) -> None:
        """After `replication.flush`, without anybody's asking."""
        store = harness.open(replication={"flush": "200ms", "pull": "1h"})
        store.put("k", 1)
        harness.clock.advance(1)
        assert region.payload("k") == encode(1)
        assert store.stats()["outbox"]["unflushed"] == 0

    def test_a_write_that_makes_no_sense_to_the_region_holds_up_nothing(
        self, harness: EdgeHarness, region: ObservedRegion
    ) -> None:
        """One that is stamped ahead is held; the others arrive."""
        store = harness.open()
        store.put("other", 1)
        store.flush()
        region.clock.behind_s = 3600
        store.put("k", 1)
        store.flush()
        assert region.payload("k") is None
        assert store.get("k") == 1
        assert store.stats()["outbox"]["held"] == 1

    def test_closing_flushes(self, harness: EdgeHarness, region: ObservedRegion) -> None:
        """All durabilities."""
        store = harness.open()
        store.put_many({"k": 1, "mem/k": 2})
        store.put("reg/k", 3)
        store.close()
        assert {key: region.payload(key) for key in ("k", "mem/k", "reg/k")} == {
            "k": encode(1), "mem/k": encode(2), "reg/k": encode(3),
        }  # fmt: skip
        check_chain(region)

    def test_what_one_edge_flushed_another_reads(self, store: Store, other: Store) -> None:
        """And the later of two writes is what both have in the end."""
        store.put("k", "first")
        store.flush()
        assert other.get("k") == "first"
        other.put("k", "second")
        other.flush()
        store.maintain()
        assert store.get("k") == other.get("k") == "second"

    def test_two_edges_converge(self, store: Store, other: Store, region: ObservedRegion) -> None:
        """Whatever each wrote, and whoever flushed first."""
        for number in range(10):
            store.put(f"k{number % 3}", f"store {number}")
            other.put(f"k{(number + 1) % 3}", f"other {number}")
            (store if number % 2 else other).flush()
        for _ in range(2):
            assert store.maintain().ok
            assert other.maintain().ok
        keys = ["k0", "k1", "k2"]
        assert store.get_many(keys) == other.get_many(keys)
        assert {key: encode(value) for key, value in store.get_many(keys).items()} == {
            key: region.payload(key) for key in keys
        }
        check_chain(region)


class Pressure(EdgeBench):
    """What waits for the region is bounded."""

    BOUND: ClassVar[dict[str, Any]] = {"limits": {"unflushed": "4KiB", "value": "2KiB"}}

    def fill(self, store: Store) -> int:
        """How many writes were accepted before one was refused."""
        for number in range(1_000):
            try:
                store.put(f"k{number}", b"v" * 100)
            except OverloadedError:
                return number
        raise AssertionError("nothing is refused")

    def test_a_write_beyond_the_bound_is_refused_and_changes_nothing(
        self, harness: EdgeHarness, region: ObservedRegion
    ) -> None:
        """Typed; what was accepted is still there."""
        store = harness.open(**self.BOUND)
        region.plan.is_region_down = True
        count = self.fill(store)
        assert 5 < count < 41
        assert store.stats()["outbox"]["unflushed_bytes"] <= 4096
        with pytest.raises(OverloadedError) as caught:
            store.put("k0", b"w" * 1500)
        assert (caught.value.outcome, caught.value.retry) == ("none", "later")
        assert store.get("k0") == b"v" * 100
        assert store.get_many([f"k{n}" for n in range(count)]).keys() == {
            f"k{n}" for n in range(count)
        }

    def test_a_write_makes_room_itself(self, harness: EdgeHarness, region: ObservedRegion) -> None:
        """By flushing in its own time, where the region answers."""
        store = harness.open(**self.BOUND)
        for number in range(200):
            store.put(f"k{number}", b"v" * 100)
        assert store.stats()["outbox"]["unflushed_bytes"] <= 4096
        check_chain(region)

    def test_it_goes_on_when_the_region_is_back(
        self, harness: EdgeHarness, region: ObservedRegion
    ) -> None:
        """With everything that was accepted, and nothing that was not."""
        store = harness.open(**self.BOUND)
        region.plan.is_region_down = True
        count = self.fill(store)
        region.plan.is_region_down = False
        store.put("more", 1)
        store.flush()
        assert set(region.memory.rows) == {f"k{n}" for n in range(count)} | {"more"}
        assert store.stats()["outbox"]["unflushed_bytes"] == 0
