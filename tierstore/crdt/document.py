"""The document: a map at the root, with maps, arrays and texts in it, that replicas edit at once.

Documents are those of Yjs (https://docs.yjs.dev), and pycrdt keeps them: it makes edits, and shows
what a state comes to. The map that it shows is the root of the name `ROOT`: `ydoc.getMap("root")`.

State is an update of Yjs that holds all of the document: its bytes, behind the format, are such an
update, and every peer of Yjs can apply it. It is not pycrdt that writes them: what it writes of the
same changes differs with their order (in 67 of 300 documents that three clients edited at once), as
structs stay cut where a change once was, what was superseded may be told as deleted or not, and the
keys of a plain object come as its hash table has them. So `update` reads and writes updates in one
spelling, `union` adds them up as sets of facts, and `places` closes a state under what follows from
them: laws hold by construction, and equal states have equal bytes. pycrdt reads equal bytes alike.

A change is an update too. It names what it needs by ids that nobody gives twice, as each document
that is opened for edits gets a client of its own. So whether it can apply is seen from the state:
it needs each id that it refers to, and each clock of its clients before its own. Of another
generation that an edit has seen nothing is there, so of the edit only that is left which needs
nothing of it (the first edit, or keys that nobody had set): the same whether edits are sent one by
one or as one. In the generation that it speaks of all is there, as a region applies the deltas of a
replica in order: anything else is malformed.
"""

from __future__ import annotations

from tierstore.crdt import guard
from tierstore.crdt.past import Past, compacted, held, joined, renewed
from tierstore.crdt.places import fresh_bytes, settled
from tierstore.crdt.plain import plain
from tierstore.crdt.standing import standing
from tierstore.crdt.union import clocks_of, tidied, union, within, without
from tierstore.crdt.update import Update, read_update, read_vector, write_update, write_vector
from tierstore.errors import DecodingError, EncodingError, InvalidArgumentError
from tierstore.record import DOCUMENT
from tierstore.values.msgpack import pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pycrdt import Doc

    from tierstore.crdt.update import Ranges

    State = Update
    """All of a document: from clock 0 of each client on, closed under what follows."""
    Delta = Update
    """What one replica changed."""

CODE = DOCUMENT
FORMAT, FORMAT_WITH_PAST = 1, 2
CLIENT_MAX = (1 << 32) - 1
"""Clients to mint have 32 bits, as those of Yjs: each struct names up to three. 53 are read."""
BLOAT_FREE_BYTES = 1024
BLOAT_FACTOR = 3


class Mark:
    """How far a document was: `changes_since` tells what came later."""

    __slots__ = ("clocks", "deleted", "told")

    def __init__(
        self, clocks: dict[int, int], deleted: dict[int, Ranges], told: dict[int, Ranges]
    ) -> None:
        self.clocks = clocks
        self.deleted = deleted
        self.told = told


def empty() -> State:
    """The document that nobody has edited."""
    return Update({}, {})


def value(state: State) -> dict[str, Any]:
    """The map at the root as plain data, keys in order."""
    document = guard.hydrated(state)

    def show() -> Any:
        with document.transaction():
            return plain(guard.root_of(document))

    shown: dict[str, Any] = guard.decoding(show)
    return shown


def join(left: State, right: State) -> State:
    """All changes of both.

    Raises DecodingError if both have a change with the same id, but not the same.
    """
    return joined(left, right)


def compose(first: Delta, second: Delta, *, is_same_life: bool) -> Delta:
    """All changes of both; of another generation than `second` only what needed nothing of it.

    That is what `apply` lets show, so that `second` may have seen it.
    """
    return union(first if is_same_life else _standing(empty(), first), second)


def apply(state: State, delta: Delta, *, origin: int, actor: int, is_same_life: bool) -> State:
    """The changes of `state` and those of `delta`; of another life, those that need nothing of it.

    Raises DecodingError if they need what is not there although they have seen this generation, if
    `state` has others with the same ids, or if pycrdt can make no document of it.
    """
    delta, past = renewed(state, delta)
    if not is_same_life:
        delta = _standing(state, delta)
        if not delta.structs and not delta.deleted:
            return state
    applied = held(settled(union(state, delta)), past)
    guard.hydrated(applied)  # what it cannot make a document of would harm all who read it
    return applied


def _standing(state: State, delta: Delta) -> Delta:
    """What is left of `delta` where `state` is all there is."""
    left = standing(state, delta)
    return Update(left.structs, _known(delta.deleted, union(state, left)))


def _known(deleted: dict[int, Ranges], update: Update) -> dict[int, Ranges]:
    """The part of `deleted` that `update` has."""
    known = {
        client: within(ranges, [(0, end)])
        for client, ranges in deleted.items()
        if (end := clocks_of(update).get(client))
    }
    return {client: ranges for client, ranges in known.items() if ranges}


def encode(state: State) -> bytes:
    """`[format, update]`; of one that was made compact what `Past.fields` tells, too."""
    if state.past is not None:
        return pack([FORMAT_WITH_PAST, write_update(state), *state.past.fields()])
    return pack([FORMAT, write_update(state)])


