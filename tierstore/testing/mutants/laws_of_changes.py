"""Laws of counters and sets where one life of a key ends and the next begins."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tierstore.crdt import set as sets
from tierstore.errors import UnavailableError
from tierstore.region import apply
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing.faults import FaultyRegion
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.mutants.mutant import Law
from tierstore.testing.mutants.planting import patched
from tierstore.testing.plan import FaultPlan
from tierstore.testing.stores import memory_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.runtime.chance import Chance
    from tierstore.store.store import Store

TTL_S = 3
HORIZON_S = 7 * 86_400
POLICY = {
    "rules": [
        {"match": "n", "type": "counter", "durability": "memory"},
        {"match": "ttl/n", "type": "counter", "durability": "memory", "ttl": f"{TTL_S}s"},
        {"match": "s", "type": "set", "durability": "memory"},
        {"match": "ttl/s", "type": "set", "durability": "memory", "ttl": f"{TTL_S}s"},
        {"match": "**", "durability": "memory"},
    ],
    "replication": {"flush": "1h", "pull": "1h"},
}


def _words_on_a_former_life_are_void(chance: Chance) -> Iterator[str]:
    """A discard means what it saw; what is added in the next life of the key is something else."""
    key = chance.choice(("s", "ttl/s"))
    with _two_replicas() as (runtime, _, _, one, other):
        one.members(key).add("x")
        one.flush()
        assert other.members(key).all() == {"x"}
        other.members(key).discard("x")
        if key == "s":
            one.delete(key)
        else:
            runtime.sleep(TTL_S + 1)
        one.members(key).add("x")
        one.flush()
        other.flush()
        found = one.members(key).all() if chance.random() < 0.5 else set(one.get(key, max_age=0))
        if "x" not in found or "x" not in one.get(key, max_age=0):
            yield f"what was added to {key} in a new life was discarded by a word on the last one"


def _what_is_added_late_lives_its_own_time(chance: Chance) -> Iterator[str]:
    """An increment lives as long as its rule says, whatever waits with it for the region."""
    waits_s = TTL_S * (0.2 + 2 * chance.random())
    with _two_replicas() as (runtime, plan, _, one, _):
        plan.is_region_down = True
        counter = one.counter("ttl/n")
        counter.add(1)
        runtime.sleep(waits_s)
        counter.add(10)
        plan.is_region_down = False
        one.flush()
        if waits_s > TTL_S and one.get("ttl/n", 0, max_age=0) < 10:
            yield f"an increment did not outlive one that was {waits_s:.1f} s older"
        runtime.sleep(TTL_S)
        if one.get("ttl/n", 0, max_age=0):
            yield "an increment lived on after its lifetime"


def _what_is_set_aside_shows_no_more(chance: Chance) -> Iterator[str]:
    """Of a replica that was silent too long, a sum shows what the region was told and will be."""
    with _two_replicas() as (runtime, plan, region, one, _):
        counter, later = one.counter("n"), chance.randint(10, 99)
        counter.add(1000)
        one.flush()
        counter.get()
        counter.add(1)
        plan.is_region_down = True
        with suppress(UnavailableError):
            one.flush()  # the batch is made, and not sent
        runtime.sleep(HORIZON_S + 60)
        region.maintain(1000, 1.0)
        plan.is_region_down = False
        counter.add(later)
        one.flush()
        if (total := counter.get()) != 1000 + later:
            yield f"a sum shows {total}, of which the region has {1000 + later}"


def _what_is_refused_shows_no_more(chance: Chance) -> Iterator[str]:
    """What the region refuses for good, as the state would be too large, is in no copy either."""
    limit_bytes = chance.randint(200, 300)
    planted = patched(apply, "STATE_BYTES_MAX", lambda _: limit_bytes)
    with planted, _two_replicas() as (_, _, region, one, _):
        members = one.members("s")
        for number in range(6):
            members.add(f"{number}{'x' * 60}")
            one.flush()
            found, kept = members.all(), sets.decode(region.rows["s"].record.payload or b"")
            if found != set(kept.elements):
                yield f"a copy shows {len(found)} elements, the region has {len(kept.elements)}"


@contextmanager
def _two_replicas() -> Iterator[tuple[ManualRuntime, FaultPlan, MemoryRegion, Store, Store]]:
    """Two that know each other; what goes wrong is the first one's."""
    runtime, plan = ManualRuntime(), FaultPlan()
    region = MemoryRegion(runtime)
    one = memory_store(POLICY, region=FaultyRegion(region, plan), runtime=runtime)
    other = memory_store(POLICY, region=region, runtime=runtime)
    try:
        yield runtime, plan, region, one, other
    finally:
        plan.is_region_down = False
        one.close()
        other.close()


FORMER_LIFE = Law("words on a former life", _words_on_a_former_life_are_void)
OWN_TIME = Law("own lifetimes", _what_is_added_late_lives_its_own_time)
REFUSED = Law("refused changes", _what_is_refused_shows_no_more)
SET_ASIDE = Law("set aside", _what_is_set_aside_shows_no_more)
