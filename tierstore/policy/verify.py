"""The verifier: refuses what cannot hold, warns of what hardly means what it says.

Every check is a function from a policy, or a rule of it, to findings. They see the policy as it
will be used, with defaults; what a rule may not even say is in `schema.CONTRADICTIONS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tierstore.policy.availability import unavailable
from tierstore.policy.faults import Fault, PolicyWarning, advice
from tierstore.policy.hiding import find_hidden, first_hider
from tierstore.policy.model import TIERS, Policy, Rule, barred_tiers
from tierstore.units import format_duration, format_rate, format_size

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from tierstore.policy.url import Url

    Findings = Iterator[Fault | PolicyWarning]
    Capabilities = Mapping[str, object]

HIDERS_NAMED_MAX = 10
RESIDENCY_PER_GAP_MAX = 10
"""A key may have to stay this many mean gaps of a `cold` rate before it looks odd."""


class Subject(NamedTuple):
    """What a check of one rule looks at."""

    rule: Rule
    policy: Policy


def verify(
    policy: Policy,
    capabilities: Capabilities | None = None,
    known_schemes: Collection[str] | None = None,
) -> tuple[list[Fault], list[PolicyWarning]]:
    """All faults and warnings of `policy`.

    `capabilities` maps tiers to what their adapters can do, `known_schemes` are those that have
    an adapter; what is not given is not checked.
    """
    findings = [Fault(path, text) for path, text in unavailable(policy)]
    found: list[Fault | PolicyWarning] = [*findings]
    for check in _POLICY_CHECKS:
        found += check(policy)
    found += _schemes(policy, known_schemes)
    reachable = _reachable(policy, found)
    for rule in policy.rules:
        if rule.index in reachable:
            for rule_check in _RULE_CHECKS:
                found += rule_check(Subject(rule, policy))
            found += _capabilities(rule, capabilities or {})
    faults = [finding for finding in found if isinstance(finding, Fault)]
    return faults, [finding for finding in found if isinstance(finding, PolicyWarning)]


def _reachable(policy: Policy, found: list[Fault | PolicyWarning]) -> set[int]:
    """The rules to check; adds to `found` what earlier rules hide.

    Hidden rules are checked too, except the default rule: nobody wrote it.
    """
    flat = [(rule, i, text) for rule in policy.rules for i, text in enumerate(rule.match)]
    patterns = [text for _, _, text in flat]
    hiding = find_hidden(patterns)
    default = policy.rules[-1].index
    named = 0
    for rule in policy.rules[:-1]:
        own = [at for at, (owner, _, _) in enumerate(flat) if owner is rule]
        gone = [at for at in own if at in hiding.hidden]
        named += len(gone)
        for at in gone if len(gone) < len(own) else gone[:1]:
            hider = first_hider(patterns, at) if named <= HIDERS_NAMED_MAX else None
            by = "earlier rules" if hider is None else _named(*flat[hider])
            found.append(_hidden(rule, flat[at][1], by, len(gone) == len(own)))
    if hiding.unknown - {len(flat) - 1}:
        text = "too many overlapping patterns with ** to tell whether a rule is hidden"
        found.append(PolicyWarning("rules", text))
    unreachable = {default} if len(flat) - 1 in hiding.hidden else set()
    return {rule.index for rule in policy.rules} - unreachable


def _named(rule: Rule, position: int, pattern: str) -> str:
    return f'"{pattern}" of rules[{rule.index}]'


def _hidden(rule: Rule, position: int, by: str, whole: bool) -> Fault | PolicyWarning:
    if whole:
        text = f"this rule never applies: {by} takes all its keys; move it up or remove it"
        return Fault(f"rules[{rule.index}].match", text.replace("rules takes", "rules take"))
    text = f"this pattern never applies: {by} takes all its keys"
    path = f"rules[{rule.index}].match[{position}]"
    return PolicyWarning(path, text.replace("rules takes", "rules take"))


def _names(policy: Policy) -> Findings:
    seen: dict[str, int] = {}
    patterns = {rule.index: rule.match[:1] for rule in policy.rules}
    for rule in policy.rules[:-1]:
        path = f"rules[{rule.index}].name"
        if (rule.name,) == patterns[rule.index]:
            continue
        if rule.name == policy.rules[-1].name:
            yield Fault(path, f'"{rule.name}" is the name of the implicit last rule; take another')
        elif rule.name in seen:
            yield Fault(path, f'"{rule.name}" is the name of rules[{seen[rule.name]}] already')
        seen.setdefault(rule.name, rule.index)


def _limits(policy: Policy) -> Findings:
    limits, edge = policy.limits, policy.edge
    if limits.value_bytes > limits.unflushed_bytes:
        value, unflushed = format_size(limits.value_bytes), format_size(limits.unflushed_bytes)
        text = f"a value of {value} can never wait for the region: unflushed is {unflushed}"
        yield Fault("limits.unflushed", text)
    if policy.replication.max_drift_s >= policy.replication.horizon_s:
        yield Fault("replication.max_drift", "must be shorter than replication.horizon")
    if policy.replication.pull_s >= policy.replication.horizon_s:
        yield Fault("replication.pull", "must be shorter than replication.horizon")
    if not edge.capacity_bytes:
        yield PolicyWarning("tiers.edge.capacity", "no room: every read goes to the region")


def _literal_secrets(policy: Policy) -> Findings:
    urls = (*_tier_urls(policy), ("coordinator.url", policy.coordinator.url))
    for path, url in urls:
        if "***@" in str(url) and "${env:" not in url.template:
            text = "a user or password stands in the policy, and in what it compiles to"
            yield PolicyWarning(path, f"{text}; write ${{env:NAME}}")


def _tier_urls(policy: Policy) -> tuple[tuple[str, Url], ...]:
    return (
        ("tiers.edge.url", policy.edge.url),
        ("tiers.regional.url", policy.regional.url),
        ("tiers.cold.url", policy.cold.url),
    )


def _schemes(policy: Policy, known: Collection[str] | None) -> Findings:
    for path, url in _tier_urls(policy):
        scheme = url.scheme.partition("+")[0]
        if known is not None and scheme and scheme not in known and url.scheme not in known:
            yield Fault(path, f'no adapter for the scheme "{url.scheme}"; {advice(scheme, known)}')


def _capabilities(rule: Rule, capabilities: Capabilities) -> Findings:
    regional = capabilities.get("regional")
    if rule.consistency == "strong" and regional and not getattr(regional, "cas", False):
        text = "strong needs a regional tier that can compare and set; this adapter cannot"
        yield Fault(f"rules[{rule.index}].consistency", text)
    edge = capabilities.get("edge")
    largest = getattr(edge, "value_bytes_max", None)
    if largest is not None and rule.edge_max_value_bytes > largest:
        text = f"the edge's adapter takes values of at most {format_size(largest)}"
        yield Fault(f"rules[{rule.index}].edge.max_value", text)


def _types(subject: Subject) -> Findings:
    rule, path = subject.rule, f"rules[{subject.rule.index}]"
    if rule.consistency == "strong" and rule.type not in ("register", "bounded_counter"):
        yield Fault(f"{path}.type", f"strong keys are registers; a {rule.type} is eventual")
    if rule.type == "bounded_counter" and rule.durability == "memory":
        text = "a bounded_counter needs at least journal: what it sold must survive"
        yield Fault(f"{path}.durability", text)
    if rule.type == "bounded_counter" and rule.ttl_s is not None:
        yield Fault(f"{path}.ttl", "a bounded_counter never expires: its rights would be lost")


def _durability(subject: Subject) -> Findings:
    rule, policy = subject
    needs = rule.durability == "journal" or rule.type == "bounded_counter"
    if policy.edge.journal is not None or not needs or rule.consistency == "strong":
        return
    if rule is policy.rules[-1]:
        text = (
            "journal is none, but the implicit last rule needs one;"
            ' end the rules with {match: "**", durability: memory}'
        )
        yield Fault("tiers.edge.journal", text)
    else:
        text = "journal needs tiers.edge.journal, which is none; declare memory or regional"
        yield Fault(f"rules[{rule.index}].durability", text)


def _thresholds(subject: Subject) -> Findings:
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
        yield Fault(f"rules[{subject.rule.index}].hotness", text)


def _prices(subject: Subject) -> Findings:
    if subject.rule.hotness.cold_per_s == "auto" and not subject.policy.prices:
        path = f"rules[{subject.rule.index}].hotness.cold"
        yield Fault(path, "auto weighs what storage costs; declare prices")


def _place(subject: Subject) -> Findings:
    rule, path = subject.rule, f"rules[{subject.rule.index}].place"
    named = [tier for tier in rule.place.only or () if tier in rule.place.never]
    if named:
        yield Fault(path, f"only and never both name {named[0]}")
        return
    if not rule.place.allows("regional") and not rule.place.allows("cold"):
        yield Fault(path, "an edge holds copies only; allow regional or cold")
        return
    yield from _residency(subject, path)


def _residency(subject: Subject, path: str) -> Findings:
    rule, policy = subject
    allowed = [tier for tier in TIERS if rule.place.allows(tier)]
    barred = barred_tiers(policy, rule)
    satisfied = [tier for tier in allowed if tier not in barred]
    wanted = ", ".join(rule.place.residency)
    if not satisfied:
        text = f"no tier that the rule allows has a location in [{wanted}]"
        yield Fault(f"{path}.residency", f"{text}; declare location on tiers")
    elif "regional" in barred:
        text = f"the region holds a row of every key and has no location in [{wanted}]"
        yield Fault(f"{path}.residency", text)
    elif "edge" not in satisfied and rule.durability != "regional" and _eventual(rule):
        why = "never: [edge]" if "edge" not in allowed else "an edge outside the residency"
        text = f"{why} demands durability: regional, for nothing may wait at the edge"
        yield Fault(path, text)


def _eventual(rule: Rule) -> bool:
    return rule.consistency == "eventual"


def _odd_times(subject: Subject) -> Findings:
    rule, policy = subject
    path, interval_s = f"rules[{rule.index}]", policy.movement.interval_s
    interval = f"movement.interval ({format_duration(interval_s)})"
    if rule is policy.rules[-1]:
        return
    if rule.ttl_s is not None and rule.ttl_s < interval_s:
        yield PolicyWarning(f"{path}.ttl", f"shorter than {interval}: keys expire before they move")
    for tier, stay_s in (
        ("edge", rule.min_residency_edge_s),
        ("regional", rule.min_residency_regional_s),
    ):
        if 0 < stay_s < interval_s:
            text = f"shorter than {interval}: keys stay that long anyway"
            yield PolicyWarning(f"{path}.min_residency.{tier}", text)
    yield from _odd_ages(rule, policy, path)


def _odd_ages(rule: Rule, policy: Policy, path: str) -> Findings:
    max_age_s, pull_s = rule.read.max_age_s, policy.replication.pull_s
    if max_age_s is not None and 0 < max_age_s < pull_s:
        text = (
            f"shorter than replication.pull ({format_duration(pull_s)}): most reads ask the region"
        )
        yield PolicyWarning(f"{path}.read.max_age", text)
    if max_age_s is None and rule.read.stale_if_error_s is not None:
        text = "without max_age any age is allowed already"
        yield PolicyWarning(f"{path}.read.stale_if_error", text)
    if rule.ttl_s is None and rule.ttl_jitter:
        yield PolicyWarning(f"{path}.ttl_jitter", "without a ttl it changes nothing")
    if rule.ttl_s is None and rule.ttl_renew == "write":
        yield PolicyWarning(f"{path}.ttl_renew", "without a ttl it changes nothing")


def _odd_sizes(subject: Subject) -> Findings:
    rule, capacity_bytes = subject.rule, subject.policy.edge.capacity_bytes
    declared = rule.edge_max_value_bytes != subject.policy.rules[-1].edge_max_value_bytes
    if declared and rule.edge_max_value_bytes > capacity_bytes:
        text = f"larger than tiers.edge.capacity ({format_size(capacity_bytes)})"
        yield PolicyWarning(f"rules[{rule.index}].edge.max_value", text)


def _odd_cold(subject: Subject) -> Findings:
    rule, cold_per_s = subject.rule, subject.rule.hotness.cold_per_s
    if isinstance(cold_per_s, str):
        return
    if rule.min_residency_regional_s * cold_per_s > RESIDENCY_PER_GAP_MAX:
        stay = format_duration(rule.min_residency_regional_s)
        text = (
            f"{format_rate(cold_per_s)} hardly ever decides: min_residency.regional keeps keys for "
            f"{stay} anyway; lower one of them"
        )
        yield PolicyWarning(f"rules[{rule.index}].hotness.cold", text)


_POLICY_CHECKS = (_names, _limits, _literal_secrets)
_RULE_CHECKS = (
    _types,
    _durability,
    _thresholds,
    _prices,
    _place,
    _odd_times,
    _odd_sizes,
    _odd_cold,
)
