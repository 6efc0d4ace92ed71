"""Edge processes on their machines, one region, one cold tier: everything a run consists of."""

from __future__ import annotations

import os
from collections import Counter
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tierstore.policy import load
from tierstore.policy.model import is_tiered
from tierstore.region.apply import Limits
from tierstore.runtime.chance import Chance
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.simulation.disk import Disk
from tierstore.testing.simulation.families import families_of
from tierstore.testing.simulation.node import Node
from tierstore.testing.simulation.objects import ColdDisk
from tierstore.testing.simulation.options import policy_of
from tierstore.testing.simulation.read_committed import Pace, ReadCommittedRegion
from tierstore.testing.simulation.runtime import Clock, SimulatedRuntime
from tierstore.testing.simulation.scheduler import Process, Scheduler
from tierstore.testing.simulation.sqlite import Errors, SqliteSite
from tierstore.testing.simulation.telling import Teller

if TYPE_CHECKING:
    from tierstore.policy.model import Policy
    from tierstore.runtime import Runtime
    from tierstore.testing.simulation.options import Options


MS_PER_S = 1000
TIMEOUT_S = 10.0
_NOT_CONTENT = frozenset(
    ("_runtime", "_scheduler", "_pace", "_limits", "_lock", "_locks", "_of_writer", "_under_way")
)
"""What of a region in memory is not in its database."""


class Machine:
    """A clock and a disk that several processes may share."""

    def __init__(self, name: str, clock: Clock, disk: Disk) -> None:
        self.name = name
        self.clock = clock
        self.disk = disk


class Cluster:
    """What a run consists of. Nothing happens in it before the scheduler runs."""

    def __init__(
        self,
        seed: int,
        options: Options,
        folder: str,
        *,
        policy: Policy | None = None,
        is_told: bool = False,
    ) -> None:
        self.seed = seed
        self.options = options
        self._folder = folder
        self.reached: Counter[str] = Counter()
        self.played: Counter[str] = Counter()
        """How many faults of each kind were played, those that come at a rate included."""
        self.broken: list[str] = []
        """What background steps raised that they must not."""
        self.scheduler = Scheduler(Chance(seed, "turns"))
        self.teller = Teller(self.scheduler, is_told=is_told)
        self.server = Process("server")
        self.policy = policy or load(policy_of(options))
        self.families = families_of(self.policy, options.keys)
        self.objects = ColdDisk(self.scheduler, Chance(seed, "cold"))
        self.server_clock = Clock(self.scheduler)
        self._begin_region()
        self.machines = [self._make_machine(f"m{n}", folder) for n in range(options.machines)]
        self.nodes = [
            Node(self, f"n{n}", self.machines[n % options.machines]) for n in range(options.nodes)
        ]

    def _begin_region(self) -> None:
        replication, options = self.policy.replication, self.options
        self._errors = Errors(Chance(self.seed, "statements"), options.rates.statement)
        self._limits = Limits(
            int(replication.max_drift_s * MS_PER_S),
            int(replication.horizon_s * MS_PER_S),
            is_tiered=is_tiered(self.policy),
        )
        self._server_runtime = self._make_server_runtime()
        self._shared = self._make_region()
        self.site = SqliteSite(self._folder, self._limits) if options.region == "sqlite" else None
        if self.site is not None:
            never = Errors(Chance("never"), 0.0)
            self._server_region = self.site.open(
                self.scheduler, self.server, self._server_runtime, never
            )

    def open_region(self, node: Node, runtime: Runtime) -> Any:
        """The region, as one process of `node` uses it."""
        if self.site is not None:
            return self.site.open(self.scheduler, node.process, runtime, self._errors)
        return self._shared

    def close_region(self, process: Process) -> None:
        """Cut a process that ends off from the region."""
        if self.site is not None:
            self.site.close_of(process)

    @property
    def has_retired(self) -> bool:
        """Whether changes were left to the operator: those of who was silent beyond the horizon."""
        return bool(self.options.horizon_s and self.inspect("region").aside(1, TIMEOUT_S))

    def inspect(self, name: str) -> Any:
        """The "region" or the "cold" tier, as somebody uses it who is no edge process."""
        if name == "cold":
            return self.objects
        return self._shared if self.site is None else self._server_region

    def clone(self, node: Node) -> None:
        """Start a copy of the machine of `node`, journals and all, with a process of its own."""
        machine = self._make_machine(f"m{len(self.machines)}", self._folder)
        if os.path.isdir(node.machine.disk.path):
            node.machine.disk.clone(machine.disk.path)
        self.machines.append(machine)
        self.nodes.append(Node(self, f"n{len(self.nodes)}", machine))
        self.nodes[-1].start()

    def back_up(self) -> Any:
        """The region as it is now, for `restore`."""
        if self.site is not None:
            return self.site.back_up()
        return {k: deepcopy(v) for k, v in vars(self._shared).items() if k not in _NOT_CONTENT}

    def restore(self, backup: Any) -> None:
        """Make the region what it was. No process may run."""
        if self.site is not None:
            self.site.restore(backup)
        else:
            vars(self._shared).update(backup)

    def stop_faults(self) -> None:
        """Let everything work again that is not lost for good."""
        self._errors.rate = 0.0
        self.objects.heal()
        for machine in self.machines:
            machine.disk.heal()
        for node in self.nodes:
            if not node.is_lost:
                node.stop_faults()

    def close(self) -> None:
        """End everything, and close what is open."""
        for node in self.nodes:
            node.crash()
        self.server.is_dead = True
        self.scheduler.end(self.server)
        if self.site is not None:
            self.site.close()

    def _make_machine(self, name: str, folder: str) -> Machine:
        chance = Chance(self.seed, "disk", name)
        disk = Disk(os.path.join(folder, name), chance, self.options.rates.statement)
        return Machine(name, Clock(self.scheduler), disk)

    def _make_region(self) -> MemoryRegion:
        if self.options.region == "read committed":
            pace = Pace(Chance(self.seed, "pace"), self.options.statement_ms_max)
            return ReadCommittedRegion(self._server_runtime, self.scheduler, self._limits, pace)
        return MemoryRegion(self._server_runtime, self._limits)

    def _make_server_runtime(self) -> Runtime:
        chance = Chance(self.seed, "server")
        return SimulatedRuntime(
            self.scheduler, self.server, self.server_clock, chance, self.reached, self.broken
        )
