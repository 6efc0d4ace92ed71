"""Documents of an async store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.crdt import document
from tierstore.handles.document import Draft, kept, refuse_again

if TYPE_CHECKING:
    from tierstore.aio.handles import AsyncEngine
    from tierstore.crdt.views import MapView
    from tierstore.store.typed import TypedKey


class AsyncDocument:
    """`tierstore.handles.document.Document` for event loops."""

    __slots__ = ("_engine", "_typed")

    def __init__(self, engine: AsyncEngine, typed: TypedKey) -> None:
        self._engine = engine
        self._typed = typed

    async def json(self, *, timeout: float | None = None) -> dict[str, Any]:
        """All of it as plain data; an empty dict if the key is absent."""
        return document.value((await self._engine.observe(kept, timeout))[0])

    def edit(self, *, timeout: float | None = None) -> AsyncEdit:
        """A block that edits the document: `async with handle.edit() as doc: …`; see `Document`.

        The block itself may wait: others then edit meanwhile, and all of it is merged.
        """
        return AsyncEdit(self._engine, self._typed, timeout)

    def __repr__(self) -> str:
        return f"<tierstore.AsyncDocument {self._engine.key!r}>"


class AsyncEdit:
    """One block of edits."""

    def __init__(self, engine: AsyncEngine, typed: TypedKey, timeout: float | None) -> None:
        self._engine = engine
        self._typed = typed
        self._timeout = timeout
        self._draft: Draft | None = None

    async def __aenter__(self) -> MapView:
        refuse_again(self._draft)
        state, generation = await self._engine.observe(kept, self._timeout)
        refuse_again(self._draft)  # others may have run meanwhile
        draft = self._draft = Draft(state, generation, self._typed)
        return draft.begin()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        draft = self._draft
        assert draft is not None
        delta = draft.end(is_wanted=error is None)
        if delta is not None:
            await self._engine.change(delta, seen=draft.generation, timeout=self._timeout)
        if error is None:
            draft.keep()
