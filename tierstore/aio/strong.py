"""The verbs of an async store that need the coordinator. All of them run in workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.store.arguments import OMITTED, whole_number
from tierstore.store.strong_verbs import ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any, TypeVar

    from tierstore.aio.bounded import AsyncBoundedCounter
    from tierstore.aio.transactions import AsyncLease, AsyncSequence, AsyncTransaction
    from tierstore.aio.workers import Workers
    from tierstore.store.arguments import TTL, Omitted
    from tierstore.store.store import Store

    T = TypeVar("T")


class AsyncStrongVerbs:
    """A part of `AsyncStore`."""

    _run: Callable[..., Any]
    _store: Store
    _workers: Workers

    async def compare_and_set(
        self,
        key: str,
        value: Any,
        *,
        expected: str | None,
        ttl: TTL | Omitted = OMITTED,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,
        operation_id: str | None = None,
    ) -> str:
        """Replace the value of a strong key if its version is `expected`; the new version.

        See `Store.compare_and_set`.
        """
        store = self._store
        version: str = await self._run(
            lambda left_s: store.compare_and_set(
                key, value, expected=expected, ttl=ttl, metadata=metadata, timeout=left_s,
                operation_id=operation_id,
            ),
            timeout,
        )  # fmt: skip
        return version

    def transaction(
        self, *, timeout: float | None = None, operation_id: str | None = None
    ) -> AsyncTransaction:
        """A block that reads and writes strong keys as one step: `async with …() as tx`.

        See `Store.transaction`. No coroutine, entering and leaving the block is.
        """
        from tierstore.aio.transactions import AsyncTransaction

        tx = self._store.transaction(timeout=timeout, operation_id=operation_id)
        return AsyncTransaction(tx, self._workers)

    async def transact(
        self,
        function: Callable[[AsyncTransaction], Awaitable[T]],
        *,
        attempts: int = ATTEMPTS,
        timeout: float | None = None,
        operation_id: str | None = None,
    ) -> T:
        """What the coroutine `function(tx)` returns, run as a transaction; see `Store.transact`."""
        from tierstore.store.transactions import pause_s_before, refuse_last

        store = self._store
        whole_number("attempts", attempts)
        for attempt in range(attempts):
            tx = self.transaction(timeout=timeout, operation_id=operation_id)
            try:
                return await tx.run(function)
            except Exception as exc:
                done, result = refuse_last(tx.plain, exc, is_last=attempt == attempts - 1)
                if done:
                    first: T = result
                    return first
            await self._workers.pause(pause_s_before(store, attempt))
        raise AssertionError("there is at least one attempt")

    def bounded_counter(self, key: str) -> AsyncBoundedCounter:
        """The stock at `key`. Raises TypeMismatchError if its rule declares another type."""
        from tierstore.aio.bounded import AsyncBoundedCounter
        from tierstore.store.bounded import BoundedKey

        return AsyncBoundedCounter(self._run, BoundedKey(self._store, key))

    def lease(
        self, key: str, ttl: TTL = 30.0, wait: float = 0.0, *, timeout: float | None = None
    ) -> AsyncLease:
        """The exclusive right to do what `key` names: `async with …`; see `Store.lease`."""
        from tierstore.aio.transactions import AsyncLease

        return AsyncLease(self._store.lease(key, ttl, wait, timeout=timeout), self._workers)

    def sequence(self, key: str) -> AsyncSequence:
        """Numbers that are each given once; see `Store.sequence`. No coroutine, `next` is."""
        from tierstore.aio.transactions import AsyncSequence

        return AsyncSequence(self._store.sequence(key), self._workers)
