"""What an acknowledged write survives: the end of its process, at any moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.errors import OutcomeUnknownError, PolicyError, UnavailableError
from tierstore.testing.conformance.edge.bench import EdgeBench
from tierstore.testing.conformance.edge.flushing import check_chain
from tierstore.testing.conformance.harness import need
from tierstore.testing.plan import KINDS, Crash
from tierstore.values import encode

if TYPE_CHECKING:
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.store.store import Store
    from tierstore.testing.conformance.edge.harness import EdgeHarness
    from tierstore.testing.conformance.edge.observed import ObservedRegion
    from tierstore.testing.plan import Kind

IOS_MAX = 60


class Journaling(EdgeBench):
    """`durability: journal`: acknowledged is on this machine's disk."""

    def test_a_killed_process_loses_nothing_that_was_journaled(
        self, harness: EdgeHarness, region: ObservedRegion
    ) -> None:
        """Puts and deletes are read by the next process, and flushed by it."""
        need(harness, "journal")
        store = harness.open()
        store.put_many({"k": 1, "gone": 1})
        store.delete("gone")
        harness.kill(store)
        again = harness.open()
        assert again.get_many(["k", "gone"]) == {"k": 1}
        again.flush()
        assert (region.payload("k"), region.payload("gone")) == (encode(1), None)
        check_chain(region)

    def test_numbers_go_on_after_a_kill(self, harness: EdgeHarness, region: ObservedRegion) -> None:
        """With the same identity: one chain of batches over all lives of the edge."""
        need(harness, "journal")
        for number in range(4):
            store = harness.open()
            store.put(f"k{number}", number)
            if number % 2:
                store.flush()
            harness.kill(store)
        harness.open().flush()
        assert {batch.replica for batch in region.batches} == {region.batches[0].replica}
        assert set(region.memory.rows) == {f"k{number}" for number in range(4)}
        check_chain(region)

    def test_a_batch_whose_reply_was_lost_with_its_process_is_recognised(
        self, harness: EdgeHarness, region: ObservedRegion
    ) -> None:
        """The next process sends the same bytes under the same number."""
        need(harness, "journal")
        store = harness.open()
        store.put("k", 1)
        region.meanwhile("apply", lambda: _crash(region))
        with pytest.raises(Crash):
            store.flush()
        region.plan.crashed = False
        harness.kill(store)
        harness.open().flush()
        sent, again = region.batches
        assert sent.digest == again.digest
        assert (sent.repeated, again.repeated) == (False, True)

    def test_an_outage_may_outlast_the_process(
        self, harness: EdgeHarness, region: ObservedRegion
    ) -> None:
        """Closing needs no region for what is journaled."""
        need(harness, "journal")
        region.plan.is_region_down = True
        store = harness.open()
        store.put("k", 1)
        store.close()
        again = harness.open()
        assert again.get("k") == 1
        assert again.stats()["outbox"]["unflushed"] == 1
        region.plan.is_region_down = False
        again.flush()
        assert region.payload("k") == encode(1)

    def test_stamps_never_go_back_with_the_clock(
        self, harness: EdgeHarness, clock: ManualRuntime, region: ObservedRegion
    ) -> None:
        """What is written after a restart is ordered after what was written before."""
        need(harness, "journal")
        store = harness.open()
        store.put("k", "first")
        harness.kill(store)
        clock.jump(-30)
        again = harness.open()
        again.put("k", "second")
        again.flush()
        assert region.payload("k") == encode("second")

    def test_two_processes_have_two_journals(
        self, harness: EdgeHarness, region: ObservedRegion
    ) -> None:
        """And two identities; neither sends what the other wrote."""
        need(harness, "journal")
        first, second = harness.open(), harness.open()
        first.put("a", 1)
        second.put("b", 1)
        for store in (first, second):
            store.flush()
        assert first.read("a").replica != second.read("b").replica
        assert [batch.keys for batch in region.batches] == [("a",), ("b",)]
        check_chain(region)

    def test_the_journal_of_a_dead_process_is_drained_by_the_next(
        self, harness: EdgeHarness, region: ObservedRegion
    ) -> None:
        """Also if that one has a journal of its own: in the dead one's name."""
        need(harness, "journal")
        dead, alive = harness.open(), harness.open()
        dead.put("dead", 1)
        alive.put("alive", 1)
        harness.kill(dead)
        assert alive.maintain().ok
        assert set(region.memory.rows) == {"dead", "alive"}
        assert alive.stats()["counts"]["adopted"] == 1
        check_chain(region)

    @pytest.mark.parametrize("kind", KINDS)
    def test_whatever_fails_no_acknowledged_write_is_lost_or_doubled(
        self, harness: EdgeHarness, region: ObservedRegion, kind: Kind
    ) -> None:
        """At every I/O of writing, flushing and opening again."""
        need(harness, "journal")
        need(harness, "faults")
        store, acknowledged = harness.open(), dict[str, int]()
        for n in range(1, IOS_MAX):
            harness.plan.arm(n, kind)
            try:
                for key in ("a", "b"):
                    store.put(f"{key}{n}", n)
                    acknowledged[f"{key}{n}"] = n
                store.flush()
            except (Crash, UnavailableError, OutcomeUnknownError):
                pass
            fired = harness.plan.fired
            harness.plan.arm(0, kind)
            harness.kill(store)
            store = harness.open()
            assert store.get_many(acknowledged) == acknowledged
            if fired is None:
                break
        store.flush()
        found = {key: region.payload(key) for key in acknowledged}
        assert found == {key: encode(value) for key, value in acknowledged.items()}
        first_sent = [batch for batch in region.batches if not batch.repeated]
        assert len({(b.replica, b.number) for b in first_sent}) == len(first_sent)


