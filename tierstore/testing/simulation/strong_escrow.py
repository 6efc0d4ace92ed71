"""Worlds of bounded counters: one coordinator, and edges with journals that sell, fail and go.

Beside the faults of every world, stores are closed in order, replicas are retired, and disks are
lost, after which an operator tells what was sold. No running machine is cloned: that is outside
what is promised.
"""

from __future__ import annotations

import os
import traceback
from contextlib import suppress
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tierstore.errors import TierStoreError
from tierstore.policy import load
from tierstore.runtime.chance import Chance
from tierstore.testing.history import History
from tierstore.testing.plan import Crash
from tierstore.testing.simulation import strong_escrow_restoring
from tierstore.testing.simulation.cluster import Cluster
from tierstore.testing.simulation.guards import sealed
from tierstore.testing.simulation.nemesis import Nemesis
from tierstore.testing.simulation.options import Options, Rates
from tierstore.testing.simulation.run import MEMORY_BACKED
from tierstore.testing.simulation.scheduler import NS_PER_MS, NS_PER_S
from tierstore.testing.simulation.script import Fault
from tierstore.testing.simulation.strong_escrow_books import Books
from tierstore.testing.simulation.strong_escrow_clients import DEEDS, Seller
from tierstore.testing.simulation.strong_world import PLAY_S_MAX, StrongRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.testing.simulation.node import Node

WINDOWS = (
    "crash", "crash", "power cut", "pause", "refuse", "lose requests", "lose replies", "slow",
    "skew", "jump", "disk full", "disk slow",
)  # fmt: skip
ENDS = ("leave", "leave", "retire", "disk lost", "taken for lost")
ENDS_IF_RESTORED = ("leave",)
"""Of a disk that is gone nobody can tell what it sold in which life of the coordinator."""
SOON_MS = 100
LATE_S = 6
"""After so long, no call is under way any more."""
SETTLED_S_MAX = 240
TIMEOUT_S = 10.0
POLICY = {
    "version": 1,
    "tiers": {"edge": {"url": "memory://", "journal": "journal"}},
    "rules": [{"name": "stock", "match": "stock/*", "type": "bounded_counter"}],
}


