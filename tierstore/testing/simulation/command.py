"""`simulate` and `replay`; docs/simulation.md is their reference.

What plays seeds is imported when a verb runs, so that `--help` needs no greenlet.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tierstore.testing.simulation.linked import LINK_WINDOWS
from tierstore.testing.simulation.operating import OPERATED
from tierstore.testing.simulation.options import STRONGER_FAULTS, WINDOWS

if TYPE_CHECKING:
    from tierstore.testing.simulation.campaign import Campaign, Outcome, World
    from tierstore.testing.simulation.script import Script

OK = 0
VIOLATED = 1
KINDS = (*WINDOWS, *LINK_WINDOWS, *OPERATED)
REGIONS = ("memory", "read committed", "sqlite")

region_option = click.option("--region", type=click.Choice(REGIONS), help="Of all seeds.")
regions_option = click.option(
    "--regions", type=click.IntRange(1, 3), help="How many regions all seeds have."
)
edges_option = click.option(
    "--edges", type=click.IntRange(1, 16), help="How many edge processes all seeds have."
)
operations_option = click.option(
    "--operations", type=click.IntRange(min=1), default=600, show_default=True, help="Of each seed."
)
faults_option = click.option(
    "--fault",
    "faults",
    multiple=True,
    type=click.Choice((*KINDS, *STRONGER_FAULTS)),
    metavar="KIND",
    help=f"The only kinds of faults, given more than once: {', '.join(KINDS)}.",
)
out_option = click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Where reports are written."
)
json_option = click.option("--json", "is_json", is_flag=True, help="Print one JSON document.")


@click.group(context_settings={"max_content_width": 100})
def main() -> None:
    """Play whole clusters in virtual time, with faults, each from one seed.

    Exit codes: 0 all well, 1 a violation or a goal that was missed, 2 usage.
    """


@main.command()
@click.option("--seeds", type=click.IntRange(min=1), help="How many (default: 100, or no end).")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="How long.")
@click.option("--first-seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--failures", type=click.IntRange(min=1), default=1, show_default=True,
              help="End after so many failures.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True,
              help="How many processes.")  # fmt: skip
@click.option("--shrink-runs", type=click.IntRange(min=0), default=600, show_default=True,
              help="How many runs a failure is shrunk with.")  # fmt: skip
@operations_option
@region_option
@regions_option
@edges_option
@faults_option
@out_option
@json_option
@click.pass_context
def simulate(
    context: click.Context,
    /,
    *,
    seeds: int | None,
    minutes: float | None,
    first_seed: int,
    failures: int,
    jobs: int,
    shrink_runs: int,
    out: Path | None,
    is_json: bool,
    **world: Any,
) -> None:
    """Play many seeds, and shrink what fails.

    Each failure is a line, and with --out a folder named after its seed.
    """
    from tierstore.testing.simulation.campaign import run_campaign
    from tierstore.testing.simulation.figures import as_dict, as_text

    chosen = _world(**world)
    campaign = run_campaign(
        chosen,
        seeds=100 if seeds is None and minutes is None else seeds,
        minutes=minutes,
        first_seed=first_seed,
        failures_max=failures,
        jobs=jobs,
        on_outcome=lambda outcome: _tell_failure(outcome, chosen, is_json=is_json),
    )
    folders = _report_failures(campaign, out, shrink_runs, is_json=is_json)
    if is_json:
        click.echo(json.dumps(as_dict(campaign, folders), indent=2, ensure_ascii=False))
    else:
        click.echo(as_text(campaign))
    context.exit(OK if campaign.is_good else VIOLATED)


@main.command()
@click.option("--seed", type=click.IntRange(min=0), help="The seed to repeat.")
@click.option("--script", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Or the script, the options.json of a report.")  # fmt: skip
@operations_option
@region_option
@regions_option
@edges_option
@faults_option
@out_option
@click.pass_context
def replay(
    context: click.Context,
    /,
    *,
    seed: int | None,
    script: Path | None,
    out: Path | None,
    **world: Any,
) -> None:
    """Play one seed or one script exactly as before, and tell its story."""
    if (seed is None) == (script is None):
        raise click.UsageError("give either --seed or --script")
    from tierstore.testing.simulation.report import write_report
    from tierstore.testing.simulation.run import play
    from tierstore.testing.simulation.story import tell

    played = _world(**world).script(seed) if seed is not None else _load(script)
    run = play(played, is_told=True)
    click.echo(tell(run), nl=False)
    click.echo(f"digest {run.digest}")
    if out is not None:
        click.echo(f"written to {write_report(out, run)}", err=True)
    context.exit(OK if run.is_valid else VIOLATED)


def _world(
    operations: int,
    region: Any,
    regions: int | None,
    edges: int | None,
    faults: tuple[str, ...],
) -> World:
    from tierstore.testing.simulation.campaign import World

    if edges is not None and regions is not None and edges < regions:
        raise click.UsageError("each region needs an edge: give no fewer --edges than --regions")
    kinds = tuple(dict.fromkeys(faults))
    return World(operations, region, kinds, regions=regions, edges=edges)


def _load(path: Path | None) -> Script:
    from tierstore.testing.simulation.script_json import ScriptError, loads

    assert path is not None
    try:
        return loads(path.read_text(encoding="utf-8"))
    except (ScriptError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{path}: {error}", param_hint="--script") from error


def _tell_failure(outcome: Outcome, world: World, *, is_json: bool) -> None:
    if not outcome.violations or is_json:
        return
    lines = outcome.violations[0].strip().splitlines()
    told = lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1]}"
    more = len(outcome.violations) - 1
    also = f" (and {more} more)" if more else ""
    click.echo(f"seed {outcome.seed}: {told}{also}; {_how_to_repeat(outcome.seed, world)}")


def _how_to_repeat(seed: int, world: World) -> str:
    words = ["replay", "--seed", str(seed), "--operations", str(world.operations)]
    words += ["--region", world.region] if world.region else []
    words += ["--regions", str(world.regions)] if world.regions else []
    words += ["--edges", str(world.edges)] if world.edges else []
    words += [word for fault in world.faults for word in ("--fault", fault)]
    return f"repeat it: python -m tierstore.testing {shlex.join(words)}"


def _report_failures(
    campaign: Campaign, out: Path | None, shrink_runs: int, *, is_json: bool
) -> dict[int, str]:
    """Shrink each failure, and write its report; the folder of each seed."""
    from tierstore.testing.simulation.report import write_report
    from tierstore.testing.simulation.run import play
    from tierstore.testing.simulation.shrinking import shrink

    folders: dict[int, str] = {}
    for failure in campaign.failures if out is not None else ():
        assert out is not None
        original = campaign.world.script(failure.seed)
        shrunk = shrink(original, failure.violations, runs_max=shrink_runs)
        run = play(shrunk.script, is_told=True)
        folder = write_report(out / f"seed-{failure.seed}", run, original)
        folders[failure.seed] = str(folder)
        if not is_json:
            told = f"{shrunk.events} of {len(original.steps) + len(original.faults)} events"
            click.echo(f"seed {failure.seed}: shrunk to {told}, told in {folder}")
    return folders
