"""Checks that refuse what cannot hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.policy.checks import Subject, reads
from tierstore.policy.deciding import is_decided_elsewhere
from tierstore.policy.faults import Fault, child, policy_error
from tierstore.policy.model import TIERS, is_located
from tierstore.policy.signing import SHORT_KEY, is_short
from tierstore.tiers.registry import SHARED_EDGES, client_fault
from tierstore.units import format_rate, format_size

if TYPE_CHECKING:
    from tierstore.policy.checks import Findings
    from tierstore.policy.model import Policy, Rule, TierName

_LOCATIONS = (
    "tiers.edge.location", "tiers.regional.location", "tiers.cold.location",
    "coordinator.location", "coordinator.url", "tiers.regional.url",
)  # fmt: skip


@reads("limits.value", "limits.unflushed")
def value_fits_the_queue(subject: Subject) -> Findings:
    """A value must be able to wait for the region."""
    limits = subject.policy.limits
    if limits.value_bytes > limits.unflushed_bytes:
        value, unflushed = format_size(limits.value_bytes), format_size(limits.unflushed_bytes)
        text = f"a value of {value} can never wait for the region: unflushed is {unflushed}"
        yield Fault("limits.unflushed", text)


@reads("replication.max_drift", "replication.horizon")
def drift_is_within_the_horizon(subject: Subject) -> Findings:
    """Clocks may not be further apart than replicas may be silent."""
    replication = subject.policy.replication
    if replication.max_drift_s >= replication.horizon_s:
        yield Fault("replication.max_drift", "must be shorter than replication.horizon")


@reads("replication.pull", "replication.horizon")
def pulls_are_within_the_horizon(subject: Subject) -> Findings:
    """A replica must not be retired between two pulls."""
    replication = subject.policy.replication
    if replication.pull_s >= replication.horizon_s:
        yield Fault("replication.pull", "must be shorter than replication.horizon")


@reads("replication.peers", "tiers.regional.url")
def peers_are_other_regions(subject: Subject) -> Findings:
    """A peer has a url, which is not this region's own."""
    for name, peer in subject.policy.replication.peers.items():
        path = child("replication.peers", name)
        if not peer.url.template:
            yield Fault(path, "url is missing; say where that region's database is")
        elif peer.url == subject.policy.regional.url:
            yield Fault(f"{path}.url", "is the region itself; leave it out")


@reads("security.session_key")
def keys_are_no_guess(subject: Subject) -> Findings:
    """A key that stands in the policy is long enough; of others, opening a session tells."""
    keys = subject.policy.security.session_key
    if any("${env:" not in key.template and is_short(key.template) for key in keys):
        yield Fault("security.session_key", SHORT_KEY)


@reads(".consistency", ".type", "tiers.regional.url")
def region_can_decide(subject: Subject) -> Findings:
    """Strong keys and escrow need a regional tier that compares and sets."""
    regional = subject.capabilities.get("regional")
    needs = subject.rule.consistency == "strong" or subject.rule.type == "bounded_counter"
    if needs and regional and not getattr(regional, "cas", False):
        able = "a regional tier that can compare and set"
        what = "strong" if subject.rule.consistency == "strong" else "a bounded_counter"
        text = f"{what} needs {able}; {_named(subject, 'regional')} cannot"
        yield Fault(f"{subject.path}.{'consistency' if what == 'strong' else 'type'}", text)


@reads(".type", "tiers.edge.url")
def what_is_sold_is_accounted_for(subject: Subject) -> Findings:
    """Who sells needs a journal of its own; an edge that workers share has none that is synced."""
    is_shared = subject.policy.edge.url.scheme in SHARED_EDGES
    if subject.rule.type == "bounded_counter" and is_shared:
        text = (
            "a bounded_counter needs edge: memory://, where each process syncs what it sells to a"
            " journal of its own; a Redis edge may lose that, and would sell it again"
        )
        yield Fault(f"{subject.path}.type", text)


@reads(".edge.max_value", "tiers.edge.url")
def edge_takes_the_values(subject: Subject) -> Findings:
    """The edge's adapter may bound values."""
    largest = getattr(subject.capabilities.get("edge"), "value_bytes_max", None)
    if largest is not None and subject.rule.edge_max_value_bytes > largest:
        text = f"{_named(subject, 'edge')} takes values of at most {format_size(largest)}"
        yield Fault(f"{subject.path}.edge.max_value", text)


