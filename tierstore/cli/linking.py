"""`link`: the relay between a region and its peers."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from tierstore.cli.failures import OK
from tierstore.cli.output import emit, emit_text, note
from tierstore.cli.settings import Settings, common_options, duration_option
from tierstore.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.linking.linking import LinkFigures
    from tierstore.linking.opening import Ends
    from tierstore.policy import Policy
    from tierstore.runtime import Event, Runtime

ONCE_S = 60.0
HEADINGS = f"{'from':20} {'to':20} {'lag':>10} {'positions':>10} {'changed':>9}\n"


@click.command()
@click.option("--once", is_flag=True, help="Until all have what the others have now, then end.")
@duration_option("--timeout", "timeout_s", "How long --once may take (default: 1min).")
@common_options
@click.pass_obj
def link(settings: Settings, once: bool, timeout_s: float | None) -> int:
    """Take over what changes in the policy's peers, and give them what changes here.

    Runs until it is interrupted. Of several such processes one does the work, the others stand
    by. For regions whose edges cannot reach the other regions: set `replication.links: relay`.
    """
    from tierstore.linking.relay import Relay

    with open_ends(settings) as opened:
        policy, runtime = opened.policy, opened.runtime
        if not policy.replication.peers:
            raise PolicyError("replication.peers names no region to link with")
        linking = opened.ends.linking(policy, runtime, both_ways=True)
        relay = Relay(linking, runtime, policy.replication.pull_s, note)
        try:
            if once:
                relay.run_once(ONCE_S if timeout_s is None else timeout_s)
            else:
                relay.run(_stopped(runtime))
        finally:
            figures = linking.figures()
            linking.release()
    _show(figures, is_json=settings.is_json)
    return OK


@dataclass(frozen=True, slots=True)
class Opened:
    """A policy's region and its peers."""

    policy: Policy
    runtime: Runtime
    ends: Ends


@contextmanager
def open_ends(settings: Settings) -> Iterator[Opened]:
    """The policy's region and its peers, closed at the end whatever happens."""
    from tierstore.linking.opening import Opener, make_ends
    from tierstore.opening import make_objects, make_region, region_source
    from tierstore.policy import load
    from tierstore.policy.match import Matcher
    from tierstore.runtime import Runtime

    policy, runtime = load(settings.policy_path()), Runtime()
    own, opener = region_source(policy, runtime), Opener(make_region, make_objects)
    ends = make_ends(policy, runtime, opener, own.get, Matcher(policy.rules).rule_for)
    try:
        yield Opened(policy, runtime, ends)
    finally:
        ends.close()
        if own.made is not None:
            own.made.close()


def _stopped(runtime: Runtime) -> Event:
    """Set by the signals that end a process."""
    stopped = runtime.event()

    def stop(*_: Any) -> None:
        stopped.set()

    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), stop)
    return stopped


def _show(figures: list[LinkFigures], *, is_json: bool) -> None:
    if is_json:
        emit([each.told() for each in figures])
    else:
        emit_text(HEADINGS + "".join(map(_line, figures)))


def _line(figures: LinkFigures) -> str:
    lag = "-" if figures.lag_s is None else f"{figures.lag_s:.1f} s"
    positions = "-" if figures.lag_positions is None else figures.lag_positions
    marks = " late" if figures.is_late else ""
    ends = f"{figures.source:20} {figures.target:20}"
    return f"{ends} {lag:>10} {positions:>10} {figures.changed:>9}{marks}\n"
