"""Situations that a campaign must reach: a check of what never comes up checks nothing.

Each is marked with `Runtime.sometimes` where product code gets there.
"""

from __future__ import annotations

GOALS = frozenset((
    "absence ended by the feed",
    "acknowledgement not noted",
    "background started by a write",
    "batch answered as repeated",
    "copy given up",
    "fill voided",
    "journal adopted",
    "journal taken over with unflushed writes",
    "key came back from cold",
    "key went cold",
    "move raced by a write",
    "power cut took a journal's end",
    "reply of the region lost",
    "stale copy answered",
    "write lost to a newer one",
))  # fmt: skip
GOAL_SEEDS = 200
"""How many seeds a campaign has to have before a goal that was not reached is a failure."""
