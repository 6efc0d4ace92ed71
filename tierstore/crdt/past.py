"""What a compact document remembers of how it was, until nobody speaks of that any more.

Whoever holds a document that was made compact elsewhere goes on to edit it, and tells later. So
with the compact document goes what it was made of: by that, late changes are translated
(`renaming`), and those of a region that made another one compact of it. It is forgotten when no
change can come that needs it; who learns that it was forgotten forgets it, too.
"""

from __future__ import annotations

from tierstore.crdt.places import settled
from tierstore.crdt.renaming import Renaming, client_of, is_concerned
from tierstore.crdt.union import union
from tierstore.crdt.update import Update, read_update, write_update

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Past:
    """The document of before, as bytes, and when (`since_ms`) and by which region (`actor`) it was
    made compact; no position of that region's feed above `position` knows less."""

    __slots__ = ("_clients", "_names", "actor", "base", "position", "since_ms")

    def __init__(self, base: bytes, since_ms: int, actor: int, position: int) -> None:
        self.base = base
        self.since_ms = since_ms
        self.actor = actor
        self.position = position
        self._clients: frozenset[int] | None = None
        self._names: Renaming | None = None

    @property
    def client(self) -> int:
        """Who made what was made of it."""
        return client_of(self.base)

    @property
    def clients(self) -> frozenset[int]:
        """Who had made it. Raises DecodingError if `base` is no document."""
        if self._clients is None:
            self._clients = frozenset(read_update(self.base).structs)
        return self._clients

    @property
    def names(self) -> Renaming:
        """How ids of before are called now. Raises DecodingError if `base` is no document."""
        if self._names is None:
            self._names = Renaming(settled(read_update(self.base)))
        return self._names

    def fields(self) -> list[Any]:
        """What is stored of it."""
        return [self.base, self.since_ms, self.actor, self.position]


def compacted(state: Update, since_ms: int, actor: int, position: int) -> Update | None:
    """`state` without its history but with its past; None if that cannot be now.

    It is a document like any other, whose readers see the same.
    """
    past = Past(write_update(state), since_ms, actor, position)
    if state.past is not None or not past.names.is_sound:
        return None
    return held(settled(past.names.fresh), past)


def held(update: Update, past: Past | None) -> Update:
    """`update` with this past."""
    update.past = past
    return update


def renewed(past: Past | None, update: Update) -> Update:
    """A change, or a state without a past, in the ids that are those of now."""
    if past is None or not is_concerned(past.clients, update):
        return update
    return past.names.renewed(update)


def joined(left: Update, right: Update) -> Update:
    """All changes of two states, whichever of them were made compact, of the same or others."""
    mine, yours = left.past, right.past
    if mine is None and yours is None:
        return settled(union(left, right))
    if mine is None or yours is None:
        older, newer = (left, right) if mine is None else (right, left)
        return _with_one_past(older, newer)
    if mine.base == yours.base:
        past = max(mine, yours, key=Past.fields)
        return held(settled(union(left, right)), past)
    return _with_two_pasts(left, right)


def _with_one_past(older: Update, newer: Update) -> Update:
    """The join with a state that has none: never had, or has forgotten it."""
    past = newer.past
    assert past is not None
    is_forgotten = past.client in older.structs
    whole = settled(union(newer, renewed(past, older)))
    return held(whole, None if is_forgotten else past)


def _with_two_pasts(left: Update, right: Update) -> Update:
    """The join where each was made compact by itself, or one after the other."""
    for one, other in ((left, right), (right, left)):
        assert one.past is not None and other.past is not None
        if one.past.client in other.past.clients:  # then that came later
            return held(settled(union(other, renewed(other.past, one))), other.past)
    first, second = sorted((left, right), key=_rank)
    assert first.past is not None and second.past is not None
    before = settled(first.past.names.undone(first))
    return held(settled(union(second, renewed(second.past, before))), second.past)


def _rank(state: Update) -> bytes:
    assert state.past is not None
    return state.past.base
