"""Batches of an async store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.store.batching import Collector

if TYPE_CHECKING:
    from tierstore.aio.store import AsyncStore


class AsyncBatch:
    """`async with astore.batch() as batch`; see `tierstore.store.batching.Batch`."""

    def __init__(self, astore: AsyncStore, timeout: float | None) -> None:
        self._astore = astore
        self._collector: Any = Collector(astore._core)
        self._timeout = timeout

    async def __aenter__(self) -> AsyncStore:
        astore = self._astore
        view = type(astore._store)(self._collector, astore._prefix)
        return type(astore)(view, astore._workers)

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            await self._astore._ensure_open(self._timeout)
            await self._astore._write(self._collector.writes, self._timeout)
