"""Two actors on one key, at two replicas or at one: every schedule of every pair.

Whatever the order, both replicas end up showing what the region has, which is the last write;
nothing that was deleted or has expired comes back, and no copy is older than what the region said.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from itertools import combinations_with_replacement, count, product
from pathlib import Path

import pytest

from tierstore.errors import TierStoreError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.apply import Limits, plan_apply
from tierstore.replica.fills import Fills
from tierstore.replica.reads import Arrival
from tierstore.testing import Fault, MemoryRegion, ScheduleError, World, crashes, explore
from tierstore.testing.faults import Kind
from tierstore.tiers.registry import load_region
from tierstore.values import decode

KEY = "k"
LIFETIME_S = 60
POLICY = load(
    {
        "version": 1,
        "tiers": {"edge": {"journal": "none"}},
        "rules": [{"match": "**", "durability": "memory"}],
    }
)


class RecordingRegion(MemoryRegion):
    """Remembers every version that a key ever had here."""

    def __init__(self, runtime):
        super().__init__(runtime, Limits())
        self.versions = []

    def _store(self, plan):
        super()._store(plan)
        for row in plan.writes.values():
            if row.key == KEY:
                self.versions.append((row.record.stamp, row.record.replica))


class TwoReplicas(World):
    """Replicas `a` and `b` of one region. The key is resident at `a`; `b` never saw it."""

    def __init__(self):
        super().__init__()
        self.region = self.make_region()
        self.stores = {name: self._store() for name in "ab"}
        self.written, self.read = {}, []
        for name, store in self.stores.items():
            store.put(f"other/{name}", 0)  # so that both are registered
            store.flush()
        self.stores["a"].put(KEY, "first", ttl=LIFETIME_S)
        self.stores["a"].flush()
        self.runtime.sleep(1)  # whatever the actors write is later

    def make_region(self):
        return RecordingRegion(self.runtime)

    def _store(self):
        return wire(POLICY, self.runtime, region=self.wrap(self.region, "region"))

    def close(self):
        for store in self.stores.values():
            store.close()

    def replica(self, name):
        return self.stores[name]._core.replica

    def row(self):
        return shown(self.region.rows[KEY].record, self.now_ms())

    def now_ms(self):
        return self.runtime.time_ns() // 1_000_000


def shown(record, now_ms):
    """What a reader sees of `record`."""
    is_live = record.payload is not None and not has_expired(record, now_ms)
    return decode(record.payload) if is_live else None


def has_expired(record, now_ms):
    return record.expires_at_ms is not None and record.expires_at_ms <= now_ms


def put(world, name):
    world.stores[name].put(KEY, f"by {world.explorer.current.name}")
    note(world, name)
    world.stores[name].flush()


def delete(world, name):
    world.stores[name].delete(KEY)
    note(world, name, is_delete=True)
    world.stores[name].flush()


def note(world, name, *, is_delete=False):
    entry = world.replica(name).state.edge.resident.get(KEY)
    shown = None if is_delete else f"by {world.explorer.current.name}"
    world.written[entry.stamp, entry.replica] = shown


def fill(world, name):
    world.read.append(world.stores[name].get(KEY))


def refresh(world, name):
    world.read.append(world.stores[name].get(KEY, max_age=0))


def expire(world, name):
    world.runtime.sleep(LIFETIME_S + 1)
    world.read.append(world.stores[name].get(KEY))


def pull(world, name):
    world.replica(name).pull()


ACTS = {
    "put": put,
    "delete": delete,
    "fill": fill,
    "refresh": refresh,
    "expire": expire,
    "pull": pull,
}


def check(world):
    check_copies(world)
    for store in world.stores.values():
        store.flush()
    for name in world.stores:
        world.replica(name).pull()
    row = world.row()
    last = max(world.written, default=None)
    if last is not None:
        assert row == world.written[last], "the last write is not what the region has"
    for name, store in world.stores.items():
        assert store.get(KEY) == row, f"{name} shows something else than the region"
    allowed = {None, "first", *world.written.values()}
    assert set(world.read) <= allowed
    check_versions(world)


def check_copies(world):
    """A copy that is no write of its own is what the region has, or will be told of by the feed."""
    for name in world.stores:
        state = world.replica(name).state
        entry, row = state.edge.resident.get(KEY), world.region.rows[KEY]
        if entry is None or row.position > state.cursor:
            continue
        version = (entry.stamp, entry.replica)
        assert version >= (row.record.stamp, row.record.replica), f"{name} has a stale copy"


def check_versions(world):
    versions = world.region.versions
    assert versions == sorted(set(versions)), "an older version came back"


def act_at(act, name, *, tolerant=True):
    """An actor that tries `act` once: while another lets time pass, a deadline may go by."""

    def run(world):
        try:
            ACTS[act](world, name)
        except UnavailableError:
            if not tolerant:
                raise
            assert world.runtime.monotonic() > LIFETIME_S

    return run


FAILURES: list[Kind] = ["error", "lost"]
PAIRS = list(combinations_with_replacement(ACTS, 2))


def explore_acts(acts, names, **options):
    """`acts`, one an actor, at the replicas `names`."""
    actors = {
        f"{act} at {name}, {number}": act_at(act, name)
        for number, (act, name) in enumerate(zip(acts, names, strict=True), 1)
    }
    return explore(TwoReplicas, actors, check, **options)


def explore_triple(acts, names):
    return explore_acts(acts, names, preemptions_max=2)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_every_schedule_of_a_pair(first, second):
    total = 0
    for names in ("aa", "bb", "ab", "ba"):
        seen = explore_acts((first, second), names)
        assert seen.is_complete
        total += seen.schedules
    print(f"{first} and {second}: {total} schedules")


@pytest.mark.parametrize("third", ["put", "delete"])
def test_triples_with_two_preemptions(third):
    """What a write can hit in the middle: a read and a pull, or two reads, at the other replica."""
    total = 0
    for acts in (("fill", "pull", third), ("refresh", "pull", third), ("fill", "expire", third)):
        seen = explore_triple(acts, "bba")
        assert seen.is_complete
        total += seen.schedules
    print(f"{third} between two others: {total} schedules")


@pytest.mark.campaign
def test_every_triple_with_two_preemptions():
    total = 0
    for acts in combinations_with_replacement(ACTS, 3):
        for names in product("ab", repeat=3):
            total += explore_triple(acts, names).schedules
    print(f"all triples: {total} schedules")


# Other regions, failures


class SqlReplicas(TwoReplicas):
    """The same over SQLite: every transaction happens within one tier call."""

    folder: Path
    made = count()

    def make_region(self):
        url = f"sqlite:///{self.folder}/region-{next(self.made)}.db"
        return load_region("sqlite")(
            url, runtime=self.runtime, terms=Limits(), base_dir=self.folder
        )

    def close(self):
        super().close()
        self.region.close()

    def row(self):
        row = self.region.read([KEY], 0, 5.0).rows[KEY]
        return shown(row.record, self.now_ms())


def ends_alike(world):
    for store in world.stores.values():
        store.flush()
    for name in world.stores:
        world.replica(name).pull()
    row = world.row()
    assert row == world.written[max(world.written)]
    assert [store.get(KEY) for store in world.stores.values()] == [row, row]


@pytest.fixture
def memory_folder():
    """A folder, in memory where the system has that."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="tierstore", dir=memory) as path:
        yield Path(path)