class Durabilities(EdgeBench):
    """The other classes, and what may be lost with them."""

    def test_a_memory_write_may_be_lost_with_its_process_and_is_never_half_there(
        self, harness: EdgeHarness, region: ObservedRegion
    ) -> None:
        """After a kill it is there or not, and the region and the next process agree."""
        store = harness.open()
        store.put("mem/k", "old")
        store.flush()
        store.put("mem/k", "new")
        harness.kill(store)
        again = harness.open()
        again.flush()
        assert again.get("mem/k") in ("old", "new")
        assert region.payload("mem/k") == encode(again.get("mem/k"))

    def test_a_flushed_memory_write_survives(
        self, harness: EdgeHarness, region: ObservedRegion
    ) -> None:
        """The region has it."""
        store = harness.open()
        store.put("mem/k", 1)
        store.flush()
        harness.kill(store)
        assert harness.open().get("mem/k") == 1

    def test_a_memory_write_that_cannot_be_flushed_is_named_when_closing(
        self, harness: EdgeHarness, region: ObservedRegion
    ) -> None:
        """Everything is released first."""
        store = harness.open()
        store.put("mem/k", 1)
        region.plan.is_region_down = True
        with pytest.raises(UnavailableError, match="lost"):
            store.close()
        store.close()
        region.plan.is_region_down = False
        assert harness.open().get("mem/k") is None

    def test_a_regional_write_is_in_the_region_when_it_is_acknowledged(
        self, store: Store, region: ObservedRegion
    ) -> None:
        """Puts and deletes, without a flush."""
        store.put("reg/k", 1)
        assert region.payload("reg/k") == encode(1)
        store.delete("reg/k")
        assert region.payload("reg/k") is None

    def test_a_regional_write_that_is_not_confirmed_is_unknown(
        self, store: Store, region: ObservedRegion
    ) -> None:
        """It stays queued, its outcome can be asked for, and it is applied once."""
        store.put("reg/warm", 0)
        region.lose_reply()
        with pytest.raises(OutcomeUnknownError) as caught:
            store.put("reg/k", 1)
        assert caught.value.operation_id
        store.flush()
        assert store.outcome(caught.value.operation_id) == "applied"
        assert region.payload("reg/k") == encode(1)
        assert len([batch for batch in region.batches if not batch.repeated]) == 2

    def test_a_regional_write_in_an_outage_is_no_success(
        self, store: Store, region: ObservedRegion
    ) -> None:
        """A typed error."""
        region.plan.is_region_down = True
        with pytest.raises((OutcomeUnknownError, UnavailableError)):
            store.put("reg/k", 1)

    def test_what_may_not_be_at_the_edge_is_not(self, store: Store, region: ObservedRegion) -> None:
        """`place: {never: [edge]}`: every read asks the region, and nothing stays here."""
        store.put("far/k", 1)
        assert region.payload("far/k") == encode(1)
        before = region.calls["read"]
        for _ in range(3):
            assert store.get("far/k") == 1
        assert region.calls["read"] == before + 3
        assert store.stats()["edge"]["entries"] == 0

    def test_a_journal_that_there_is_not_is_not_promised(self, harness: EdgeHarness) -> None:
        """Rules that need one are refused when the policy is read."""
        fields = harness.policy()
        edge = {**fields["tiers"]["edge"], "journal": "none"}
        rules = [{"match": "**", "durability": "journal"}]
        with pytest.raises(PolicyError):
            harness.open(tiers={"edge": edge}, rules=rules)

    def test_a_new_edge_is_a_new_replica(self, harness: EdgeHarness) -> None:
        """An identity stays with a journal; without one each process has its own."""
        replicas = set()
        for _ in range(3):
            store = harness.open()
            store.put("k", 1)
            replicas.add(store.read("k").replica)
            store.close()
        assert len(replicas) == (3 if "journal" in harness.cannot else 1)


def _crash(region: ObservedRegion) -> None:
    region.plan.crashed = True
    raise Crash("apply")
