"""Faults of links, and of what regions know of each other: how each begins, and what ends it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tierstore.errors import UnavailableError
from tierstore.testing.simulation.links import LinkProcess
from tierstore.testing.simulation.scheduler import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.node import Node
    from tierstore.testing.simulation.script import Fault

TIMEOUT_S = 10.0
IN_ORDER = 0.3
"""Of so many ends of a process, it has time to say that another may run its links."""
PAUSES = 10
"""How many times as long as other faults a pause lasts."""
OUTLIVED_NS = 50 * NS_PER_S
"""How long a pause lasts in the middle of a step, so that another process takes over meanwhile."""
MID_STEP = 0.5
"""From this amount on, faults of a process strike at one of its calls."""


def break_link(cluster: Cluster, link: LinkProcess | Node, fault: Fault) -> Callable[[], None]:
    """Begin a fault of `link`; returns what ends it."""
    if fault.kind == "link crash" and isinstance(link, LinkProcess):
        if fault.amount < IN_ORDER:
            link.stop()
        else:
            link.crash()
        return link.start
    if fault.kind == "link pause":
        lasts_ns = int(fault.lasts_ms * PAUSES * NS_PER_MS)
        if fault.amount >= MID_STEP:
            lasts_ns = OUTLIVED_NS
        link.process.paused_until_ns = cluster.scheduler.now_ns + lasts_ns
        return _nothing
    if fault.kind == "link cut":
        return _cut_off(link, fault)
    _retire_readers(cluster)
    return _nothing


def _cut_off(link: LinkProcess | Node, fault: Fault) -> Callable[[], None]:
    """Let one region be out of reach: it refuses calls, or swallows them or their answers."""
    fields = ("refuses", "loses_requests", "loses_replies")
    field = fields[int(fault.amount * 100) % len(fields)]
    weathers = list(link.weathers.values())
    weather = weathers[int(fault.amount * len(weathers))]
    setattr(weather, field, getattr(weather, field) + 1)

    def mend() -> None:
        setattr(weather, field, getattr(weather, field) - 1)

    return mend


def _retire_readers(cluster: Cluster) -> None:
    """Let an operator retire all links: they begin from the start, when they notice.

    But for those of a region that a process which stands still has locked.
    """
    for site in cluster.sites:
        with suppress(UnavailableError):
            _retire_readers_of(site.region)


def _retire_readers_of(region: Any) -> None:
    for peer in region.peers(TIMEOUT_S):
        if peer.reader:
            region.retire(peer.reader, TIMEOUT_S)


def _nothing() -> None:
    pass
