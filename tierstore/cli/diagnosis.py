"""What the tiers of a policy are, how far away, and what each rule gets of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierstore.errors import TierStoreError
from tierstore.policy.model import is_tiered
from tierstore.policy.url import Url
from tierstore.tiers.catalogue import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tierstore.policy.model import Policy, Rule
    from tierstore.replica.engine import Replica
    from tierstore.store.core import Core
    from tierstore.store.results import Finding
    from tierstore.store.store import Store
    from tierstore.tiers.catalogue import Adapter

PROBES = 5
NOWHERE = f"{'0' * 32}/"
"""Where no region has objects: to list what is there costs a request and nothing more."""
SLOW_SHARE = 4
"""A round trip above this part of a tier's timeout leaves no room for a retry."""
ATTAINED = {
    "memory": "this process until the flush",
    "journal": "the journal, before it is acknowledged",
    "regional": "the region, before it is acknowledged",
}
ATTAINED_AT_SHARED = ATTAINED | {
    "memory": "the edge server, which may lose it before the flush",
    "journal": "the edge server's disk, before it is acknowledged",
}


@dataclass(frozen=True, slots=True)
class TierDiagnosis:
    """One tier: its adapter, and what was seen of its server."""

    tier: str
    url: str
    """Without any secret."""
    adapter: Adapter | None
    server: str | None
    """What it says it is, None if that is nothing to ask for, or it did not answer."""
    round_trip_ms: float | None
    """The median of a few, None if it did not answer or nothing is asked over a wire."""
    error: TierStoreError | None = None


@dataclass(frozen=True, slots=True)
class RuleDiagnosis:
    """What keys under one rule get."""

    rule: str
    match: tuple[str, ...]
    write_survives_in: str
    edge: str
    cold: str


@dataclass(slots=True)
class Diagnosis:
    """All that was found."""

    tiers: list[TierDiagnosis] = field(default_factory=list)
    rules: list[RuleDiagnosis] = field(default_factory=list)
    findings: tuple[Finding, ...] = ()
    advice: list[str] = field(default_factory=list)

    @property
    def error(self) -> TierStoreError | None:
        """The first thing that keeps the policy from working."""
        broken = [tier.error for tier in self.tiers if tier.error is not None]
        broken += [f.error or TierStoreError(f.detail) for f in self.findings if not f.ok]
        return broken[0] if broken else None


def diagnose(store: Store, timeout_s: float | None) -> Diagnosis:
    """Connect to every tier of an open store, and look. Raises nothing that a tier raises."""
    core = store._core
    found = Diagnosis()
    found.tiers = [_edge(core, timeout_s), _regional(core, timeout_s), _cold(core, timeout_s)]
    if core.homes.is_elsewhere:
        url = core.policy.coordinator.url
        found.tiers.append(_database(core, core.homes.coordinator, "coordinator", url, timeout_s))
    found.findings = store.check(timeout=timeout_s).findings
    attained = ATTAINED if core.replica.state.shared is None else ATTAINED_AT_SHARED
    found.rules = [_of_rule(rule, attained) for rule in core.policy.rules]
    found.advice = [*_advice_on_tiers(core.policy, found.tiers), *_advice_on_rules(core.policy)]
    return found


def _edge(core: Core, timeout_s: float | None) -> TierDiagnosis:
    url = core.policy.edge.url
    shared = core.replica.state.shared
    if shared is not None:

        def look() -> str | None:
            info = shared.link.connect(core.deadline(timeout_s))
            return f"{info.version}, counts as {'journal' if info.is_durable else 'memory'}"

        def ask() -> None:
            shared.link.call(
                lambda edge, left_s: edge.read(["?"], left_s), core.deadline(timeout_s)
            )

        return _examine(core, "edge", url, look, ask)
    return TierDiagnosis("edge", str(url), describe("edge", url.scheme or "memory"), None, None)


def _regional(core: Core, timeout_s: float | None) -> TierDiagnosis:
    return _database(core, core.replica, "regional", core.policy.regional.url, timeout_s)


