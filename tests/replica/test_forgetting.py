"""Replicas that are gone: forgotten in time, never merged again, and no burden on the others."""

from __future__ import annotations

from contextlib import suppress

import pytest

from tierstore.errors import FencedError, UnavailableError
from tierstore.testing import memory_store
from tierstore.values import encode

KEY = "jrn/k"
DAY_S = 86_400.0
HORIZON_S = 7 * DAY_S
TIMEOUT_S = 1.0


def known(region):
    return [state.replica for state in region.replicas(TIMEOUT_S)]


def pass_horizons(runtime, region, count):
    """Let time pass, with the upkeep that others would do."""
    for _ in range(count):
        runtime.sleep(HORIZON_S + 1)
        region.maintain(100, TIMEOUT_S)


@pytest.fixture
def stuck(make_node):
    """A process that died with an answer lost, one batch on its way and a write after it."""
    node = make_node("stuck")
    node.store.put(KEY, "first")
    node.plan.arm(5, "lost")
    with pytest.raises(UnavailableError):
        node.store.flush()
    assert node.plan.fired == "region.apply"
    node.store.put(KEY, "second")
    node.crash()
    return node


def test_the_silent_are_retired_for_a_horizon_and_then_forgotten(stuck, runtime, region):
    pass_horizons(runtime, region, 1)
    assert [state.retired for state in region.replicas(TIMEOUT_S)] == [True]
    pass_horizons(runtime, region, 1)
    assert known(region) == []


def test_one_that_was_forgotten_goes_on_as_another_and_repeats_nothing(stuck, runtime, region):
    old_id = stuck.state.replica
    pass_horizons(runtime, region, 2)
    position = region._position
    stuck.open()
    stuck.store.put("jrn/new", "new")
    stuck.store.flush()
    assert stuck.state.replica != old_id
    assert old_id not in known(region)
    region.check_once()
    assert region._position == position + 1
    assert region.value("jrn/new") == encode("new")
    assert {(entry.replica, entry.key) for entry in region.aside(9, TIMEOUT_S)} >= {(old_id, KEY)}


@pytest.mark.parametrize("kind", ["crash", "crash after"])
def test_a_crash_at_any_io_of_going_on_leaves_one_identity(stuck, runtime, region, kind):
    pass_horizons(runtime, region, 2)
    stuck.open()
    stuck.store.put("jrn/new", "new")
    for n in range(1, 12):
        stuck.plan.arm(n, kind)
        with suppress(BaseException):
            stuck.store.flush()
        stuck.crash()
        stuck.open()
    stuck.store.flush()
    stuck.store.put("jrn/new", "newer")
    stuck.store.flush()
    region.check_once()
    assert region.value("jrn/new") == encode("newer")
    assert region.value(KEY) == encode("first")


def test_one_whose_first_registration_was_never_answered_is_new(make_node, runtime, region):
    node = make_node()
    node.store.put(KEY, 1)
    node.plan.arm(2, "lost")
    with pytest.raises(UnavailableError):
        node.store.flush()
    assert node.plan.fired == "region.register"
    old_id = node.state.replica
    node.crash()
    region._replicas.clear()
    node.open()
    node.store.flush()
    assert node.state.replica == old_id
    assert region.value(KEY) == encode(1)


def test_a_region_that_forgets_too_early_was_restored(node, region, runtime):
    node.store.put(KEY, 1)
    node.store.flush()
    region._replicas.clear()
    runtime.sleep(HORIZON_S / 3)
    node.crash()
    node.open()
    node.store.put(KEY, 2)
    with pytest.raises(FencedError, match="restored from a backup"):
        node.store.flush()


def test_who_has_something_waiting_for_an_operator_is_remembered(stuck, runtime, region):
    stuck.open()
    runtime.sleep(HORIZON_S + 1)
    stuck.store.flush()
    assert [entry.kind for entry in region.aside(9, TIMEOUT_S)] == ["aside"]
    stuck.crash()
    pass_horizons(runtime, region, 3)
    assert known(region) == [stuck.state.replica]


def test_a_store_without_a_journal_signs_off(runtime, region):
    for number in range(5):
        with memory_store(region=region, runtime=runtime) as store:
            store.put(KEY, number)
        runtime.sleep(1)
    assert known(region) == []
    assert region.value(KEY) == encode(4)


def test_a_store_with_a_journal_does_not(node, region):
    node.store.put(KEY, 1)
    node.store.close()
    assert known(region) == [node.state.replica]


def test_closing_does_not_wait_for_a_region_that_is_away(new_node, region):
    node = new_node()
    node.store.get(KEY)
    node.plan.is_region_down = True
    with pytest.raises(UnavailableError):
        node.store.get("jrn/other")
    node.plan.arm(0, "error")
    node.store.close()
    assert node.plan.count == 0


def test_a_replica_without_copies_holds_no_tombstone_back(make_node, runtime, region):
    reader, other = make_node("reader"), make_node("other")
    reader.store.put("far/k", 1)
    assert not reader.state.edge.resident
    other.store.put(KEY, 1)
    other.store.delete(KEY)
    other.store.flush()
    runtime.advance(65)
    states = {state.replica: state for state in region.replicas(TIMEOUT_S)}
    assert states[reader.state.replica].acknowledged == region._position
    assert states[reader.state.replica].seen_ms > states[reader.state.replica].registered_ms


def test_one_that_stood_still_until_it_was_forgotten_and_reads_first_goes_on(
    make_node, runtime, region
):
    """What a read hears says nothing of its standing, and looks as if there had been no silence."""
    node = make_node("still")
    node.store.put(KEY, "first")
    node.store.flush()
    old_id = node.state.replica
    runtime.drop(node.store._core.replica._driver)
    pass_horizons(runtime, region, 2)
    assert known(region) == []
    assert node.store.get(KEY, max_age=0) == "first"
    node.store.put(KEY, "second")
    node.store.flush()
    assert node.state.replica != old_id
    assert {(entry.replica, entry.key) for entry in region.aside(9, TIMEOUT_S)} == {(old_id, KEY)}
    node.store.put(KEY, "third")
    node.store.flush()
    assert region.value(KEY) == encode("third")
