"""What must hold of rows, objects and memory once everything has settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.region.objects import parse_name
from tierstore.region.pointer import decode_pointer
from tierstore.testing import checkers
from tierstore.testing.simulation.options import RETAIN_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.region.moves import StoredObject
    from tierstore.region.rows import Row
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.node import Node
    from tierstore.testing.simulation.sites import Site

TIMEOUT_S = 10.0
NS_PER_MS = 1_000_000
SWEPT_AFTER_MS = 2000 * RETAIN_S
"""What no row has pointed at for twice the retention should have been swept."""
ROWS_MAX = 100_000


def check(cluster: Cluster, core: list[Node]) -> list[str]:
    """What is wrong with the places where things are, in full sentences; empty if nothing is."""
    found: list[str] = []
    for site in cluster.sites:
        nodes = [node for node in core if node.machine.site is site]
        found += _of_region(cluster, site, nodes)
    return found


def _of_region(cluster: Cluster, site: Site, core: list[Node]) -> list[str]:
    region = site.region
    page = region.scan("", None, ROWS_MAX, False, True, 0, TIMEOUT_S)
    violations = [f"row {key}: {why}" for key, why in page.corrupt.items()]
    stored = {known.name: known for known in region.objects(ROWS_MAX, TIMEOUT_S)}
    blobs = site.objects.blobs
    objects = _objects(cluster, site, stored, is_used=bool(core))
    if core:  # else a sweep that its mover did not survive is still to be ended
        violations += [f"{name} is listed, and is no more" for name in stored if name not in blobs]
    violations += _misplaced(site, core, page.rows, objects)
    for node in core:
        violations += _excesses(node)
    if not cluster.has_rotted and not cluster.is_unsure:
        violations += _aside(region)
    return violations


def _misplaced(
    site: Site, core: list[Node], rows: list[Row], objects: list[checkers.StoredObject]
) -> tuple[str, ...]:
    """What `checkers.placement` finds: lost and extra copies, orphans, lifetimes that differ."""
    copies = [_copy_of(row) for row in rows]
    for node in core:
        copies += _copies_at(node, {row.key: row for row in rows})
    now_ms = site.clock.time_ns() // NS_PER_MS
    return checkers.placement(copies, objects, now_ms, SWEPT_AFTER_MS).evidence


def _copy_of(row: Row) -> checkers.Copy:
    """The one copy that counts: the row's own, or the one in the object that it points at."""
    expires_ms = row.record.expires_at_ms
    if row.cold is None:
        return checkers.Copy(row.key, "regional", True, expires_ms)
    name = decode_pointer(row.cold, key=row.key).name
    return checkers.Copy(row.key, "cold", True, expires_ms, name)


def _copies_at(node: Node, rows: dict[str, Row]) -> Iterator[checkers.Copy]:
    """The copies in memory of the versions that the rows have."""
    for key, entry in sorted(node.store._core.replica.state.edge.resident.items()):
        if key not in rows or entry.dirty:
            continue
        record = rows[key].record
        if (entry.stamp, entry.replica) == (record.stamp, record.replica):
            yield checkers.Copy(key, f"edge of {node.name}", False, entry.expires_at)


def _objects(
    cluster: Cluster, site: Site, stored: dict[str, StoredObject], *, is_used: bool
) -> list[checkers.StoredObject]:
    """The objects that are there, but for the region's mark, since when they may be unused.

    Where nothing is moved, or nobody is left to, nothing is swept either: then none is too old.
    """
    marker = site.region.marker(TIMEOUT_S)
    is_swept = is_used and any(family.is_tiered for family in cluster.families)
    return [
        checkers.StoredObject(name, _unused_since(name, stored.get(name)) if is_swept else 1 << 62)
        for name in sorted(site.objects.blobs)
        if name != marker
    ]


def _unused_since(name: str, stored: StoredObject | None) -> int:
    """Since when no row points at an object, at least, in milliseconds of the wall clock."""
    if stored is not None and stored.dead_ms is not None:
        return stored.dead_ms
    minted = parse_name(name)
    return 0 if minted is None else minted.minted_ms


def _excesses(node: Node) -> Iterator[str]:
    """What is kept in memory beyond what the policy allows, by `checkers.bounded_memory`."""
    from tierstore.replica.negatives import COUNT_MAX  # with a cache that not everybody has

    state = node.store._core.replica.state
    policy, outbox = state.policy, state.outbox
    kept = {
        "bytes of copies": (state.edge.used_bytes, state.edge.capacity_bytes),
        "bytes that wait": (outbox.unflushed_bytes, policy.limits.unflushed_bytes),
        "acknowledged batches": (len(outbox._recent), 0),
        "fills": (len(state.fills.flights), 0),
        "absences": (0 if state.negatives is None else len(state.negatives), COUNT_MAX),
    }
    for what, (size, limit) in kept.items():
        verdict = checkers.bounded_memory([size], limit)
        if not verdict.is_valid:
            yield f"{node.name} keeps {size} {what} in memory, {limit} at most: {verdict.reason}"


def _aside(region: Any) -> list[str]:
    return [
        f"{entry.key} of replica {entry.replica} was put aside: {entry.reason}"
        for entry in region.aside(100, TIMEOUT_S)
    ]
