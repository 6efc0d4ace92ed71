"""Situations that a campaign must reach: a check of what never comes up checks nothing.

Each is marked with `Runtime.sometimes` where product code gets there.
"""

from __future__ import annotations

GOALS = frozenset((
    "background started by a write",
    "copy given up",
    "fill voided",
    "journal adopted",
    "journal taken over with unflushed writes",
))  # fmt: skip
GOAL_SEEDS = 200
"""How many seeds a campaign has to have before a goal that was not reached is a failure."""
