"""The verifier: refuses what cannot hold, warns of what hardly means what it says.

Its checks see the policy as it will be used, with defaults; what a rule may not even say is in
`schema.CONTRADICTIONS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tierstore.policy import demands, oddities
from tierstore.policy.availability import unavailable
from tierstore.policy.checks import Subject, Unsound
from tierstore.policy.faults import Fault, PolicyWarning, advice, child
from tierstore.policy.hiding import find_hidden, first_hider

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tierstore.policy.checks import Capabilities, Findings
    from tierstore.policy.model import Policy, Rule
    from tierstore.policy.url import Url

HIDERS_NAMED_MAX = 10
POLICY_CHECKS = (*demands.OF_POLICIES, *oddities.OF_POLICIES)
RULE_CHECKS = (*demands.OF_RULES, *oddities.OF_RULES)
ALL_SOUND = Unsound()


class Pattern(NamedTuple):
    """One pattern, and where in which rule it stands."""

    rule: Rule
    position: int
    text: str


def verify(
    policy: Policy,
    capabilities: Capabilities | None = None,
    known_schemes: Collection[str] | None = None,
    unsound: Unsound = ALL_SOUND,
) -> tuple[list[Fault], list[PolicyWarning]]:
    """All faults and warnings of `policy`.

    `capabilities` maps tiers to what their adapters can do, `known_schemes` are those that have
    an adapter; what is not given is not checked. `unsound` fields have their defaults because
    they are at fault: nothing is said that follows from them.
    """
    found: list[Fault | PolicyWarning] = [Fault(path, text) for path, text in unavailable(policy)]
    found += [*_names(policy), *_literal_secrets(policy), *_schemes(policy, known_schemes)]
    whole = Subject(policy.rules[-1], policy, capabilities or {})
    for check in POLICY_CHECKS:
        found += check.findings(whole, unsound)
    for rule in _reachable(policy, found, unsound):
        for check in RULE_CHECKS:
            found += check.findings(Subject(rule, policy, whole.capabilities), unsound)
    faults = [finding for finding in found if isinstance(finding, Fault)]
    return faults, [finding for finding in found if isinstance(finding, PolicyWarning)]


def _reachable(
    policy: Policy, found: list[Fault | PolicyWarning], unsound: Unsound
) -> tuple[Rule, ...]:
    """The rules to check; adds to `found` what earlier rules hide.

    Hidden rules are checked too, except the default rule: nobody wrote it.
    """
    flat = [Pattern(rule, i, text) for rule in policy.rules for i, text in enumerate(rule.match)]
    hiding = find_hidden([pattern.text for pattern in flat])
    found += _hidden_patterns(policy, flat, hiding.hidden)
    if hiding.unknown - {len(flat) - 1}:
        text = "too many overlapping patterns with ** to tell whether a rule is hidden"
        found.append(PolicyWarning("rules", text))
    declared = policy.rules[:-1]
    may_be_hidden = unsound.has_lost("rules") or any(
        unsound.touches(f"rules[{rule.index}].match") for rule in declared
    )
    return declared if may_be_hidden or len(flat) - 1 in hiding.hidden else policy.rules


def _hidden_patterns(policy: Policy, flat: list[Pattern], hidden: Collection[int]) -> Findings:
    patterns = [pattern.text for pattern in flat]
    named = 0
    for rule in policy.rules[:-1]:
        own = [at for at, pattern in enumerate(flat) if pattern.rule is rule]
        gone = [at for at in own if at in hidden]
        named += len(gone)
        for at in gone if len(gone) < len(own) else gone[:1]:
            hider = first_hider(patterns, at) if named <= HIDERS_NAMED_MAX else None
            by = None if hider is None else flat[hider]
            yield _hidden(flat[at], by, is_whole=len(gone) == len(own))


def _hidden(pattern: Pattern, by: Pattern | None, *, is_whole: bool) -> Fault | PolicyWarning:
    if by is None:
        reason = "earlier rules take all its keys"
    else:
        reason = f'"{by.text}" of rules[{by.rule.index}] takes all its keys'
    path = f"rules[{pattern.rule.index}].match"
    if is_whole:
        return Fault(path, f"this rule never applies: {reason}; move it up or remove it")
    text = f"this pattern never applies: {reason}"
    return PolicyWarning(f"{path}[{pattern.position}]", text)


def _names(policy: Policy) -> Findings:
    seen: dict[str, int] = {}
    for rule in policy.rules[:-1]:
        path = f"rules[{rule.index}].name"
        if (rule.name,) == rule.match[:1]:
            continue
        if rule.name == policy.rules[-1].name:
            yield Fault(path, f'"{rule.name}" is the name of the implicit last rule; take another')
        elif rule.name in seen:
            yield Fault(path, f'"{rule.name}" is the name of rules[{seen[rule.name]}] already')
        seen.setdefault(rule.name, rule.index)


def _literal_secrets(policy: Policy) -> Findings:
    urls = (*_tier_urls(policy), ("coordinator.url", policy.coordinator.url), *_peer_urls(policy))
    for path, url in urls:
        if "***@" in str(url) and "${env:" not in url.template:
            text = "a user or password stands in the policy, and in what it compiles to"
            yield PolicyWarning(path, f"{text}; write ${{env:NAME}}")
    if any("${env:" not in key.template for key in policy.security.session_key):
        text = "a key stands in the policy, and in what it compiles to"
        yield PolicyWarning("security.session_key", f"{text}; write ${{env:NAME}}")


def _tier_urls(policy: Policy) -> tuple[tuple[str, Url], ...]:
    return (
        ("tiers.edge.url", policy.edge.url),
        ("tiers.regional.url", policy.regional.url),
        ("tiers.cold.url", policy.cold.url),
    )


def _peer_urls(policy: Policy) -> Iterator[tuple[str, Url]]:
    for name, peer in policy.replication.peers.items():
        path = child("replication.peers", name)
        yield f"{path}.url", peer.url
        if peer.cold is not None:
            yield f"{path}.cold", peer.cold


def _schemes(policy: Policy, known: Collection[str] | None) -> Findings:
    for path, url in (*_tier_urls(policy), *_peer_urls(policy)):
        scheme = url.scheme.partition("+")[0]
        if known is not None and scheme and scheme not in known and url.scheme not in known:
            yield Fault(path, f'no adapter for the scheme "{url.scheme}"; {advice(scheme, known)}')
