"""Closing, forking, threads, figures and secrets of an edge."""

from __future__ import annotations

import copy
import os
from functools import partial
from typing import TYPE_CHECKING, cast

import pytest

from tierstore.errors import StoreClosedError, TierStoreError, UnavailableError
from tierstore.testing.conformance.edge.bench import EdgeBench
from tierstore.testing.conformance.edge.flushing import check_chain
from tierstore.testing.conformance.harness import need, undeclared
from tierstore.testing.conformance.telling import told
from tierstore.testing.conformance.together import Waiting, together
from tierstore.values import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.store.store import Store
    from tierstore.testing.conformance.edge.harness import EdgeHarness
    from tierstore.testing.conformance.edge.observed import ObservedRegion

THREADS, EACH = 4, 40


class Closing(EdgeBench):
    """A store that is closed has let go of everything."""

    def test_a_closed_store_refuses_every_verb(self, store: Store) -> None:
        """Its views, too."""
        store.put("k", 1)
        view = store.prefixed("a/")
        store.close()
        for closed in (store, view):
            verbs: list[Callable[[], object]] = [
                partial(closed.get, "k"), partial(closed.read, "k"), partial(closed.put, "k", 1),
                partial(closed.delete, "k"), partial(closed.exists, "k"), closed.scan,
                closed.flush, closed.maintain, closed.stats, partial(closed.put, "k", b"1"),
            ]  # fmt: skip
            for verb in verbs:
                with pytest.raises(StoreClosedError):
                    verb()

    def test_closing_is_idempotent(self, store: Store, region: ObservedRegion) -> None:
        """Also of a store that was never used, and inside its block."""
        with store:
            store.put("k", 1)
            store.close()
            store.close()
        assert region.payload("k") == encode(1)

    def test_an_edge_can_be_opened_again(self, harness: EdgeHarness) -> None:
        """What was flushed is there."""
        for number in range(3):
            with harness.open() as store:
                assert store.get("k", -1) == number - 1
                store.put("k", number)

    def test_opening_touches_nothing(self, harness: EdgeHarness, region: ObservedRegion) -> None:
        """Neither the region nor a file, before the first verb."""
        harness.open().close()
        assert not region.calls

    def test_closing_releases_everything(self, harness: EdgeHarness) -> None:
        """Connections, files and locks go back to what they were."""
        need(harness, "open_resources")
        before = harness.open_resources()
        for number in range(3):
            with harness.open() as store:
                store.put("k", number)
                store.flush()
        assert harness.open_resources() == before

    def test_what_the_harness_cannot_do_is_declared(self, harness: EdgeHarness) -> None:
        """A test is skipped for a reason that is written down, or it runs."""
        assert list(undeclared(harness)) == []


class Identity(EdgeBench):
    """A replica is one process."""

    def test_two_stores_are_two_replicas(self, store: Store, other: Store) -> None:
        """With batches of their own."""
        for each in (store, other):
            each.put("k", 1)
        assert store.read("k").replica != other.read("k").replica

    def test_a_replica_keeps_its_name_as_long_as_it_lives(self, store: Store) -> None:
        """Through flushes and pulls."""
        names = set()
        for number in range(5):
            store.put("k", number)
            names.add(store.read("k").replica)
            store.maintain()
        assert len(names) == 1

    def test_a_forked_child_is_another_replica_with_nothing_of_its_parents(
        self, harness: EdgeHarness, store: Store
    ) -> None:
        """It sends nothing that its parent wrote; its parent goes on."""
        need(harness, "fork")
        store.put("k", 1)
        mine = store.read("k").replica
        read_end, write_end = os.pipe()
        child = os.fork()
        if not child:
            answer = b"failed"
            try:
                unflushed = store.stats()["outbox"]["unflushed"]
                store.put("child", 1)
                answer = f"{store.read('child').replica} {unflushed}".encode()
            finally:
                os.write(write_end, answer)
                os._exit(0)
        os.close(write_end)
        with open(read_end) as pipe:
            theirs, unflushed = pipe.read().split()
        os.waitpid(child, 0)
        assert (theirs != mine, unflushed) == (True, "0")
        assert store.stats()["outbox"]["unflushed"] == 1
        assert store.read("k").replica == mine
        store.flush()

    def test_a_store_is_not_pickled(self, store: Store) -> None:
        """With a sentence that says what to do instead."""
        with pytest.raises((TypeError, TierStoreError), match="open the policy"):
            copy.copy(store)


