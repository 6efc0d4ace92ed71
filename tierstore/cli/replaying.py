"""`replay` and `demo`: a trace of real requests on real stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tierstore.cli import failures
from tierstore.cli.output import emit, emit_text
from tierstore.cli.progress import StageBar
from tierstore.cli.settings import Settings, common_options
from tierstore.frozen import as_dict

if TYPE_CHECKING:
    from tierstore.trace.report import ReplayReport


def _size_bytes(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    from tierstore.units import parse_size_bytes

    try:
        return None if value is None else parse_size_bytes(value)
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc


@click.command()
@click.argument("trace")
@click.option("--verify", is_flag=True, help="Compare every read with a model.")
@click.option(
    "--value-cap",
    metavar="SIZE",
    callback=_size_bytes,
    help="Bound the largest value; all sizes and capacities shrink by the same factor.",
)
@click.option("--no-preload", "preload", flag_value=False, default=True, help="Begin empty.")
@click.option("--limit", type=click.IntRange(min=1), help="Replay so many requests at most.")
@click.option("--replicas", type=click.IntRange(1, 64), default=1, help="Deal requests in turn.")
@click.option("--skip-bad", is_flag=True, help="Skip malformed rows and count them.")
@common_options
@click.pass_obj
def replay(settings: Settings, /, trace: str, **options: Any) -> int:
    """Replay an access trace on a real store.

    TRACE is csv, csv.gz or csv.zst; time is the trace's own, unless a server tells the time. The
    store is a temporary one under the given policy, but servers that it names are used. Exit 5 if
    a read was wrong.
    """
    from tierstore.trace.reader import TraceError
    from tierstore.trace.replay import replay as run_replay
    from tierstore.trace.report import render_report

    try:
        with StageBar() as bar:
            report = run_replay(trace, settings.policy_path(), progress=bar.show, **options)
    except TraceError as exc:
        failures.report(exc, is_json=settings.is_json)
        return failures.USAGE
    if settings.is_json:
        emit(report.as_dict())
    else:
        emit_text(render_report(report) + "\n")
    return _verdict(report)


def _verdict(report: ReplayReport) -> int:
    return failures.OTHER if report.wrong_reads else failures.OK


@click.command()
@common_options
@click.pass_obj
def demo(settings: Settings) -> int:
    """Show a store at work on a production trace.

    A slice of it is replayed on two replicas that share a region, and every read is checked.
    Exit 5 if a read was wrong.
    """
    if settings.policy is not None:
        raise click.UsageError("demo has a policy of its own; replay takes --policy")
    from tierstore.trace.demo import run_demo
    from tierstore.trace.report import render_demo

    with StageBar() as bar:
        result = run_demo(bar.show)
    if settings.is_json:
        emit({**result.report.as_dict(), "explanation": as_dict(result.explanation)})
    else:
        emit_text(render_demo(result.report, result.explanation) + "\n")
    return _verdict(result.report)
