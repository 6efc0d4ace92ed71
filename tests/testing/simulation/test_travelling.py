"""Sessions that go from edge to edge, and watches that go on elsewhere."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest

from tierstore.replica.seen import Seen
from tierstore.store.watching import Watch
from tierstore.testing import ManualRuntime, MemoryRegion, memory_store
from tierstore.testing.mutants.planting import patched
from tierstore.testing.simulation import Options, draw_script, play
from tierstore.testing.simulation.following import Follower

BUSY = {
    "nodes": 4, "machines": 4, "families": ("journal", "memory"), "keys": 1, "operations": 200,
    "pause_ms_max": 300, "latency_ms_max": 20, "flush_ms": 1000,
}  # fmt: skip


@pytest.mark.parametrize("regions", [1, 2])
def test_sessions_travel_and_hold(regions):
    run = play(draw_script(1, Options(regions=regions, travellers=3, **BUSY)))
    assert run.violations == []
    where = "in another region" if regions > 1 else "at another edge"
    assert run.reached[f"session went on {where}"] > 0


def test_a_session_that_does_not_wait_is_told():
    scripts = [draw_script(seed, Options(travellers=3, **BUSY)) for seed in range(4)]
    with patched(
        Seen, "_await_batch", lambda right: lambda self, replica, by, *_: self.drop_batch(by)
    ):
        told = [text for script in scripts for text in play(script).violations]
    assert any("had surely replaced" in text or "shows nothing" in text for text in told)


def test_watches_go_on_at_other_edges():
    run = play(draw_script(2, Options(watches=40, **BUSY)))
    assert run.violations == []
    assert run.reached["watch went on at another edge"] > 0


@pytest.fixture
def followed():
    """A store, what stands for its node and its region, and somebody who follows that."""
    runtime = ManualRuntime()
    region = MemoryRegion(runtime)
    site = SimpleNamespace(
        name="region", region=region, clock=SimpleNamespace(time_ns=runtime.time_ns)
    )
    with memory_store(region=region, runtime=runtime) as store:
        follower = Follower()
        follower.look(SimpleNamespace(), store, Counter())
        yield store, site, follower


def put(store, key):
    store.put(key, 1)
    store.flush()


def follow_from_the_first(store, follower):
    """Begin with a change of which there is a cursor."""
    with store.watch("") as watch:
        put(store, "k/0")
        follower.cursor = watch.next(1.0).cursor


def test_what_was_told_is_compared_with_the_rows(followed):
    store, site, follower = followed
    follow_from_the_first(store, follower)
    put(store, "k/1")
    assert follower.look(SimpleNamespace(), store, Counter()) == 1
    assert list(follower.check(site)) == []
    put(store, "k/1")
    (told,) = follower.check(site)
    assert "of k/1, which is" in told


def test_a_change_that_is_told_twice_is_told(followed):
    store, site, follower = followed
    follow_from_the_first(store, follower)
    put(store, "k/1")
    node = SimpleNamespace()
    follower.look(node, store, Counter())
    begin = Watch._begin

    def begin_too_early(watch):
        begin(watch)
        watch._position -= 1

    with patched(Watch, "_begin", lambda right: begin_too_early):
        follower.look(node, store, Counter())
    assert any("told k/1 again" in text for text in follower.check(site))
