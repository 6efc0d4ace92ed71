"""Whether a history of eventual registers kept what is promised of them.

Every write writes a value of its own, so a read tells which write it saw. Last writer wins by
stamps, which clients do not see; but some writes *surely precede* others: by real time beyond the
skew of clocks, by order within one process, or because the later one's process had seen the
earlier. A read must not show a write if its process knows of one that it surely precedes.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierstore.testing.simulation.observed import Look, Observed, Put, Touch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.testing.history import History
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.nemesis import Nemesis

NS_PER_MS = 1_000_000
TICK_NS = 2 * NS_PER_MS
"""Stamps count milliseconds."""
FRESH_NS = {"fresh": 1_000_000_000, "final": 0}
"""The ages that some reads allow."""


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
        observed = Observed.of(history.operations(), families)
        is_inherited = len(cluster.machines) >= len(cluster.nodes)
        is_apart = is_inherited and len(cluster.nodes) == cluster.options.nodes  # none is a clone
        return cls(observed, skew_ns, lives, frozenset(core), cuts, is_inherited, is_apart)


def check(facts: Facts) -> list[str]:
    """What was seen that must not be, each told with the operations that show it."""
    violations = list(facts.observed.oddities)
    for key, looks in facts.observed.looks.items():
        judge = Judge(facts, key)
        for look in looks:
            violations += judge.judge(look)
        violations += judge.converged(looks)
    return violations


class Judge:
    """Judges the looks at one key."""

    def __init__(self, facts: Facts, key: str) -> None:
        self._facts = facts
        self._key = key
        self._family = facts.observed.families[key]
        age_ms = self._family.age_ms_max
        self._age_ns_max = None if age_ms is None else age_ms * NS_PER_MS
        self._puts = [put for put in facts.observed.puts.get(key, []) if put.outcome != "fail"]
        self._sure = [put for put in self._puts if put.outcome == "ok"]
        self._invoked = [put.invoked for put in self._sure]
        failed = [p for p in facts.observed.puts.get(key, []) if p.outcome == "fail"]
        self._failed = {put.value for put in failed if put.value is not None}
        self._by_value = {put.value: put for put in self._puts if put.value is not None}
        self._seen: dict[str, list[tuple[int, Put]]] = {}
        self._first_seen: dict[tuple[str, int], int] = {}
        self._arrived_ns: dict[int, int] = {}
        for look in facts.observed.looks.get(key, []):
            if look.value is not None and (put := self._by_value.get(look.value)):
                self._note_seen(look, put)

    def _note_seen(self, look: Look, put: Put) -> None:
        self._seen.setdefault(look.life, []).append((look.completed, put))
        known = self._first_seen.get((look.life, id(put)), look.completed)
        self._first_seen[look.life, id(put)] = min(known, look.completed)
        if self._facts.is_apart and _node(look.life) != _node(put.life):
            arrived_ns = self._arrived_ns.get(id(put), look.completed_ns)
            self._arrived_ns[id(put)] = min(arrived_ns, look.completed_ns)

    def judge(self, look: Look) -> Iterator[str]:
        """What is wrong with one look."""
        if look.value in self._failed:
            yield f"{look} shows a write that had failed"
        elif look.value is None:
            yield from self._judge_absence(look)
        elif look.value not in self._by_value:
            yield f"{look} shows what was never written"
        else:
            yield from self._judge_value(look, self._by_value[look.value])

    def converged(self, looks: list[Look]) -> Iterator[str]:
        """Whether all last looks agree."""
        last = [look for look in looks if look.verb in ("final", "copy")]
        for look in last[1:]:
            if look.value == last[0].value:
                continue
            values = [value for value in (look.value, last[0].value) if value is not None]
            at_ns = max(look.completed_ns, last[0].completed_ns)
            dying = [v for v in values if v in self._by_value and self._may_be_dead(v, at_ns)]
            if len(values) == 2 or not dying:
                yield f"replicas differ after everything settled: {last[0]} but {look}"

    def _judge_value(self, look: Look, put: Put) -> Iterator[str]:
        if put.invoked > look.completed:
            yield f"{look} shows what was written only later: {put}"
        if self._latest_death(put) < look.invoked_ns:
            yield f"{look} shows what had expired: {put}"
        for newer in self._known(look):
            if newer is not put and self._precedes(put, newer):
                yield f"{look} shows {put}, which {newer} had surely replaced"
                return

    def _judge_absence(self, look: Look) -> Iterator[str]:
        """Absence is explained by nothing written yet, a delete, or an expiry."""
        alive = [
            put
            for put in self._known(look)
            if put.value is not None and not self._may_be_dead(put.value, look.completed_ns)
        ]
        if not alive:
            return
        for put in self._puts:
            if put.invoked > look.completed:
                continue
            is_gone = put.value is None or self._may_be_dead(put.value, look.completed_ns)
            if is_gone and not any(self._precedes(put, newer) for newer in alive):
                return
        yield f"{look} shows nothing, though {alive[-1]} was there and nothing explains its end"

    # What a process knows when it looks

    def _known(self, look: Look) -> list[Put]:
        """Writes that a look must not be behind of."""
        seen = [put for at, put in self._seen.get(look.life, []) if at < look.invoked]
        earlier = self._sure[: bisect_left(self._invoked, look.invoked)]
        return seen + [put for put in earlier if self._is_known(put, look)]

    def _is_known(self, put: Put, look: Look) -> bool:
        if put.completed is None:
            return False
        if put.completed < look.invoked and self._is_in_session(put, look.life):
            return True
        bound_ns = FRESH_NS.get(look.verb, self._age_ns_max)
        if bound_ns is None:
            return False
        if look.verb == "final" and not self._may_be_lost(put):
            return True
        in_region_ns = self._in_region_ns(put)
        if in_region_ns is None:
            return False
        return in_region_ns + bound_ns + 2 * self._facts.skew_ns + TICK_NS < look.invoked_ns

    def _is_in_session(self, put: Put, life: str) -> bool:
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

    def _in_region_ns(self, put: Put) -> int | None:
        """When a write had reached the region for sure: a flush ended, or another node saw it."""
        if self._family.durability == "regional":
            return put.completed_ns
        flushed_ns = self._facts.observed.flushed_ns(put.life, put.completed)
        known_ns = (flushed_ns, self._arrived_ns.get(id(put)))
        return min((at_ns for at_ns in known_ns if at_ns is not None), default=None)

    def _may_be_lost(self, put: Put) -> bool:
        """Whether a write that was acknowledged need not have survived, by its durability."""
        if self._family.durability == "regional":
            return False
        flushed_ns = self._facts.observed.flushed_ns(put.life, put.completed)
        if put.life in self._facts.last_lives or flushed_ns is not None:
            return False
        name = _node(put.life)
        if self._family.durability == "memory" or name not in self._facts.core:
            return True
        return any(at_ns >= put.invoked_ns for at_ns in self._facts.power_cuts[name])

    # Order and ends of writes

    def _precedes(self, put: Put, newer: Put) -> bool:
        """Whether the stamp of `put` is surely the lower one."""
        if put.completed is None or put.completed_ns is None:
            return False
        margin_ns = 2 * self._facts.skew_ns + TICK_NS
        if put.completed_ns + margin_ns < newer.invoked_ns:
            return True
        if put.completed < newer.invoked and self._is_in_session(put, newer.life):
            return True
        seen_at = self._first_seen.get((newer.life, id(put)))
        return seen_at is not None and seen_at < newer.invoked

    def _may_be_dead(self, value: str, at_ns: int) -> bool:
        """Whether the put of `value` may have expired by then."""
        put = self._by_value[value]
        ends = [touch.invoked_ns + touch.ttl_ns for touch in self._touches_of(put)]
        if put.ttl_ns is not None:
            ends.append(put.invoked_ns + int(put.ttl_ns * (1 - self._family.ttl_jitter)))
        return any(end - 2 * self._facts.skew_ns - TICK_NS <= at_ns for end in ends)

    def _latest_death(self, put: Put) -> int:
        """Until when a put can be read at most."""
        if put.ttl_ns is None or put.completed_ns is None:
            return 1 << 62
        longest_ns = int(put.ttl_ns * (1 + self._family.ttl_jitter))
        deaths = [put.completed_ns + longest_ns]
        for touch in self._touches_of(put):
            if touch.completed_ns is None:
                return 1 << 62  # nobody knows when it was stamped
            deaths.append(touch.completed_ns + touch.ttl_ns)
        return max(deaths) + 2 * self._facts.skew_ns + TICK_NS

    def _touches_of(self, put: Put) -> list[Touch]:
        """Touches that may have moved the end of `put`."""
        touches = self._facts.observed.touches.get(self._key, [])
        return [touch for touch in touches if touch.may_move(put)]


def _node(life: str) -> str:
    return life.partition(".")[0]
