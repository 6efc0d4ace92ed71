"""Access traces: reading them, replaying them against real stores, and the demo."""

from __future__ import annotations

from tierstore.trace.demo import DemoResult, run_demo
from tierstore.trace.reader import Request, TraceError, read_trace
from tierstore.trace.replay import replay
from tierstore.trace.report import ReplayReport, render_report

__all__ = [
    "DemoResult",
    "ReplayReport",
    "Request",
    "TraceError",
    "read_trace",
    "render_report",
    "replay",
    "run_demo",
]