class EdgeConcurrency(EdgeBench):
    """Threads share a store."""

    @pytest.fixture
    def shared(self, harness: EdgeHarness) -> Store:
        """A store that waits as the system does."""
        return harness.open(Waiting(harness.clock))

    def test_threads_that_write_lose_nothing(self, shared: Store, region: ObservedRegion) -> None:
        """Each sees its own writes at once; while others flush, too."""

        def write(thread: int) -> None:
            for number in range(EACH):
                key = f"{thread}/{number}"
                shared.put(key, number)
                assert shared.get(key) == number
                if number % 10 == thread:
                    shared.flush()

        together(*[partial(write, thread) for thread in range(THREADS)])
        shared.flush()
        expected = {f"{t}/{n}": encode(n) for t in range(THREADS) for n in range(EACH)}
        assert {key: region.payload(key) for key in region.memory.rows} == expected
        check_chain(region)

    def test_threads_that_write_one_key_agree_on_the_last(
        self, shared: Store, region: ObservedRegion
    ) -> None:
        """The store shows what the region has after the flush."""

        def write(thread: int) -> None:
            for number in range(EACH):
                shared.put("k", [thread, number])

        together(*[partial(write, thread) for thread in range(THREADS)])
        shared.flush()
        assert shared.get("k")[1] == EACH - 1
        assert region.payload("k") == encode(shared.get("k"))

    def test_a_reader_never_sees_a_value_go_back(self, shared: Store) -> None:
        """While another thread counts up, flushes and pulls."""
        done: list[bool] = []
        shared.put("k", 0)

        def write() -> None:
            for number in range(1, EACH):
                shared.put("k", number)
                if number % 5 == 0:
                    shared.maintain()
            done.append(True)

        def read() -> None:
            seen = 0
            while not done:
                found = shared.get("k")
                assert found >= seen
                seen = found

        together(write, read, read)

    def test_closing_while_others_write_loses_nothing_that_was_acknowledged(
        self, shared: Store, region: ObservedRegion
    ) -> None:
        """A write is refused, or it is flushed."""
        acknowledged: list[str] = []

        def write(thread: int) -> None:
            for number in range(1_000):
                try:
                    shared.put(f"{thread}/{number}", 1)
                except StoreClosedError:
                    return
                acknowledged.append(f"{thread}/{number}")

        def close() -> None:
            while len(acknowledged) < 20:
                pass
            shared.close()

        together(close, partial(write, 0), partial(write, 1))
        assert set(acknowledged) <= set(region.memory.rows)


class Telling(EdgeBench):
    """What a store says of itself."""

    def test_figures_count_what_waits(self, store: Store, region: ObservedRegion) -> None:
        """And what is resident, and how much room there is."""
        region.plan.is_region_down = True
        store.put_many({"a": 1, "b": 2})
        stats = store.stats()
        assert stats["outbox"]["unflushed"] == 2
        assert stats["outbox"]["unflushed_bytes"] > 0
        assert stats["edge"]["entries"] == 2
        assert stats["edge"]["capacity_bytes"] > 0
        region.plan.is_region_down = False
        store.flush()
        stats = store.stats()
        assert stats["outbox"]["unflushed"] == stats["outbox"]["unflushed_bytes"] == 0
        assert stats["counts"]["flushed"] == 2

    def test_figures_say_whether_the_region_answers(
        self, store: Store, region: ObservedRegion
    ) -> None:
        """As of the last call."""
        region.plan.is_region_down = True
        with pytest.raises(UnavailableError):
            store.get("k")
        assert not store.stats()["region"]["reachable"]
        region.plan.is_region_down = False
        store.get("k")
        assert store.stats()["region"]["reachable"]

    def test_a_check_finds_all_well_or_says_what_is_not(
        self, store: Store, region: ObservedRegion
    ) -> None:
        """With one finding a subject."""
        store.put("k", 1)
        assert store.check().ok
        region.plan.is_region_down = True
        report = store.check()
        assert {finding.subject for finding in report.findings if not finding.ok} == {"region"}

    def test_an_explanation_says_where_a_key_is_and_why(self, store: Store) -> None:
        """Its rule, its tiers, and whether it waits to be flushed."""
        store.put("reg/k", 1)
        told_ = store.explain("reg/k")
        assert (told_.found, told_.durability, told_.home) == (True, "regional", "regional")
        assert "edge" in told_.tiers
        assert "reg/k" in str(told_)

    def test_upkeep_says_what_it_could_not_do(self, store: Store, region: ObservedRegion) -> None:
        """And does not raise."""
        store.put("k", 1)
        region.plan.is_region_down = True
        done = store.maintain()
        assert not done.ok
        assert all(isinstance(failure, UnavailableError) for failure in done.failures)

    def test_a_secret_is_never_told(self, harness: EdgeHarness) -> None:
        """Neither by the store nor by what it raises, to the last cause."""
        need(harness, "open_secret")
        opened, secret = harness.open_secret()
        texts = [repr(opened), str(opened)]
        if not isinstance(opened, BaseException):
            store = cast("Store", opened)
            texts.append(str(store.stats()))
            with pytest.raises(TierStoreError) as caught:
                store.put("reg/k", 1)
            opened = caught.value
        texts += told(opened)
        assert not [text for text in texts if secret in text]

    def test_values_are_not_told_by_errors(self, store: Store, region: ObservedRegion) -> None:
        """What users store is not for logs."""
        region.plan.is_region_down = True
        with pytest.raises(TierStoreError) as caught:
            store.put("reg/k", "a private matter")
        assert "private" not in str(told(caught.value))
