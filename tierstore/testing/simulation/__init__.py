"""Whole clusters in one process, in virtual time, from one seed."""

from __future__ import annotations

from tierstore.testing.simulation.options import Options, Rates, draw_options, policy_of
from tierstore.testing.simulation.run import Run, play
from tierstore.testing.simulation.script import Fault, Script, Step, draw_script

__all__ = [
    "Fault", "Options", "Rates", "Run", "Script", "Step", "draw_options", "draw_script", "play",
    "policy_of",
]  # fmt: skip
