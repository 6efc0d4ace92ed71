"""Where the structs of a document are: in containers that exist, at a depth that ends."""

from __future__ import annotations

from bisect import bisect_right

from tierstore.crdt.lib0 import DEPTH_MAX, malformed
from tierstore.crdt.union import GapError, merged
from tierstore.crdt.update import DELETED, GC, TYPE, Struct, Update, joined_ranges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.crdt.update import Id

_DEAD, _BUSY, _UNKNOWN = -1, -2, 0
_NOWHERE = (-1, -1)


class _Places:
    """Finds structs, and how deep they are: 1 in the root map, `_DEAD` in what is deleted."""

    def __init__(self, structs: dict[int, list[Struct]]) -> None:
        self.structs = structs
        self.depths = {client: [_UNKNOWN] * len(mine) for client, mine in structs.items()}
        self._clocks = {client: [s.clock for s in mine] for client, mine in structs.items()}

    def find(self, id_: Id) -> tuple[int, int]:
        """Client and index of the struct with this id. Raises GapError if there is none."""
        client, clock = id_
        clocks = self._clocks.get(client)
        if clocks is None or not clocks[0] <= clock < self.structs[client][-1].end:
            raise GapError("a change of a document needs another that is not there")
        return client, bisect_right(clocks, clock) - 1

    def is_dead(self, id_: Id) -> bool:
        """Whether the struct with this id is in what is deleted, once it is settled."""
        client, index = self.find(id_)
        return self.depths[client][index] == _DEAD

    def settle(self, client: int, index: int) -> int:
        """How deep the struct is, after all that it hangs on."""
        path = []
        while not (depth := self.depths[client][index]):
            self.depths[client][index] = _BUSY
            known, step, (after, at) = self._next(client, index)
            path.append((client, index, step))
            if known:
                depth = known
                break
            client, index = after, at
        if depth == _BUSY:
            malformed("two changes wait for each other")
        return self._note(path, depth)

    def _note(self, path: list[tuple[int, int, int]], depth: int) -> int:
        """Write `depth` at the end of `path`, and what follows before it."""
        for client, index, step in reversed(path):
            depth = _DEAD if depth == _DEAD else depth + step
            if depth > DEPTH_MAX:
                malformed("it nests too deeply")
            self.depths[client][index] = depth
        return depth

    def _next(self, client: int, index: int) -> tuple[int, int, tuple[int, int]]:
        """What is known of the depth of a struct; or how much deeper it is than which other."""
        _, _, kind, origin, right, parent, _, _ = self.structs[client][index]
        if kind == GC:
            return _DEAD, 0, _NOWHERE
        beside = _NOWHERE
        for id_ in (right, origin):
            if id_ is not None:
                where, at = beside = self.find(id_)
                if self.structs[where][at].kind == GC:
                    return _DEAD, 0, _NOWHERE
        if beside is not _NOWHERE:
            return _UNKNOWN, 0, beside
        return self._inside(parent)

    def _inside(self, parent: str | Id | None) -> tuple[int, int, tuple[int, int]]:
        if not isinstance(parent, tuple):
            return 1, 0, _NOWHERE
        where, at = self.find(parent)
        kind = self.structs[where][at].kind
        if kind not in (GC, DELETED, TYPE):
            malformed("a change is in what holds nothing")
        return (_UNKNOWN if kind == TYPE else _DEAD), 1, (where, at)


def settled(update: Update) -> Update:
    """`update` as a state: what lies in a deleted container is of kind GC. Changes its argument.

    Raises GapError if a struct or a deletion needs what is not there, DecodingError if what is
    there cannot be.
    """
    places = _Places(update.structs)
    for client, structs in update.structs.items():
        if structs[0].clock:
            raise GapError("a change of a document comes before another that it needs")
        depths = places.depths[client]
        for index, depth in enumerate(depths):
            if not depth:
                places.settle(client, index)
    _check_deleted(update)
    dead = [client for client, mine in update.structs.items() if _is_dying(places, client, mine)]
    if dead:
        _check_neighbours(places)
    for client in dead:
        _bury(update, client, places.depths[client])
    return update


def _is_dying(places: _Places, client: int, structs: list[Struct]) -> bool:
    depths = places.depths[client]
    return any(
        depth == _DEAD and struct.kind != GC for struct, depth in zip(structs, depths, strict=True)
    )


def _check_neighbours(places: _Places) -> None:
    """Raise DecodingError if a struct is where its right neighbour is not: in what is deleted."""
    for client, structs in places.structs.items():
        for struct, depth in zip(structs, places.depths[client], strict=True):
            if depth != _DEAD and struct.right is not None and places.is_dead(struct.right):
                malformed("neighbours are in different containers")


def _check_deleted(update: Update) -> None:
    for client, ranges in update.deleted.items():
        structs = update.structs.get(client)
        if structs is None or ranges[-1][1] > structs[-1].end:
            raise GapError("a change of a document deletes what is not there")


def _bury(update: Update, client: int, depths: list[int]) -> None:
    """Make GC of the structs of `client` that are in a deleted container."""
    structs = update.structs[client]
    pairs = list(zip(structs, depths, strict=True))
    dead = [s for s, depth in pairs if depth == _DEAD]
    update.structs[client] = merged(
        client,
        [Struct(s.clock, s.length, GC) if depth == _DEAD else s for s, depth in pairs],
    )
    ranges = update.deleted.get(client, []) + [(s.clock, s.end) for s in dead]
    update.deleted[client] = joined_ranges(ranges)
