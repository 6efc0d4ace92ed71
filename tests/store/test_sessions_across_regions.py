"""Sessions in another region see there what they have seen, or are told that they cannot."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import StaleReplicaError
from tierstore.linking import link
from tierstore.linking.ends import End
from tierstore.linking.link import Link
from tierstore.testing import ManualRuntime, MemoryRegion, memory_store

POLICY = {
    "rules": [{"match": "n/*", "type": "counter"}],
    "replication": {"flush": "1h", "pull": "1h"},
}
BOTH = ("ab", "ba")


class World:
    """Two regions with two stores each; links run when they are told to."""

    def __init__(self):
        self.runtime = ManualRuntime()
        self.regions = {name: MemoryRegion(self.runtime) for name in "ab"}
        self.stores = {
            name + number: memory_store(POLICY, region=region, runtime=self.runtime)
            for name, region in self.regions.items()
            for number in "12"
        }
        ends = {name: End(name, lambda r=region: r, 2.0) for name, region in self.regions.items()}
        self.links = {
            pair: Link(ends[pair[0]], ends[pair[1]], self.runtime, 60_000) for pair in BOTH
        }

    def link(self, *pairs):
        for pair in pairs:
            while self.links[pair].step():
                pass
            self.links[pair].finish()

    def close(self):
        for store in self.stores.values():
            store.close()


@pytest.fixture
def world():
    made = World()
    made.link(*BOTH)
    yield made
    made.close()


def put(world, name, key, value):
    world.stores[name].put(key, value)
    world.stores[name].flush()


def follow(world, session, name):
    return world.stores[name].session(session.session_token)


def test_what_was_seen_elsewhere_is_waited_for(world):
    here = world.stores["a1"].session()
    put(world, "a1", "k", 1)
    assert here.get("k") == 1
    there = follow(world, here, "b1")
    with pytest.raises(StaleReplicaError, match="not in this one yet") as caught:
        there.get("k", timeout=0.1)
    assert (caught.value.lost, caught.value.retry) == (False, "later")
    world.link("ab")
    assert there.get("k") == 1


def test_what_a_session_wrote_is_seen_in_the_other_region(world):
    here = world.stores["a1"].session()
    assert world.stores["b1"].get("k") is None  # an absence that is remembered there
    here.put("k", 1)
    world.stores["a1"].flush()
    token = here.session_token
    with pytest.raises(StaleReplicaError):
        world.stores["b1"].session(token).get("k", timeout=0.1)
    world.link("ab")
    assert world.stores["b1"].session(token).get("k") == 1


def test_what_is_not_flushed_yet_is_told(world):
    world.stores["a1"].get("k")
    here = world.stores["a1"].session()
    here.put("k", 1)
    with pytest.raises(StaleReplicaError, match="wrote in another region"):
        follow(world, here, "b1").get("k", timeout=0.1)


def test_a_batch_that_another_replica_waited_for_is_in_the_position(world):
    here = world.stores["a1"].session()
    here.put("k", 1)
    world.stores["a2"].get("other")
    token = here.session_token
    world.stores["a1"].flush()
    beside = world.stores["a2"].session(token)
    assert beside.get("k") == 1
    there = follow(world, beside, "b1")
    with pytest.raises(StaleReplicaError):
        there.get("k", timeout=0.1)
    world.link("ab")
    assert there.get("k") == 1


def test_a_session_comes_back(world):
    session = world.stores["a1"].session()
    put(world, "a1", "k", 1)
    assert session.get("k") == 1
    world.link(*BOTH)
    session = follow(world, session, "b2")
    session.put("k", 2)
    world.stores["b2"].flush()
    world.link(*BOTH)
    assert follow(world, session, "a2").get("k") == 2


def test_a_region_without_a_link_says_so(world):
    alone = memory_store(POLICY, region=MemoryRegion(world.runtime), runtime=world.runtime)
    session = world.stores["a1"].session()
    put(world, "a1", "k", 1)
    session.get("k")
    with pytest.raises(StaleReplicaError, match=r"replication\.peers"):
        alone.session(session.session_token).get("k", timeout=0.1)
    gone_on = alone.session(session.session_token)
    gone_on.forget()
    assert gone_on.get("k") is None
    alone.close()


@given(st.data())
def test_a_session_never_goes_back(data):
    """A counter that only grows: whatever a session is shown, it is shown no less later."""
    world = World()
    try:
        wander(world, data)
    finally:
        world.close()


def wander(world, data):
    world.link(*BOTH)
    session, seen, written = world.stores["a1"].session(), 0, 0
    for _ in range(data.draw(st.integers(1, 12))):
        name = data.draw(st.sampled_from(sorted(world.stores)))
        deed = data.draw(st.sampled_from(("add", "flush", "link", "pull", "move", "read", "read")))
        if deed == "add":
            world.stores[name].counter("n/1").add(1)
        elif deed == "flush":
            world.stores[name].flush()
        elif deed == "link":
            world.link(data.draw(st.sampled_from(BOTH)))
        elif deed == "pull":
            world.stores[name]._core.replica.pull()
        elif deed == "move":
            session = follow(world, session, name)
        else:
            with suppress(StaleReplicaError):
                shown = session.counter("n/1").get(timeout=0.05)
                session.counter("n/1").add(1)
                assert shown >= max(seen, written)
                seen, written = shown, written + 1
    for store in world.stores.values():
        store.flush()
    world.link(*BOTH, *BOTH)
    (home,) = session._context.seen.pending or (
        0,
    )  # of what it wrote last, which only that region knows
    for name in sorted(world.stores, key=lambda name: replica_of(world, name) != home):
        session = follow(world, session, name)
        assert session.counter("n/1").get() >= max(seen, written)


def replica_of(world, name):
    return world.stores[name]._core.replica.state.replica


def test_what_moved_on_in_the_feed_before_the_link_came_to_it_is_waited_for(world, monkeypatch):
    """A page of the feed is not all of it: a key that changes again has its place behind that."""
    monkeypatch.setattr(link, "KEYS_MAX", 1)
    here = world.stores["a1"].session()
    for key in ("moves", "other"):
        put(world, "a1", key, 1)
    assert here.get_many(["moves", "other"]) == {"moves": 1, "other": 1}
    put(world, "a1", "moves", 2)
    assert world.links["ab"].step()
    world.links["ab"].finish()
    there = follow(world, here, "b1")
    assert world.stores["b2"].get("other") == 1
    with pytest.raises(StaleReplicaError, match="not in this one yet"):
        there.get("moves", timeout=0.1)
    world.link("ab")
    assert there.get("moves") == 2
