"""Whether a copy of a key stands at an edge, and the sentence that says why.

The first verdict that holds decides: hard limits; the dead are left alone; what is mostly written;
and then heat, or with `hot: auto` the competition for capacity, which is decided elsewhere. All but
the first are bound by the residency of a copy that is there. A copy is made at `hot` and given up
below hot / hysteresis, and in any case no less than one read below `hot`.
"""

from __future__ import annotations

from tierstore.placement.heat import count_at_rate, edge_half_life_s, rate_per_s
from tierstore.units import format_duration, format_rate, format_size, rough_duration, rough_rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from tierstore.placement.facts import Facts
    from tierstore.policy.model import Rule

    Verdict = Literal["barred", "outside", "large", "dead", "written", "auto", "hot", "cool"]

JUDGED_FROM = 8.0
"""Decayed accesses from which on the share of writes is evidence."""


def judge_copy(rule: Rule, facts: Facts) -> Verdict:
    """The first verdict that holds, residency left out."""
    if not rule.place.allows("edge"):
        return "barred"
    if "edge" in facts.barred:
        return "outside"
    if facts.size_bytes > rule.edge_max_value_bytes:
        return "large"
    if facts.is_dead:
        return "dead"
    if _is_mostly_written(rule, facts):
        return "written"
    hot_per_s = rule.hotness.hot_per_s
    if isinstance(hot_per_s, str):
        return "auto"
    return "hot" if facts.reads >= _least_reads(rule, facts, hot_per_s) else "cool"


def is_copy_wanted(verdict: Verdict, rule: Rule, facts: Facts) -> bool:
    """Whether a copy is kept, or made, after `verdict`."""
    if verdict == "dead":
        return facts.is_resident
    return verdict in ("auto", "hot") or _is_bound(verdict, rule, facts)


def copy_reason(verdict: Verdict, rule: Rule, facts: Facts) -> str:
    """A sentence for people, with figures and what follows from them."""
    reason = _REASONS[verdict](rule, facts)
    if _is_bound(verdict, rule, facts):
        age, stay = rough_duration(facts.edge_age_s), format_duration(rule.min_residency_edge_s)
        return f"{reason}, but it has been at the edge for {age} of {stay}: the copy stays"
    if verdict in ("hot", "auto"):
        return f"{reason}: an edge copy is {'kept' if facts.is_resident else 'made'}"
    if verdict == "dead":
        return f"{reason}: no edge copy is made or given up"
    return f"{reason}: {'the edge copy is given up' if facts.is_resident else 'no edge copy'}"


def _is_bound(verdict: Verdict, rule: Rule, facts: Facts) -> bool:
    if verdict not in ("written", "cool") or not facts.is_resident:
        return False
    return facts.edge_age_s < rule.min_residency_edge_s


def _is_mostly_written(rule: Rule, facts: Facts) -> bool:
    """Whether writes take more than their share.

    For a key without a copy one access stands between the thresholds: else a key near them would
    get a copy with each read and lose it with each write.
    """
    ratio, writes, total = rule.max_write_ratio, facts.writes, facts.reads + facts.writes
    if ratio >= 1:
        return False
    if facts.is_resident:
        return total >= JUDGED_FROM and writes > ratio * total
    return total >= JUDGED_FROM - 1 and writes + min(writes, 1.0) > ratio * total


def _least_reads(rule: Rule, facts: Facts, hot_per_s: float) -> float:
    made_from = count_at_rate(hot_per_s, edge_half_life_s(rule.hotness))
    if not facts.is_resident:
        return made_from
    return min(made_from / rule.hotness.hysteresis, made_from - 1)


def _too_large(rule: Rule, facts: Facts) -> str:
    limit = format_size(rule.edge_max_value_bytes)
    return f"{format_size(facts.size_bytes)} is more than edge.max_value {limit}"


def _written(rule: Rule, facts: Facts) -> str:
    total = facts.reads + facts.writes
    share = facts.writes / total
    compared = "above" if share > rule.max_write_ratio else "close to"
    limit = f"max_write_ratio {rule.max_write_ratio:.3g}"
    return f"{share:.2f} of its accesses are writes, {compared} {limit}"


def _read(rule: Rule, facts: Facts) -> str:
    hot_per_s, half_life_s = rule.hotness.hot_per_s, edge_half_life_s(rule.hotness)
    assert not isinstance(hot_per_s, str)
    read_per_s = rate_per_s(facts.reads, half_life_s)
    reason = f"read {rough_rate(read_per_s, hot_per_s)}, hot is {format_rate(hot_per_s)}"
    if not facts.is_resident or read_per_s >= hot_per_s:
        return reason
    kept_per_s = rate_per_s(_least_reads(rule, facts, hot_per_s), half_life_s)
    kept = rough_rate(kept_per_s, hot_per_s)
    return f"{reason}, kept down to {kept} (hysteresis {rule.hotness.hysteresis:g})"


_REASONS: dict[Verdict, Callable[[Rule, Facts], str]] = {
    "barred": lambda rule, facts: "place keeps it off the edge",
    "outside": lambda rule, facts: "the edge is outside of its residency",
    "large": _too_large,
    "dead": lambda rule, facts: "deleted or expired",
    "written": _written,
    "auto": lambda rule, facts: "hot is auto, so that keys compete for capacity",
    "hot": _read,
    "cool": _read,
}
