"""The figures of a campaign, as a table and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.testing.simulation.goals import GOALS
from tierstore.testing.simulation.signature import signature

if TYPE_CHECKING:
    from tierstore.testing.simulation.campaign import Campaign

S_PER_HOUR = 3600


def as_dict(campaign: Campaign, folders: dict[int, str]) -> dict[str, Any]:
    """All figures by name, units in the names; `folders` has the reports of failed seeds."""
    return {
        "seeds": campaign.seeds,
        "operations": campaign.operations,
        "operations_per_s": round(_per_s(campaign), 1),
        "virtual_hours": round(campaign.virtual_s / S_PER_HOUR, 3),
        "real_s": round(campaign.real_s, 3),
        "faults": dict(sorted(campaign.faults.items())),
        "reached": {
            name: {"times": times, "seeds": campaign.reached_in[name]}
            for name, times in sorted(campaign.reached.items())
        },
        "missed": campaign.missed,
        "failures": [
            {
                "seed": failure.seed,
                "signature": signature(failure.violations),
                "violations": failure.violations,
                "digest": failure.digest,
                "folder": folders.get(failure.seed),
            }
            for failure in campaign.failures
        ],
    }


def as_text(campaign: Campaign) -> str:
    """All figures, for people."""
    hours = f"{campaign.virtual_s / S_PER_HOUR:,.2f} h of virtual time in {campaign.real_s:,.1f} s"
    rows = [
        ("seeds", f"{campaign.seeds:,}"),
        ("operations", f"{campaign.operations:,} ({_per_s(campaign):,.0f} a second)"),
        ("time", hours),
        ("faults", _listed(campaign.faults)),
        ("failures", f"{len(campaign.failures):,}"),
    ]
    lines = [f"{name:12}{text}" for name, text in rows]
    lines += ["", f"{'situation':44}{'times':>9}{'seeds':>8}"]
    for name in sorted(GOALS | campaign.reached.keys()):
        goal = "*" if name in GOALS else " "
        times, seeds = campaign.reached[name], campaign.reached_in[name]
        lines.append(f"{goal} {name:42}{times:>9,}{seeds:>8,}")
    lines += [f"never reached: {name}" for name in campaign.missed]
    return "\n".join(lines)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items())) or "none"


def _per_s(campaign: Campaign) -> float:
    return campaign.operations / campaign.real_s if campaign.real_s else 0.0
