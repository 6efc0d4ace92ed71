"""A run as text: what went wrong, in which world, and all that happened, in order."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from tierstore.testing.simulation.chronicle import FAULTS, Chronicle
from tierstore.testing.simulation.options import Options
from tierstore.testing.simulation.scheduler import NS_PER_MS

if TYPE_CHECKING:
    from tierstore.testing.simulation.chronicle import Row
    from tierstore.testing.simulation.run import Run

TEXT_MAX = 160
_MARKS = {"ask": "asks", "answer": "hears", "whole": "", "call": "", "more": "", "end": ""}
_IN_SCRIPT = frozenset(("operations", "window_count", "windows", "rates"))
_LEGEND = (
    'What happened (">>": a violation speaks of it; "##": a fault; a value such as 3.0 was written',
    "by step 3 of the script; at the end all is healed, and every node looks at its copy of every",
    "key, then at the final one in the region):",
)


def tell(run: Run) -> str:
    """The story of a run that was played to be told.

    Lines that a violation speaks of begin with ">>".
    """
    rows = Chronicle.of(run).rows
    width = max((len(lane_name(row.lane)) for row in rows), default=0)
    lines = [_line(row, width) for row in rows]
    return "\n".join([*headline(run), "", *_LEGEND, "", *lines, ""])


def headline(run: Run) -> list[str]:
    """What was run, and what went wrong."""
    script = run.script
    wrong = [f"  {violation}" for violation in run.violations] or ["  nothing"]
    return [
        f"seed {script.seed}, {len(script.steps)} operations, {len(script.faults)} faults,"
        f" {run.virtual_s:.1f} s of virtual time, digest {run.digest}",
        "",
        "What went wrong:",
        *wrong,
        "",
        "The world:",
        *(f"  {name}: {value}" for name, value in world(script.options).items()),
    ]


def world(options: Options) -> dict[str, str]:
    """What is special about a world, by name; what is as usual is left out."""
    usual = asdict(Options())
    special = {
        name.replace("_ms", " (ms)").replace("_", " "): _told(value)
        for name, value in asdict(options).items()
        if name not in _IN_SCRIPT and value != usual[name]
    }
    rates = {f"rate of {k}": _told(v) for k, v in asdict(options.rates).items() if v}
    return {"nodes": str(options.nodes), "region": options.region, **special, **rates}


def lane_name(lane: str) -> str:
    """A lane, for people."""
    node, _, part = lane.partition("/")
    return f"{node} client {part}" if part.isdigit() else f"{node} {part}".strip()


def _told(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def _line(row: Row, width: int) -> str:
    mark = ">>" if row.is_bad else "##" if row.lane == FAULTS else "  "
    where = f"{row.tier}: " if row.tier and row.kind == "call" else ""
    what = f"{_MARKS.get(row.kind, '')} {where}{row.text}".strip()
    if len(what) > TEXT_MAX:
        what = f"{what[: TEXT_MAX - 1]}…"
    return (
        f"{mark} {row.at_ns / NS_PER_MS:12.3f} ms  {lane_name(row.lane):{width}}  {what}".rstrip()
    )
