"""What a document shows, made by one client; and what the ids of before are called in it.

A document that is made compact has the structs that it shows, in their order, all made by one new
client: nothing else that a reader could tell from the one before. Structs that were made of that
one, by who had not heard of it, are translated: what they stand beside or in has another name now,
or is gone, and then they stand beside what is left of its neighbours. Translating is a function of
each struct by itself. So it may be done by many, in any order and any number of times.
"""

from __future__ import annotations

from bisect import bisect_right
from hashlib import blake2b
from typing import NamedTuple

from tierstore.crdt.order import Piece, ordered
from tierstore.crdt.union import cut, merged, tidied, union
from tierstore.crdt.update import (
    DELETED,
    GC,
    ROOT,
    TYPE,
    Struct,
    Update,
    joined_ranges,
    write_update,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from tierstore.crdt.order import Home
    from tierstore.crdt.update import Id, Ranges

CLIENT_BYTES = 4


class _Name(NamedTuple):
    """A piece of before: how it is called, or between which names it stood."""

    clock: int
    length: int
    home: Home
    named: int | None
    """The clock of its first unit now; None: it is not shown."""
    left: int | None
    right: int | None


class Renaming:
    """From the ids of a document to those of what it shows, and back."""

    def __init__(self, base: Update) -> None:
        """Raises DecodingError if structs of `base` wait for each other."""
        self.base = base
        self.ends = {client: structs[-1].end for client, structs in base.structs.items()}
        self.client = client_of(write_update(base))
        self._lines = ordered(base)
        self._names: dict[int, list[_Name]] = {client: [] for client in base.structs}
        self._containers: dict[Id, Id] = {}
        self._back: list[tuple[int, int, Id]] = []
        self.fresh = Update({self.client: self._made()}, {self.client: [(0, 1)]})
        for names in self._names.values():
            names.sort()
        self._clocks = {client: [n.clock for n in names] for client, names in self._names.items()}
        self._aliases = aliases_of(self.client, self.ends)
        self._originals = {alias: client for client, alias in self._aliases.items()}
        del self._lines

    @property
    def is_sound(self) -> bool:
        """Whether the new client is none of before."""
        return self.client != 0 and self.client not in self.ends

    # What is shown, made anew

    def _made(self) -> list[Struct]:
        """The structs. First one that shows nothing, by which the document is known."""
        made = [Struct(0, 1, GC)]
        by_parent: dict[str | Id, list[Home]] = {}
        for home in self._lines:
            by_parent.setdefault(home[0], []).append(home)
        waiting: list[tuple[str | Id, str | Id]] = [(ROOT, ROOT)]
        for old, new in waiting:
            for home in sorted(by_parent.pop(old, ()), key=lambda home: home[1] or ""):
                waiting += self._make(made, home, new)
        for homes in by_parent.values():
            for home in homes:  # in what is not shown: all the same it has a name, namely none
                self._note(home, [None] * len(self._lines[home]))
        return merged(self.client, made)

    def _make(self, made: list[Struct], home: Home, parent: str | Id) -> list[tuple[Id, Id]]:
        """Add what one container shows; the containers in it, before and now."""
        line, found = self._lines[home], []
        named: list[int | None] = []
        before = None
        for piece in self._shown(home, line):
            clock = made[-1].end
            named.append(None if piece is None else clock)
            if piece is None:
                continue
            struct = piece.struct
            made.append(
                Struct(
                    clock, struct.length, struct.kind, before, None,
                    parent if before is None else None, home[1] if before is None else None,
                    struct.content,
                )
            )  # fmt: skip
            before = self.client, clock + struct.length - 1
            self._back.append((clock, struct.length, (piece.client, struct.clock)))
            if struct.kind == TYPE:
                self._containers[piece.last] = before
                found.append((piece.last, before))
        self._note(home, named)
        return found

    def _shown(self, home: Home, line: list[Piece]) -> Iterator[Piece | None]:
        """Each piece, or None in place of one that is not shown. Of a key only the last is."""
        if home[1] is not None:
            last = line[-1]
            if last.struct.length > 1:
                head, rest = cut(last.client, last.struct, last.struct.length - 1)
                line[-1:] = [Piece(last.client, head), Piece(last.client, rest)]
            yield from [None] * (len(line) - 1)
            line = line[-1:]
        for piece in line:
            yield piece if piece.struct.kind > DELETED else None

    def _note(self, home: Home, named: list[int | None]) -> None:
        """Note how the pieces of a container are called, and what those without a name are near."""
        line = self._lines[home]
        rights: list[int | None] = []
        right = None
        for name in reversed(named):
            rights.append(right)
            right = right if name is None else name
        left = None
        for piece, name, right in zip(line, named, reversed(rights), strict=True):
            client, struct = piece
            known = _Name(struct.clock, struct.length, home, name, left, right)
            self._names[client].append(known)
            left = left if name is None else name + struct.length - 1

    # Translating

    def renewed(self, update: Update) -> Update:
        """`update` without what was there before, and in the ids of now."""
        if not is_concerned(self.ends, update):
            return update
        structs: dict[int, list[Struct]] = {}
        for client, mine in update.structs.items():
            end = self.ends.get(client, 0)
            if later := [self._renew(struct, end) for struct in _from(client, mine, end)]:
                structs[self._aliases.get(client, client)] = later
        deleted: dict[int, Ranges] = {}
        for client, ranges in update.deleted.items():
            for of, start, stop in self._renewed_ranges(client, ranges):
                deleted.setdefault(of, []).append((start, stop))
        deleted = {client: joined_ranges(ranges) for client, ranges in deleted.items()}
        return tidied(Update(structs, deleted), list(structs))

    def _renew(self, struct: Struct, end: int) -> Struct:
        clock, length, kind, origin, right, parent, sub, content = struct
        gone = Struct(clock - end, length, GC)
        if kind == GC:
            return gone
        home: Home | None = None if parent is None else (parent, sub)
        for id_ in (origin, right):
            if id_ is not None and self._is_before(id_):
                name = self._name(id_)
                if name is None:
                    return gone
                home = name.home
        new_origin = None if origin is None else self._beside(origin, is_left=True)
        new_right = None if right is None else self._beside(right, is_left=False)
        if new_origin is not None or new_right is not None:
            return Struct(clock - end, length, kind, new_origin, new_right, None, None, content)
        assert home is not None  # told, or known from a neighbour of before
        inside = self._inside(home[0])
        if inside is None:
            return gone
        return Struct(clock - end, length, kind, None, None, inside, home[1], content)

    def _is_before(self, id_: Id) -> bool:
        return id_[1] < self.ends.get(id_[0], 0)

    def _name(self, id_: Id) -> _Name | None:
        """What is known of an id of before; None: it was in what was deleted."""
        names = self._names[id_[0]]
        at = bisect_right(self._clocks[id_[0]], id_[1]) - 1
        if at < 0 or names[at].clock + names[at].length <= id_[1]:
            return None
        return names[at]

    def _beside(self, id_: Id, *, is_left: bool) -> Id | None:
        """The id of now that is meant, or stands next to where that was."""
        if not self._is_before(id_):
            return self._aliased(id_)
        name = self._name(id_)
        assert name is not None
        if name.named is not None:
            return self.client, name.named + id_[1] - name.clock
        clock = name.left if is_left else name.right
        return None if clock is None else (self.client, clock)

    def _aliased(self, id_: Id) -> Id:
        client, clock = id_
        return self._aliases.get(client, client), clock - self.ends.get(client, 0)

    def _inside(self, parent: str | Id) -> str | Id | None:
        if not isinstance(parent, tuple):
            return parent
        return self._containers.get(parent) if self._is_before(parent) else self._aliased(parent)

    def _renewed_ranges(self, client: int, ranges: Ranges) -> Iterator[tuple[int, int, int]]:
        end = self.ends.get(client, 0)
        for start, stop in ranges:
            if stop > end:
                yield self._aliases.get(client, client), max(start, end) - end, stop - end
            for name in self._names.get(client, ()) if start < end else ():
                low, high = max(start, name.clock), min(stop, name.clock + name.length)
                if low < high and name.named is not None:
                    shift = name.named - name.clock
                    yield self.client, low + shift, high + shift

    def later(self, update: Update) -> Update:
        """What `update`, in the ids of before, has that was not there before; no deletions."""
        structs = {
            client: later
            for client, mine in update.structs.items()
            if (later := list(_from(client, mine, self.ends.get(client, 0))))
        }
        return tidied(Update(structs, {}), list(structs))

    # And back

    def undone(self, state: Update, late: Update) -> Update:
        """`state`, that began as `fresh`, in the ids of before.

        What was translated is in `late` as it was, since it may have lost its neighbours here.
        """
        structs: dict[int, list[Struct]] = {}
        for client in state.structs.keys() - {self.client}:
            of = self._originals.get(client, client)
            known = late.structs.get(of)
            if rest := list(_from(of, self.made_by(state, of), known[-1].end if known else 0)):
                structs[of] = rest
        deleted: dict[int, Ranges] = {}
        for client, ranges in state.deleted.items():
            for of, start, stop in self._undone_ranges(client, ranges):
                deleted.setdefault(of, []).append((start, stop))
        later = Update(structs, {c: joined_ranges(ranges) for c, ranges in deleted.items()})
        return union(union(self.base, late), later)

    def made_by(self, state: Update, client: int) -> list[Struct]:
        """What `state` has that `client` of before made later, in the ids of before."""
        end = self.ends.get(client, 0)
        mine = state.structs.get(self._aliases.get(client, client), [])
        return [self._undo(struct, end) for struct in mine]

    def _undo(self, struct: Struct, end: int) -> Struct:
        clock, length, kind, origin, right, parent, sub, content = struct
        return Struct(
            clock + end, length, kind,
            None if origin is None else self._original(origin),
            None if right is None else self._original(right),
            self._original(parent) if isinstance(parent, tuple) else parent,
            sub, content,
        )  # fmt: skip

    def _original(self, id_: Id) -> Id:
        client, clock = id_
        if client != self.client:
            of = self._originals.get(client, client)
            return of, clock + self.ends.get(of, 0)
        at = bisect_right(self._back, clock, key=lambda found: found[0]) - 1
        start, _, (of, first) = self._back[at]
        return of, first + clock - start

    def _undone_ranges(self, client: int, ranges: Ranges) -> Iterator[tuple[int, int, int]]:
        of = self._originals.get(client, client)
        end = self.ends.get(of, 0)
        for start, stop in ranges:
            if client != self.client:
                yield of, start + end, stop + end
                continue
            for clock, length, (whose, first) in self._back:
                low, high = max(start, clock), min(stop, clock + length)
                if low < high:
                    yield whose, first + low - clock, first + high - clock


def client_of(base: bytes) -> int:
    """Who made what shows the document of these bytes: whoever makes it is the same."""
    return _draw(base, 0)


def aliases_of(client: int, ends: Iterable[int]) -> dict[int, int]:
    """For each client of before another, for what it made later: its clocks begin anew.

    `client` is who made what is shown now.
    """
    aliases: dict[int, int] = {}
    taken = {*ends, client, 0}
    seed = client.to_bytes(CLIENT_BYTES, "big")
    for one in sorted(ends):
        attempt = 0
        while (alias := _draw(seed + b"%d" % one, attempt)) in taken:
            attempt += 1
        aliases[one] = alias
        taken.add(alias)
    return aliases


def is_concerned(clients: Collection[int], update: Update) -> bool:
    """Whether `update` speaks of ids of these clients."""
    if any(client in clients for client in (*update.structs, *update.deleted)):
        return True
    return any(
        isinstance(id_, tuple) and id_[0] in clients
        for structs in update.structs.values()
        for struct in structs
        for id_ in struct[3:6]
    )


def _from(client: int, structs: list[Struct], end: int) -> Iterator[Struct]:
    """What `client` made from `end` on."""
    for struct in structs:
        if struct.clock >= end:
            yield struct
        elif struct.end > end:
            if struct.kind == GC:
                yield Struct(end, struct.end - end, GC)
            else:
                yield cut(client, struct, end - struct.clock)[1]


def _draw(seed: bytes, attempt: int) -> int:
    """A number of a client that whoever has the same seed draws too."""
    raw = blake2b(seed + b"/%d" % attempt, digest_size=CLIENT_BYTES).digest()
    return int.from_bytes(raw, "big")
