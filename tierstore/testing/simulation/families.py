"""Families of keys: for each rule of a policy, some keys under it and what is promised of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tierstore.frozen import replace
from tierstore.policy.match import ANY, MANY, Matcher, parse_pattern
from tierstore.policy.model import EdgeTier, Hotness, ReadBounds

if TYPE_CHECKING:
    from tierstore.policy.model import Durability, Limits, Movement, Policy, Replication, Rule

T = TypeVar("T")

TYPES = ("register", "counter", "set", "document")
"""What a simulation knows to use."""
MS_PER_S = 1000
VALUE_BYTES = 1024
"""No value of a simulation is larger."""
UNFLUSHED_BYTES = 8 * VALUE_BYTES


@dataclass(frozen=True, slots=True)
class Family:
    """The keys of one rule that a simulation uses."""

    name: str
    keys: tuple[str, ...]
    prefix: str
    """What all of them begin with, up to a `/`."""
    durability: Durability
    is_journaled: bool
    """Whether a later process of the machine finds what one has written."""
    ttl_ms: int | None
    """The lifetime that the rule gives."""
    ttl_jitter: float
    """By what part of it a lifetime may differ from it."""
    age_ms_max: int | None
    """How old an answer may be at most, a region that is away included."""
    is_tiered: bool
    """Whether keys may go cold."""
    type: str = "register"
    is_renewed: bool = False
    """Whether each change moves the end of a lifetime."""

    @property
    def is_typed(self) -> bool:
        """Whether these are counters, sets or documents."""
        return self.type != "register"


def families_of(policy: Policy, count: int) -> tuple[Family, ...]:
    """A family of `count` keys, or fewer, for each rule that is simulated.

    None for a rule that no simple key falls under, as its patterns are hidden by earlier ones;
    nor for the implicit last one, where others are declared or keys must have one of their own.
    """
    matcher = Matcher(policy.rules)
    declared = policy.rules[:-1]
    rules = declared if declared or policy.strict_keys else policy.rules
    made = (_family(rule, matcher, count) for rule in rules if is_simulated(rule))
    return tuple(family for family in made if family.keys)


def is_simulated(rule: Rule) -> bool:
    """Whether keys of `rule` are what the simulator knows.

    It does not know what becomes of edits of a document that has expired meanwhile.
    """
    is_lasting = rule.type != "document" or rule.ttl_s is None
    return rule.type in TYPES and rule.consistency == "eventual" and is_lasting


def hastened(policy: Policy) -> Policy:
    """`policy` with its times cut down to seconds, so that a short run sees what takes days.

    Promises are the same; only how long something takes is less. Bounds that would let nothing
    get through in a run with slow tiers, clocks that are off and values of 400 bytes are widened.
    An edge is a memory with a journal of its own, whatever server the policy names.
    """
    return replace(
        policy,
        edge=_own_edge(policy.edge),
        rules=tuple(_hasten(rule) for rule in policy.rules),
        movement=_hasten_movement(policy.movement),
        cold=replace(policy.cold, retain_s=min(policy.cold.retain_s, 8.0)),
        replication=_hasten_replication(policy.replication),
        timeouts=_at_least_default(policy.timeouts, "regional_s", "cold_s"),
        limits=_at_least_value(policy.limits),
    )


def _own_edge(edge: EdgeTier) -> EdgeTier:
    if edge.url.scheme == "memory":
        return edge
    return replace(edge, url=EdgeTier().url, journal=edge.journal or EdgeTier().journal)


def _hasten_movement(movement: Movement) -> Movement:
    roomy = _at_least_default(movement, "operations_per_s", "bytes_per_s")
    return replace(roomy, interval_s=min(movement.interval_s, 1.0))


def _hasten_replication(replication: Replication) -> Replication:
    patient = _at_least_default(replication, "horizon_s", "max_drift_s")
    return replace(
        patient, flush_s=min(replication.flush_s, 1.0), pull_s=min(replication.pull_s, 1.0)
    )


def _at_least_default(record: T, *names: str) -> T:
    default = type(record)()
    most = {name: max(getattr(record, name), getattr(default, name)) for name in names}
    return replace(record, **most)


def _at_least_value(limits: Limits) -> Limits:
    return replace(
        limits,
        value_bytes=max(limits.value_bytes, VALUE_BYTES),
        unflushed_bytes=max(limits.unflushed_bytes, UNFLUSHED_BYTES),
    )


def _hasten(rule: Rule) -> Rule:
    heat = rule.hotness
    hotness = Hotness(
        heat.hot_per_s if isinstance(heat.hot_per_s, str) else 2.0,
        heat.cold_per_s if isinstance(heat.cold_per_s, str) else 1.0,
        2.0,
        min(heat.hysteresis, 1.5),
    )
    read = rule.read
    bounds = ReadBounds(
        _at_most(read.max_age_s, 2.0), _at_most(read.stale_if_error_s, 2.0), read.negative_ttl_s
    )
    return replace(
        rule,
        hotness=hotness,
        read=bounds,
        ttl_s=_at_most(rule.ttl_s, 3.0),
        min_residency_edge_s=min(rule.min_residency_edge_s, 0.3),
        min_residency_regional_s=min(rule.min_residency_regional_s, 0.3),
    )


def _at_most(duration_s: float | None, most_s: float) -> float | None:
    return None if duration_s is None else min(duration_s, most_s)


def _family(rule: Rule, matcher: Matcher, count: int) -> Family:
    keys = _sample(rule, matcher, count)
    age_s = rule.read.max_age_s
    bound_s = None if age_s is None else age_s + (rule.read.stale_if_error_s or 0.0)
    return Family(
        rule.name,
        keys,
        _common_prefix(keys),
        rule.durability,
        rule.durability != "memory" and rule.place.allows("edge"),
        None if rule.ttl_s is None else int(rule.ttl_s * MS_PER_S),
        rule.ttl_jitter,
        None if bound_s is None else int(bound_s * MS_PER_S),
        rule.hotness.cold_per_s != "never",
        rule.type,
        rule.ttl_renew == "write",
    )


def _sample(rule: Rule, matcher: Matcher, count: int) -> tuple[str, ...]:
    keys: dict[str, None] = {}
    for number in range(count):
        pattern = rule.match[number % len(rule.match)]
        key = "/".join(_fill(segment, number) for segment in parse_pattern(pattern))
        if matcher.rule_for(key).index == rule.index:
            keys[key] = None
    return tuple(keys)


def _fill(segment: object, number: int) -> str:
    return str(number) if segment is ANY or segment is MANY else str(segment)


def _common_prefix(keys: tuple[str, ...]) -> str:
    if not keys:
        return ""
    low, high = min(keys), max(keys)
    same = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    return low[: low.rfind("/", 0, same) + 1]
