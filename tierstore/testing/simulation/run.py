"""One run: a script is played, what it broke is healed, and what must hold is checked."""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tierstore.runtime.chance import Chance
from tierstore.testing.plan import Crash
from tierstore.testing.simulation import ending
from tierstore.testing.simulation.cluster import Cluster
from tierstore.testing.simulation.forgetting import hastened
from tierstore.testing.simulation.guards import sealed
from tierstore.testing.simulation.nemesis import Nemesis
from tierstore.testing.simulation.scheduler import NS_PER_S
from tierstore.testing.simulation.workload import Workload

if TYPE_CHECKING:
    from collections import Counter

    from tierstore.policy.model import Policy
    from tierstore.testing.history import History
    from tierstore.testing.simulation.script import Script
    from tierstore.testing.simulation.telling import Moment

PLAY_S_MAX = 600
LONG_S_MAX = 4 * 86_400
"""Where faults last for hours."""
MEMORY_BACKED = "/dev/shm"  # noqa: S108  # only a place, names in it are minted


@dataclass(slots=True)
class Run:
    """What became of a script."""

    script: Script
    history: History
    violations: list[str]
    """What must not have happened, each told in full; empty if all was well."""
    digest: str
    """The same for every run of this script."""
    reached: Counter[str]
    """How often each situation came up that `Runtime.sometimes` marks."""
    faults: Counter[str]
    """How many faults of each kind began; some come too late, or find nothing to spoil."""
    virtual_s: float
    """How long it took by the clock of the simulation."""
    turns: int
    moments: list[Moment] = field(default_factory=list)
    """What happened, in order, if it was to be told."""
    dumps: dict[str, str] = field(default_factory=dict)
    """What each node and tier held at the end, if it was to be told."""

    @property
    def is_valid(self) -> bool:
        """Whether nothing was violated."""
        return not self.violations


def play(script: Script, *, policy: Policy | None = None, is_told: bool = False) -> Run:
    """Play `script` to its end and check what must hold, under `policy` if one is given.

    Whatever goes wrong is in the `violations` of the result; nothing is raised but EscapeError,
    for code that reaches for the real world, and ImportError without greenlet.
    """
    base = MEMORY_BACKED if os.path.isdir(MEMORY_BACKED) else None
    with TemporaryDirectory(prefix="tierstore-", dir=base) as folder:
        cluster = Cluster(script.seed, script.options, folder, policy=policy, is_told=is_told)
        workload = Workload(cluster, script)
        try:
            _load_documents(cluster)
            with sealed(), hastened(script.options):
                violations = _play(cluster, workload, script)
            dumps = ending.dump(cluster) if is_told else {}
        finally:
            cluster.close()
        return Run(
            script,
            workload.history,
            [text.replace(folder, "(disk)") for text in violations],
            cluster.teller.digest(workload.history),
            cluster.reached,
            cluster.played,
            cluster.scheduler.now_ns / NS_PER_S,
            cluster.scheduler.turns,
            cluster.teller.moments,
            dumps,
        )


def _load_documents(cluster: Cluster) -> None:
    """Make a document, if the run has any: with the first one pycrdt loads what is sealed then."""
    if any(family.type == "document" for family in cluster.families):
        from tierstore.crdt import document, guard

        guard.hydrated(document.empty())


def _play(cluster: Cluster, workload: Workload, script: Script) -> list[str]:
    nemesis = Nemesis(cluster, workload, script.faults)
    try:
        for node in cluster.nodes:
            node.start()
            workload.start(node)
        for link in cluster.links:
            link.start()
        most_s = PLAY_S_MAX if cluster.options.fault_scale == 1 else LONG_S_MAX
        cluster.scheduler.run(most_s * NS_PER_S, lambda: workload.is_done)
        nemesis.is_over = True
        core = _choose_core(cluster)
        found = ending.settle_and_check(cluster, workload, nemesis, core)
        return [*cluster.broken, *found]
    except (Exception, Crash):
        return [f"something broke that must not:\n{traceback.format_exc()}"]


def _choose_core(cluster: Cluster) -> list[str]:
    """Names of the nodes that are healed: all, or in liveness mode a part that must do alone."""
    if not cluster.options.is_liveness or len(cluster.nodes) == 1:
        return [node.name for node in cluster.nodes]
    chance = Chance(cluster.seed, "core")
    core = chance.sample(cluster.nodes, chance.randint(1, len(cluster.nodes) - 1))
    if cluster.options.is_direct:  # somebody has to run the links to each region
        core += [next(n for n in cluster.nodes if n.machine.site is s) for s in cluster.sites]
    for node in cluster.nodes:
        if node not in core:
            node.is_lost = True
            way = chance.choice(("down", "stopped", "cut off"))
            cluster.teller.note("nemesis", f"lost for good: {way}", node.name)
            if way == "down":
                node.crash()
            elif way == "stopped":
                node.process.paused_until_ns = 1 << 62
            else:
                node.to_region.refuses = node.to_cold.refuses = 1
    return [node.name for node in core]
