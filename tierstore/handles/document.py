"""The handle of a document."""

from __future__ import annotations

from tierstore.crdt import document
from tierstore.crdt.guard import root_of
from tierstore.crdt.views import Block, MapView
from tierstore.errors import InvalidArgumentError, StoreClosedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.handles.engine import DocumentEngine

CLIENT_BYTES = 4


class Document:
    """A map, with maps, lists and texts in it, that many edit at once.

    Made by `store.document(key)`. It is kept by pycrdt, and a document of Yjs: its root is
    `ydoc.getMap("root")`.
    """

    __slots__ = ("_engine",)

    def __init__(self, engine: DocumentEngine) -> None:
        self._engine = engine

    def json(self, *, timeout: float | None = None) -> dict[str, Any]:
        """All of it as plain data; an empty dict if the key is absent.

        Raises UnavailableError when the region is needed and does not answer.
        """
        return document.value(self._engine.observe(kept, timeout)[0])  # which others need not await

    def edit(self, *, timeout: float | None = None) -> Edit:
        """A block that edits the document: `with handle.edit() as doc: doc["title"] = "x"`.

        `doc` is its map. What the block changed is acknowledged, as one change, when it ends; if
        it raises, nothing is. What others change meanwhile is merged. Entering raises
        UnavailableError when the region is needed and does not answer.
        """
        return Edit(self._engine, timeout)

    def __repr__(self) -> str:
        return f"<tierstore.Document {self._engine.key!r}>"


class Edit:
    """One block of edits. Used once, by one thread."""

    def __init__(self, engine: DocumentEngine, timeout: float | None) -> None:
        self._engine = engine
        self._timeout = timeout
        self._draft: Draft | None = None

    def __enter__(self) -> MapView:
        refuse_again(self._draft)
        draft = self._draft = Draft(*self._engine.observe(kept, self._timeout), self._engine)
        return draft.begin()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        draft = self._draft
        assert draft is not None
        delta = draft.end(is_wanted=error is None)
        if delta is not None:
            self._engine.change(delta, seen=draft.generation, timeout=self._timeout)
        if error is None:
            draft.keep()


def refuse_again(draft: Draft | None) -> None:
    """Raise InvalidArgumentError if there is a `draft`: its block would lose what it edits."""
    if draft is not None:
        raise InvalidArgumentError("an edit is one block: ask the handle for another")


class Draft:
    """A copy of a document that is being edited."""

    def __init__(self, state: Any, generation: int, engine: DocumentEngine) -> None:
        self.generation = generation
        self._state = state
        self._engine = engine
        self._document = engine.take()
        if self._document is None or not document.is_of(self._document, state):
            self._document = document.open_document(state, _mint_client(state, engine))
        self._mark = document.mark_of(self._document, state)
        self._transaction = self._document.transaction()
        self._block = Block()
        self._process = engine.process_id()

    def begin(self) -> MapView:
        """The map to edit, until `end`."""
        self._transaction.__enter__()
        return MapView(root_of(self._document), self._block)

    def end(self, *, is_wanted: bool) -> Any:
        """What was changed, as a delta; None if nothing was, or it is not wanted.

        Raises EncodingError for what a document cannot hold; StoreClosedError in a child that was
        forked meanwhile: parent and child would change different things under one name.
        """
        self._block.is_over = True
        self._transaction.__exit__(None, None, None)
        if is_wanted and self._engine.process_id() != self._process:
            raise StoreClosedError("the process forked within this edit: edit the document anew")
        delta = document.changes_since(self._document, self._mark) if is_wanted else None
        if delta is not None:  # what would be refused elsewhere is refused here
            document.apply(self._state, delta, origin=0, actor=0, is_same_life=True)
        return delta

    def keep(self) -> None:
        """Leave the copy for the next edit, once what was changed is acknowledged."""
        self._engine.give(self._document)


def _mint_client(state: Any, engine: DocumentEngine) -> int:
    while True:
        client = engine.random(CLIENT_BYTES)
        if client and not document.has_client(state, client):
            return client


def kept(state: Any) -> Any:
    """States of documents are never changed, so one may be kept."""
    return state
