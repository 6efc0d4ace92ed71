"""What must hold of rows, objects and memory once everything has settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.region.objects import parse_name
from tierstore.region.pointer import decode_pointer
from tierstore.testing.simulation.options import RETAIN_S

if TYPE_CHECKING:
    from tierstore.region.moves import StoredObject
    from tierstore.region.rows import Row
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.node import Node

TIMEOUT_S = 10.0
NS_PER_MS = 1_000_000
SWEPT_AFTER_MS = 2000 * RETAIN_S
"""What no row has pointed at for twice the retention should have been swept."""
ROWS_MAX = 100_000


def check(cluster: Cluster, core: list[Node]) -> list[str]:
    """What is wrong with the places where things are, in full sentences; empty if nothing is."""
    region = cluster.inspect("region")
    page = region.scan("", None, ROWS_MAX, False, True, 0, TIMEOUT_S)
    violations = [f"row {key}: {why}" for key, why in page.corrupt.items()]
    pointed = {}
    for row in page.rows:
        if row.cold is not None:
            pointed[decode_pointer(row.cold, key=row.key).name] = row.key
    violations += _check_objects(cluster, region, pointed)
    rows = {row.key: row for row in page.rows}
    for node in core:
        violations += _check_memory(cluster, node)
        violations += _check_expiry(node, rows)
    if not cluster.objects.flipped:
        violations += _aside(region)
    return violations


def _check_objects(cluster: Cluster, region: Any, pointed: dict[str, str]) -> list[str]:
    """Exactly one authoritative copy of each key; and no orphan, after the retention."""
    blobs = cluster.objects.blobs
    missing = [
        f"{key} points at {name}, which is not there"
        for name, key in sorted(pointed.items())
        if name not in blobs
    ]
    if not any(family.is_tiered for family in cluster.families):
        return missing
    stored = {known.name: known for known in region.objects(ROWS_MAX, TIMEOUT_S)}
    old_ms = cluster.server_clock.time_ns() // NS_PER_MS - SWEPT_AFTER_MS
    marked = {region.marker(TIMEOUT_S)}
    orphans = [
        f"{name} is an orphan, long after the retention"
        for name in sorted(blobs.keys() - pointed.keys() - marked)
        if _unused_since(name, stored.get(name)) < old_ms
    ]
    lost = [f"{name} is listed, and is no more" for name in stored if name not in blobs]
    return missing + orphans + lost


def _unused_since(name: str, stored: StoredObject | None) -> int:
    """Since when no row points at an object, at least, in milliseconds of the wall clock."""
    if stored is not None and stored.dead_ms is not None:
        return stored.dead_ms
    minted = parse_name(name)
    return 0 if minted is None else minted.minted_ms


def _check_memory(cluster: Cluster, node: Node) -> list[str]:
    """What is kept in memory stays within what the policy allows."""
    state = node.store._core.replica.state
    found = []
    if state.edge.used_bytes > state.edge.capacity_bytes:
        found.append(f"{node.name} keeps {state.edge.used_bytes} bytes of copies in memory")
    if state.fills.flights:
        found.append(f"{node.name} never forgot the fills {sorted(state.fills.flights)}")
    return found


def _check_expiry(node: Node, rows: dict[str, Row]) -> list[str]:
    """A copy in memory dies when the version that it is a copy of does."""
    resident = node.store._core.replica.state.edge.resident
    return [
        f"{node.name} keeps {key} until {entry.expires_at}, its row until {record.expires_at_ms}"
        for key, entry in sorted(resident.items())
        if key in rows and not entry.dirty
        for record in (rows[key].record,)
        if (entry.stamp, entry.replica) == (record.stamp, record.replica)
        and entry.expires_at != record.expires_at_ms
    ]


def _aside(region: Any) -> list[str]:
    return [
        f"{entry.key} of replica {entry.replica} was put aside: {entry.reason}"
        for entry in region.aside(100, TIMEOUT_S)
    ]
