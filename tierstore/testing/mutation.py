"""`python -m tierstore.testing mutants`: whether every mutant is caught.

It stands beside the mutants, which reach for all that is optional, and imports them when it runs.
"""

from __future__ import annotations

import click

CAUGHT = 0
MISSED = 1


@click.command()
@click.option("--name", "names", multiple=True,
              help="Only the mutant of this name; may be given more than once.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(min=1), default=200, show_default=True,
              help="How many to try at most, in each scenario.")  # fmt: skip
@click.pass_context
def mutants(context: click.Context, /, *, names: tuple[str, ...], seeds: int) -> None:
    """Plant known mistakes, one at a time, and see whether each is noticed.

    Exit codes: 0 all were caught, 1 one was missed, 2 usage.
    """
    from tierstore.testing.mutants import MUTANTS, Missed, hunt
    from tierstore.testing.mutants.table import as_line, as_sum

    known = {mutant.name: mutant for mutant in MUTANTS}
    for name in names:
        if name not in known:
            told = f"there is no mutant {name!r}; docs/mutants.md lists them"
            raise click.BadParameter(told, param_hint="--name")
    verdicts = []
    for mutant in [known[name] for name in names] or MUTANTS:
        verdicts.append(hunt(mutant, range(seeds)))
        click.echo(as_line(verdicts[-1]))
    click.echo(as_sum(verdicts))
    missed = any(isinstance(verdict, Missed) for verdict in verdicts)
    context.exit(MISSED if missed else CAUGHT)
