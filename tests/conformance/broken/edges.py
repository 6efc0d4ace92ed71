"""Edges that break one promise each, and the behaviours that catch them."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from tierstore.errors import UnavailableError
from tierstore.replica.fills import Fills
from tierstore.testing.conformance import EdgeConformance
from tierstore.testing.conformance.models import MemoryEdgeHarness


class Broken(EdgeConformance):
    """A suite over the memory edge with one thing changed."""

    caught_by: tuple[str, ...] = ()
    harness_class = MemoryEdgeHarness

    @pytest.fixture
    def harness(self, tmp_path):
        harness = self.harness_class(tmp_path)
        yield harness
        harness.close()


def harness_that(spoil):
    """A harness whose stores are handed to `spoil` before anybody uses them."""

    class Spoiling(MemoryEdgeHarness):
        def _open(self, *arguments):
            store = super()._open(*arguments)
            spoil(store)
            return store

    return Spoiling


class TestLosesItsJournal(Broken):
    caught_by = (
        "test_a_killed_process_loses_nothing_that_was_journaled",
        "test_numbers_go_on_after_a_kill",
        "test_an_outage_may_outlast_the_process",
    )

    class harness_class(MemoryEdgeHarness):  # noqa: N801
        def open(self, runtime=None, **fields):
            shutil.rmtree(self.folder / "here", ignore_errors=True)
            return super().open(runtime, **fields)


def _never_evict(store):
    store._core.replica.state.edge._order.capacity_bytes = 1 << 40


class TestIgnoresItsCapacity(Broken):
    caught_by = ("test_copies_stay_within_the_capacity",)
    harness_class = staticmethod(harness_that(_never_evict))


class NeverVoid(Fills):
    """Fills that are installed whatever happened meanwhile."""

    def void(self, key):
        pass


class TestKeepsOldFills(Broken):
    """Neither what happened meanwhile nor the position of a reply keeps it from being installed."""

    caught_by = ("test_a_reply_older_than_what_the_feed_told_is_not_kept",)

    class harness_class(MemoryEdgeHarness):  # noqa: N801
        def _open(self, *arguments):
            store = super()._open(*arguments)
            state, read = store._core.replica.state, self.region.memory.read
            state.fills = NeverVoid(state.runtime)
            self.region.memory.read = lambda *asked: replace(read(*asked), position=1 << 40)
            return store


class Absent:
    """A store in whose eyes what cannot be answered is not there."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    def get(self, key, default=None, **options):
        try:
            return self._store.get(key, default, **options)
        except UnavailableError:
            return default


class TestMakesUpAbsence(Broken):
    caught_by = ("test_absence_is_never_made_up",)

    class harness_class(MemoryEdgeHarness):  # noqa: N801
        def open(self, *arguments, **fields):
            return Absent(super().open(*arguments, **fields))


class Shared(Absent):
    """A store that hands out the very object that it keeps."""

    def __init__(self, store):
        super().__init__(store)
        self._objects = {}

    def put(self, key, value, *arguments, **options):
        self._store.put(key, value, *arguments, **options)
        self._objects[key] = value

    def get(self, key, default=None, **options):
        self._store.get(key, default, **options)
        return self._objects.get(key, default)


class TestSharesMutableValues(Broken):
    caught_by = ("test_a_mutable_value_is_a_fresh_object", "test_a_key_expires")

    class harness_class(MemoryEdgeHarness):  # noqa: N801
        def open(self, *arguments, **fields):
            return Shared(super().open(*arguments, **fields))


class TestFlushesAgainUnderAnotherNumber(Broken):
    """What was not answered is sent as something new: applied twice."""

    caught_by = (
        "test_a_lost_reply_applies_nothing_twice",
        "test_a_regional_write_that_is_not_confirmed_is_unknown",
    )

    class harness_class(MemoryEdgeHarness):  # noqa: N801
        def _open(self, *arguments):
            applied = self.region._applied

            def as_new(batch, timeout_s):
                state = self.region.memory._replicas[batch.replica]
                if batch.number == state.applied:
                    state.applied, state.digest = batch.number - 1, batch.predecessor
                return applied(batch, timeout_s)

            self.region._applied = as_new
            return super()._open(*arguments)


def _never_age(store):
    store._core.replica.state.age_s = lambda entry: 0.0


class TestServesAnyAge(Broken):
    caught_by = (
        "test_a_copy_older_than_allowed_is_not_served",
        "test_no_age_at_all_asks_the_region_each_time",
    )

    harness_class = staticmethod(harness_that(_never_age))
