"""Actors on one key that put, delete, read, move, expire and sweep: every schedule of every pair.

Whatever the order: the last write is what the region has and what every replica shows, in exactly
one place; no version comes back, no copy is stale, and after the retention no object is left that
no row points at.
"""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import pytest

from tierstore.errors import FencedError, UnavailableError
from tierstore.movement.step import Moving
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.apply import Limits
from tierstore.region.pointer import decode_pointer
from tierstore.replica.cold import ColdLink
from tierstore.testing import MemoryObjects, MemoryRegion, World, explore
from tierstore.tiers.cold import ColdReader
from tierstore.values import decode

KEY = "k"
LIFETIME_S, RETAIN_S, LEASE_S = 86_400, 3600, 60


def policy(cold):
    return load(
        {
            "version": 1,
            "tiers": {"edge": {"journal": "none"}},
            "cold": {"retain": f"{RETAIN_S}s"},
            "timeouts": {"regional": "3d", "cold": "3d"},
            "movement": {"interval": "15s"},
            "rules": [
                {
                    "match": KEY,
                    "durability": "memory",
                    "hotness": {"cold": cold},
                    "min_residency": {"regional": "0s"},
                },
                {"match": "**", "durability": "memory"},
            ],
        }
    )


COLD, WARM = policy("60/s"), policy("never")


HOMES = {}


class RecordingRegion(MemoryRegion):
    """Remembers every version that the key ever had here, and where its moves began and ended."""

    def __init__(self, runtime):
        super().__init__(runtime, Limits(is_tiered=True))
        self.versions = []

    def wait(self, delay_s):
        """Let time pass as a call of this tier, so that its order with others is not left out."""
        self._runtime.sleep(delay_s)

    def _store(self, plan):
        super()._store(plan)
        for row in plan.writes.values():
            if row.key == KEY:
                self.versions.append((row.record.stamp, row.record.replica))


class Tiers(World):
    """Replicas `a` and `b` of one region and a cold tier. The key is resident at `a` alone."""

    home = "regional"

    def __init__(self):
        super().__init__()
        self.region, self.objects = RecordingRegion(self.runtime), MemoryObjects()
        self.explored = self.wrap(self.region, "region"), self.wrap(self.objects, "objects")
        self.stores = {name: self._store() for name in "ab"}
        self.written, self.read = {}, []
        for name, store in self.stores.items():
            store.put(f"other/{name}", 0)
            store.flush()
        self.stores["a"].put(KEY, "first", ttl=LIFETIME_S)
        self.stores["a"].flush()
        self.runtime.sleep(1)
        self.movers = 0
        self.first = self.mover(WARM)
        self._move_there()

    def _move_there(self):
        """Moves to the home, made once for all worlds that are alike."""
        region, kind = self.region, type(self)
        if kind not in HOMES:
            for cold in [COLD, WARM] if self.home == "regional" else [COLD]:
                self.runtime.sleep(LEASE_S + 1)
                self.first = self.mover(cold)
                self.first.step()
            assert self.is_cold() is (self.home == "cold")
            region.rows[KEY].due_ms = 0
            parts = region.rows, region.stored, self.objects.blobs
            HOMES[kind] = [dict(part) for part in parts], self.runtime.monotonic()
        (rows, stored, blobs), now_s = HOMES[kind]
        region.rows.update(rows)
        region.stored.update(stored)
        self.objects.blobs.update(blobs)
        self.runtime.sleep(now_s - self.runtime.monotonic() + LEASE_S + 1)
        assert self.first.mover._has_lease()

    def _store(self):
        region, objects = self.explored
        return wire(COLD, self.runtime, region=region, objects=objects)

    def mover(self, policy):
        """A mover and sweeper of a process of its own, for which one policy is as another's."""
        region, objects = self.explored
        link = Link()
        cold = ColdLink(lambda: objects, self.runtime)
        rule_for = lambda key: policy.rules[0 if key == KEY else 1]  # noqa: E731
        moving = Moving(policy, self.runtime, lambda: region, link, cold, rule_for)
        moving.mover._reviewer.fingerprint = "the same"
        known = moving.mover._recognition
        known._has_objects = known._has_mark = True
        self.movers += 1
        moving.mover._holder = self.movers
        info = self.region.connect(1.0)
        moving.ground.region, moving.ground.incarnation = info.region, info.incarnation
        return moving

    def close(self):
        for store in self.stores.values():
            store.close()

    def replica(self, name):
        return self.stores[name]._core.replica

    def is_cold(self):
        return self.region.rows[KEY].cold is not None

    def shown(self):
        """What a reader should see: the row's value, wherever it is."""
        row = self.region.rows[KEY]
        record, now_ms = row.record, self.runtime.time_ns() // 1_000_000
        if record.payload is None or not record.is_live(now_ms):
            return None
        if row.cold is None:
            return decode(record.payload)
        assert record.payload == b"", "it is here and there"
        reply = ColdReader(self.objects, runtime=self.runtime).read({KEY: row}, 9.0)
        return decode(reply.payloads[KEY])


