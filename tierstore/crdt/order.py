"""In which order the structs of a document stand: what Yjs makes of their neighbours.

The algorithm is YATA (Nicolaescu et al., "Near Real-Time Peer-to-Peer Shared Editing on Extensible
Data Types", GROUP 2016), as `Item.integrate` of https://github.com/yjs/yjs has it.
"""

from __future__ import annotations

from typing import NamedTuple

from tierstore.crdt.lib0 import malformed
from tierstore.crdt.places import homes_of
from tierstore.crdt.union import cut
from tierstore.crdt.update import GC, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tierstore.crdt.update import Id, Update

    Home = tuple[str | Id, str | None]
    """A container, and the key in it if it is a map."""


class Piece(NamedTuple):
    """A struct, or as much of it as no other stands in the middle of."""

    client: int
    struct: Struct

    @property
    def last(self) -> Id:
        """The id of its last unit."""
        return self.client, self.struct.end - 1


class _Node:
    __slots__ = ("after", "piece")

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.after: _Node | None = None


def ordered(state: Update) -> dict[Home, list[Piece]]:
    """What is in each container, deleted or not, from left to right; at a key of a map, in which
    order it was set. Not what is in deleted containers."""
    lines: dict[Home, _Node] = {}
    line = _Line(lines)
    for client, struct, home in _causally(state):
        if home is not None:
            line.put(_Node(Piece(client, struct)), home)
    return {home: list(_walk(first)) for home, first in lines.items()}


def _walk(node: _Node | None) -> Iterator[Piece]:
    while node is not None:
        yield node.piece
        node = node.after


class _Line:
    """Containers that fill."""

    def __init__(self, firsts: dict[Home, _Node]) -> None:
        self._firsts = firsts
        self._by_last: dict[Id, _Node] = {}
        self._by_first: dict[Id, _Node] = {}

    def put(self, node: _Node, home: Home) -> None:
        """Put a node where it belongs, after all that it needs."""
        client, struct = node.piece
        origin, right = struct.origin, struct.right
        left = None if origin is None else self._by_last[origin]
        bound = None if right is None else self._by_first[right]
        left = self._place(node, left, bound, home)
        if left is None:
            node.after, self._firsts[home] = self._firsts.get(home), node
        else:
            node.after, left.after = left.after, node
        self._by_first[client, struct.clock] = self._by_last[node.piece.last] = node

    def _place(
        self, node: _Node, left: _Node | None, bound: _Node | None, home: Home
    ) -> _Node | None:
        """The node after which this one stands, of those between its neighbours."""
        client, struct = node.piece
        other = self._firsts.get(home) if left is None else left.after
        before: set[int] = set()
        conflicting: set[int] = set()
        while other is not None and other is not bound:
            before.add(id(other))
            conflicting.add(id(other))
            its_client, its = other.piece
            if its.origin == struct.origin:
                if its_client < client:
                    left = other
                    conflicting.clear()
                elif its.right == struct.right:
                    break
            else:
                origin = None if its.origin is None else self._by_last[its.origin]
                if origin is None or id(origin) not in before:
                    break
                if id(origin) not in conflicting:
                    left = other
                    conflicting.clear()
            other = other.after
        return left


def _causally(state: Update) -> Iterator[tuple[int, Struct, Home | None]]:
    """The pieces of all structs, each after those that it needs, and the places that they have."""
    pieces = _cut(state)
    done = dict.fromkeys(pieces, 0)
    for client, mine in pieces.items():
        wanted = [(client, mine[-1][0].clock)]
        while wanted:
            of, clock = wanted[-1]
            at, theirs = done[of], pieces[of]
            if at == len(theirs) or theirs[at][0].clock > clock:
                wanted.pop()
            elif (missing := _find_missing(theirs[at][0], pieces, done)) is None:
                done[of] += 1
                yield of, *theirs[at]
            else:
                _want(wanted, missing, len(pieces))


def _want(wanted: list[Id], missing: Id, clients: int) -> None:
    """Do what is `missing` first; of each client one thing can wait."""
    if len(wanted) >= clients:
        malformed("changes wait for each other")
    wanted.append(missing)


def _find_missing(
    struct: Struct, pieces: dict[int, list[tuple[Struct, Any]]], done: dict[int, int]
) -> Id | None:
    for id_ in (struct.origin, struct.right, struct.parent):
        if isinstance(id_, tuple):
            client, clock = id_
            at = done[client]
            if at < len(pieces[client]) and pieces[client][at][0].clock <= clock:
                return client, clock
    return None


def _cut(state: Update) -> dict[int, list[tuple[Struct, Any]]]:
    """Structs by client, with their homes, cut wherever another stands."""
    cuts: dict[int, set[int]] = {client: set() for client in state.structs}
    for structs in state.structs.values():
        for struct in structs:
            if struct.origin is not None:
                cuts[struct.origin[0]].add(struct.origin[1] + 1)
            if struct.right is not None:
                cuts[struct.right[0]].add(struct.right[1])
    homes = homes_of(state)
    return {
        client: list(_pieces(client, structs, homes[client], sorted(cuts[client])))
        for client, structs in state.structs.items()
    }


def _pieces(
    client: int, structs: list[Struct], homes: list[Any], cuts: list[int]
) -> Iterator[tuple[Struct, Any]]:
    at = 0
    for struct, home in zip(structs, homes, strict=True):
        rest = struct
        while at < len(cuts) and cuts[at] < struct.end:
            if cuts[at] > rest.clock and rest.kind != GC:
                head, rest = cut(client, rest, cuts[at] - rest.clock)
                yield head, home
            at += 1
        yield rest, home
