"""Where the structs of a document are: in containers that are there, and that they are for.

pycrdt does not look: it never ends to list an array that has what is for texts, and overflows its
stack where containers nest too deeply.
"""

from __future__ import annotations

from bisect import bisect_right

from tierstore.crdt.lib0 import DEPTH_MAX, malformed
from tierstore.crdt.union import GapError, merged
from tierstore.crdt.update import (
    ANY,
    ARRAY,
    BINARY,
    DELETED,
    EMBED,
    FORMAT,
    GC,
    MAP,
    STRING,
    TEXT,
    TYPE,
    Struct,
    Update,
    joined_ranges,
    write_content,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.crdt.update import Id

# A place is four times how deep it is, plus the type of the container; or one of these.
_DEAD, _BUSY, _UNKNOWN = -1, -2, 0
_AT_ROOT = 4 + MAP
_HEADER_BYTES = 10
_NOWHERE, _SAME = (-1, -1), -1
_ITEMS = frozenset((DELETED, BINARY, TYPE, ANY))
_KINDS = {ARRAY: _ITEMS, MAP: _ITEMS, TEXT: frozenset((DELETED, STRING, EMBED, FORMAT))}


class _Places:
    """Finds structs, and notes the place of each; of those not in what is deleted the home too.

    A home is a container, and the key in it if it is a map.
    """

    def __init__(self, structs: dict[int, list[Struct]]) -> None:
        self.structs = structs
        self.noted = {client: [_UNKNOWN] * len(mine) for client, mine in structs.items()}
        self.homes: dict[int, list[Any]] = {c: [None] * len(mine) for c, mine in structs.items()}
        self._clocks = {client: [s.clock for s in mine] for client, mine in structs.items()}

    def find(self, id_: Id) -> tuple[int, int]:
        """Client and index of the struct with this id. Raises GapError if there is none."""
        client, clock = id_
        clocks = self._clocks.get(client)
        if clocks is None or not clocks[0] <= clock < self.structs[client][-1].end:
            raise GapError("a change of a document needs another that is not there")
        return client, bisect_right(clocks, clock) - 1

    def home_of(self, id_: Id) -> Any:
        """The home of the struct with this id, once it is settled."""
        client, index = self.find(id_)
        return self.homes[client][index]

    def settle(self, client: int, index: int) -> None:
        """Note the place of the struct, after those of all that it hangs on."""
        path = []
        while not (place := self.noted[client][index]):
            self.noted[client][index] = _BUSY
            known, step, (after, at) = self._next(client, index)
            path.append((client, index, step))
            if known:
                place = known
                break
            client, index = after, at
        if place == _BUSY:
            malformed("two changes wait for each other")
        self._note(path, place, self.homes[client][index])

    def _note(self, path: list[tuple[int, int, int]], place: int, home: Any) -> None:
        """Write `place` at the end of `path`, and what follows from it before."""
        for client, index, type_ in reversed(path):
            struct = self.structs[client][index]
            if place != _DEAD:
                if type_ >= 0:
                    place = (place | 3) + 1 + type_
                if struct.parent is not None:
                    home = struct.parent, struct.sub
                _check(struct, place)
            self.noted[client][index] = place
            self.homes[client][index] = None if place == _DEAD else home

    def _next(self, client: int, index: int) -> tuple[int, int, tuple[int, int]]:
        """The place of a struct, if it tells; or its container's type and a struct to ask.

        A type of `_SAME`: it is beside the other struct, in the same container.
        """
        _, _, kind, origin, right, parent, _, _ = self.structs[client][index]
        if kind == GC:
            return _DEAD, _SAME, _NOWHERE
        beside = _NOWHERE
        for id_ in (right, origin):
            if id_ is not None:
                where, at = beside = self.find(id_)
                if self.structs[where][at].kind == GC:
                    return _DEAD, _SAME, _NOWHERE
        if beside is not _NOWHERE:
            return _UNKNOWN, _SAME, beside
        return self._inside(parent)

    def _inside(self, parent: str | Id | None) -> tuple[int, int, tuple[int, int]]:
        if not isinstance(parent, tuple):
            return _AT_ROOT, _SAME, _NOWHERE
        where, at = self.find(parent)
        container = self.structs[where][at]
        if container.kind == TYPE:
            return _UNKNOWN, container.content, (where, at)
        if container.kind > DELETED:
            malformed("a change is in what holds nothing")
        return _DEAD, _SAME, _NOWHERE


def _check(struct: Struct, place: int) -> None:
    """Raise DecodingError if nobody can show what is there."""
    type_ = place & 3
    if place >> 2 > DEPTH_MAX:
        malformed("it nests too deeply")
    if struct.kind not in _KINDS[type_]:
        malformed("a container has what is not for it")
    if struct.parent is not None and (struct.sub is not None) != (type_ == MAP):
        malformed("a map has all by keys, and nothing else has keys")


def settled(update: Update) -> Update:
    """`update` as a state: what lies in a deleted container is of kind GC. Changes its argument.

    Raises GapError if a struct or a deletion needs what is not there, DecodingError if what is
    there cannot be.
    """
    places = _placed(update)
    _check_deleted(update)
    _check_neighbours(places)
    for client in [c for c, mine in update.structs.items() if _is_dying(places, c, mine)]:
        _bury(update, client, places.noted[client])
    return update


def homes_of(state: Update) -> dict[int, list[Any]]:
    """For each client the container of each struct, and the key in it; None of kind GC."""
    return _placed(state).homes


def fresh_bytes(state: Update) -> int:
    """About how many bytes a document has that shows what `state` does, and has no history."""
    places, size_bytes = _placed(state), 0
    for client, structs in state.structs.items():
        for struct, home in zip(structs, places.homes[client], strict=True):
            if struct.content is not None:
                size_bytes += _fresh_bytes(struct, home[1])
    return size_bytes


def _fresh_bytes(struct: Struct, key: str | None) -> int:
    """The size of a struct; text, and values in an array, are one with their neighbours."""
    size_bytes = len(write_content(struct.kind, struct.length, struct.content))
    if key is not None:
        return size_bytes + len(key) + _HEADER_BYTES
    return size_bytes - 1 if struct.kind in (STRING, ANY) else size_bytes + _HEADER_BYTES


def _placed(update: Update) -> _Places:
    """The places of all structs."""
    places = _Places(update.structs)
    for client, structs in update.structs.items():
        if structs[0].clock:
            raise GapError("a change of a document comes before another that it needs")
        for index, place in enumerate(places.noted[client]):
            if not place:
                places.settle(client, index)
    return places


def _is_dying(places: _Places, client: int, structs: list[Struct]) -> bool:
    noted = places.noted[client]
    return any(
        place == _DEAD and struct.kind != GC for struct, place in zip(structs, noted, strict=True)
    )


def _check_neighbours(places: _Places) -> None:
    """Raise DecodingError if what a struct is between is not all in one container."""
    for client, structs in places.structs.items():
        for struct, home in zip(structs, places.homes[client], strict=True):
            if struct.right is None or struct.origin is None or home is None:
                continue
            if places.home_of(struct.right) != home:
                malformed("neighbours are in different containers")


def _check_deleted(update: Update) -> None:
    for client, ranges in update.deleted.items():
        structs = update.structs.get(client)
        if structs is None or ranges[-1][1] > structs[-1].end:
            raise GapError("a change of a document deletes what is not there")


def _bury(update: Update, client: int, noted: list[int]) -> None:
    """Make GC of the structs of `client` that are in a deleted container."""
    structs = update.structs[client]
    pairs = list(zip(structs, noted, strict=True))
    dead = [s for s, place in pairs if place == _DEAD]
    update.structs[client] = merged(
        client,
        [Struct(s.clock, s.length, GC) if place == _DEAD else s for s, place in pairs],
    )
    ranges = update.deleted.get(client, []) + [(s.clock, s.end) for s in dead]
    update.deleted[client] = joined_ranges(ranges)