@reads("limits.value", "tiers.regional.url", "tiers.cold.url")
def tiers_take_the_values(subject: Subject) -> Findings:
    """The adapters that hold the values may bound them."""
    value_bytes = subject.policy.limits.value_bytes
    for tier in TIERS[1:]:
        largest = getattr(subject.capabilities.get(tier), "value_bytes_max", None)
        if largest is not None and value_bytes > largest:
            text = f"{_named(subject, tier)} takes values of at most {format_size(largest)}"
            yield Fault("limits.value", text)


@reads("tiers.cold.client", "tiers.cold.url")
def client_serves_the_url(subject: Subject) -> Findings:
    """A client is for the schemes that it serves. A scheme only the environment knows: later."""
    cold = subject.policy.cold
    if cold.client is None or not cold.url.scheme:
        return
    fault = client_fault(cold.url.scheme, cold.client)
    if fault is not None:
        yield Fault("tiers.cold.client", fault)


@reads(".type", ".consistency")
def strong_is_for_registers(subject: Subject) -> Findings:
    """The types that merge are eventual."""
    rule = subject.rule
    if rule.consistency == "strong" and rule.type not in ("register", "bounded_counter"):
        text = f"strong keys are registers; a {rule.type} is eventual"
        yield Fault(f"{subject.path}.type", text)


@reads(".type", ".durability")
def what_is_sold_survives(subject: Subject) -> Findings:
    """Bounded counters need a journal at least."""
    if subject.rule.type == "bounded_counter" and subject.rule.durability == "memory":
        text = "a bounded_counter needs at least journal: what it sold must survive"
        yield Fault(f"{subject.path}.durability", text)


@reads(".type", ".ttl")
def rights_do_not_expire(subject: Subject) -> Findings:
    """Bounded counters take no TTL."""
    if subject.rule.type == "bounded_counter" and subject.rule.ttl_s is not None:
        text = "a bounded_counter never expires: its rights would be lost"
        yield Fault(f"{subject.path}.ttl", text)


@reads(".durability", ".type", ".consistency", "tiers.edge.journal", "tiers.edge.url")
def journal_is_there(subject: Subject) -> Findings:
    """Durability `journal` needs one."""
    rule, journal = subject.rule, subject.policy.edge.journal
    needs = rule.durability == "journal" or rule.type == "bounded_counter"
    if journal is not None or not needs or rule.consistency == "strong":
        return
    if subject.policy.edge.url.scheme not in ("", "memory"):
        return  # its server is the journal, and is looked at when it is connected to
    if subject.is_default:
        text = (
            "journal is none, but the implicit last rule needs one;"
            ' end the rules with {match: "**", durability: memory}'
        )
        yield Fault("tiers.edge.journal", text)
    else:
        text = "journal needs tiers.edge.journal, which is none; declare memory or regional"
        yield Fault(f"{subject.path}.durability", text)


@reads(".type", ".hotness.cold", ".place")
def counters_stay_in_their_rows(subject: Subject) -> Findings:
    """There is nothing to be saved by moving a counter, and every increment would have to wait."""
    rule = subject.rule
    if rule.type not in ("counter", "bounded_counter"):
        return
    stays = f"a {rule.type} never leaves its row: it is small, and counted there"
    if rule.hotness.cold_per_s != "never":
        yield Fault(f"{subject.path}.hotness.cold", f"{stays}; leave cold out")
    if not rule.place.allows("regional") and rule.place.allows("cold"):
        yield Fault(f"{subject.path}.place", f"{stays}; allow regional")


@reads(".hotness.hot", ".hotness.cold", ".hotness.hysteresis")
def thresholds_leave_room(subject: Subject) -> Findings:
    """Between hot and cold must be room for the hysteresis of both."""
    heat = subject.rule.hotness
    if isinstance(heat.hot_per_s, str) or isinstance(heat.cold_per_s, str):
        return
    least_per_s = heat.cold_per_s * heat.hysteresis * heat.hysteresis
    if heat.hot_per_s < least_per_s * (1 - 1e-9):
        text = (
            f"hot {format_rate(heat.hot_per_s)} / hysteresis is below cold "
            f"{format_rate(heat.cold_per_s)} × hysteresis: keys would go to and fro; "
            f"raise hot to at least {format_rate(least_per_s)}"
        )
        yield Fault(f"{subject.path}.hotness", text)


@reads(".hotness.cold", "prices")
def storage_has_a_price(subject: Subject) -> Findings:
    """`cold: auto` weighs what storage costs."""
    if subject.rule.hotness.cold_per_s == "auto" and not subject.policy.prices:
        text = "auto weighs what storage costs; declare prices"
        yield Fault(f"{subject.path}.hotness.cold", text)


