"""Worlds of strong keys: one coordinator, edges that fail, and clients whose answers are judged.

Apart from the worlds of eventual keys, whose seeds stay what they are. Crashes, pauses, cuts, lost
and late calls are those of every world. The clock of the coordinator is steady, as leases and
lifetimes are told by it alone; those of edges are off.
"""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tierstore.runtime.chance import Chance
from tierstore.testing.history import History
from tierstore.testing.plan import Crash
from tierstore.testing.simulation import strong_elsewhere
from tierstore.testing.simulation.cluster import Cluster
from tierstore.testing.simulation.guards import sealed
from tierstore.testing.simulation.nemesis import Nemesis
from tierstore.testing.simulation.options import Options, Rates
from tierstore.testing.simulation.run import MEMORY_BACKED
from tierstore.testing.simulation.scheduler import NS_PER_MS, NS_PER_S
from tierstore.testing.simulation.script import Fault
from tierstore.testing.simulation.strong_clients import DEEDS, Client
from tierstore.testing.simulation.strong_judging import Told, judge
from tierstore.testing.simulation.strong_power import let_power_fail
from tierstore.testing.simulation.strong_restoring import let_restore
from tierstore.testing.simulation.strong_wider import LATE_MS_MAX, Features, draw_features

if TYPE_CHECKING:
    from collections import Counter
    from typing import Any

    from tierstore.testing.simulation.node import Node

WINDOWS = ("crash", "pause", "refuse", "lose requests", "lose replies", "slow", "skew", "jump")
_OF_CLOCKS = ("skew", "jump")
PLAY_S_MAX = 600
LONG_S_MAX = 100 * 3600


@dataclass(slots=True)
class StrongRun:
    """What became of one world of strong keys."""

    violations: list[str]
    reached: Counter[str]
    acknowledged: int
    """How many operations that clients named were confirmed."""
    attempted: int
    """How many of them were asked for."""
    kinds: tuple[str, ...] = ()
    """What there was in this world."""


class StrongWorkload:
    """The clients of all nodes, and what they were told. What `Nemesis` starts again."""

    def __init__(self, cluster: Cluster, deeds: tuple[str, ...], operations: int) -> None:
        self.cluster = cluster
        self.history = History(lambda: cluster.scheduler.now_ns)
        self.told = Told(now_ms=lambda: cluster.server_clock.time_ns() // NS_PER_MS)
        self.hits = strong_elsewhere.Hits()
        self.deeds = deeds
        self.left = operations
        self._running: set[str] = set()

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do, and nobody is at it."""
        return self.left <= 0 and not self._running

    def start(self, node: Node) -> None:
        """Let the clients of a new life begin."""
        self._running = {name for name in self._running if not name.startswith(f"{node.name}.")}
        for number in range(self.cluster.options.clients):
            client = Client(self, node, number)
            self._running.add(client.name)
            self.cluster.scheduler.spawn(node.process, client.name, partial(self._live, client))

    def _live(self, client: Client) -> None:
        client.run()
        self._running.discard(client.name)


def play_strong(
    seed: int,
    rates: Rates | None = None,
    deeds: tuple[str, ...] = DEEDS,
    operations: int = 80,
    features: Features | None = None,
) -> StrongRun:
    """Play the world of `seed` to its end, and judge it.

    With `rates` and `features`, these and no others.
    """
    chance, wider = Chance(seed, "strong"), Chance(seed, "strong features")
    if features is None:
        features = draw_features(wider, is_elsewhere=strong_elsewhere.is_drawn(seed))
        deeds = deeds + features.deeds
    options = features.fit(_draw(chance, rates), wider)
    faults = tuple(_draw_fault(chance) for _ in range(chance.choice((0, 4, 12))))
    base = MEMORY_BACKED if os.path.isdir(MEMORY_BACKED) else None
    with TemporaryDirectory(prefix="tierstore-", dir=base) as folder:
        cluster = Cluster(seed, options, folder, policy=features.policy)
        if features.is_elsewhere:
            strong_elsewhere.set_apart(cluster)
        workload = StrongWorkload(cluster, deeds, operations)
        try:
            with sealed():
                found = _play(cluster, workload, faults, features)
        finally:
            cluster.close()
    told = workload.told
    reached = cluster.reached
    reached.update(told.reached)
    return StrongRun(found, reached, len(told.confirmed), len(told.attempted), features.kinds)


def _draw(chance: Chance, rates: Rates | None) -> Options:
    drawn = Rates(*(chance.choice((0.0, 0.02, 0.1)) for _ in range(3)))
    return Options(
        nodes=chance.choice((2, 3)),
        machines=2,
        clients=2,
        region=chance.choice(("memory", "read committed", "read committed")),
        families=(),
        latency_ms_max=chance.choice((0, 2, 20, 200)),
        pause_ms_max=chance.choice((5, 50, 300)),
        statement_ms_max=chance.choice((0, 2, 20)),
        skew_ms_max=2000,
        rates=drawn if rates is None else rates,
        is_ephemeral=True,
    )


def _draw_fault(chance: Chance) -> Fault:
    at_ms, lasts_ms = chance.random() * 5000, chance.random() * 1500
    kind = chance.choice(WINDOWS)
    return Fault(at_ms, kind, chance.randrange(3), lasts_ms, 0.3 + 0.7 * chance.random())


def _play(
    cluster: Cluster, workload: Any, faults: tuple[Fault, ...], features: Features
) -> list[str]:
    nemesis = Nemesis(cluster, workload, _fitting(faults, features))
    most_ns = (LONG_S_MAX if features.is_long else PLAY_S_MAX) * NS_PER_S
    try:
        _begin(cluster, workload, nemesis, features)
        is_done = cluster.scheduler.run(most_ns, lambda: workload.is_done)
        nemesis.is_over = True
        if not is_done:
            return ["clients did not come to an end"]
        cluster.stop_faults()
        late_ns = cluster.late_ms_max * NS_PER_MS
        cluster.scheduler.run(cluster.scheduler.now_ns + late_ns)  # until what is late has come
        node = cluster.nodes[0]
        node.crash()
        node.start()
        last = Client(workload, node, 99)
        task = cluster.scheduler.spawn(node.process, last.name, last.finish)
        cluster.scheduler.run(2 * most_ns, lambda: task.is_over)
        found = judge(workload.told, workload.history)
        return [*cluster.broken, *found, *workload.hits.judge()]
    except (Exception, Crash):
        return [f"something broke that must not:\n{traceback.format_exc()}"]


def _fitting(faults: tuple[Fault, ...], features: Features) -> tuple[Fault, ...]:
    """Those that leave the coordinator's clock alone, which is that of the machine of a file."""
    return tuple(each for each in faults if not (features.is_file and each.kind in _OF_CLOCKS))


def _begin(cluster: Cluster, workload: Any, nemesis: Nemesis, features: Features) -> None:
    if features.is_long:
        cluster.late_ms_max = LATE_MS_MAX
    file = cluster.sites[0].file
    if file is not None:
        let_power_fail(cluster, nemesis, file, Chance(cluster.seed, "power"))
    if features.is_elsewhere:
        strong_elsewhere.let_region_fail(cluster, nemesis)
    if features.is_restored:
        let_restore(cluster, workload, Chance(cluster.seed, "operator"))
    for node in cluster.nodes:
        node.start()
        workload.start(node)
