"""Edge processes on their machines, regions with cold tiers: everything a run consists of."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from tierstore.policy import load
from tierstore.policy.model import is_tiered, without_peers
from tierstore.region.apply import Limits
from tierstore.runtime.chance import Chance
from tierstore.testing.simulation.disk import Disk
from tierstore.testing.simulation.families import families_of
from tierstore.testing.simulation.links import LinkProcess
from tierstore.testing.simulation.network import LATE_MS_MAX
from tierstore.testing.simulation.node import Node
from tierstore.testing.simulation.operating import AHEAD_NS
from tierstore.testing.simulation.options import policy_of
from tierstore.testing.simulation.runtime import Clock
from tierstore.testing.simulation.scheduler import Process, Scheduler
from tierstore.testing.simulation.sites import Site
from tierstore.testing.simulation.sqlite import Errors
from tierstore.testing.simulation.telling import Teller

if TYPE_CHECKING:
    from tierstore.linking.linking import Course
    from tierstore.policy.model import Policy
    from tierstore.testing.simulation.options import Options


MS_PER_S = 1000
TIMEOUT_S = 10.0


class Machine:
    """A clock and a disk that several processes may share, all of one region."""

    def __init__(self, name: str, clock: Clock, disk: Disk, site: Site) -> None:
        self.name = name
        self.clock = clock
        self.disk = disk
        self.site = site


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
        self.late_ms_max = LATE_MS_MAX
        """After how long a call may be done that its caller has given up."""
        self.is_dark = False
        """Whether the machine of a region in a file is without power: nobody begins meanwhile."""
        self.broken: list[str] = []
        """What background steps raised that they must not."""
        self.scheduler = Scheduler(Chance(seed, "turns"))
        self.teller = Teller(self.scheduler, is_told=is_told)
        self.server = Process("server")
        self.policy = without_peers(policy or load(policy_of(options)))
        self.families = families_of(self.policy, options.keys)
        self.errors = Errors(Chance(seed, "statements"), options.rates.statement)
        limits = _limits_of(self.policy)
        self.sites = [Site(self, n, limits, folder) for n in range(options.regions)]
        self.server_clock = self.sites[0].clock
        self.beside: Any = None
        """The region of eventual keys, if the only site is a coordinator elsewhere."""
        self.actors: set[int] = set()
        """Of regions in their former lives."""
        sites = [self.sites[n % options.regions] for n in range(options.machines)]
        self.machines = [self._make_machine(n, site) for n, site in enumerate(sites)]
        self.nodes = [
            Node(self, f"n{n}", self.machines[n % options.machines]) for n in range(options.nodes)
        ]
        links = options.links if options.regions > 1 and not options.is_direct else 0
        self.links = [LinkProcess(self, f"l{n}") for n in range(links)]
        self._damaged: set[str] = set()
        self.runners: dict[tuple[str, str], str] = {}
        """By name of the target and id of the source, which life of a process ran a link last."""

    @property
    def has_retired(self) -> bool:
        """Whether changes were left to the operator: those of who was silent beyond the horizon."""
        aside = (site.region.aside(1, TIMEOUT_S) for site in self.sites)
        return bool(self.options.horizon_s and any(aside))

    @property
    def is_unsure(self) -> bool:
        """Whether something may be left to operators: of the silent, the restored, the skewed."""
        unsure = {"region restored", "ahead"} & set(self.options.windows)
        return bool(self.options.horizon_s or unsure)

    @property
    def courses(self) -> list[tuple[str, str, Course]]:
        """All links that run, with the names of source and target."""
        relayed = [
            (course.link.source.name, course.link.target.name, course)
            for link in self.links
            for course in (link.linking.courses if link.linking is not None else ())
        ]
        return relayed + [course for node in self.nodes for course in node.courses]

    @property
    def has_rotted(self) -> bool:
        """Whether a bit of any object was flipped."""
        return any(site.objects.flipped for site in self.sites)

    @property
    def damaged(self) -> set[str]:
        """Keys that the rot of objects may have damaged, or kept from other regions."""
        for site in self.sites if self.has_rotted else ():
            self._damaged |= site.keys_in(site.objects.flipped)
        return self._damaged

    @property
    def processes(self) -> list[Node | LinkProcess]:
        """All that may crash."""
        return [*self.nodes, *self.links]

    def inspect(self, name: str) -> Any:
        """The first "region" or its "cold" tier, as somebody uses it who is no edge process."""
        return self.sites[0].objects if name == "cold" else self.sites[0].region

    def clone(self, node: Node) -> None:
        """Start a copy of the machine of `node`, journals and all, with a process of its own."""
        machine = self._make_machine(len(self.machines), node.machine.site)
        if os.path.isdir(node.machine.disk.path):
            node.machine.disk.clone(machine.disk.path)
        self.machines.append(machine)
        self.nodes.append(Node(self, f"n{len(self.nodes)}", machine))
        self.nodes[-1].start()

    def back_up(self) -> list[Any]:
        """The regions as they are now, for `restore`."""
        return [site.back_up() for site in self.sites]

    def restore(self, backup: list[Any]) -> None:
        """Make the regions what they were. No process may run."""
        for site, content in zip(self.sites, backup, strict=True):
            site.restore(content)

    def stop_faults(self) -> None:
        """Let everything work again that is not lost for good."""
        self.errors.rate = 0.0
        for site in self.sites:
            site.objects.heal()
        for machine in self.machines:
            machine.disk.heal()
            if machine.clock.offset_ns >= AHEAD_NS:
                machine.clock.offset_ns = 0
        for process in self.processes:
            if not process.is_lost:
                process.stop_faults()

    def close(self) -> None:
        """End everything, and close what is open."""
        for process in self.processes:
            process.crash()
        self.server.is_dead = True
        self.scheduler.end(self.server)
        for site in self.sites:
            site.close()

    def _make_machine(self, number: int, site: Site) -> Machine:
        name = f"m{number}"
        chance = Chance(self.seed, "disk", name)
        disk = Disk(os.path.join(self._folder, name), chance, self.options.rates.statement)
        return Machine(name, Clock(self.scheduler), disk, site)


def _limits_of(policy: Policy) -> Limits:
    return Limits(
        int(policy.replication.max_drift_s * MS_PER_S),
        int(policy.replication.horizon_s * MS_PER_S),
        is_tiered=is_tiered(policy),
    )
