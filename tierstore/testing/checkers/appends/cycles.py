"""Cycles of dependencies, the worst kind first."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from tierstore.testing.checkers.appends.components import components
from tierstore.testing.checkers.appends.graph import REALTIME, RW, WR, WW

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierstore.testing.checkers.appends.graph import Edge, Graph
    from tierstore.testing.checkers.appends.transactions import Transaction

    Tangle = dict[Transaction, None]

# name, what one edge must be, what the others may be
_KINDS = (
    ("G0", WW, {WW}),
    ("G1c", WR, {WW, WR}),
    ("G-single", RW, {WW, WR}),
    ("G2", RW, {WW, WR, RW}),
    ("G0-realtime", WW, {WW, REALTIME}),
    ("G1c-realtime", WR, {WW, WR, REALTIME}),
    ("G-single-realtime", RW, {WW, WR, REALTIME}),
    ("G2-realtime", RW, {WW, WR, RW, REALTIME}),
)


class Cycle(NamedTuple):
    """Edges each of which begins where the one before ends."""

    name: str
    edges: tuple[Edge, ...]


def worst_cycle(graph: Graph) -> Cycle | None:
    """A shortest cycle of the worst kind that there is; None if there is none at all.

    Write cycles are worst, then what reads have part in, then what one or more reads missed; and
    last those that only an observer of the time can see.
    """
    tangles = [_in_order(part) for part in components(graph) if len(part) > 1]
    for name, needed, allowed in _KINDS:
        found = [_shortest(graph, tangle, name, needed, allowed) for tangle in tangles]
        cycles = [cycle for cycle in found if cycle is not None]
        if cycles:
            return min(cycles, key=lambda cycle: len(cycle.edges))
    assert not tangles, "every cycle is of one kind"
    return None


def _in_order(part: list[Transaction]) -> Tangle:
    """A set whose order is that of the history, so that a history has one witness."""
    return dict.fromkeys(sorted(part, key=lambda one: one.operation.invoked))


def _shortest(
    graph: Graph, tangle: Tangle, name: str, needed: str, allowed: set[str]
) -> Cycle | None:
    best: tuple[Edge, ...] | None = None
    for edge in _edges(graph, tangle, needed):
        back = _path(graph, edge.after, edge.before, tangle, allowed)
        if back is not None and (best is None or len(back) + 1 < len(best)):
            best = (edge, *back)
            if len(best) == 2:
                break
    return None if best is None else Cycle(name, best)


def _edges(graph: Graph, tangle: Tangle, kind: str) -> Iterable[Edge]:
    for one in tangle:
        for edge in graph.of(one):
            if edge.kind == kind and edge.after in tangle:
                yield edge


def _path(
    graph: Graph, start: Transaction, end: Transaction, within: Tangle, allowed: set[str]
) -> list[Edge] | None:
    """A shortest path by edges of allowed kinds."""
    came: dict[Transaction, Edge | None] = {start: None}
    waiting = deque([start])
    while waiting:
        one = waiting.popleft()
        if one is end:
            return _trace(came, end)
        for edge in graph.of(one):
            if edge.kind in allowed and edge.after in within and edge.after not in came:
                came[edge.after] = edge
                waiting.append(edge.after)
    return None


def _trace(came: dict[Transaction, Edge | None], end: Transaction) -> list[Edge]:
    path: list[Edge] = []
    edge = came[end]
    while edge is not None:
        path.append(edge)
        edge = came[edge.before]
    return path[::-1]
