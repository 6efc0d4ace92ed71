"""Worlds in which strong keys are decided elsewhere: the region of eventual keys beside them.

The site of the world is the coordinator, with all that happens to it. The region fails apart from
it, and whatever becomes of one must not be seen in what the other holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.region.apply import Limits
from tierstore.runtime.chance import Chance
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.simulation.runtime import Clock, SimulatedRuntime
from tierstore.testing.simulation.scheduler import NS_PER_MS

if TYPE_CHECKING:
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.nemesis import Nemesis

SHARE = 0.3
"""How many worlds have a coordinator elsewhere."""
HITS = "hits/0"
RULE = {"name": "hits", "match": "hits/*", "type": "counter", "durability": "regional"}
DEEDS = ("hit", "hit", "hit", "everything")
CUTS = ("refuses", "loses_requests", "loses_replies")
LATER_MS_MAX = 4000
LASTS_MS_MAX = 2000
TIMEOUT_S = 3.0
KEYS_MAX = 1000


def is_drawn(seed: int) -> bool:
    """Whether the world of `seed` has a coordinator elsewhere."""
    return Chance(seed, "elsewhere").random() < SHARE


def set_apart(cluster: Cluster) -> None:
    """Let the site of `cluster` be a coordinator, and another region that of its stores."""
    runtime = SimulatedRuntime(
        cluster.scheduler, cluster.server, Clock(cluster.scheduler),
        Chance(cluster.seed, "beside"), cluster.reached, cluster.broken,
    )  # fmt: skip
    cluster.beside = MemoryRegion(runtime, Limits())


def let_region_fail(cluster: Cluster, nemesis: Nemesis) -> None:
    """Let the ways to the region be cut now and then, whatever happens to the coordinator."""
    chance = Chance(cluster.seed, "weather beside")

    def play() -> None:
        for _ in range(chance.choice((0, 1, 3))):
            cut, most_ns = chance.choice(CUTS), LATER_MS_MAX * NS_PER_MS
            cluster.scheduler.sleep(int(chance.random() * most_ns))
            _cut_off(cluster, nemesis, cut, int(chance.random() * LASTS_MS_MAX * NS_PER_MS))

    cluster.scheduler.spawn(cluster.server, "nemesis beside", play)


def _cut_off(cluster: Cluster, nemesis: Nemesis, cut: str, lasts_ns: int) -> None:
    if nemesis.is_over:
        return
    ways = [node.to_beside for node in cluster.nodes]
    for way in ways:
        setattr(way, cut, 1)
    cluster.scheduler.sleep(lasts_ns)
    for way in ways:
        setattr(way, cut, 0)


class Hits:
    """What clients were told of an eventual counter."""

    def __init__(self) -> None:
        self.asked = self.certain = 0
        self.counted: int | None = None
        """By the region, in the end; None if there is none beside."""

    def judge(self) -> list[str]:
        """What is wrong: what was acknowledged is there, and nothing else, whatever else failed."""
        if self.counted is None or self.certain <= self.counted <= self.asked:
            return []
        return [f"{self.counted} hits are counted, of {self.certain} to {self.asked}"]


class BesideDeeds:
    """What a client does with eventual keys. A part of `Client`."""

    _hits: Hits
    _store: Any
    _cluster: Cluster

    def hit(self) -> None:
        """Count one in the region."""
        self._hits.asked += 1
        self._store.counter(HITS).add(1, timeout=TIMEOUT_S)
        self._hits.certain += 1

    def everything(self) -> None:
        """List the keys of both databases, in one order."""
        keys = [entry.key for entry in self._store.scan("", limit=KEYS_MAX, timeout=TIMEOUT_S)]
        if keys != sorted(set(keys)):
            raise AssertionError(f"keys of two databases are out of order: {keys}")
        is_both = HITS in keys and any(not key.startswith("hits/") for key in keys)
        self._cluster.reached["scan of two databases"] += is_both

    def count_hits(self) -> None:
        """Ask the region how many there are."""
        self._hits.counted = self._store.get(HITS, 0, max_age=0.0, timeout=TIMEOUT_S)
