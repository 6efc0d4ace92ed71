"""Whether a payload stands in the region or in the cold tier, and the sentence that says why.

The first verdict that holds decides: the dead do not move; hard limits; no `cold` rate; size; and
then use. A large value goes cold at birth; one that is written again and again after that would
each time be an object for as long as garbage is retained, so it waits for its residency. A small
one goes cold when it is used less often than `cold` and was in the region for its residency; it
returns at cold × hysteresis, and at one access more than `cold` in any case, so that the access
that breaks an idle time does not bring it back alone.
"""

from __future__ import annotations

from math import inf

from tierstore.placement.heat import (
    cold_half_life_s,
    cools_after_s,
    count_at_rate,
    rate_per_s,
)
from tierstore.units import format_duration, format_rate, format_size, rough_duration, rough_rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from tierstore.placement.facts import Facts, Home
    from tierstore.policy.model import Rule

    Verdict = Literal[
        "dead", "not cold", "not regional", "never", "auto", "large", "rewritten",
        "used", "young", "idle", "asleep", "awake",
    ]  # fmt: skip

LARGE_VALUE_BYTES = 128 * 1024
"""From this size on an object is cheaper than a row at any rate of use, by the list prices of S3
and Aurora: the pages read cost more than the fee and the wait (docs/policies.md, hotness)."""

REVIEW_MARGIN_S = 0.001
"""Added to the time of a review, so that rounding does not put it just before the change."""


def judge_home(rule: Rule, facts: Facts) -> Verdict:
    """The first verdict that holds."""
    if facts.is_dead:
        return "dead"
    if not rule.place.allows("cold") or "cold" in facts.barred:
        return "not cold"
    if not rule.place.allows("regional"):
        return "not regional"
    cold_per_s = rule.hotness.cold_per_s
    if isinstance(cold_per_s, str):
        return "auto" if cold_per_s == "auto" else "never"
    if facts.size_bytes >= LARGE_VALUE_BYTES:
        return "rewritten" if _waits_for_residency(rule, facts) else "large"
    if facts.home == "cold":
        returns = facts.home_accesses >= _return_count(rule, cold_per_s)
        return "awake" if returns else "asleep"
    if facts.home_accesses >= count_at_rate(cold_per_s, cold_half_life_s(rule.hotness)):
        return "used"
    return "young" if facts.home_age_s < rule.min_residency_regional_s else "idle"


def _waits_for_residency(rule: Rule, facts: Facts) -> bool:
    """Whether a large value came to the region from another tier, and lately."""
    is_young = facts.home_age_s < rule.min_residency_regional_s
    return facts.has_moved and facts.home == "regional" and is_young


def home_of(verdict: Verdict, facts: Facts) -> Home:
    """The tier that `verdict` asks for."""
    if verdict == "dead":
        return facts.home
    return "cold" if verdict in ("not regional", "large", "idle", "asleep") else "regional"


def review_in_s(verdict: Verdict, rule: Rule, facts: Facts) -> float:
    """Seconds until another verdict asks for another tier, if nobody uses the key; inf if never."""
    cold_per_s = rule.hotness.cold_per_s
    if verdict == "rewritten":
        return rule.min_residency_regional_s - facts.home_age_s + REVIEW_MARGIN_S
    if verdict not in ("used", "young", "awake") or isinstance(cold_per_s, str):
        return inf
    half_life_s = cold_half_life_s(rule.hotness)
    if verdict == "awake":
        least_per_s, wait_s = _return_per_s(rule, cold_per_s), 0.0
    else:
        least_per_s = cold_per_s
        wait_s = rule.min_residency_regional_s - facts.home_age_s
    cools_s = cools_after_s(facts.home_accesses, half_life_s, least_per_s)
    return max(wait_s, cools_s) + REVIEW_MARGIN_S


def home_reason(verdict: Verdict, rule: Rule, facts: Facts) -> str:
    """A sentence for people, with figures and what follows from them."""
    return _REASONS[verdict](rule, facts)


def _return_count(rule: Rule, cold_per_s: float) -> float:
    idle_below = count_at_rate(cold_per_s, cold_half_life_s(rule.hotness))
    return max(idle_below * rule.hotness.hysteresis, idle_below + 1)


def _return_per_s(rule: Rule, cold_per_s: float) -> float:
    return rate_per_s(_return_count(rule, cold_per_s), cold_half_life_s(rule.hotness))


def _use(rule: Rule, facts: Facts, beside_per_s: float) -> str:
    used_per_s = rate_per_s(facts.home_accesses, cold_half_life_s(rule.hotness))
    return f"used {rough_rate(used_per_s, beside_per_s)}"


def _cold_per_s(rule: Rule) -> float:
    assert not isinstance(rule.hotness.cold_per_s, str)
    return rule.hotness.cold_per_s


def _large(rule: Rule, facts: Facts) -> str:
    size, least = format_size(facts.size_bytes), format_size(LARGE_VALUE_BYTES)
    return f"{size}, and values from {least} on live in the cold tier however much they are used"


def _rewritten(rule: Rule, facts: Facts) -> str:
    return f"{_large(rule, facts)}, but {_stay(rule, facts)}: it stays there"


def _used(rule: Rule, facts: Facts) -> str:
    cold_per_s = _cold_per_s(rule)
    use = _use(rule, facts, cold_per_s)
    return f"{use}, cold is below {format_rate(cold_per_s)}: home is the region"


def _young(rule: Rule, facts: Facts) -> str:
    return f"{_below(rule, facts)}, but {_stay(rule, facts)}: it stays there"


def _idle(rule: Rule, facts: Facts) -> str:
    return f"{_below(rule, facts)}, and {_stay(rule, facts)}: home is the cold tier"


def _below(rule: Rule, facts: Facts) -> str:
    cold_per_s = _cold_per_s(rule)
    return f"{_use(rule, facts, cold_per_s)} is below cold {format_rate(cold_per_s)}"


def _stay(rule: Rule, facts: Facts) -> str:
    stay = format_duration(rule.min_residency_regional_s)
    return f"it has been in the region for {rough_duration(facts.home_age_s)} of {stay}"


def _asleep(rule: Rule, facts: Facts) -> str:
    return f"{_return(rule, facts)}: it stays in the cold tier"


def _awake(rule: Rule, facts: Facts) -> str:
    return f"{_return(rule, facts)}: home is the region"


def _return(rule: Rule, facts: Facts) -> str:
    cold_per_s = _cold_per_s(rule)
    return_per_s = _return_per_s(rule, cold_per_s)
    back = f"{rough_rate(return_per_s, cold_per_s)}"
    thresholds = f"cold {format_rate(cold_per_s)}, hysteresis {rule.hotness.hysteresis:g}"
    return f"{_use(rule, facts, cold_per_s)}, returns from {back} on ({thresholds})"


_REASONS: dict[Verdict, Callable[[Rule, Facts], str]] = {
    "dead": lambda rule, facts: "deleted or expired: it moves no more",
    "not cold": lambda rule, facts: "place keeps it out of the cold tier: home is the region",
    "not regional": lambda rule, facts: "place keeps it out of the region: home is the cold tier",
    "never": lambda rule, facts: "cold is never: home is the region",
    "auto": lambda rule, facts: "cold: auto comes with a later version: home is the region",
    "large": _large,
    "rewritten": _rewritten,
    "used": _used,
    "young": _young,
    "idle": _idle,
    "asleep": _asleep,
    "awake": _awake,
}
