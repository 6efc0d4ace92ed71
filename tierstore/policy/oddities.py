"""Checks that warn of what hardly means what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.policy.checks import reads
from tierstore.policy.faults import PolicyWarning
from tierstore.units import format_duration, format_rate, format_size

if TYPE_CHECKING:
    from tierstore.policy.checks import Findings, Subject

RESIDENCY_PER_GAP_MAX = 10
"""A key may have to stay this many mean gaps of a `cold` rate before it looks odd."""


@reads("tiers.edge.capacity")
def no_room(subject: Subject) -> Findings:
    """An edge that keeps nothing."""
    if not subject.policy.edge.capacity_bytes:
        yield PolicyWarning("tiers.edge.capacity", "no room: every read goes to the region")


@reads(".ttl", "movement.interval")
def short_ttl(subject: Subject) -> Findings:
    """A TTL that ends before the mover looks."""
    ttl_s, interval_s = subject.rule.ttl_s, subject.policy.movement.interval_s
    if ttl_s is not None and ttl_s < interval_s:
        text = f"shorter than {_interval(subject)}: keys expire before they move"
        yield PolicyWarning(f"{subject.path}.ttl", text)


@reads(".min_residency.edge", "movement.interval")
def short_stay_at_the_edge(subject: Subject) -> Findings:
    """A stay that ends before the mover looks."""
    yield from _short_stay(subject, "edge", subject.rule.min_residency_edge_s)


@reads(".min_residency.regional", "movement.interval")
def short_stay_in_the_region(subject: Subject) -> Findings:
    """The same for the region."""
    yield from _short_stay(subject, "regional", subject.rule.min_residency_regional_s)


@reads(".read.max_age", "replication.pull")
def young_copies(subject: Subject) -> Findings:
    """A bound of age that pulls cannot keep."""
    max_age_s, pull_s = subject.rule.read.max_age_s, subject.policy.replication.pull_s
    if max_age_s is not None and 0 < max_age_s < pull_s:
        pull = format_duration(pull_s)
        text = f"shorter than replication.pull ({pull}): most reads ask the region"
        yield PolicyWarning(f"{subject.path}.read.max_age", text)


@reads(".read.max_age", ".read.stale_if_error")
def extra_age(subject: Subject) -> Findings:
    """More age than any."""
    bounds = subject.rule.read
    if bounds.max_age_s is None and bounds.stale_if_error_s is not None:
        text = "without max_age any age is allowed already"
        yield PolicyWarning(f"{subject.path}.read.stale_if_error", text)


@reads(".ttl", ".ttl_jitter")
def jitter_of_nothing(subject: Subject) -> Findings:
    """A share of no TTL."""
    if subject.rule.ttl_s is None and subject.rule.ttl_jitter:
        text = "without a ttl it changes nothing"
        yield PolicyWarning(f"{subject.path}.ttl_jitter", text)


@reads(".ttl", ".ttl_renew", ".type")
def renewal_of_nothing(subject: Subject) -> Findings:
    """A renewal that there is no TTL for, or that happens anyway."""
    rule = subject.rule
    if rule.ttl_renew == "write" and rule.ttl_s is None:
        text = "without a ttl it changes nothing"
        yield PolicyWarning(f"{subject.path}.ttl_renew", text)
    elif rule.ttl_renew == "write" and rule.type == "register":
        text = "it changes nothing: every put of a register replaces its TTL"
        yield PolicyWarning(f"{subject.path}.ttl_renew", text)


@reads(".edge.max_value", "tiers.edge.capacity")
def values_without_room(subject: Subject) -> Findings:
    """Values that the edge may keep and cannot."""
    rule, capacity_bytes = subject.rule, subject.policy.edge.capacity_bytes
    is_declared = rule.edge_max_value_bytes != subject.policy.rules[-1].edge_max_value_bytes
    if is_declared and rule.edge_max_value_bytes > capacity_bytes:
        text = f"larger than tiers.edge.capacity ({format_size(capacity_bytes)})"
        yield PolicyWarning(f"{subject.path}.edge.max_value", text)


@reads(".hotness.cold", ".min_residency.regional")
def cold_never_decides(subject: Subject) -> Findings:
    """A rate that a stay overrules."""
    rule, cold_per_s = subject.rule, subject.rule.hotness.cold_per_s
    if isinstance(cold_per_s, str):
        return
    if rule.min_residency_regional_s * cold_per_s > RESIDENCY_PER_GAP_MAX:
        stay = format_duration(rule.min_residency_regional_s)
        text = (
            f"{format_rate(cold_per_s)} hardly ever decides: min_residency.regional keeps keys for "
            f"{stay} anyway; lower one of them"
        )
        yield PolicyWarning(f"{subject.path}.hotness.cold", text)


def _short_stay(subject: Subject, tier: str, stay_s: float) -> Findings:
    if 0 < stay_s < subject.policy.movement.interval_s and not subject.is_default:
        text = f"shorter than {_interval(subject)}: keys stay that long anyway"
        yield PolicyWarning(f"{subject.path}.min_residency.{tier}", text)


def _interval(subject: Subject) -> str:
    return f"movement.interval ({format_duration(subject.policy.movement.interval_s)})"


OF_POLICIES = (no_room,)
OF_RULES = (
    short_ttl,
    short_stay_at_the_edge,
    short_stay_in_the_region,
    young_copies,
    extra_age,
    jitter_of_nothing,
    renewal_of_nothing,
    values_without_room,
    cold_never_decides,
)