class SellingWorkload:
    """The sellers of all nodes. What `Nemesis` starts again."""

    def __init__(self, cluster: Cluster, deeds: tuple[str, ...], operations: int) -> None:
        self.cluster = cluster
        self.history = History(lambda: cluster.scheduler.now_ns)
        self.books = Books(cluster)
        self.deeds = deeds
        self.left = operations
        self.leave: Callable[[Node], None] = lambda _: None
        """Lets a node close its store and begin another life soon."""
        self._running: set[str] = set()

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do, and nobody is at it, or something is wrong."""
        return (self.left <= 0 and not self._running) or bool(self.books.broken)

    def start(self, node: Node) -> None:
        """Let the sellers of a new life begin."""
        self._running = {name for name in self._running if not name.startswith(f"{node.name}.")}
        for number in range(self.cluster.options.clients):
            seller = Seller(self, node, number)
            self._running.add(seller.name)
            self.cluster.scheduler.spawn(node.process, seller.name, partial(self._live, seller))

    def _live(self, seller: Seller) -> None:
        seller.run()
        self._running.discard(seller.name)


class Ending:
    """Plays how nodes go: in order, retired, or with their disk."""

    def __init__(self, cluster: Cluster, nemesis: Nemesis, books: Books) -> None:
        self._cluster = cluster
        self._nemesis = nemesis
        self._books = books

    def play(self, fault: Fault) -> None:
        """Play one of ENDS."""
        node = self._cluster.nodes[fault.node % len(self._cluster.nodes)]
        if self._nemesis.is_over or not node.is_up:
            return
        self._cluster.played[fault.kind] += 1
        if fault.kind == "retire":
            replica = node.store._core.replica.state.replica
            self._cluster.inspect("region").retire(replica, TIMEOUT_S)
        elif fault.kind == "leave":
            self._restart(self._leave(node), fault)
        else:
            lose = self._lose_disk if fault.kind == "disk lost" else self._take_for_lost
            self._restart(lose(node), fault)

    def leave_soon(self, node: Node) -> None:
        """Let a node close its store, and start again."""
        leave = Fault(0, "leave", self._cluster.nodes.index(node), SOON_MS, 0)
        self._cluster.scheduler.spawn(self._cluster.server, "leave", partial(self.play, leave))

    def _restart(self, ended: list[Node], fault: Fault) -> None:
        self._cluster.scheduler.sleep(int(fault.lasts_ms * NS_PER_MS))
        for node in ended if not self._nemesis.is_over else ():
            self._nemesis.restart(node)

    def _leave(self, node: Node) -> list[Node]:
        self._books.audit()
        task = self._cluster.scheduler.spawn(node.process, f"{node.life} end", closing(node))
        while not task.is_over and not self._nemesis.is_over:
            self._cluster.scheduler.sleep(100 * NS_PER_MS)
        node.crash()
        return [node]

    def _lose_disk(self, node: Node) -> list[Node]:
        ended = self._stop_machine(node)
        node.machine.disk.become({})
        self._books.lose(node.machine.disk.path)
        self._books.reclaim()
        return ended

    def _take_for_lost(self, node: Node) -> list[Node]:
        """The operator takes back the rights of a disk that comes back: they are void there."""
        ended = self._stop_machine(node)
        self._books.void(node.machine.disk.path)
        return ended

    def _stop_machine(self, node: Node) -> list[Node]:
        ended = [other for other in self._cluster.nodes if other.machine is node.machine]
        while running := [other for other in ended if other.is_up]:
            running[0].crash()
        return ended


def closing(node: Node) -> Callable[[], None]:
    """What closes the store of a node, as far as that is possible."""
    store = node.store

    def close() -> None:
        with suppress(TierStoreError):
            store.close()

    return close


def play_escrow(
    seed: int,
    rates: Rates | None = None,
    deeds: tuple[str, ...] = DEEDS,
    operations: int = 120,
    *,
    is_restored: bool | None = None,
) -> StrongRun:
    """Play the world of `seed` to its end, and judge it; with `rates`, these and no others.

    Whether the coordinator `is_restored` on the way is drawn, too, unless it is told.
    """
    chance = Chance(seed, "escrow")
    options = _draw(chance, rates)
    faults = [_draw_fault(chance, WINDOWS) for _ in range(chance.choice((0, 6, 16)))]
    wider = Chance(seed, "escrow features")
    if is_restored is None:
        is_restored = wider.random() < strong_escrow_restoring.SHARE
    kinds = ENDS_IF_RESTORED if is_restored else ENDS
    ends = [_draw_fault(chance, kinds) for _ in range(chance.choice((0, 2, 5)))]
    base = MEMORY_BACKED if os.path.isdir(MEMORY_BACKED) else None  # a sale is a sync
    with TemporaryDirectory(prefix="tierstore-", dir=base) as folder:
        cluster = Cluster(seed, options, folder, policy=load(dict(POLICY)))
        workload = SellingWorkload(cluster, deeds, operations)
        if is_restored:
            strong_escrow_restoring.let_restore(cluster, workload, wider)
        try:
            with sealed():
                found = _play(cluster, workload, faults, ends)
        finally:
            cluster.close()
    till = workload.books.till
    kinds = ("restored",) if is_restored else ("plain",)
    return StrongRun(found, cluster.reached, sum(till.sold.values()), len(till.gifts), kinds)


def _draw(chance: Chance, rates: Rates | None) -> Options:
    drawn = Rates(*(chance.choice((0.0, 0.02, 0.1)) for _ in range(3)))
    return Options(
        nodes=chance.choice((2, 3, 4)),
        machines=2,
        clients=2,
        region=chance.choice(("memory", "read committed")),
        families=(),
        latency_ms_max=chance.choice((0, 2, 20, 200)),
        pause_ms_max=chance.choice((5, 50, 300)),
        statement_ms_max=chance.choice((0, 2, 20)),
        skew_ms_max=2000,
        rates=drawn if rates is None else rates,
    )


def _draw_fault(chance: Chance, kinds: tuple[str, ...]) -> Fault:
    at_ms, lasts_ms = chance.random() * 8000, chance.random() * 3000
    return Fault(
        at_ms, chance.choice(kinds), chance.randrange(4), lasts_ms, 0.3 + 0.7 * chance.random()
    )


def _play(
    cluster: Cluster, workload: SellingWorkload, faults: list[Fault], ends: list[Fault]
) -> list[str]:
    watching: Any = workload
    nemesis = Nemesis(cluster, watching, tuple(faults))
    ending = Ending(cluster, nemesis, workload.books)
    workload.leave = ending.leave_soon
    for end in ends:
        play = partial(ending.play, end)
        cluster.scheduler.spawn(cluster.server, end.kind, play, int(end.at_ms * NS_PER_MS))
    try:
        for node in cluster.nodes:
            node.start()
            workload.start(node)
        is_done = cluster.scheduler.run(PLAY_S_MAX * NS_PER_S, lambda: workload.is_done)
        nemesis.is_over = True
        if not is_done:
            return ["sellers did not come to an end"]
        if not workload.books.broken:
            _settle(cluster, workload)
        return [*cluster.broken, *workload.books.judge()]
    except (Exception, Crash):
        return [f"something broke that must not:\n{traceback.format_exc()}"]


def _settle(cluster: Cluster, workload: SellingWorkload) -> None:
    """Everybody dies; one process of each machine reports and returns what all had."""
    scheduler, books = cluster.scheduler, workload.books
    cluster.stop_faults()
    for node in cluster.nodes:
        node.crash()
    scheduler.run(scheduler.now_ns + LATE_S * NS_PER_S)
    books.reclaim()
    for node in {id(node.machine): node for node in cluster.nodes}.values():
        node.start()
        last = Seller(workload, node, 99)
        scheduler.spawn(node.process, last.name, last.finish)
    until_ns = scheduler.now_ns + SETTLED_S_MAX * NS_PER_S
    scheduler.run(until_ns, lambda: books.is_settled or bool(books.broken))
