"""A verification as data: every name is always there, units in the names."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierstore.testing.simulation.campaign import Campaign
    from tierstore.testing.verification.verification import TierCheck, Verification

MOVES = ("key went cold", "key came back from cold", "move raced by a write")
"""Situations that are moves of keys between tiers."""


def as_dict(found: Verification, repeat: Callable[[int], str]) -> dict[str, Any]:
    """All that was found; `repeat` gives the command that plays a seed again."""
    return {
        "verdict": found.verdict,
        "tiers": [_tier(tier) for tier in found.tiers],
        "rules": [
            {
                "rule": rule.rule,
                "simulated": bool(rule.keys),
                "keys": list(rule.keys),
                "reason": rule.reason or None,
            }
            for rule in found.rules
        ],
        "changes": [asdict(change) for change in found.changes],
        "simulation": None if found.simulated is None else _simulation(found, repeat),
    }


def _tier(tier: TierCheck) -> dict[str, Any]:
    found = tier.found
    reason = (tier.left_out or None) if found is None else found.unchecked
    return {
        "tier": tier.tier,
        "scheme": tier.scheme,
        "client": tier.client,
        "journal": tier.has_journal,
        "status": tier.status,
        "reason": reason,
        "behaviours": found.behaviours if found else 0,
        "passed": found.passed if found else 0,
        "failed": len(found.broken) if found else 0,
        "skipped": found.skipped.total() if found else 0,
        "skips": sorted_counts(found.skipped) if found else {},
        "failures": [asdict(broken) for broken in found.broken] if found else [],
    }


def _simulation(found: Verification, repeat: Callable[[int], str]) -> dict[str, Any]:
    simulated = found.simulated
    assert simulated is not None
    return {
        "first_seed": found.extent.first_seed,
        "seeds": simulated.seeds,
        "operations": simulated.operations,
        "operations_per_s": round(operations_per_s(simulated), 1),
        "virtual_s": round(simulated.virtual_s, 3),
        "real_s": round(simulated.real_s, 3),
        "faults": sorted_counts(simulated.faults),
        "moves": moves_of(simulated),
        "situations": situations_of(simulated),
        "violations": [
            {"seed": each.seed, "violations": each.violations, "repeat": repeat(each.seed)}
            for each in simulated.failures
        ],
    }


def operations_per_s(simulated: Campaign) -> float:
    """By the real clock."""
    return simulated.operations / simulated.real_s if simulated.real_s else 0.0


def moves_of(simulated: Campaign) -> dict[str, int]:
    """How often keys moved between tiers."""
    return {name: simulated.reached[name] for name in MOVES}


def situations_of(simulated: Campaign) -> dict[str, int]:
    """How often everything else came up that is worth to have come up."""
    counts = sorted_counts(simulated.reached)
    return {name: times for name, times in counts.items() if name not in MOVES}


def sorted_counts(counts: Mapping[str, int]) -> dict[str, int]:
    """In the order of names."""
    return dict(sorted(counts.items()))
