"""The breaker: who is kept from a tier that does not answer, for how long, and who never is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import UnavailableError
from tierstore.replica.breaker import FAILURES_MAX, PATIENT_S, PAUSE_S_MAX, PAUSE_S_MIN, Breaker
from tierstore.replica.cold import ColdLink
from tierstore.testing import ManualRuntime, MemoryObjects


@pytest.fixture
def calls(node, monkeypatch):
    """Names of the calls of the region that were made, answered or not."""
    made = []
    run = node.plan.run
    monkeypatch.setattr(
        node.plan, "run", lambda name, *rest: (made.append(name), run(name, *rest))[1]
    )
    return made


def fail(store, times=FAILURES_MAX, **options):
    for number in range(times):
        with pytest.raises(UnavailableError):
            store.get(f"jrn/never {number}", **options)


@pytest.fixture
def open_breaker(node):
    """A node whose region has been away for some reads."""
    node.store.put("age/k", "old")
    node.store.flush()
    node.store.get("age/k", max_age=0)
    node.plan.is_region_down = True
    fail(node.store)
    return node


def test_reads_are_refused_at_once_after_some_failures(open_breaker, calls):
    with pytest.raises(UnavailableError, match=r"not answered 5 times .* asked again in 0\.\d s"):
        open_breaker.store.get("jrn/k")
    with pytest.raises(UnavailableError, match="in a row"):
        list(open_breaker.store.scan("jrn/"))
    with pytest.raises(UnavailableError):
        open_breaker.store.get_many(["jrn/a", "jrn/b"])
    assert calls == []
    assert open_breaker.store.stats()["region"]["retry_in_s"] > 0


def test_what_is_here_is_answered_as_before(open_breaker, runtime, calls):
    assert open_breaker.store.get("age/k") == "old"
    runtime.sleep(2.5)
    calls.clear()
    fail(open_breaker.store, 1)  # the probe
    reading = open_breaker.store.read("age/k")
    assert (reading.value, reading.stale) == ("old", True)
    open_breaker.store.put("jrn/k", 1)
    assert open_breaker.store.get("jrn/k") == 1


def test_one_is_let_through_after_the_pause_and_decides(open_breaker, runtime, calls):
    runtime.sleep(PAUSE_S_MIN)
    calls.clear()
    fail(open_breaker.store, 3)
    assert calls == ["region.read"]
    runtime.sleep(2 * PAUSE_S_MIN)
    open_breaker.plan.is_region_down = False
    assert open_breaker.store.get("jrn/none") is None
    assert open_breaker.store.stats()["region"]["retry_in_s"] is None
    assert not open_breaker.store.exists("jrn/none either")


@pytest.mark.parametrize(
    "act",
    [
        lambda node: node.store.flush(),
        lambda node: node.pull(),
        lambda node: node.store.check(),
        lambda node: node.store.maintain(),
    ],
    ids=["flush", "pull", "check", "maintain"],
)
def test_others_are_never_refused_and_their_answer_ends_it(open_breaker, calls, act):
    open_breaker.store.put("jrn/k", 1)
    open_breaker.plan.is_region_down = False
    act(open_breaker)
    assert any(name.startswith("region.") for name in calls)
    assert not open_breaker.store.exists("jrn/none")


def test_callers_without_patience_say_nothing_about_the_tier(node, calls):
    node.store.exists("jrn/first")
    node.plan.is_region_down = True
    fail(node.store, 3 * FAILURES_MAX, timeout=PATIENT_S / 2)
    assert node.store.stats()["region"]["retry_in_s"] is None


def test_a_probe_that_never_ends_holds_up_nobody_for_longer_than_its_time():
    runtime = ManualRuntime(seed=1)
    breaker = Breaker(runtime, "it")
    for _ in range(FAILURES_MAX):
        breaker.unanswered("away")
    runtime.sleep(PAUSE_S_MIN)
    breaker.admit(1.5)
    with pytest.raises(UnavailableError):
        breaker.admit(1.5)
    runtime.sleep(1.5)
    breaker.admit(1.5)


@given(st.integers(0, 100), st.integers(0, 2**31))
def test_the_pause_grows_to_a_bound(more, seed):
    breaker = Breaker(ManualRuntime(seed=seed), "it")
    for _ in range(FAILURES_MAX - 1):
        breaker.unanswered("away")
    assert breaker.retry_in_s() is None
    for _ in range(more + 1):
        breaker.unanswered("away")
    longest_s = min(PAUSE_S_MAX, PAUSE_S_MIN * 2.0**more)
    assert longest_s / 2 <= breaker.retry_in_s() <= longest_s
    breaker.answered()
    breaker.admit(1.0)


def test_the_cold_tier_has_one_of_its_own(open_breaker):
    assert open_breaker.store.stats()["region"]["retry_in_s"] is not None
    assert open_breaker.store.stats()["cold"]["retry_in_s"] is None


def away():
    raise UnavailableError("away")


def test_readers_are_kept_from_a_cold_tier_and_a_step_in_the_background_ends_that():
    cold = ColdLink(MemoryObjects, ManualRuntime(seed=1))
    for patience_s in [PATIENT_S / 2] * FAILURES_MAX + [PATIENT_S] * FAILURES_MAX:
        assert cold.breaker.retry_in_s() is None
        with pytest.raises(UnavailableError):
            cold.observed(away, patience_s)
    with pytest.raises(UnavailableError, match="the cold tier has not answered 5 times"):
        cold.read({}, 1.0)
    cold.observed(lambda: None)
    assert cold.read({}, 1.0).payloads == {}


def test_a_probe_that_waits_for_long_keeps_others_away_for_the_longest_pause_at_most():
    runtime = ManualRuntime()
    breaker = Breaker(runtime, "the region")
    for _ in range(FAILURES_MAX):
        breaker.unanswered("silent")
    runtime.advance(PAUSE_S_MAX)
    breaker.admit(3600.0)
    with pytest.raises(UnavailableError):
        breaker.admit(1.0)
    runtime.advance(PAUSE_S_MAX)
    breaker.admit(1.0)