def decode(payload: bytes) -> State:
    """The state that `encode` wrote."""
    update, past = _unpacked(payload, (FORMAT, FORMAT_WITH_PAST))
    state = held(settled(_tidied(update)), past)
    if encode(state) != payload:
        raise DecodingError("a document is not in order")
    return state


def as_seen(state: State) -> State:
    """`state` without its past."""
    return state if state.past is None else without_past(state)


def encode_delta(delta: Delta) -> bytes:
    """`[format, update]`."""
    return pack([FORMAT, write_update(delta)])


def decode_delta(payload: bytes) -> Delta:
    """The delta that `encode_delta` wrote."""
    delta = _tidied(_unpacked(payload, (FORMAT,))[0])
    if encode_delta(delta) != payload:
        raise DecodingError("a change of a document is not in order")
    return delta


_FIELDS = {FORMAT: (int, bytes), FORMAT_WITH_PAST: (int, bytes, bytes, bytes, int, int, int)}


def _unpacked(payload: bytes, formats: tuple[int, ...]) -> tuple[Update, Past | None]:
    parts = unpack(payload)
    if not isinstance(parts, list) or not parts or parts[0] not in formats:
        raise DecodingError("a document is malformed")
    if tuple(map(type, parts)) != _FIELDS[parts[0]]:
        raise DecodingError("a document is malformed")
    return read_update(parts[1]), Past(*parts[2:]) if parts[2:] else None


def _tidied(update: Update) -> Update:
    return tidied(update, list(update.structs))


# For those who edit


def delta_of(update: bytes) -> Delta:
    """The change that an update of Yjs (version 1) brings, of whoever made it.

    Raises DecodingError if it is malformed, or holds what documents here do not.
    """
    return _tidied(read_update(update))


def update_of(update: State | Delta) -> bytes:
    """The update for a peer of Yjs: all of a state, or one change."""
    return write_update(update)


def has_client(state: State, client_id: int) -> bool:
    """Whether `client_id` made changes of `state`, so that it cannot be given again."""
    if state.past is not None and client_id in (*state.past.ends, state.past.client):
        return True
    return client_id in state.structs


def open_document(state: State, client_id: int) -> Doc[Any]:
    """A pycrdt document that shows `state` and makes its changes as `client_id`.

    `client_id` is minted for this document alone: from 1 to `CLIENT_MAX`, of chance, and none that
    `has_client` knows, or InvalidArgumentError is raised. Raises DecodingError if pycrdt cannot
    make a document of `state`.
    """
    if not 0 < client_id <= CLIENT_MAX or has_client(state, client_id):
        raise InvalidArgumentError(f"a document cannot be edited as client {client_id}")
    return guard.hydrated(state, client_id)


def mark_of(document: Doc[Any], state: State | None = None) -> Mark:
    """How far `document` is now.

    `state` is what it was opened from, if nothing was changed since: then the next change tells as
    well what pycrdt found superseded in it (of values that were set at once all but one), and
    regions can forget that.
    """
    seen = read_update(document.get_update(document.get_state()))
    clocks = {client: clock for client, clock in _clocks_of(document).items() if clock}
    return Mark(clocks, seen.deleted, seen.deleted if state is None else state.deleted)


def is_of(document: Doc[Any], state: State) -> bool:
    """Whether `document` holds all of `state`, and nothing else."""
    seen = read_update(document.get_update(document.get_state()))
    clocks = {client: clock for client, clock in _clocks_of(document).items() if clock}
    return clocks == clocks_of(state) and seen.deleted == state.deleted


def changes_since(document: Doc[Any], mark: Mark) -> Delta | None:
    """What was changed in `document` since `mark`, or None if nothing was.

    Raises EncodingError if it holds what documents here do not: XML, subdocuments, other roots.
    """
    written = guard.encoding(lambda: document.get_update(write_vector(mark.clocks)))
    try:
        update = read_update(written)
    except DecodingError as exc:
        raise EncodingError(f"a document cannot hold this: {exc}") from exc
    if not update.structs and update.deleted == mark.deleted:
        return None
    deleted = {
        client: fresh
        for client, ranges in update.deleted.items()
        if (fresh := without(ranges, mark.told.get(client, [])))
    }
    return _tidied(Update(update.structs, deleted))


def _clocks_of(document: Doc[Any]) -> dict[int, int]:
    return read_vector(document.get_state())


def is_bloated(state: State) -> bool:
    """Whether `compact` would make about a third of `state`, or less: most of it is history.

    Small documents are never bloated, and no document that was just made compact is.
    """
    size_bytes = len(write_update(state))
    if size_bytes <= BLOAT_FREE_BYTES:
        return False
    return fresh_bytes(state) * BLOAT_FACTOR < size_bytes


def compact(state: State, since_ms: int = 0, actor: int = 0, position: int = 0) -> State | None:
    """`state` without its history; None if that is not possible now.

    Readers see the same, and changes of `state` still apply: it remembers its past, of which
    `since_ms`, `actor` and `position` say when, where and at which place of the feed it ended.
    None if `state` has one already: `without_past` comes first.
    """
    return compacted(state, since_ms, actor, position)


def without_past(state: State) -> State:
    """`state`, to which changes of before it was made compact no longer apply."""
    return held(Update(dict(state.structs), dict(state.deleted)), None)
