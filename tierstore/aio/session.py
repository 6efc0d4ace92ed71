"""Sessions of an async store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.aio.store import AsyncStore

if TYPE_CHECKING:
    from tierstore.aio.workers import Workers
    from tierstore.store.session import Session


class AsyncSession(AsyncStore):
    """`tierstore.store.session.Session` for event loops. Its verbs run in workers."""

    def __init__(self, session: Session, workers: Workers) -> None:
        super().__init__(session, workers)
        self._seen = session

    @property
    def session_token(self) -> str:
        """What to hand on to the replica at which the session goes on; see `Session`."""
        return self._seen.session_token

    def forget(self) -> None:
        """Go on without what was seen until now: for what is lost."""
        self._seen.forget()

    def prefixed(self, prefix: str) -> AsyncSession:
        """A view of the same session in which every key is preceded by `prefix`."""
        return AsyncSession(self._seen.prefixed(prefix), self._workers)
