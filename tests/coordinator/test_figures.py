"""What `stats` and `check` tell of the coordinator."""

from __future__ import annotations

import pytest

from tierstore.errors import ConflictError, LeaseHeldError, OutcomeUnknownError, UnavailableError
from tierstore.testing import memory_store


def figures(store):
    return store.stats()["coordinator"]


def test_requests_are_counted(store, runtime):
    assert figures(store)["requests"] == 0
    store.put("s/a", 1)
    runtime.sleep(1)
    store.get("s/a", max_age=60)
    store.get("s/a", max_age=60)
    store.get("eventual")
    told = figures(store)
    assert (told["requests"], told["near_hits"], told["conflicts"]) == (2, 1, 0)


def test_conflicts_are_counted(store, other):
    store.put("s/a", 1)
    with pytest.raises(ConflictError):
        store.compare_and_set("s/a", 2, expected=None)
    with other.lease("job"):
        assert (figures(store)["leases"], figures(other)["leases"]) == (0, 1)
        with pytest.raises(LeaseHeldError), store.lease("job"):
            pass
    assert (figures(store)["conflicts"], figures(other)["leases"]) == (2, 0)


def test_lost_answers_are_counted(store, plan):
    store.put("s/a", 1)
    plan.arm(1, "lost")
    store.put("s/a", 2)
    assert (figures(store)["retries"], figures(store)["unknown"]) == (1, 0)


def test_what_nobody_knows_is_counted(store, plan):
    store.put("s/a", 1)
    plan.arm(1, "lost")
    call = plan.run

    def lose_then_fail(name, *arguments):
        try:
            return call(name, *arguments)
        finally:
            plan.is_region_down = True

    plan.run = lose_then_fail
    with pytest.raises(OutcomeUnknownError):
        store.put("s/a", 2)
    assert figures(store)["unknown"] == 1
    plan.is_region_down, plan.run = False, call


def test_check_tells_whether_it_answers_and_how_its_clock_is(store, plan):
    found = {finding.subject: finding for finding in store.check().findings}
    assert found["coordinator"].ok
    assert "clock" in found["coordinator"].detail
    plan.is_region_down = True
    found = {finding.subject: finding for finding in store.check().findings}
    assert not found["coordinator"].ok
    assert isinstance(found["coordinator"].error, UnavailableError)
    assert not figures(store)["reachable"]
    plan.is_region_down = False


def test_who_needs_none_is_told_of_none(region, runtime):
    with memory_store({}, region=region, runtime=runtime) as eventual:
        assert "coordinator" not in [finding.subject for finding in eventual.check().findings]


def test_the_skew_is_that_of_the_coordinator(store, region, monkeypatch):
    now_ms = region._now_ms
    monkeypatch.setattr(region, "_now_ms", lambda: now_ms() + 250)
    store.put("s/a", 1)
    assert figures(store)["skew_ms"] == -250
    assert "250 ms ahead of" in str(store.check())
