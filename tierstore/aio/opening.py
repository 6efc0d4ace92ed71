"""`open_async`: to be awaited or entered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore import opening
from tierstore.aio.store import AsyncStore
from tierstore.aio.workers import WORKERS, Workers
from tierstore.runtime import Runtime
from tierstore.store.arguments import whole_number
from tierstore.store.pickling import refuse_pickling
from tierstore.store.store import CLOSE_TIMEOUT_S

if TYPE_CHECKING:
    import os
    from collections.abc import Generator

    from tierstore.policy import PolicyLike


def open_async(
    policy: PolicyLike = None,
    *,
    base_dir: str | os.PathLike[str] | None = None,
    connect: bool = False,
    runtime: Runtime | None = None,
    workers: int = WORKERS,
) -> Opening:
    """An AsyncStore over the tiers of `policy`, once awaited or entered; see `tierstore.open`.

        async with tierstore.open_async("policy.yaml") as astore: ...
        astore = await tierstore.open_async("policy.yaml")

    `workers` bounds the threads in which journaled writes and I/O run; none starts before it is
    needed. Awaiting raises what `tierstore.open` raises.
    """
    return Opening(
        policy, base_dir, connect, runtime or Runtime(), whole_number("workers", workers)
    )


class Opening:
    """A store that opens when this is awaited or entered."""

    def __init__(
        self,
        policy: PolicyLike,
        base_dir: str | os.PathLike[str] | None,
        connects: bool,
        runtime: Runtime,
        workers: int,
    ) -> None:
        self._policy = policy
        self._base_dir = base_dir
        self._connects = connects
        self._runtime = runtime
        self._workers = workers
        self._entered: AsyncStore | None = None

    __reduce__ = refuse_pickling("a store", "open the policy again where it is needed")

    def __await__(self) -> Generator[object, None, AsyncStore]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncStore:
        self._entered = await self
        return self._entered

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._entered is not None:
            await self._entered.__aexit__(kind, error, trace)

    async def _open(self) -> AsyncStore:
        workers = Workers(self._runtime, self._workers)
        try:
            # Loading reads files; nothing is taken or contacted yet, so nothing can be leaked.
            store = await workers.run(
                lambda: opening.open(self._policy, base_dir=self._base_dir, runtime=self._runtime)
            )
        except BaseException:
            await workers.close(lambda: None, 0.0)
            raise
        astore = AsyncStore(store, workers)
        if self._connects:
            await connect(astore)
        return astore


async def connect(astore: AsyncStore) -> None:
    """Contact the region, or close `astore`. Raises UnavailableError if it does not answer."""
    store, workers = astore._store, astore._workers
    try:
        await workers.run(store._core.connect)
    except BaseException:
        # If this was cancelled, connecting still goes on in its worker: closing waits for it.
        await workers.close(lambda: store.close(0.0), CLOSE_TIMEOUT_S)
        raise
