"""What is known of a run: who has been told of what, what had reached the region, what may be lost.

The same for registers, counters and sets: whatever was written or changed is a `Deed`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tierstore.testing.simulation.observed import Observed
from tierstore.testing.simulation.operating import AHEAD_NS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierstore.testing.history import History
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.families import Family
    from tierstore.testing.simulation.nemesis import Nemesis

NS_PER_MS = 1_000_000
TICK_NS = 2 * NS_PER_MS
"""Stamps count milliseconds."""
FRESH_NS = {"fresh": 1_000_000_000, "final": 0}
"""The ages that some reads allow."""


class Asked(Protocol):
    """An operation on a key, as far as it says when and by whom."""

    @property
    def life(self) -> str:
        """The process that asked."""

    @property
    def session(self) -> str:
        """The session of which it was part; nothing if of none."""

    @property
    def invoked(self) -> int:
        """The event with which it began."""

    @property
    def completed(self) -> int | None:
        """The event with which it was answered, if it was."""

    @property
    def invoked_ns(self) -> int:
        """When it began."""

    @property
    def completed_ns(self) -> int | None:
        """When it was answered, if it was."""


class Looked(Asked, Protocol):
    """An operation that is judged by what it shows, or means what it was shown."""

    @property
    def verb(self) -> str:
        """What was asked."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A history, and what else is known of its run."""

    observed: Observed
    skew_ns: int
    last_lives: frozenset[str]
    """Lives that were still going on at the end, and were healed."""
    core: frozenset[str]
    """Names of the nodes that were healed."""
    power_cuts: dict[str, list[int]] = field(default_factory=dict)
    """When the power of each node's machine was cut."""
    is_inherited: bool = False
    """Whether a new life of a node has the journal of the last one: each has its own machine."""
    is_apart: bool = False
    """Whether nodes see each other's writes by way of the region only: no two share a journal."""
    regions: dict[str, str] = field(default_factory=dict)
    """The region of each node, where there are several."""

    @classmethod
    def of(cls, history: History, cluster: Cluster, nemesis: Nemesis, core: list[str]) -> Facts:
        """What is known of a run that has come to its end."""
        families = {key: family for family in cluster.families for key in family.keys}
        lives = frozenset(node.life for node in cluster.nodes if node.name in core)
        cuts = {
            node.name: [at for at, machine in nemesis.power_cuts if machine == node.machine.name]
            for node in cluster.nodes
        }
        skew_ns = cluster.options.skew_ms_max * NS_PER_MS
        if "ahead" in cluster.options.windows:
            skew_ns = AHEAD_NS
        observed = Observed.of(history.operations(), families)
        is_own = len(cluster.machines) >= len(cluster.nodes)
        is_inherited = is_own and not cluster.options.is_ephemeral
        is_apart = is_own and len(cluster.nodes) == cluster.options.nodes  # none is a clone
        regions = {node.name: node.machine.site.name for node in cluster.nodes}
        return cls(observed, skew_ns, lives, frozenset(core), cuts, is_inherited, is_apart, regions)

    def leave_out(self, keys: Iterable[str]) -> None:
        """Judge no looks at these keys."""
        for key in keys:
            self.observed.looks.pop(key, None)

    def region_of(self, life: str) -> str:
        """The name of the region that a process uses."""
        return self.regions.get(node_of(life), "region")


class Knowledge:
    """What is known of the writes of one key."""

    def __init__(self, facts: Facts, family: Family) -> None:
        self._facts = facts
        self._family = family
        age_ms = family.age_ms_max
        self._age_ns_max = None if age_ms is None else age_ms * NS_PER_MS
        self._arrived_ns: dict[tuple[int, str], int] = {}
        """By identity of a write, and region: when one had seen it who can only have got it from
        there. What is seen in another region was in that of its writer before."""

    def _note_arrived(self, put: Asked, look: Looked) -> None:
        if self._facts.is_apart and look.completed_ns and node_of(look.life) != node_of(put.life):
            for region in {self._facts.region_of(put.life), self._facts.region_of(look.life)}:
                arrived_ns = self._arrived_ns.get((id(put), region), look.completed_ns)
                self._arrived_ns[id(put), region] = min(arrived_ns, look.completed_ns)

    def _is_known(self, put: Asked, look: Looked) -> bool:
        if put.completed is None:
            return False
        if put.completed < look.invoked and self._is_in_session(put, look.life):
            return True
        if put.completed < look.invoked and self._is_of_traveller(put, look):
            return True
        bound_ns = FRESH_NS.get(look.verb, self._age_ns_max)
        if bound_ns is None:
            return False
        if look.verb == "final" and not self._may_be_lost(put):
            return True
        in_region_ns = self._in_region_ns(put, look.life)
        if in_region_ns is None:
            return False
        return in_region_ns + bound_ns + 2 * self._facts.skew_ns + TICK_NS < look.invoked_ns

    def _is_of_traveller(self, put: Asked, look: Looked) -> bool:
        """Whether a session wrote what it looks at now, perhaps elsewhere."""
        return bool(look.session) and put.session == look.session and not self._may_be_lost(put)

    def _is_in_session(self, put: Asked, life: str) -> bool:
        """Whether `life` is that of `put`, or a later one which has taken over its journal."""
        if put.life == life:
            return True
        if not self._facts.is_inherited or not self._family.is_journaled:
            return False
        node, _, number = put.life.partition(".")
        later_node, _, later_number = life.partition(".")
        if node != later_node or int(number) > int(later_number):
            return False
        return not any(at_ns >= put.invoked_ns for at_ns in self._facts.power_cuts[node])

    def _in_region_ns(self, put: Asked, life: str) -> int | None:
        """When a write had reached the region of `life` for sure, as far as is known.

        A flush ended, or another node saw it. What was written in another region comes by a link,
        and nobody says how soon.
        """
        region = self._facts.region_of(life)
        arrived_ns = self._arrived_ns.get((id(put), region))
        if self._facts.region_of(put.life) != region:
            return arrived_ns
        if self._family.durability == "regional":
            return put.completed_ns
        flushed_ns = self._facts.observed.flushed_ns(put.life, put.completed)
        known_ns = (flushed_ns, arrived_ns)
        return min((at_ns for at_ns in known_ns if at_ns is not None), default=None)

    def _may_be_lost(self, put: Asked) -> bool:
        """Whether a write that was acknowledged need not have survived, by its durability."""
        if self._family.durability == "regional":
            return False
        flushed_ns = self._facts.observed.flushed_ns(put.life, put.completed)
        if put.life in self._facts.last_lives or flushed_ns is not None:
            return False
        name = node_of(put.life)
        if self._family.durability == "memory" or name not in self._facts.core:
            return True
        return any(at_ns >= put.invoked_ns for at_ns in self._facts.power_cuts[name])


def node_of(life: str) -> str:
    """The name of the node whose life it is."""
    return life.partition(".")[0]
