"""What must have got done once everything works again, by those that were healed alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import CorruptionError
from tierstore.tiers.journal.directory import JournalDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.node import Node
    from tierstore.testing.simulation.sites import Site

TIMEOUT_S = 10.0
NS_PER_MS = 1_000_000
OUTSIDER = 1
"""The id of a mover that is none."""
OVERDUE_MS = 20_000
"""How long a key may have been due for a look, though there was somebody to look."""
ROWS_MAX = 1000


def check(cluster: Cluster, core: list[Node]) -> list[str]:
    """What was left undone, in full sentences; empty if nothing was."""
    left = [line for node in core for line in _orphans(node)]
    if any(family.is_tiered for family in cluster.families):
        for site in {id(node.machine.site): node.machine.site for node in core}.values():
            left += _unmoved(site)
    return sorted(set(left))


def is_drained(core: list[Node]) -> bool:
    """Whether nothing waits in journals of dead processes."""
    return not any(True for node in core for _ in _orphans(node))


def _orphans(node: Node) -> Iterator[str]:
    """Journals of dead processes on this node's machine that nobody has drained."""
    adopter = node.store._core.replica.adopter
    given_up = {} if adopter is None else adopter.failures
    for journal in JournalDirectory(node.machine.disk.path).orphans():
        try:
            unflushed = journal.load(0).unflushed
        except CorruptionError:
            unflushed = 0  # which is told to whoever takes it over, and judged there
        finally:
            journal.close()
        if unflushed and journal.path not in given_up:
            yield f"{unflushed} writes of a dead process wait on {node.machine.name} for ever"


def _unmoved(site: Site) -> Iterator[str]:
    """Whether anybody moves keys, in place of a mover that stopped, and gets it done."""
    region = site.region
    if region.lease(OUTSIDER, 1, None, TIMEOUT_S).is_held:
        yield "nobody has held the lease of the mover for longer than it lasts"
    if site.objects.flipped:
        return  # a key that is damaged stays due
    late_ms = site.clock.time_ns() // NS_PER_MS - OVERDUE_MS
    for row in region.due(ROWS_MAX, TIMEOUT_S):
        if row.due_ms is not None and row.due_ms < late_ms:
            yield f"{row.key} has been due for a look since {row.due_ms}, before {late_ms}"