class ColdTiers(Tiers):
    """The same, but the key is cold at first."""

    home = "cold"


class Link:
    def observed(self, call):
        return call()


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


def expire(world, name):
    world.explored[0].wait(LIFETIME_S + 1)
    world.read.append(world.stores[name].get(KEY))


def promote(world, _):
    move(world, WARM)


def demote(world, _):
    move(world, COLD)


def move(world, policy):
    """Move as the mover that has the lease, or take that over from one that was stopped."""
    lead(world, policy).mover.step()


def sweep(world, _):
    moving = lead(world, WARM)
    moving.mover._has_lease()
    moving.sweeper.step(moving.mover.lease)
    world.explored[0].wait(RETAIN_S + 1)
    moving.sweeper.step(moving.mover.lease)


def lead(world, policy):
    """A mover; the first to ask gets the lease that was granted, the others wait for its end."""
    first, world.first = world.first, None
    moving = world.mover(policy)
    if first is not None:
        moving.mover._holder, moving.mover.lease = first.mover._holder, first.mover.lease
        moving.mover._renew_at_s, moving.mover._review_after = float("inf"), None
        return moving
    world.explored[0].wait(LEASE_S + 1)
    return moving


USERS = {"put": put, "delete": delete, "fill": fill, "expire": expire}
MOVERS = {"promote": promote, "demote": demote, "sweep": sweep}
ACTS = USERS | MOVERS


def check(world):
    check_copies(world)
    for store in world.stores.values():
        store.flush()
    for name in world.stores:
        world.replica(name).pull()
    shown = world.shown()
    last = max(world.written, default=None)
    if last is not None:
        assert shown == world.written[last], "the last write is not what the region has"
    for name, store in world.stores.items():
        assert store.get(KEY) == shown, f"{name} shows something else than the region"
    assert set(world.read) <= {None, "first", *world.written.values()}
    versions = world.region.versions
    assert versions == sorted(set(versions)), "an older version came back"
    check_objects(world)


def check_copies(world):
    """A copy that is no write of its own is what the region has, or will be told of by the feed."""
    for name in world.stores:
        state = world.replica(name).state
        entry, row = state.edge.resident.get(KEY), world.region.rows[KEY]
        if entry is None or row.position > state.cursor:
            continue
        version = (entry.stamp, entry.replica)
        assert version >= (row.record.stamp, row.record.replica), f"{name} has a stale copy"


