"""Situations that a campaign must reach: a check of what never comes up checks nothing.

Most are marked with `Runtime.sometimes` where product code gets there; some only a judge can tell.
"""

from __future__ import annotations

GOALS = frozenset((
    "absence ended by the feed",
    "acknowledgement not noted",
    "add outlived a concurrent delete",
    "add outlived a concurrent discard",
    "another link was faster",
    "background started by a write",
    "batch answered as repeated",
    "change counted, and its answer lost",
    "change of a retired replica set aside",
    "change waited beyond its lifetime",
    "cold key came home with what waited",
    "cold key read with what waited",
    "copy given up",
    "dead rows forgotten",
    "counter counted in several regions",
    "discard named own adds only",
    "fill voided",
    "generation begun by expiry",
    "join done or not, its answer lost",
    "join made a third state",
    "journal adopted",
    "journals went on at another machine",
    "journal taken over with unflushed writes",
    "key begun anew while changes waited",
    "key came back from cold",
    "key went cold",
    "link taken over by a store",
    "link taken over by another process",
    "link was away for longer than the horizon",
    "move raced by a write",
    "power cut took a journal's end",
    "process signed off",
    "region began another life",
    "region mended by anti-entropy",
    "region out of reach for an hour",
    "region restored without some rows",
    "reply of the region lost",
    "retired replica came back",
    "row in an object taken over",
    "session waited for another region",
    "session went on at another edge",
    "session went on in another region",
    "stale copy answered",
    "store that ran a link ended",
    "watch went on at another edge",
    "what came back was not read again",
    "write held by the region",
    "write lost to a newer one",
))  # fmt: skip
GOAL_SEEDS = 200
"""How many seeds a campaign has to have before a goal that was not reached is a failure."""
