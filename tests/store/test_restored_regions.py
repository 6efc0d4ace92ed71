"""A region restored from a backup begins another life: nothing twice, and the loss is listed."""

from __future__ import annotations

from copy import deepcopy

import pytest

from tierstore.errors import FencedError, UnavailableError
from tierstore.linking.ends import End
from tierstore.linking.link import Link
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.testing import ManualRuntime, MemoryRegion

POLICY = {
    "tiers": {"edge": {"journal": "journal"}},
    "rules": [{"match": "n/*", "type": "counter"}],
    "replication": {"flush": "1h", "pull": "1h"},
}
CONTENT = ("_position", "_floor", "_replicas", "_held", "_aside", "rows", "_peers", "_info")


def back_up(region):
    return {name: deepcopy(getattr(region, name)) for name in CONTENT}


def restore(region, backup):
    for name, content in deepcopy(backup).items():
        setattr(region, name, content)


@pytest.fixture
def runtime():
    return ManualRuntime()


@pytest.fixture
def region(runtime):
    return MemoryRegion(runtime)


@pytest.fixture
def open_store(region, runtime, tmp_path):
    opened = []

    def open_one(name="a"):
        policy = {**POLICY, "tiers": {"edge": {"journal": name}}}
        store = wire(load(policy, tmp_path), runtime, region=region)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close(0)


def test_a_restored_region_is_refused_until_it_is_reincarnated(region, open_store):
    store = open_store()
    store.put("k", 1)
    store.flush()
    backup = back_up(region)
    store.put("k", 2)
    store.flush()
    store.close()
    restore(region, backup)
    store = open_store()
    store.put("j", 1)
    with pytest.raises(FencedError, match="tierstore region reincarnate"):
        store.flush()
    store.close(0)
    region.reincarnate(2.0)
    store = open_store()
    store.flush()
    assert (store.get("k", max_age=0), store.get("j", max_age=0)) == (1, 1)


def test_an_open_store_goes_on_by_itself(region, open_store, runtime):
    store = open_store()
    store.put("k", 1)
    store.counter("n/1").add(5)
    store.flush()
    backup = back_up(region)
    for _ in range(9):
        store.put("k", 2)
        store.flush()
    store.counter("n/1").add(7)
    store.flush()
    assert store.get("k") == 2
    restore(region, backup)
    runtime.advance(1)
    region.reincarnate(2.0)
    with pytest.raises(UnavailableError, match="another life"):
        store.get("k", max_age=0)
    store.counter("n/1").add(100)
    store.flush()
    assert store.get("k") == store.get("k", max_age=0) == 1
    assert store.counter("n/1").get() == 105
    session = store.session()
    session.get("k")
    assert max(session._context.seen.positions.values()) <= region._position
    kept = [entry for entry in region.aside(10, 2.0) if entry.kind == "retired"]
    assert {entry.key for entry in kept} == {"k", "n/1"}
    assert {entry.reason for entry in kept} == {"the region was restored from a backup without it"}


def test_a_replica_that_the_backup_never_knew_goes_on(region, open_store, runtime):
    backup = back_up(region)
    store = open_store()
    store.put("k", 1)
    store.flush()
    store.put("j", 1)
    store.close(0)
    restore(region, backup)
    store = open_store()
    with pytest.raises(FencedError):
        store.flush()
    store.close(0)
    runtime.advance(1)
    region.reincarnate(2.0)
    store = open_store()
    store.flush()
    assert store.get("j", max_age=0) == 1
    assert [entry.key for entry in region.aside(10, 2.0)] == ["k"]


def test_peers_bring_back_what_they_have_and_nothing_twice(region, open_store, runtime):
    store, other = open_store(), MemoryRegion(runtime)
    ends = [End(name, lambda r=r: r, 2.0) for name, r in (("here", region), ("there", other))]
    links = [Link(*pair, runtime, 60_000) for pair in (ends, ends[::-1])]

    def settle():
        for _ in range(6):
            for link in links:
                while link.step():
                    pass
            runtime.advance(61)  # after which a link looks again whom it links

    store.put("k", 1)
    store.counter("n/1").add(5)
    store.flush()
    settle()
    backup = back_up(region)
    store.put("k", 2)
    store.delete("gone")
    store.counter("n/1").add(7)
    store.flush()
    settle()
    store.counter("n/1").add(9)  # of this the peer has not heard
    store.flush()
    store.close()
    restore(region, backup)
    with pytest.raises(FencedError, match="reincarnate"):
        settle()
    region.reincarnate(2.0)
    settle()
    store = open_store()
    store.flush()
    assert store.get("k", max_age=0) == 2
    assert store.counter("n/1").get() == 12
    store.counter("n/1").add(1)
    store.flush()
    settle()
    assert [row.record.payload for row in other.rows.values()] == [
        region.rows[key].record.payload for key in other.rows
    ]
    assert store.counter("n/1").get() == 13
    assert not any(peer.is_late for peer in region.peers(2.0))
    assert all(peer.is_late for peer in other.peers(2.0))  # what it forgot meanwhile is not known
