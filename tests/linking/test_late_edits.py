"""Edits of what a document was, by who has heard late, as a link was away, that it is compact."""

from __future__ import annotations

from linked import HORIZON_MS

from tierstore.testing.conformance.region.forgetting import bloated, compacted, edit, shown

BOTH = (("A", "B"), ("B", "A"))
HORIZON_S = HORIZON_MS / 1000


def acknowledge(world, *regions):
    for name in regions:
        for at in range(2):
            sender = world.senders[name, at]
            sender.acknowledge(sender.changes(0).position)


def test_a_region_that_heard_late_still_knows_what_its_replicas_speak_of(world):
    """The link is away for almost a horizon, and then a replica there for a part of another."""
    here, there = world.senders["A", 0], world.senders["B", 0]
    before = bloated(here)
    world.settle(*BOTH)
    acknowledge(world, "A", "B")
    assert compacted(here).documents == 1
    for _ in range(2):
        world.runtime.advance(0.45 * HORIZON_S)
        acknowledge(world, "A", "B")
    world.settle(*BOTH)
    late = edit(there, before, 7777, n="late")
    for _ in range(2):
        world.runtime.advance(0.06 * HORIZON_S)
        acknowledge(world, "A")
        world.settle(*BOTH)
    compacted(here)
    world.settle(*BOTH)
    there.send(late)
    world.settle(*BOTH)
    assert shown(there)["n"] == shown(here)["n"] == "late"
