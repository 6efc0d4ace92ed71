"""Who must come before whom, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tierstore.testing.checkers.appends.orders import Orders
    from tierstore.testing.checkers.appends.transactions import Transaction

WW, WR, RW, REALTIME = "ww", "wr", "rw", "rt"


class Edge(NamedTuple):
    """`before` comes before `after`: it wrote first, was read, read what was not yet there, or
    had been answered when the other began.
    """

    before: Transaction
    after: Transaction
    kind: str
    key: Any


class Graph:
    """Edges by their first end; at most one of each kind between two transactions."""

    def __init__(self) -> None:
        self._edges: dict[Transaction, dict[tuple[Transaction, str], Edge]] = {}
        self.count = 0

    def add(self, before: Transaction, after: Transaction, kind: str, key: Any = None) -> None:
        """Let `before` come before `after`, unless they are one."""
        if before is after:
            return
        edges = self._edges.setdefault(before, {})
        if (after, kind) not in edges:
            edges[after, kind] = Edge(before, after, kind, key)
            self.count += 1

    def of(self, before: Transaction) -> list[Edge]:
        """The edges that leave it."""
        return [*self._edges.get(before, {}).values()]

    @property
    def nodes(self) -> list[Transaction]:
        """All that something follows."""
        return [*self._edges]


def graph_of(orders: Orders, *, is_realtime: bool) -> Graph:
    """All dependencies, or enough of them that the others follow."""
    graph = Graph()
    for key in orders.values.keys() | orders.unread.keys():
        _add_writes(graph, orders, key)
    for reader in orders.committed:
        for key, shown in reader.reads.items():
            _add_read(graph, orders, reader, key, len(shown))
    if is_realtime:
        _add_realtime(graph, orders.committed)
    return graph


def _add_writes(graph: Graph, orders: Orders, key: Any) -> None:
    count = len(orders.values.get(key, ()))
    for place in range(1, count):
        graph.add(orders.writer(key, place - 1), orders.writer(key, place), WW, key)
    if count:
        for later in orders.unread.get(key, ()):
            graph.add(orders.writer(key, count - 1), later, WW, key)


def _add_read(graph: Graph, orders: Orders, reader: Transaction, key: Any, place: int) -> None:
    """Edges of one who read the first `place` values of a list."""
    if place:
        graph.add(orders.writer(key, place - 1), reader, WR, key)
    if place < len(orders.values[key]):
        graph.add(reader, orders.writer(key, place), RW, key)
        return
    for later in orders.unread.get(key, ()):
        graph.add(reader, later, RW, key)


def _add_realtime(graph: Graph, committed: list[Transaction]) -> None:
    """Edges from the last who were answered before each began; the others follow from these."""
    moments = [(one.operation.invoked, one, True) for one in committed]
    moments += [
        (one.operation.completed, one, False)
        for one in committed
        if one.operation.completed is not None
    ]
    last: set[Transaction] = set()
    before: dict[Transaction, set[Transaction]] = {}
    for _, one, begins in sorted(moments, key=lambda moment: moment[0]):
        if begins:
            before[one] = set(last)
            for earlier in last:
                graph.add(earlier, one, REALTIME)
        else:
            last -= before.pop(one)
            last.add(one)
