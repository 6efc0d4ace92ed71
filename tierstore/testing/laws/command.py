"""`python -m tierstore.testing laws`: campaigns over the types that ship."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tierstore.testing.laws.campaign import Campaign

HOLD = 0
BROKEN = 1
TOLD_EVERY = 100_000


@click.command()
@click.option("--type", "names", multiple=True, metavar="TYPE",
              help="Only this type; may be given more than once.")  # fmt: skip
@click.option("--cases", type=click.IntRange(min=0), default=10_000, show_default=True,
              help="How many lives of a key, of each type.")  # fmt: skip
@click.option("--long", "long_operations", type=click.IntRange(min=0), default=0,
              help="Also one life of so many operations.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.pass_context
def laws(
    context: click.Context,
    /,
    *,
    names: tuple[str, ...],
    cases: int,
    long_operations: int,
    seed: int,
) -> None:
    """Hold replicated types to their laws in many lives of a key, drawn from a seed.

    Exit codes: 0 the laws hold, 1 one is broken, 2 usage.
    """
    from tierstore.testing.laws import SAMPLES, campaign

    for name in names:
        if name not in SAMPLES:
            told = f"there is no type {name!r}: {', '.join(SAMPLES)}"
            raise click.BadParameter(told, param_hint="--type")
    try:
        for name in names or SAMPLES:
            done = campaign.run(SAMPLES[name], cases=cases, seed=seed, heard=_tell)
            click.echo(f"{name}: {done}")
            if long_operations:
                long = campaign.live_long(SAMPLES[name], long_operations, seed)
                click.echo(f"{name}, one life: {long}")
    except AssertionError as error:
        click.echo(str(error))
        context.exit(BROKEN)
    context.exit(HOLD)


def _tell(so_far: Campaign) -> None:
    if so_far.cases % TOLD_EVERY == 0:
        click.echo(f"  {so_far}", err=True)
