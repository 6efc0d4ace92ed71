"""A verification for people: what was checked, what was not, and a line with the verdict."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tierstore.testing.verification.figures import (
    moves_of,
    operations_per_s,
    situations_of,
    sorted_counts,
)
from tierstore.tiers.registry import SHARED_EDGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tierstore.testing.simulation.campaign import Campaign
    from tierstore.testing.verification.verification import TierCheck, Verification

S_PER_HOUR = 3600
VIOLATIONS_TOLD_MAX = 3
"""Of one seed; the first says most."""
RULES_TOLD_MAX = 8


def render(found: Verification, repeat: Callable[[int], str]) -> str:
    """Everything, with the verdict at the end; `repeat` gives the command that plays a seed."""
    lines = ["adapters, on scratch tiers"]
    for tier in found.tiers:
        lines += _tier(tier)
    if found.simulated is not None:
        lines += _rules(found)
        lines += _simulation(found.simulated, found.extent.first_seed, repeat)
    elif found.extent.seeds != 0:
        lines += _rules(found)
    return "\n".join([*lines, "", _verdict(found)])


def _tier(tier: TierCheck) -> Iterator[str]:
    name = f"{tier.scheme}:{_kind_of_edge(tier) if tier.tier == 'edge' else ''}"
    name += f" ({tier.client})" if tier.client else ""
    head = f"  {tier.tier:10}{name:20}"
    if tier.found is None:
        yield f"{head}left out: {tier.left_out}"
        return
    if tier.found.unchecked is not None and not tier.found.behaviours:
        yield f"{head}not checked: {tier.found.unchecked}"
        return
    yield f"{head}{_tests(tier)}"
    for reason, times in sorted_counts(tier.found.skipped).items():
        yield f"    skipped {times:,}: {reason}"
    for broken in tier.found.broken:
        yield f"    BROKEN {broken.test}"
        yield f"      promised: {broken.promise}"
        yield f"      {broken.text}"
    if tier.found.unchecked is not None:
        yield f"    not checked to the end: {tier.found.unchecked}"


def _kind_of_edge(tier: TierCheck) -> str:
    if tier.scheme in SHARED_EDGES:
        return ", shared"
    return ", journaled" if tier.has_journal else ", no journal"


def _tests(tier: TierCheck) -> str:
    assert tier.found is not None
    failed, skipped = len(tier.found.broken), tier.found.skipped.total()
    counts = [f"{_count(tier.found.passed, 'test')} passed"]
    counts += [f"{failed:,} failed"] if failed else []
    counts += [f"{skipped:,} skipped"] if skipped else []
    return f"{_count(tier.found.behaviours, 'behaviour')}: {', '.join(counts)}"


def _rules(found: Verification) -> Iterator[str]:
    yield "\nrules"
    for rule in found.rules:
        told = (
            f"simulated: {', '.join(rule.keys)}" if rule.keys else f"not simulated: {rule.reason}"
        )
        yield f"  {rule.rule:20}{told}"
    if found.changes:
        yield "\nchanged for the simulation, so that a short run sees what takes days"
    together: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for change in found.changes:
        together[change.field, change.before, change.after] += [change.rule] if change.rule else []
    for (field, before, after), rules in together.items():
        yield f"  {field}: {before} → {after}{_whose(rules, len(found.rules))}"


def _whose(rules: list[str], every: int) -> str:
    if not rules:
        return ""
    if len(rules) >= every > 1:
        return ", every rule"
    return f", {', '.join(rules) if len(rules) <= RULES_TOLD_MAX else f'{len(rules):,} rules'}"


def _simulation(simulated: Campaign, first: int, repeat: Callable[[int], str]) -> Iterator[str]:
    hours = simulated.virtual_s / S_PER_HOUR
    yield "\nsimulation"
    yield f"  seeds       {simulated.seeds:,} ({first} to {first + simulated.seeds - 1})"
    yield f"  operations  {simulated.operations:,} ({operations_per_s(simulated):,.0f} a second)"
    yield f"  time        {hours:,.2f} h of virtual time in {simulated.real_s:,.1f} s"
    yield f"  faults      {_listed(simulated.faults)}"
    yield f"  moves       {_listed(moves_of(simulated))}"
    yield f"  situations  {_listed(situations_of(simulated))}"
    for each in simulated.failures:
        yield f"  VIOLATED by seed {each.seed}"
        for text in each.violations[:VIOLATIONS_TOLD_MAX]:
            yield "\n".join(f"    {line}" for line in text.strip().splitlines())
        more = len(each.violations) - VIOLATIONS_TOLD_MAX
        if more > 0:
            yield f"    and {more:,} more"
        yield f"    repeat it: {repeat(each.seed)}"


def _verdict(found: Verification) -> str:
    said = list(_facts(found))
    return f"verdict: {found.verdict}" + (f": {'; '.join(said)}" if said else "")


def _facts(found: Verification) -> Iterator[str]:
    """What the verdict rests on, the worst first."""
    broken = sum(len(tier.found.broken) for tier in found.tiers if tier.found)
    refuted = len(found.simulated.failures) if found.simulated else 0
    unchecked = [tier.tier for tier in found.tiers if tier.status == "not checked"]
    unsimulated = sum(not rule.keys for rule in found.rules)
    if broken:
        yield f"{_count(broken, 'test')} of adapters failed"
    if refuted:
        yield f"{_count(refuted, 'seed')} violated a promise"
    if unchecked:
        yield f"not checked: {', '.join(unchecked)}"
    if found.extent.seeds != 0 and unsimulated:
        yield f"{_count(unsimulated, 'rule')} not simulated"
    behaviours = sum(tier.found.behaviours for tier in found.tiers if tier.found)
    if behaviours:
        yield _count(behaviours, "behaviour")
    if found.simulated is not None:
        operations, faults = found.simulated.operations, found.simulated.faults.total()
        yield f"{_count(operations, 'operation')}, {_count(faults, 'fault')}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _listed(counts: Mapping[str, int]) -> str:
    every = (f"{name} {times:,}" for name, times in sorted_counts(counts).items() if times)
    return ", ".join(every) or "none"
