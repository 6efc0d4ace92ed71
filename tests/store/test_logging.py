"""The log tells of a region that goes and comes back: once each, however often it is missed."""

from __future__ import annotations

import contextlib
import logging

import pytest

from tierstore.errors import UnavailableError


@pytest.fixture
def logged(caplog):
    caplog.set_level(logging.INFO, "tierstore")

    def take():
        """(level, message) of each record since the last call."""
        found = [(record.levelname, record.getMessage()) for record in caplog.records]
        caplog.clear()
        return found

    return take


def work_for_a_while(store, runtime):
    for n in range(100):
        for verb in (store.get, store.read, store.exists, store.delete):
            with contextlib.suppress(UnavailableError):
                verb(f"absent/{n}")
        store.put(f"k/{n}", n)
        with contextlib.suppress(UnavailableError):
            store.flush()
        runtime.advance(1)


def test_one_warning_when_the_region_goes_and_one_info_when_it_is_back(
    store, region, runtime, logged
):
    store.put("k", 1)
    store.flush()
    assert logged() == []
    for _ in range(2):
        region.is_out = True
        work_for_a_while(store, runtime)
        assert logged() == [("WARNING", "the region cannot be reached: the region is out of order")]
        region.is_out = False
        work_for_a_while(store, runtime)
        assert logged() == [("INFO", "the region answers again")]


def test_a_region_that_was_never_there(store, region, runtime, logged):
    region.is_out = True
    work_for_a_while(store, runtime)
    assert [level for level, _ in logged()] == ["WARNING"]
    assert region.calls > 100


def test_nothing_is_logged_of_keys_and_values(store, region, runtime, logged):
    region.is_out = True
    store.put("k/secret-key", "secret-value")
    with contextlib.suppress(UnavailableError):
        store.get("other/secret-key")
    runtime.advance(60)
    assert "secret" not in str(logged())
