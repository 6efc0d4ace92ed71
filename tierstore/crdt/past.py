"""What a compact document remembers of how it was, until nobody speaks of that any more.

Whoever holds a document that was made compact elsewhere goes on to edit it, and tells later. So
with the compact document goes what it was made of: by that, late changes are translated
(`renaming`), and those of a region that made another one compact of it. It is forgotten when no
change can come that needs it; who learns that it was forgotten forgets it, too.
"""

from __future__ import annotations

from tierstore.crdt.places import settled
from tierstore.crdt.renaming import Renaming, aliases_of, client_of, is_concerned
from tierstore.crdt.union import clocks_of, union
from tierstore.crdt.update import (
    DELETED,
    GC,
    Struct,
    Update,
    joined_ranges,
    read_update,
    write_update,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Past:
    """The document of before, as bytes, and when (`since_ms`) and by which region (`actor`) it was
    made compact; no position of that region's feed above `position` knows less. `late` is what was
    translated since, as it was."""

    __slots__ = ("_ends", "_names", "actor", "base", "late", "position", "since_ms")

    def __init__(self, base: bytes, late: bytes, since_ms: int, actor: int, position: int) -> None:
        self.base = base
        self.late = late
        self.since_ms = since_ms
        self.actor = actor
        self.position = position
        self._ends: dict[int, int] | None = None
        self._names: Renaming | None = None

    @property
    def client(self) -> int:
        """Who made what was made of it."""
        return client_of(self.base)

    @property
    def ends(self) -> dict[int, int]:
        """Who had made it, and up to which clock. Raises DecodingError if `base` is no document."""
        if self._ends is None:
            self._ends = clocks_of(read_update(self.base))
        return self._ends

    @property
    def names(self) -> Renaming:
        """How ids of before are called now. Raises DecodingError if `base` is no document."""
        if self._names is None:
            self._names = Renaming(settled(read_update(self.base)))
        return self._names

    def with_late(self, late: Update) -> Past:
        """The same, in which `late` was translated."""
        past = Past(self.base, write_update(late), self.since_ms, self.actor, self.position)
        past._names, past._ends = self._names, self._ends
        return past

    def fields(self) -> list[Any]:
        """What is stored of it."""
        return [self.base, self.late, self.since_ms, self.actor, self.position]


NOTHING = write_update(Update({}, {}))


def compacted(state: Update, since_ms: int, actor: int, position: int) -> Update | None:
    """`state` without its history but with its past; None if that cannot be now.

    It is a document like any other, whose readers see the same.
    """
    past = Past(write_update(state), NOTHING, since_ms, actor, position)
    if state.past is not None or not past.names.is_sound:
        return None
    return held(settled(past.names.fresh), past)


def held(update: Update, past: Past | None) -> Update:
    """`update` with this past, in which of what is late is said that it is deleted, if it is."""
    if past is not None and past.late != NOTHING:
        late = union(read_update(past.late), _dead(update, past))
        past = past.with_late(late)
    update.past = past
    return update


def _dead(state: Update, past: Past) -> Update:
    """The deletions of what is late, in the ids of before."""
    aliases, dead = aliases_of(past.client, past.ends), Update({}, {})
    for client in read_update(past.late).structs:
        end = past.ends.get(client, 0)
        mine = state.structs.get(aliases.get(client, client), ())
        buried = [Struct(s.clock + end, s.length, GC) for s in mine if s.kind == GC]
        if buried:
            dead.structs[client] = buried
        ranges = [(s.clock + end, s.end + end) for s in mine if s.kind == DELETED]
        if ranges:
            dead.deleted[client] = joined_ranges(ranges)
    return dead


def renewed(state: Update, update: Update) -> tuple[Update, Past | None]:
    """A change, or a state, in the ids that are those of `state`; and its past with that."""
    past = state.past
    if past is None or not is_concerned(past.ends, update):
        return update, past
    names = past.names
    late = union(read_update(past.late), _whole(names, state, names.later(update)))
    return names.renewed(update), past.with_late(late)


def _whole(names: Renaming, state: Update, later: Update) -> Update:
    """`later`, and what its clients had made before that, which needed no translation."""
    for client in later.structs:
        before = Update({client: made}, {}) if (made := names.made_by(state, client)) else None
        if before is not None and made[-1].end <= later.structs[client][0].clock:
            later = union(before, later)
    return later


def joined(left: Update, right: Update) -> Update:
    """All changes of two states, whichever of them were made compact, of the same or others."""
    mine, yours = left.past, right.past
    if mine is None and yours is None:
        return settled(union(left, right))
    if mine is None or yours is None:
        older, newer = (left, right) if mine is None else (right, left)
        return _with_one_past(older, newer)
    if mine.base == yours.base:
        return held(settled(union(left, right)), _both(mine, yours))
    return _with_two_pasts(left, right)


def _both(mine: Past, yours: Past) -> Past:
    """Two that remember the same document."""
    late = union(read_update(mine.late), read_update(yours.late))
    _, _, *ended = max(mine.fields(), yours.fields(), key=lambda fields: fields[2:])
    return Past(mine.base, write_update(late), *ended)


def _added(newer: Update, older: Update) -> Update:
    """`newer` with what `older` says, in whose ids the past of `newer` is."""
    translated, past = renewed(newer, older)
    return held(settled(union(newer, translated)), past)


def _with_one_past(older: Update, newer: Update) -> Update:
    """The join with a state that has none: never had, or has forgotten it."""
    assert newer.past is not None
    whole = _added(newer, older)
    return held(whole, None) if newer.past.client in older.structs else whole


def _with_two_pasts(left: Update, right: Update) -> Update:
    """The join where each was made compact by itself, or one after the other."""
    for one, other in ((left, right), (right, left)):
        assert one.past is not None
        assert other.past is not None
        if one.past.client in other.past.ends:  # then that came later
            return _added(other, one)
    first, second = sorted((left, right), key=_rank)
    assert first.past is not None
    before = first.past.names.undone(first, read_update(first.past.late))
    return _added(second, settled(before))


def _rank(state: Update) -> bytes:
    assert state.past is not None
    return state.past.base