def _database(
    core: Core, replica: Replica, tier: str, url: Url, timeout_s: float | None
) -> TierDiagnosis:
    link = replica.state.link

    def ask() -> None:
        link.observed(lambda: replica.region.read((), link.replica, _left(core, timeout_s)))

    def look() -> str | None:
        link.register(core.deadline(timeout_s))
        told = getattr(replica.region, "told", None)
        return None if told is None else link.observed(lambda: told(_left(core, timeout_s)))

    return _examine(core, tier, url, look, ask)


def _cold(core: Core, timeout_s: float | None) -> TierDiagnosis:
    cold = core.replica.state.cold
    limit_s = core.policy.timeouts.cold_s if timeout_s is None else timeout_s

    def ask() -> None:
        cold.observed(lambda: cold.get().list(NOWHERE, "", 1, limit_s))

    def look() -> str | None:
        cold.get()
        return None

    if not is_tiered(core.policy):
        url = core.policy.cold.url
        return TierDiagnosis("cold", str(url), None, "not used: no rule lets keys go cold", None)
    return _examine(core, "cold", core.policy.cold.url, look, ask)


def _examine(
    core: Core, tier: str, url: Url, look: Callable[[], str | None], ask: Callable[[], None]
) -> TierDiagnosis:
    """What a tier says of itself, and the median time of a few requests."""
    adapter = None
    try:
        client = core.policy.cold.client if tier == "cold" else None
        kind = "regional" if tier == "coordinator" else tier
        adapter = describe(kind, url.scheme or Url(url.reveal()).scheme, client)
        server = look()
        times_s = sorted(_timed(core, ask) for _ in range(PROBES))
    except TierStoreError as error:
        return TierDiagnosis(tier, str(url), adapter, None, None, error)
    return TierDiagnosis(tier, str(url), adapter, server, times_s[PROBES // 2] * 1000)


def _timed(core: Core, ask: Callable[[], None]) -> float:
    began_s = core.runtime.monotonic()
    ask()
    return core.runtime.monotonic() - began_s


def _left(core: Core, timeout_s: float | None) -> float:
    return core.deadline(timeout_s).remaining_s()


def _of_rule(rule: Rule, attained: Mapping[str, str]) -> RuleDiagnosis:
    is_at_edge = rule.place.allows("edge")
    may_go_cold = rule.hotness.cold_per_s != "never" and rule.place.allows("cold")
    return RuleDiagnosis(
        rule.name,
        tuple(rule.match),
        attained[rule.durability],
        "by heat" if is_at_edge else "never, by the policy",
        "when idle" if may_go_cold else "never",
    )


def _advice_on_tiers(policy: Policy, tiers: list[TierDiagnosis]) -> Iterator[str]:
    limits_s = {
        "edge": policy.timeouts.edge_s,
        "regional": policy.timeouts.regional_s,
        "coordinator": policy.timeouts.regional_s,
        "cold": policy.timeouts.cold_s,
    }
    for tier in tiers:
        if tier.round_trip_ms is None:
            continue
        limit_ms = limits_s[tier.tier] * 1000
        timeout = "regional" if tier.tier == "coordinator" else tier.tier
        if tier.round_trip_ms * SLOW_SHARE > limit_ms:
            yield (
                f"timeouts.{timeout}: a round trip takes {tier.round_trip_ms:.0f} ms of"
                f" {limit_ms:.0f}: raise it, or bring the tier nearer"
            )
        able = tier.adapter and tier.adapter.capabilities
        if able and not able.shared:
            place = tier.tier if tier.tier == "coordinator" else f"tiers.{tier.tier}"
            yield f"{place}: its adapter serves one process; take another for several"


def _advice_on_rules(policy: Policy) -> Iterator[str]:
    for rule in policy.rules:
        if rule.durability == "memory" and rule.ttl_s is None and rule.match != ("**",):
            yield (
                f"rule {rule.name}: a write is lost if its process ends"
                " before the flush; declare durability: journal unless it can be made again"
            )
