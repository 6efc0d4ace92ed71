"""Lifetimes and ages: TTL, touch, how old an answer may be, and how long absence is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.errors import UnavailableError
from tierstore.testing.conformance.edge.bench import EdgeBench

if TYPE_CHECKING:
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.store.store import Store
    from tierstore.testing.conformance.edge.harness import EdgeHarness
    from tierstore.testing.conformance.edge.observed import ObservedRegion


NEGATIVES_MAX = 65_536


class Lifetimes(EdgeBench):
    """A key is there until its TTL is over, on every replica."""

    @pytest.mark.parametrize("is_flushed", [False, True], ids=["unflushed", "flushed"])
    def test_a_key_expires(
        self, store: Store, other: Store, clock: ManualRuntime, is_flushed: bool
    ) -> None:
        """For every verb, at its moment."""
        store.put("k", 1, ttl=10)
        if is_flushed:
            store.flush()
        clock.advance(9.9)
        assert store.get("k") == 1
        clock.advance(0.2)
        assert store.get("k") is None
        assert not store.exists("k")
        assert store.get_many(["k"]) == {}
        assert list(store.scan()) == []
        assert other.get("k") is None

    def test_a_key_expires_everywhere_at_once(
        self, store: Store, other: Store, clock: ManualRuntime
    ) -> None:
        """Expiry is absolute: a copy lives no longer than its original."""
        store.put("k", 1, ttl=10)
        store.flush()
        clock.advance(8)
        assert other.get("k") == 1
        assert other.read("k").expires_at == store.read("k").expires_at
        clock.advance(2.1)
        assert (store.get("k"), other.get("k")) == (None, None)

    def test_a_rule_gives_a_ttl_and_a_call_another(
        self, store: Store, clock: ManualRuntime
    ) -> None:
        """None is for ever."""
        store.put("ttl/rule", 1)
        store.put("ttl/call", 1, ttl=10)
        store.put("ttl/none", 1, ttl=None)
        clock.advance(11)
        assert store.get_many(["ttl/rule", "ttl/call", "ttl/none"]).keys() == {
            "ttl/rule", "ttl/none",
        }  # fmt: skip
        clock.advance(50)
        assert store.get_many(["ttl/rule", "ttl/none"]).keys() == {"ttl/none"}

    def test_a_put_replaces_the_ttl(self, store: Store, clock: ManualRuntime) -> None:
        """The new value lives as long as it was given."""
        store.put("k", 1, ttl=10)
        store.put("k", 2)
        clock.advance(20)
        assert store.get("k") == 2

    def test_a_touch_gives_another_ttl_and_keeps_the_version(
        self, store: Store, other: Store, clock: ManualRuntime
    ) -> None:
        """Longer or shorter, here and elsewhere."""
        store.put("k", 1, ttl=10)
        store.flush()
        assert other.get("k") == 1
        version = store.read("k").version
        assert store.touch("k", ttl=100)
        store.flush()
        assert other.maintain().ok
        clock.advance(50)
        assert (store.get("k"), other.get("k")) == (1, 1)
        assert store.read("k").version == version
        assert store.touch("k", ttl=1)
        clock.advance(2)
        assert store.get("k") is None

    def test_a_touch_of_what_is_absent_says_so(self, store: Store, clock: ManualRuntime) -> None:
        """Never written, deleted or expired."""
        store.put("deleted", 1)
        store.delete("deleted")
        store.put("expired", 1, ttl=1)
        clock.advance(2)
        for key in ("never", "deleted", "expired"):
            assert not store.touch(key, ttl=100)
            assert store.get(key) is None

    def test_an_expired_key_can_be_written_again(self, store: Store, clock: ManualRuntime) -> None:
        """With a life of its own."""
        store.put("k", 1, ttl=1)
        clock.advance(2)
        store.put("k", 2)
        store.flush()
        clock.advance(100)
        assert store.get("k") == 2

    def test_a_touch_survives_the_flush_of_its_put(
        self, store: Store, region: ObservedRegion, clock: ManualRuntime
    ) -> None:
        """Made while the put travels."""
        store.put("k", 1, ttl=10)
        region.meanwhile("apply", lambda: store.touch("k", ttl=100))
        store.flush()
        store.flush()
        clock.advance(50)
        assert store.get("k") == 1
        row = region.memory.rows["k"]
        assert row.record.is_live(clock.time_ns() // 1_000_000)


class Ages(EdgeBench):
    """How old an answer may be."""

    def test_a_copy_is_served_without_the_region(
        self, store: Store, other: Store, region: ObservedRegion
    ) -> None:
        """A second read of a key costs no call."""
        other.put("k", 1)
        other.flush()
        assert store.get("k") == 1
        before = region.calls["read"]
        for _ in range(5):
            assert store.get("k") == 1
        assert region.calls["read"] == before

    def test_a_copy_older_than_allowed_is_not_served(
        self, store: Store, other: Store, clock: ManualRuntime
    ) -> None:
        """`max_age` of the rule, and of the call."""
        for key, bound in (("age/k", None), ("k", 2)):
            other.put(key, "old")
            other.flush()
            assert store.get(key) == "old"
            other.put(key, "new")
            other.flush()
            clock.advance(1)
            assert store.get(key, max_age=bound) == "old"
            clock.advance(1.5)
            assert store.get(key, max_age=bound) == "new"

    def test_no_age_at_all_asks_the_region_each_time(
        self, store: Store, other: Store, clock: ManualRuntime
    ) -> None:
        """`max_age=0` is what the region has at this very moment."""
        for number in range(3):
            other.put("k", number)
            other.flush()
            clock.advance(0.001)
            assert store.get("k", max_age=0) == number

    def test_a_stale_copy_is_served_in_an_outage_and_says_so(
        self, store: Store, other: Store, region: ObservedRegion, clock: ManualRuntime
    ) -> None:
        """As much older as `stale_if_error` lets it be; then the read raises."""
        other.put("age/k", 1)
        other.flush()
        assert not store.read("age/k").stale
        region.plan.is_region_down = True
        clock.advance(3)
        reading = store.read("age/k")
        assert (reading.value, reading.stale) == (1, True)
        clock.advance(5)
        with pytest.raises(UnavailableError):
            store.get("age/k")

    def test_absence_is_never_made_up(self, store: Store, region: ObservedRegion) -> None:
        """A key that is not here, and a region that does not answer: no answer, in all verbs."""
        region.plan.is_region_down = True
        store.put("here", 1)
        with pytest.raises(UnavailableError):
            store.get("k", "default")
        with pytest.raises(UnavailableError):
            store.exists("k")
        with pytest.raises(UnavailableError):
            store.get_many(["here", "k"])
        with pytest.raises(UnavailableError):
            list(store.scan())

    def test_a_receipt_says_how_old_an_answer_may_be(
        self, store: Store, other: Store, clock: ManualRuntime
    ) -> None:
        """Since the region was asked last."""
        other.put("k", 1)
        other.flush()
        store.get("k")
        clock.advance(7)
        assert store.read("k").age_s == pytest.approx(7, abs=0.01)
        assert store.maintain().ok
        assert store.read("k").age_s == pytest.approx(0, abs=0.01)

    def test_changes_come_with_a_pull(self, store: Store, other: Store) -> None:
        """Puts, deletes and touches of what is resident here."""
        other.put_many({"put": 1, "delete": 1})
        other.flush()
        store.get_many(["put", "delete"])
        other.put("put", 2)
        other.delete("delete")
        other.flush()
        assert store.maintain().ok
        assert store.get_many(["put", "delete"]) == {"put": 2}

    def test_the_background_pulls(self, harness: EdgeHarness, other: Store) -> None:
        """After `replication.pull`, as long as there are copies."""
        store = harness.open(replication={"flush": "1h", "pull": "1s"})
        other.put("k", 1)
        other.flush()
        assert store.get("k") == 1
        other.put("k", 2)
        other.flush()
        harness.clock.advance(3)
        assert store.get("k") == 2


class Negatives(EdgeBench):
    """How long absence is remembered."""

    def test_absence_is_remembered_for_its_time_and_no_longer(
        self, store: Store, other: Store, region: ObservedRegion, clock: ManualRuntime
    ) -> None:
        """`negative_ttl`: no call before it is over, a call afterwards."""
        assert store.get("neg/k") is None
        before = region.calls["read"]
        other.put("neg/k", 1)
        other.flush()
        clock.advance(9)
        assert store.get("neg/k") is None
        assert region.calls["read"] == before
        clock.advance(2)
        assert store.get("neg/k") == 1

    def test_an_own_write_ends_remembered_absence(self, store: Store) -> None:
        """At once."""
        assert store.get("neg/k") is None
        store.put("neg/k", 1)
        assert store.get("neg/k") == 1

    def test_the_feed_ends_remembered_absence(self, store: Store, other: Store) -> None:
        """A pull that tells of the key."""
        store.put("neg/resident", 1)
        store.flush()
        assert store.get("neg/k") is None
        other.put("neg/k", 1)
        other.flush()
        assert store.maintain().ok
        assert store.get("neg/k") == 1

    def test_absence_is_not_remembered_longer_than_a_copy_may_be_old(
        self, store: Store, other: Store, clock: ManualRuntime
    ) -> None:
        """`max_age` bounds negative answers, too."""
        assert store.get("now/k") is None
        other.put("now/k", 1)
        other.flush()
        clock.advance(1.5)
        assert store.get("now/k") == 1

    def test_remembered_absences_are_bounded(self, store: Store) -> None:
        """Whoever asks for keys that are not there fills no memory."""
        for start in range(0, NEGATIVES_MAX + 2_000, 1_000):
            store.get_many([f"neg/{number}" for number in range(start, start + 1_000)])
        assert store.stats()["negatives"] <= NEGATIVES_MAX
