"""A simulated edge process: it starts, ends where it stands, and starts again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from tierstore.frozen import replace
from tierstore.opening import wire
from tierstore.runtime import fork
from tierstore.runtime.chance import Chance
from tierstore.testing.faults import FaultyJournalDirectory
from tierstore.testing.simulation.direct import Neighbours, courses_of
from tierstore.testing.simulation.disk import DiskPlan, as_plan
from tierstore.testing.simulation.links import watch_claims
from tierstore.testing.simulation.network import RemoteTier, Weather, Wire
from tierstore.testing.simulation.runtime import SimulatedRuntime
from tierstore.testing.simulation.scheduler import Process

if TYPE_CHECKING:
    from tierstore.linking.linking import Course, Linking
    from tierstore.policy.model import Policy
    from tierstore.runtime import Runtime
    from tierstore.store.store import Store
    from tierstore.testing.simulation.cluster import Cluster, Machine


class Node:
    """One edge process of a cluster, in all its lives."""

    def __init__(self, cluster: Cluster, name: str, machine: Machine) -> None:
        self.name = name
        self.machine = machine
        self.to_region = Weather(rates=cluster.options.rates)
        self.to_cold = Weather(rates=cluster.options.rates)
        self.to_beside = Weather(rates=cluster.options.rates)
        self.neighbours = Neighbours(cluster, machine.site) if cluster.options.is_direct else None
        """The regions that the stores of this node link theirs to."""
        self.lives = 0
        self.process = Process(name)
        self.is_lost = False
        """Whether it stays as it is, whatever is healed."""
        self.is_leaving = False
        """Whether the present life is about to end in order."""
        self._cluster = cluster
        self._store: Store | None = None
        self._journals: FaultyJournalDirectory | None = None

    @property
    def store(self) -> Store:
        """The store of the present life."""
        if self._store is None:
            raise LookupError(f"{self.name} is not running")
        return self._store

    @property
    def is_up(self) -> bool:
        """Whether the process runs."""
        return self._store is not None

    @property
    def courses(self) -> list[tuple[str, str, Course]]:
        """The links that the store has, with the names of source and target."""
        linking = None if self._store is None else self._store._core.replica.linking
        return [] if linking is None else courses_of(cast("Linking", linking), self.machine.site)

    @property
    def life(self) -> str:
        """The name of the present life."""
        return f"{self.name}.{self.lives}"

    @property
    def is_ephemeral(self) -> bool:
        """Whether nothing of a life is left for the next one."""
        return self._cluster.options.is_ephemeral

    @property
    def has_unflushed(self) -> bool:
        """Whether something that the store acknowledged waits for the region."""
        return self.store._core.replica.state.outbox.unflushed > 0

    @property
    def weathers(self) -> dict[str, Weather]:
        """How the ways to the regions are from which the store takes over rows."""
        return {} if self.neighbours is None else self.neighbours.weathers

    def start(self) -> None:
        """Begin a life, with what the last one left on the machine's disk."""
        cluster = self._cluster
        self.lives += 1
        self.is_leaving = False
        self.process = Process(self.life)
        chance = Chance(cluster.seed, "node", self.life)
        runtime = SimulatedRuntime(
            cluster.scheduler, self.process, self.machine.clock, chance, cluster.reached,
            cluster.broken,
        )  # fmt: skip
        plan = DiskPlan(cluster.scheduler, self.process, self.machine.disk, cluster.teller)
        self._journals = FaultyJournalDirectory(self.machine.disk.path, as_plan(plan))
        region, beside = self._reach_region(runtime), cluster.beside
        self._store = wire(
            self._policy(),
            runtime,
            region=region if beside is None else self._reach("beside", beside, beside),
            coordinator=None if beside is None else region,
            objects=self._reach("cold", self.machine.site.objects, self.machine.site.objects),
            journals=None if self.is_ephemeral else self._journals,
            opener=None if self.neighbours is None else self.neighbours.opener(self.process),
        )
        self.process.memory_lock = cast("Any", self._store._core.replica.state.lock)

    def _policy(self) -> Policy:
        policy = self._cluster.policy if self.neighbours is None else self.neighbours.policy()
        if self.is_ephemeral:
            return replace(policy, edge=replace(policy.edge, journal=None))
        return policy

    def crash(self) -> None:
        """End the process where it stands. For the program around the tasks, and other tasks."""
        if self._store is None:
            return
        store, self._store = self._store, None
        self.process.is_dead = True
        for site in self._cluster.sites:
            site.close_of(self.process)
        self._forget(store)
        if self._journals is not None:
            self._journals.abandon()
        self._cluster.scheduler.end(self.process)

    def stop_faults(self) -> None:
        """Let everything of this node work again; it may still be down."""
        self.to_region.clear()
        self.to_cold.clear()
        self.to_beside.clear()
        for weather in self.weathers.values():
            weather.clear()
        self._cluster.scheduler.resume(self.process)

    def _reach_region(self, runtime: Runtime) -> Any:
        site = self.machine.site
        tier = self._reach("region", site.open(self.process, runtime), site.region)
        if self.neighbours is not None:
            watch_claims(self._cluster, tier, self.life, site)
        return tier

    def _reach(self, name: str, inner: Any, later: Any) -> Any:
        cluster = self._cluster
        wire_there = Wire(
            cluster.scheduler,
            self.process,
            cluster.server,
            Chance(cluster.seed, "wire", self.life, name),
            {"region": self.to_region, "beside": self.to_beside, "cold": self.to_cold}[name],
            cluster.options.latency_ms_max,
            cluster.teller,
            cluster.played,
            cluster.late_ms_max,
        )
        return RemoteTier(inner, name, wire_there, later)

    def _forget(self, store: Store) -> None:
        """Nothing of an ended process runs when its objects are collected."""
        replica = store._core.replica
        fork.unregister(replica)
        replica.state.closed = True