@reads(".place.only", ".place.never")
def tiers_are_coherent(subject: Subject) -> Findings:
    """`only` and `never` must leave a tier that can hold the authoritative copy."""
    place = subject.rule.place
    named = _named_twice(subject.rule)
    if named:
        yield Fault(f"{subject.path}.place", f"only and never both name {named[0]}")
    elif not place.allows("regional") and not place.allows("cold"):
        text = "an edge holds copies only; allow regional or cold"
        yield Fault(f"{subject.path}.place", text)


@reads(".place", ".consistency", ".type", *_LOCATIONS)
def residency_can_be_had(subject: Subject) -> Findings:
    """A tier that the rule allows, and the region, must lie within the residency."""
    rule, policy = subject.rule, subject.policy
    wanted = ", ".join(rule.place.residency)
    if not wanted or not _has_a_home(rule):
        return
    if not any(is_located(policy, rule, tier) for tier in TIERS if rule.place.allows(tier)):
        text = f"no tier that the rule allows has a location in [{wanted}]"
        yield Fault(f"{subject.path}.place.residency", f"{text}; declare location on tiers")
    elif not is_located(policy, rule, "regional"):
        holder = "coordinator" if is_decided_elsewhere(policy, rule) else "region"
        text = f"the {holder} holds a row of every key and has no location in [{wanted}]"
        yield Fault(f"{subject.path}.place.residency", text)


@reads(".place", ".durability", ".consistency")
def nothing_waits_where_it_must_not_be(subject: Subject) -> Findings:
    """A rule that keeps values off the edge waits for the region."""
    rule = subject.rule
    if _has_a_home(rule) and not rule.place.allows("edge") and _may_wait(rule):
        text = "never: [edge] demands durability: regional, for nothing may wait at the edge"
        yield Fault(f"{subject.path}.place", text)


@reads(
    ".place", ".durability", ".consistency", ".type", "tiers.edge.location",
    "tiers.regional.location", "coordinator.location", "coordinator.url", "tiers.regional.url",
)  # fmt: skip
def nothing_waits_outside_its_residency(subject: Subject) -> Findings:
    """So does one whose residency the edge is not in."""
    rule, policy = subject.rule, subject.policy
    is_outside = rule.place.allows("edge") and not is_located(policy, rule, "edge")
    if (
        is_outside
        and is_located(policy, rule, "regional")
        and _has_a_home(rule)
        and _may_wait(rule)
    ):
        text = (
            "an edge outside the residency demands durability: regional,"
            " for nothing may wait at the edge"
        )
        yield Fault(f"{subject.path}.place", text)


def _named(subject: Subject, tier: TierName) -> str:
    """How messages call the adapter of a tier."""
    scheme = getattr(subject.policy, tier).url.scheme
    return f"the adapter for {scheme}:" if scheme else f"the adapter of the {tier} tier"


def _named_twice(rule: Rule) -> list[TierName]:
    return [tier for tier in rule.place.only or () if tier in rule.place.never]


def _has_a_home(rule: Rule) -> bool:
    allows = rule.place.allows
    return not _named_twice(rule) and (allows("regional") or allows("cold"))


def _may_wait(rule: Rule) -> bool:
    return rule.durability != "regional" and rule.consistency == "eventual"


OF_POLICIES = (
    value_fits_the_queue,
    drift_is_within_the_horizon,
    pulls_are_within_the_horizon,
    tiers_take_the_values,
    peers_are_other_regions,
    keys_are_no_guess,
    client_serves_the_url,
)
OF_RULES = (
    strong_is_for_registers,
    what_is_sold_survives,
    what_is_sold_is_accounted_for,
    rights_do_not_expire,
    journal_is_there,
    counters_stay_in_their_rows,
    thresholds_leave_room,
    storage_has_a_price,
    tiers_are_coherent,
    residency_can_be_had,
    nothing_waits_where_it_must_not_be,
    nothing_waits_outside_its_residency,
    region_can_decide,
    edge_takes_the_values,
)
OF_ADAPTERS = (region_can_decide, edge_takes_the_values)
"""Those of `OF_RULES` that ask what an adapter can do."""


def require_able(policy: Policy, tier: TierName, capabilities: object) -> None:
    """Raise PolicyError, naming rules and adapter, if `policy` demands what an adapter cannot do.

    For adapters that are imported only now: the verifier may not have known theirs.
    """
    known: dict[str, object] = {tier: capabilities}
    found = [
        Fault(fault.path, f"{fault.text} ({rule.name})")
        for rule in policy.rules
        for check in OF_ADAPTERS
        for fault in check.run(Subject(rule, policy, known))
    ]
    whole = tiers_take_the_values.run(Subject(policy.rules[-1], policy, known))
    found += [Fault(fault.path, fault.text) for fault in whole]
    if found:
        raise policy_error(policy.source, found)
