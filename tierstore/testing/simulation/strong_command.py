"""`strong`: many worlds of strong keys; docs/simulation.md is its reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tierstore.testing.simulation.strong_campaign import StrongCampaign

OK = 0
VIOLATED = 1


@click.command()
@click.option("--seeds", type=click.IntRange(min=1), help="How many (default: 100, or no end).")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="How long.")
@click.option("--first-seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--failures", type=click.IntRange(min=1), default=1, show_default=True,
              help="End after so many failures.")  # fmt: skip
@click.pass_context
def strong(
    context: click.Context,
    /,
    *,
    seeds: int | None,
    minutes: float | None,
    first_seed: int,
    failures: int,
) -> None:
    """Play many worlds of strong keys: a coordinator, edges that fail, judged answers.

    Exit codes: 0 all well, 1 a violation or a goal that was missed, 2 usage.
    """
    from tierstore.testing.simulation.strong_campaign import run_strong_campaign

    campaign = run_strong_campaign(
        100 if seeds is None and minutes is None else seeds,
        minutes,
        first_seed,
        failures,
        lambda seed, found: click.echo(f"seed {seed}: {found[0].strip().splitlines()[-1]}"),
    )
    click.echo(_as_text(campaign))
    context.exit(OK if campaign.is_good else VIOLATED)


def _as_text(campaign: StrongCampaign) -> str:
    from tierstore.testing.simulation.strong_campaign import GOALS

    worlds = ", ".join(f"{kind} {times:,}" for kind, times in sorted(campaign.worlds.items()))
    lines = [
        f"seeds       {campaign.seeds:,}",
        f"worlds      {worlds}",
        f"time        {campaign.real_s:,.1f} s",
        f"failures    {len(campaign.failures):,}",
        "",
        f"{'situation':44}{'times':>9}{'seeds':>8}",
    ]
    for name in sorted(GOALS | campaign.reached.keys()):
        goal = "*" if name in GOALS else " "
        times, seeds = campaign.reached[name], campaign.reached_in[name]
        lines.append(f"{goal} {name:42}{times:>9,}{seeds:>8,}")
    lines += [f"never reached: {name}" for name in campaign.missed]
    return "\n".join(lines)
