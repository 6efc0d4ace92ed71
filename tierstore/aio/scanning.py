"""Scans for event loops. Each page is fetched by a worker.

A cancelled step moves nothing: the next one fetches the same page again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from tierstore.store.pickling import refuse_pickling
from tierstore.store.scanning import PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.aio.workers import Workers
    from tierstore.store.core import Core
    from tierstore.store.results import Entry, Page
    from tierstore.store.scanning import Place, Scan


_refuse = refuse_pickling("a scan", "hand on the cursor of a page")


class AsyncScan:
    """The keys of a prefix in order. Iterate it for entries, or `pages()` for resumable pages."""

    def __init__(self, core: Core, workers: Workers, scan: Scan) -> None:
        self._core = core
        self._workers = workers
        self._scan = scan

    def __aiter__(self) -> Entries:
        return Entries(self.pages())

    def pages(self, size: int = PAGE_SIZE) -> Pages:
        """The scan in pages of at most `size` entries, each one snapshot, some perhaps empty.

        Its steps raise UnavailableError when the region does not answer.
        """
        return Pages(self._core, self._workers, self._scan, size)

    __reduce__ = _refuse


class Pages:
    """The pages of one pass over a scan."""

    def __init__(self, core: Core, workers: Workers, scan: Scan, size: int) -> None:
        self._core = core
        self._workers = workers
        self._scan = scan
        self._size = size
        self._at: Place | None = scan.begin()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page:
        at = self._at
        if at is None:
            raise StopAsyncIteration
        deadline = self._core.deadline(self._scan.timeout_s)
        page, self._at = await self._workers.run(
            lambda: self._scan.page(at, self._size, deadline.remaining_s()), deadline
        )
        if page is None:
            raise StopAsyncIteration
        return page

    __reduce__ = _refuse


class Entries:
    """The entries of one pass over a scan."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._entries: Iterator[Entry] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Entry:
        while True:
            for entry in self._entries:
                return entry
            self._entries = iter((await self._pages.__anext__()).entries)

    __reduce__ = _refuse