@pytest.mark.parametrize("acts", [("put", "delete"), ("put", "refresh")])
def test_every_schedule_of_a_pair_over_sqlite(acts, memory_folder):
    SqlReplicas.folder = memory_folder
    actors = {f"{act} at {name}": act_at(act, name) for act, name in zip(acts, "ab", strict=True)}
    processes = {name: name for name in actors}
    assert explore(SqlReplicas, actors, ends_alike, processes=processes).is_complete


@pytest.mark.parametrize("act", ["put", "delete", "refresh", "pull"])
def test_every_call_fails_once(act):
    def recover(world):
        ACTS["pull"](world, "a")

    seen = crashes(TwoReplicas, act_at(act, "a", tolerant=False), recover, check, kinds=FAILURES)
    assert seen.by_kind["error"] == seen.by_kind["lost"] == len(seen.at) >= 1


@pytest.mark.parametrize("kind", FAILURES)
def test_every_schedule_of_a_pair_with_a_failing_flush(kind):
    actors = {"put at a": tolerant_put, "pull at b": act_at("pull", "b")}
    faults = {"put at a": Fault(1, kind)}
    assert explore(TwoReplicas, actors, check, faults=faults).schedules > 20


def tolerant_put(world):
    with suppress(TierStoreError):
        put(world, "a")


# What these checks are worth: each is seen to fail


def test_an_unconditional_fill_is_found(monkeypatch):
    """Two things keep a late answer from being installed: the voided flight, and the cursor."""
    monkeypatch.setattr(Fills, "void", lambda self, key: None)
    monkeypatch.setattr("tierstore.replica.reads.Arrival", CurrentArrival)
    with pytest.raises(ScheduleError, match=r"shows something else|stale copy"):
        explore_triple(("fill", "pull", "put"), "bba")


class CurrentArrival(Arrival):
    """An answer that passes for current however old it is."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.is_current = True


def test_a_pull_that_skips_what_is_resident_is_found(monkeypatch):
    monkeypatch.setattr("tierstore.replica.pull._is_at_least", lambda entry, change: True)
    with pytest.raises(ScheduleError, match=r"shows something else|stale copy"):
        explore_acts(("put", "pull"), "ba")


def test_a_region_where_the_last_to_come_wins_is_found(monkeypatch):
    monkeypatch.setattr("tierstore.testing.memory_region.plan_apply", apply_regardless)
    with pytest.raises(ScheduleError, match=r"last write is not|older version"):
        explore_acts(("put", "delete"), "ab")


def apply_regardless(rows, batch, terms):
    return plan_apply({}, batch, terms)
