"""What must hold of counters and sets once everything has settled, by the public checkers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tierstore.crdt.types import type_of
from tierstore.record import with_payload
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing import checkers
from tierstore.testing.simulation.observed import life_of
from tierstore.testing.simulation.typed import TypedJudge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tierstore.region.rows import Row
    from tierstore.testing.history import Operation
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.deeds import Item, Typed
    from tierstore.testing.simulation.knowledge import Facts
    from tierstore.testing.simulation.sites import Site
    from tierstore.testing.simulation.watching import Watch

TIMEOUT_S = 10.0
ROWS_MAX = 100_000
NS_PER_MS = 1_000_000
_LAST = frozenset(("copy", "final"))
_READS = frozenset(("sum", "get", "read", "fresh", "copy", "final"))


def check(
    cluster: Cluster,
    facts: Facts,
    typed: Typed,
    watch: Watch,
    history: Sequence[Operation],
    *,
    is_doubtful: bool = False,
) -> list[str]:
    """Whether rows are as they may be, and all replicas show what they say."""
    if not typed.families:
        return []
    for site in reversed(cluster.sites):  # they are equal, or that is told elsewhere
        page = site.region.scan("", None, ROWS_MAX, False, True, 0, TIMEOUT_S)
        rows = {row.key: row for row in page.rows if row.key in typed.families}
        for row in rows.values():
            watch.look_at_row(site, row)
    now_ms = cluster.server_clock.time_ns() // NS_PER_MS
    whole = _brought(site, rows)
    damaged = rows.keys() - whole.keys()
    values = {key: value_of(whole.get(key), now_ms) for key in typed.families.keys() - damaged}
    found = [
        f"{key} is damaged, though nothing was spoilt"
        for key in sorted(damaged)
        if not site.objects.flipped
    ]
    found += _converged(typed, values)
    for key, family in typed.families.items():
        if family.type == "counter":
            reads = _LAST if is_doubtful else _READS
            judge = TypedJudge(facts, typed, key)
            found += _exact(judge, key, values[key] or 0, history, reads)
    return found


def _brought(site: Site, rows: dict[str, Row]) -> dict[str, Row]:
    """The rows with their payloads, wherever those are; without those whose object is damaged."""
    from tierstore.tiers.cold import ColdReader  # with a cache that not everybody has

    cold = {key: row for key, row in rows.items() if row.cold is not None}
    reply = ColdReader(site.objects, runtime=ManualRuntime(seed=1)).read(cold, TIMEOUT_S)
    brought = {key: row for key, row in rows.items() if row.cold is None}
    for key, payload in reply.payloads.items():
        brought[key] = replace(cold[key], record=with_payload(cold[key].record, payload))
    return brought


def value_of(row: Row | None, now_ms: int) -> Any:
    """What the row of a counter, set or document holds now; None if there is nothing."""
    if row is None or row.record.payload is None or not row.record.is_live(now_ms):
        return None
    type_ = type_of(row.record.type)
    return type_.value(type_.decode(row.record.payload))


def _converged(typed: Typed, values: dict[str, Any]) -> Iterator[str]:
    """Whether all replicas show what is in the region, in their copies, too."""
    states: dict[str, dict[str, frozenset[Item]]] = {}
    for key, sights in typed.sights.items():
        for sight in sights:
            if sight.verb in ("copy", "final") and key in values:
                states.setdefault(f"{sight.verb} of {sight.life}", {})[key] = sight.items
    if states:
        expected = {key: typed.items_of(key, value) for key, value in values.items()}
        verdict = checkers.converged(states, expected)
        if not verdict.is_valid:
            yield f"replicas differ from the region after everything settled: {verdict}"


def _exact(
    judge: TypedJudge,
    key: str,
    total: int,
    history: Sequence[Operation],
    reads: frozenset[str] = _READS,
) -> Iterator[str]:
    """Whether the sums of a counter come out exactly, where nothing ends but by being lost.

    `reads` are those of which sums are asked.
    """
    if not judge.is_everlasting:
        return
    lost = judge.lost()
    told: list[Operation] = []
    for operation in history:
        if operation.key != key or operation.verb not in (*reads, "add"):
            continue
        one = replace(operation, process=life_of(operation))
        if operation.verb in reads:
            one = replace(one, verb="get", result=operation.result or 0)
        elif operation.invoked in lost and operation.outcome == "ok":
            one = replace(one, outcome="info", completed=None, completed_ns=None)
        told.append(one)
    verdict = checkers.counters(told, final={key: total}, is_eventual=True)
    if not verdict.is_valid:
        yield f"a sum is wrong: {verdict}"
