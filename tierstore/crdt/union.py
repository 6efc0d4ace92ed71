"""What updates add up to: unions of structs and of deletions, and what follows from them.

An update is a set of facts: this struct exists, that id is deleted. Facts only ever add up, so the
union of updates is commutative, associative and idempotent whatever Yjs makes of them. Of a struct
that is deleted the content goes (kind DELETED); of one in a container that is deleted the place
goes as well (kind GC): nobody will see it again, nor what is yet to come to it.
"""

from __future__ import annotations

from tierstore.crdt.update import ANY, DELETED, GC, STRING, Struct, Update, joined_ranges, units
from tierstore.errors import DecodingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from tierstore.crdt.update import Ranges

_MANY = frozenset((GC, DELETED, STRING, ANY))
"""Kinds of structs whose length is not always 1."""
_RANK = {DELETED: 1, GC: 2}


class GapError(DecodingError):
    """The update needs what is not there."""


def union(left: Update, right: Update) -> Update:
    """All that either says. Changes neither.

    Raises DecodingError if they say different things of one id, GapError if a client has a gap.
    """
    structs = dict(left.structs)
    for client, others in right.structs.items():
        known = structs.get(client)
        structs[client] = _overlaid(client, known, others) if known else others
    deleted = dict(left.deleted)
    for client, ranges in right.deleted.items():
        deleted[client] = joined_ranges(deleted.get(client, []) + ranges)
    return tidied(Update(structs, deleted), right.deleted.keys() | right.structs.keys())


def tidied(update: Update, clients: Iterable[int]) -> Update:
    """`update`, in which deleted structs of `clients` have no content, and neighbours are one."""
    for client in clients:
        if structs := update.structs.get(client):
            ranges = update.deleted.get(client, [])
            structs = merged(client, _stripped(client, structs, ranges))
            update.structs[client] = structs
            if gone := ranges + ranges_of(structs):
                update.deleted[client] = joined_ranges(gone)
    return update


def ranges_of(structs: list[Struct]) -> Ranges:
    """The clocks of those that are deleted."""
    return joined_ranges([(s.clock, s.end) for s in structs if s.kind <= DELETED])


def clocks_of(update: Update) -> dict[int, int]:
    """For each client the clock that comes next."""
    return {client: structs[-1].end for client, structs in update.structs.items()}


def without(ranges: Ranges, others: Ranges) -> Ranges:
    """The clocks of `ranges` that are not among `others`."""
    left: Ranges = []
    at = 0
    for start, end in ranges:
        while at < len(others) and others[at][1] <= start:
            at += 1
        after = at
        while after < len(others) and others[after][0] < end:
            low, high = others[after]
            if start < low:
                left.append((start, low))
            start, after = max(start, high), after + 1
        if start < end:
            left.append((start, end))
    return left


def within(ranges: Ranges, others: Ranges) -> Ranges:
    """The clocks of `ranges` that are among `others`."""
    return without(ranges, without(ranges, others))


# Structs of one client


def cut(client: int, struct: Struct, size: int) -> tuple[Struct, Struct]:
    """The first `size` units of a struct, and the rest of it."""
    clock, length, kind, origin, right, parent, sub, content = struct
    first, rest = _cut_content(kind, content, size)
    head = Struct(clock, size, kind, origin, right, parent, sub, first)
    if kind == GC:
        return head, Struct(clock + size, length - size, GC)
    left = (client, clock + size - 1)
    return head, Struct(clock + size, length - size, kind, left, right, None, None, rest)


def _cut_content(kind: int, content: Any, size: int) -> tuple[Any, Any]:
    if kind == ANY or (kind == STRING and content.isascii()):
        return content[:size], content[size:]
    if kind != STRING:
        return None, None
    # Half of a surrogate pair becomes a replacement character, as in Yjs.
    encoded = content.encode("utf-16-le")
    return _half(encoded[: 2 * size]), _half(encoded[2 * size :])


def _half(encoded: bytes) -> str:
    text = encoded.decode("utf-16-le", "surrogatepass")
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)


def _overlaid(client: int, left: list[Struct], right: list[Struct]) -> list[Struct]:
    """All that either has, cut where the other is."""
    if left == right:
        return left
    first, second = (left, right) if left[0].clock <= right[0].clock else (right, left)
    if second[0].clock > first[-1].end:
        raise GapError("a change of a document comes before another that it needs")
    if second[0].clock == first[-1].end:
        return first + second
    return list(_paired(client, first, second))


def _paired(client: int, first: list[Struct], second: list[Struct]) -> Iterator[Struct]:
    """Both in the order of clocks; where they overlap, the stronger. `first` starts first."""
    ones, others = iter(first), iter(second)
    one, other = next(ones, None), next(others, None)
    while one is not None and other is not None:
        if one.clock < other.clock:
            head, one = _cut_at(client, one, other.clock)
            yield head
            one = one or next(ones, None)
            continue
        end = min(one.end, other.end)
        head, one = _cut_at(client, one, end)
        same, other = _cut_at(client, other, end)
        yield _stronger(head, same)
        one, other = one or next(ones, None), other or next(others, None)
    yield from (struct for struct in (one, other) if struct is not None)
    yield from ones
    yield from others


def _cut_at(client: int, struct: Struct, clock: int) -> tuple[Struct, Struct | None]:
    if struct.end <= clock:
        return struct, None
    return cut(client, struct, clock - struct.clock)


def _stronger(one: Struct, other: Struct) -> Struct:
    """Of two words on one id that which says more of it being deleted."""
    if one == other:
        return one
    rank, others = _RANK.get(one.kind, 0), _RANK.get(other.kind, 0)
    is_place_told = max(rank, others) < 2
    if rank == others or (is_place_told and one[3:7] != other[3:7]):
        raise DecodingError("a document has two different changes with one id")
    return one if rank > others else other


def _stripped(client: int, structs: list[Struct], ranges: Ranges) -> Iterator[Struct]:
    """The structs; those within `ranges` without content."""
    at = 0
    for struct in structs:
        rest: Struct | None = struct
        while rest is not None:
            while at < len(ranges) and ranges[at][1] <= rest.clock:
                at += 1
            start, end = ranges[at] if at < len(ranges) else (rest.end, rest.end)
            if start > rest.clock:
                head, rest = _cut_at(client, rest, start)
                yield head
                continue
            head, rest = _cut_at(client, rest, end)
            yield head if head.kind <= DELETED else head._replace(kind=DELETED, content=None)


def merged(client: int, structs: Iterable[Struct]) -> list[Struct]:
    """The same in as few structs as can be."""
    kept: list[Struct] = []
    run: list[Struct] = []
    for struct in structs:
        if run and not _is_continued(client, run[-1], struct):
            kept.append(_as_one(run))
            run = []
        run.append(struct)
    if run:
        kept.append(_as_one(run))
    return kept


def _is_continued(client: int, struct: Struct, after: Struct) -> bool:
    if struct.kind != after.kind or struct.kind not in _MANY:
        return False
    if struct.kind == GC:
        return True
    return after.origin == (client, after.clock - 1) and after.right == struct.right


def _as_one(run: list[Struct]) -> Struct:
    first = run[0]
    if len(run) == 1:
        return first
    length = sum(struct.length for struct in run)
    if first.kind == STRING:
        text = "".join([struct.content for struct in run])
        assert units(text) == length
        return first._replace(length=length, content=text)
    content = None if first.kind <= DELETED else tuple(v for s in run for v in s.content)
    return first._replace(length=length, content=content)
