"""Batches of an async store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.store.batching import Collector
from tierstore.store.pickling import refuse_pickling

if TYPE_CHECKING:
    from tierstore.aio.store import AsyncStore


class AsyncBatch:
    """`async with astore.batch() as batch`; see `tierstore.store.batching.Batch`."""

    def __init__(self, astore: AsyncStore, timeout: float | None) -> None:
        self._astore = astore
        self._collector: Any = Collector(astore._core)
        self._timeout = timeout

    __reduce__ = refuse_pickling("a batch", "ask the store for it where it is needed")

    def __del__(self) -> None:
        """Collect no longer for a block that was ended before `__aexit__` could be."""
        if (collector := getattr(self, "_collector", None)) is not None:
            collector.end()

    async def __aenter__(self) -> AsyncStore:
        self._collector.begin()
        astore = self._astore
        view = type(astore._store)(self._collector, astore._prefix)
        return type(astore)(view, astore._workers)

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        collector, astore = self._collector, self._astore
        collector.end()
        if error is not None:
            return
        await astore._ensure_open(self._timeout)
        if collector.notes:
            await astore._run(collector.commit, self._timeout)
        else:
            await astore._write(collector.writes, self._timeout)
