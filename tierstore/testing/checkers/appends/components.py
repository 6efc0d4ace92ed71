"""Strongly connected components: Tarjan, "Depth-first search and linear graph algorithms", 1972."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.testing.checkers.appends.graph import Graph
    from tierstore.testing.checkers.appends.transactions import Transaction


def components(graph: Graph) -> list[list[Transaction]]:
    """The parts within which everything comes before everything, without recursion."""
    search = _Search(graph)
    for node in graph.nodes:
        if node not in search.number:
            search.explore(node)
    return search.found


class _Search:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.number: dict[Transaction, int] = {}
        self._low: dict[Transaction, int] = {}
        self._stack: list[Transaction] = []
        self._waiting: set[Transaction] = set()
        self.found: list[list[Transaction]] = []

    def explore(self, root: Transaction) -> None:
        path = [(root, self._enter(root))]
        while path:
            node, rest = path[-1]
            following = next(rest, None)
            if following is None:
                path.pop()
                self._leave(node)
                if path:
                    above = path[-1][0]
                    self._low[above] = min(self._low[above], self._low[node])
            elif following not in self.number:
                path.append((following, self._enter(following)))
            elif following in self._waiting:
                self._low[node] = min(self._low[node], self.number[following])

    def _enter(self, node: Transaction) -> Iterator[Transaction]:
        self.number[node] = self._low[node] = len(self.number)
        self._stack.append(node)
        self._waiting.add(node)
        return iter([edge.after for edge in self._graph.of(node)])

    def _leave(self, node: Transaction) -> None:
        if self._low[node] != self.number[node]:
            return
        start = self._place(node)
        part = self._stack[start:]
        del self._stack[start:]
        self._waiting.difference_update(part)
        self.found.append(part)

    def _place(self, node: Transaction) -> int:
        """Where it lies, looked for from the top, near which it usually is."""
        place = len(self._stack) - 1
        while self._stack[place] is not node:
            place -= 1
        return place
