"""A region restored from a backup begins another life: nothing twice, and the loss is listed."""

from __future__ import annotations

import shutil

import pytest
from restored import back_up, restore

from tierstore.errors import FencedError, UnavailableError
from tierstore.linking.ends import End
from tierstore.linking.link import Link
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.lives import BATCHES
from tierstore.testing import ManualRuntime, MemoryRegion

POLICY = {
    "tiers": {"edge": {"journal": "journal"}},
    "rules": [{"match": "n/*", "type": "counter"}],
    "replication": {"flush": "1h", "pull": "1h"},
}


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


class TestDatabaseFile:
    """A region in SQLite whose file is copied, written on, and put back."""

    RULES = (
        {"match": "n/*", "type": "counter"},
        {"match": "s/*", "type": "set"},
        {"match": "d/*", "type": "document"},
    )

    @pytest.fixture
    def open_store(self, runtime, tmp_path):
        opened = []

        def open_one(name):
            tiers = {"regional": {"url": "sqlite:///region.db"}, "edge": {"journal": name}}
            policy = {**POLICY, "tiers": tiers, "rules": [*self.RULES]}
            opened.append(wire(load(policy, tmp_path), runtime))
            return opened[-1]

        yield open_one
        for store in opened:
            store.close(0)

    def write(self, store, name, round_number):
        store.put(f"k/{name}", round_number)
        store.put("k/shared", (name, round_number))
        store.counter("n/1").add(10**round_number)
        store.members("s/1").add(f"{name}{round_number}")
        with store.document("d/1").edit() as document:
            document[f"{name}{round_number}"] = round_number

    def put_back(self, tmp_path, runtime):
        for suffix in ("-wal", "-shm"):
            (tmp_path / f"region.db{suffix}").unlink(missing_ok=True)
        shutil.copy(tmp_path / "backup.db", tmp_path / "region.db")
        runtime.advance(1)

    @pytest.mark.parametrize("is_closed", [True, False])
    def test_all_that_was_acknowledged_is_there_once(
        self, open_store, runtime, tmp_path, is_closed
    ):
        stores = {name: open_store(name) for name in "ab"}
        for round_number in range(4):
            if round_number == 1:
                self.end(stores)
                shutil.copy(tmp_path / "region.db", tmp_path / "backup.db")
                stores = {name: open_store(name) for name in "ab"}
            for name, store in stores.items():
                runtime.advance(0.1)
                self.write(store, name, round_number)
                if round_number < 3 or name == "a":
                    store.flush()
        self.end(stores)
        self.put_back(tmp_path, runtime)
        if not is_closed:  # an edge that went on meets the region before it is begun anew
            early = open_store("a")
            with pytest.raises(FencedError, match="reincarnate"):
                early.flush()
            early.close(0)
        reader = open_store("c")
        reader._core.replica.region.reincarnate(2.0, BATCHES)
        runtime.advance(1)
        for _ in range(2):
            for name in "ab":
                store = open_store(name)
                store.maintain()
                store.close()
        assert reader.get("k/a") == reader.get("k/b") == 3
        assert reader.get("k/shared") == ["b", 3]
        assert reader.counter("n/1").get() == 2222
        every = {f"{name}{number}" for name in "ab" for number in range(4)}
        assert set(reader.members("s/1").all()) == every
        assert reader.document("d/1").json() == {text: int(text[1]) for text in every}
        assert reader.check().findings[-1].ok

    def end(self, stores):
        for name in "ab":
            stores[name].close(0)


def test_what_came_back_from_batches_does_not_come_from_peers(region, open_store, runtime):
    """Whichever of the two links comes first; a region that is new to both may be linked."""
    store, other, new = open_store(), MemoryRegion(runtime), MemoryRegion(runtime)
    ends = [End(name, lambda r=r: r, 2.0) for name, r in (("here", region), ("there", other))]
    links = [Link(*pair, runtime, 60_000) for pair in (ends, ends[::-1])]
    store.counter("n/1").add(5)
    store.flush()
    for link in links * 2:
        while link.step():
            pass
    runtime.advance(61)
    region.reincarnate(2.0, BATCHES)
    for link in links[::-1] + links:
        with pytest.raises(FencedError, match="begin the other one anew"):
            link.step()
    fresh = End("new", lambda: new, 2.0)
    for link in (Link(ends[0], fresh, runtime, 60_000), Link(fresh, ends[0], runtime, 60_000)):
        while link.step():
            pass
        runtime.advance(61)
        while link.step():
            pass
    assert new.rows.keys() == {"n/1"}


@pytest.mark.parametrize("regains", ["peers", "nothing", "batches"])
def test_a_life_whose_name_is_from_a_clock_behind_is_a_new_one_all_the_same(
    runtime, tmp_path, regains
):
    """The name of a life is the time of the region; who saw the life before needs no clock."""
    region = MemoryRegion(ManualRuntime(start_s=runtime.time_ns() / 1e9 - 30))
    backup = back_up(region)
    store = wire(load(POLICY, tmp_path), runtime, region=region)
    store.put("k", 1)
    store.flush()
    restore(region, backup)
    region.reincarnate(1.0, regains)
    store.put("l", 2)
    with pytest.raises(UnavailableError, match="another life"):
        store.flush()
    store.flush()
    assert "l" in region.rows
    store.close()


def test_who_did_not_see_the_life_before_tells_it_by_the_clock_that_names_it(runtime, tmp_path):
    """Not by its own, which may be ahead of that."""
    theirs = ManualRuntime(start_s=runtime.time_ns() / 1e9 - 30)
    region = MemoryRegion(theirs)
    backup = back_up(region)
    with wire(load(POLICY, tmp_path), runtime, region=region) as store:
        store.put("k", 1)
        store.flush()
    restore(region, backup)
    theirs.advance(1)
    region.reincarnate(1.0)
    with wire(load(POLICY, tmp_path), runtime, region=region) as store:
        store.put("l", 2)
        store.flush()
    assert "l" in region.rows