def check_objects(world):
    """After another mover's take-over and twice the retention, what is left is what is needed."""
    region = world.region
    world.runtime.sleep(LEASE_S + 1)
    sweeping = world.mover(WARM if world.is_cold() else COLD)
    sweeping.mover._has_lease()
    pointers = [decode_pointer(r.cold, key=k).name for k, r in region.rows.items() if r.cold]
    for _ in range(4):
        if not region.intents and set(world.objects.blobs) == set(region.stored) == set(pointers):
            break
        sweeping.sweeper.step(sweeping.mover.lease)
        world.runtime.sleep(RETAIN_S + 1)
    else:
        raise AssertionError("an orphan is left")
    assert {n: s.live for n, s in region.stored.items()} == {n: pointers.count(n) for n in pointers}


def act_at(act, name):
    """An actor that tries `act` once; a mover that was replaced may be told so."""

    def run(world):
        try:
            ACTS[act](world, name)
        except FencedError:
            assert act in MOVERS
        except UnavailableError:
            assert world.runtime.monotonic() > LEASE_S

    return run


def explore_acts(world, acts, names, **options):
    """`acts`, one an actor: users at the replicas `names`, movers in processes of their own."""
    actors, processes = {}, {}
    for number, (act, name) in enumerate(zip(acts, names, strict=True), 1):
        title = f"{act} {number}" if act in MOVERS else f"{act} at {name}, {number}"
        actors[title] = act_at(act, name)
        processes[title] = title if act in MOVERS else name
    return explore(world, actors, check, processes=processes, **options)


def places(acts):
    """At which replicas to let users act: all that differ, `a` having a copy and `b` none."""
    options = ["ab" if act in USERS else "-" for act in acts]
    return list(product(*options))


PAIRS = list(combinations_with_replacement(ACTS, 2))
TRIPLES = list(combinations_with_replacement(ACTS, 3))
WORLDS = {"regional": Tiers, "cold": ColdTiers}
LONG = [("demote", "sweep"), ("sweep", "sweep")]


def explore_everywhere(acts, homes=WORLDS, **options):
    """How many schedules there are, wherever the key is at first and the users are."""
    total = 0
    for home in homes:
        for names in places(acts):
            total += explore_acts(WORLDS[home], acts, names, **options).schedules
    print(f"{', '.join(acts)}: {total} schedules")
    return total


@pytest.mark.parametrize("acts", [pair for pair in PAIRS if pair not in LONG])
def test_every_schedule_of_a_pair(acts):
    assert explore_everywhere(acts, reduce="sweep" in acts or not USERS.keys() & acts) > 1


@pytest.mark.parametrize("acts", LONG)
def test_schedules_of_a_long_pair_with_two_preemptions(acts):
    assert explore_everywhere(acts, preemptions_max=2) > 50


@pytest.mark.campaign
@pytest.mark.parametrize("acts", LONG)
def test_every_schedule_of_a_long_pair(acts):
    assert explore_everywhere(acts, reduce=True) > 1000


def explore_triple(acts):
    """`acts` with two preemptions: reads where there is no copy, the key where it can move."""
    homes = [home for act, home in HOMES_OF.items() if act in acts] or ["cold"]
    writers = [act for act in acts if act in ("put", "delete")]
    names = ["a" if writers and act is writers[0] else "b" for act in acts]
    options = {"preemptions_max": 2}
    total = sum(explore_acts(WORLDS[h], acts, names, **options).schedules for h in homes)
    print(f"{', '.join(acts)}: {total} schedules")
    return total


HOMES_OF = {"demote": "regional", "promote": "cold"}
SAMPLE = [
    ("put", "fill", "demote"),
    ("put", "fill", "promote"),
    ("delete", "fill", "promote"),
    ("put", "delete", "demote"),
    ("fill", "expire", "promote"),
    ("put", "promote", "demote"),
    ("fill", "promote", "sweep"),
]


@pytest.mark.parametrize("acts", SAMPLE)
def test_a_triple_with_two_preemptions(acts):
    assert explore_triple(acts) > 20


@pytest.mark.campaign
def test_every_triple_with_two_preemptions():
    total = sum(explore_triple(acts) for acts in TRIPLES)
    print(f"all triples: {total} schedules")
