"""Watches for event loops. A worker looks at the region; what it found is told without one."""

from __future__ import annotations

from asyncio import sleep
from typing import TYPE_CHECKING

from tierstore.errors import StoreClosedError
from tierstore.store.arguments import seconds
from tierstore.store.pickling import refuse_pickling
from tierstore.store.watching import NAP_S

if TYPE_CHECKING:
    from typing import Self

    from tierstore.aio.workers import Workers
    from tierstore.store.core import Core
    from tierstore.store.results import Change, Gap
    from tierstore.store.watching import Watch


class AsyncWatch:
    """An endless async iterator of `Change` and `Gap`; see `tierstore.store.watching.Watch`.

    Cancelling a step loses nothing: the next one goes on.
    """

    def __init__(self, core: Core, workers: Workers, watch: Watch) -> None:
        self._core = core
        self._workers = workers
        self._watch = watch

    __reduce__ = refuse_pickling("a watch", "hand on the cursor of a change")

    async def next(self, timeout: float | None = None) -> Change | Gap | None:
        """The next change; None if there was none within `timeout` seconds (None: wait)."""
        timeout_s, runtime = seconds("timeout", timeout), self._core.runtime
        until_s = None if timeout_s is None else runtime.monotonic() + timeout_s
        if not self._watch.has_begun():
            await self._workers.run(self._watch.begin)
        while True:
            if self._watch.has_ready():
                return self._watch.poll()
            await self._workers.run(self._watch.look)
            if self._watch.has_ready():
                return self._watch.poll()
            left_s = self._core.policy.replication.pull_s
            if until_s is not None:
                left_s = min(left_s, until_s - runtime.monotonic())
                if left_s <= 0:
                    return None
            await self._wait(left_s)

    async def _wait(self, wait_s: float) -> None:
        """Let time pass, in parts, so that closing need not wait for all of it."""
        while wait_s > 0:
            self._watch.refuse_closed()
            await sleep(min(wait_s, NAP_S))
            wait_s -= NAP_S

    def close(self) -> None:
        """Let an iteration that waits end. Idempotent."""
        self._watch.close()

    async def __aenter__(self) -> Self:
        await self._workers.run(self._watch.begin)
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change | Gap:
        try:
            change = await self.next()
        except StoreClosedError:
            if self._watch.is_closed:
                raise StopAsyncIteration from None
            raise
        assert change is not None
        return change
