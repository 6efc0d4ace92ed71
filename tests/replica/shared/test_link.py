"""What a worker makes of the failures and answers of its edge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tierstore.errors import DeadlineExceededError, OverloadedError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.shared import tag_of
from tierstore.replica.breaker import FAILURES_MAX, PAUSE_S_MAX
from tierstore.testing import ManualRuntime, MemoryRegion, MemoryShared

LOST, KEPT = "key/0", "key/1"
assert tag_of(LOST) != tag_of(KEPT)


class Trying(MemoryShared):
    """May be several servers, one of which is away, full, or silent to those who connect."""

    is_spread = is_full = is_silent = False
    lost_tag = None
    connected = 0

    def connect(self, timeout_s):
        self.connected += 1
        if self.is_silent:
            self._runtime.sleep(timeout_s)
            raise UnavailableError("nobody answers")
        return replace(super().connect(timeout_s), is_spread=self.is_spread)

    def read(self, keys, timeout_s):
        if self.lost_tag in map(tag_of, keys):
            raise UnavailableError("one of its servers does not answer")
        return super().read(keys, timeout_s)

    def write(self, *arguments):
        if self.is_full:
            raise OverloadedError("no room")
        return super().write(*arguments)


@pytest.fixture
def runtime():
    return ManualRuntime()


@pytest.fixture
def edge(runtime):
    return Trying(runtime)


@pytest.fixture
def store(runtime, edge):
    with wire(load({"version": 1}), runtime, region=MemoryRegion(runtime), edge=edge) as store:
        yield store
        edge.is_silent = edge.is_full = False
        runtime.sleep(PAUSE_S_MAX)


def test_what_one_of_several_servers_misses_is_no_reason_to_meet_all_again(store, edge):
    edge.is_spread = True
    store.put(KEPT, 1)
    edge.lost_tag, edge.connected = tag_of(LOST), 0
    for _ in range(3):
        with pytest.raises(UnavailableError):
            store.get(LOST)
        assert store.get(KEPT) == 1
    assert edge.connected == 0


def test_writers_are_kept_from_a_server_that_accepts_nobody(store, edge):
    edge.is_silent = True
    for _ in range(FAILURES_MAX):
        with pytest.raises(UnavailableError, match="nobody answers"):
            store.put(KEPT, 1)
    connected = edge.connected
    with pytest.raises(UnavailableError, match=f"{FAILURES_MAX} times in a row"):
        store.put(KEPT, 1)
    assert edge.connected == connected


def test_a_server_that_is_full_has_answered(store, edge, runtime):
    store.put(KEPT, 1)
    with edge.lock:
        edge.is_away = True
    for _ in range(FAILURES_MAX):
        with pytest.raises(UnavailableError):
            store.put(KEPT, 2)
    edge.is_away, edge.is_full = False, True
    runtime.sleep(PAUSE_S_MAX)
    for _ in range(2):
        with pytest.raises(OverloadedError):
            store.put(KEPT, 2)
    assert store.stats()["shared_edge"]["reachable"]


def test_time_that_the_region_took_is_not_held_against_the_edge(store, runtime, monkeypatch):
    region = store._core.replica.region
    apply = region.apply

    def take_time(*arguments):
        runtime.sleep(0.5)
        return apply(*arguments)

    store.put(KEPT, 1)
    with monkeypatch.context() as patch:
        patch.setattr(region, "apply", take_time)
        with pytest.raises(DeadlineExceededError):
            store.flush(timeout=0.5)
    assert store.stats()["shared_edge"]["reachable"]
