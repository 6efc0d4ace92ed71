"""While the region is away: which copies are served, to whoever asks, however it asks."""

from __future__ import annotations

import threading

import pytest

from tierstore.errors import DeadlineExceededError, UnavailableError
from tierstore.replica.deadline import Deadline
from tierstore.replica.fills import Flight
from tierstore.replica.reads import _wait
from tierstore.runtime import Runtime
from tierstore.testing import MemoryRegion, memory_store

KEYS = ["age/a", "age/b"]


@pytest.fixture
def aged(node):
    """A node whose copies of `KEYS` are 4 s old, past `max_age` but not past what errors allow."""
    node.store.put_many(dict.fromkeys(KEYS, 1))
    node.store.flush()
    node.store.get_many(KEYS)
    node.plan.is_region_down = True
    node.runtime.advance(4)
    return node


def test_get_many_serves_stale_copies_as_get_does(aged):
    assert [aged.store.get(key) for key in KEYS] == [1, 1]
    assert dict.fromkeys(KEYS, 1) == aged.store.get_many(KEYS)


def test_get_many_without_a_copy_of_one_key_serves_none(aged):
    with pytest.raises(UnavailableError):
        aged.store.get_many([*KEYS, "age/absent"])

    assert dict.fromkeys(KEYS, 1) == aged.store.get_many(KEYS)


class HangingRegion(MemoryRegion):
    """Answers reads, once told so, only after their time is up; says when the first has come."""

    def __init__(self, runtime):
        super().__init__(runtime)
        self.hangs = False
        self.asked = threading.Event()

    def read(self, keys, replica, timeout_s):
        if self.hangs:
            self.asked.set()
            threading.Event().wait(timeout_s)
            raise DeadlineExceededError("no answer")
        return super().read(keys, replica, timeout_s)


def test_those_who_wait_for_anothers_read_get_the_stale_copy_too():
    region = HangingRegion(Runtime())
    policy = {
        "rules": [{"match": "**", "read": {"max_age": "1ms", "stale_if_error": "1h"}}],
        "replication": {"pull": "1h"},
    }
    store = memory_store(policy, region=region, runtime=Runtime())
    store.put("k", 1)
    store.flush()
    store.get("k")
    region.hangs = True
    answers = []

    def ask():
        try:
            answers.append(store.get("k", timeout=0.1, max_age=0))
        except UnavailableError as error:
            answers.append(error)

    leader = threading.Thread(target=ask)
    leader.start()
    assert region.asked.wait(10)
    followers = [threading.Thread(target=ask) for _ in range(5)]
    for thread in followers:
        thread.start()
    for thread in [leader, *followers]:
        thread.join(10)
    store.close()

    assert answers == [1] * 6


@pytest.mark.parametrize(("is_default", "waited_s"), [(True, 12.0), (False, 2.0)])
def test_a_follower_waits_as_long_as_a_leader_who_reads_an_object(runtime, is_default, waited_s):
    flight = Flight("k")
    flight.landed = runtime.event()
    started_s = runtime.monotonic()
    error = _wait(flight, Deadline(runtime, 2.0, is_default=is_default), 10.0)

    assert isinstance(error, DeadlineExceededError)
    assert waited_s == pytest.approx(runtime.monotonic() - started_s)


def test_a_flight_that_landed_late_is_looked_at_all_the_same(runtime):
    flight = Flight("k")
    flight.landed = runtime.event()
    deadline = Deadline(runtime, 2.0, is_default=True)
    runtime.sleep(1.0)
    flight.landed.set()

    assert _wait(flight, deadline, 10.0) is None
