"""A run as one HTML page that needs nothing else: lanes side by side, time downwards.

Every row is one thing that happened, so no two texts ever meet; how much time went by is written
beside the rows, and drawn as a gap that grows with its logarithm.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from tierstore.testing.simulation.chart import Chart
from tierstore.testing.simulation.chronicle import Chronicle
from tierstore.testing.simulation.story import world

if TYPE_CHECKING:
    from tierstore.testing.simulation.run import Run

VIOLATIONS_MAX = 10
LINES_MAX = 4


def render(run: Run) -> str:
    """The page of a run that was played to be told."""
    chart = Chart(Chronicle.of(run).rows)
    script = run.script
    template = files("tierstore.testing.simulation").joinpath("timeline.html")
    parts = {
        "title": f"Simulation with seed {script.seed}",
        "subtitle": (
            f"{len(script.steps)} operations, {len(script.faults)} faults,"
            f" {run.virtual_s:.1f} s of virtual time, digest {run.digest}"
        ),
        "world": "; ".join(f"{name}: {value}" for name, value in world(script.options).items()),
    }
    return Template(template.read_text(encoding="utf-8")).substitute(
        {name: escape(text) for name, text in parts.items()},
        violations=_violations(run.violations),
        header=chart.header(),
        chart=chart.body(),
    )


def _violations(violations: list[str]) -> str:
    shown = [_violation(text.strip()) for text in violations[:VIOLATIONS_MAX]]
    if len(violations) > VIOLATIONS_MAX:
        shown.append(f"and {len(violations) - VIOLATIONS_MAX} more")
    listed = "\n".join(f"<li>{text}</li>" for text in shown)
    return f'<ol class="wrong">{listed}</ol>' if shown else "<p>nothing</p>"


def _violation(text: str) -> str:
    """A violation; of a traceback its beginning and its end, the rest where one can open it."""
    lines = text.splitlines()
    if len(lines) < LINES_MAX:
        return escape(text)
    brief = escape(f"{lines[0]} {lines[-1]}")
    return f"{brief}<details><summary>all of it</summary>{escape(text)}</details>"
