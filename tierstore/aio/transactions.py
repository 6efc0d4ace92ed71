"""Transactions, leases and sequences for event loops: what may wait runs in workers."""

from __future__ import annotations

from asyncio import CancelledError, Lock
from functools import partial
from typing import TYPE_CHECKING

from tierstore.handles.lease import Lease
from tierstore.store.arguments import OMITTED, seconds
from tierstore.store.transactions import run_result, sign

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from typing import Any, Self, TypeVar

    from tierstore.aio.workers import Workers
    from tierstore.handles.sequence import Sequence
    from tierstore.store.arguments import TTL, Omitted
    from tierstore.store.results import Reading
    from tierstore.store.transactions import Transaction

    T = TypeVar("T")


class AsyncTransaction:
    """`tierstore.store.transactions.Transaction` for event loops.

    For one task and what it gathers: its reads run one after the other, as each looks again at
    what was read before.
    """

    def __init__(self, tx: Transaction, workers: Workers) -> None:
        self.plain = tx
        self._workers = workers
        self._turn = Lock()

    async def __aenter__(self) -> Self:
        self.plain.claim()
        try:
            await self._workers.run(self.plain.start)
        except BaseException:
            self.plain.release()
            raise
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.plain.release()
        if error is None:
            await self._workers.run(self.plain.finish)

    @property
    def version(self) -> str | None:
        """What the commit gave every key that it wrote; None before it."""
        return self.plain.version

    async def get(self, key: str, default: Any = None, *, type: Any = None) -> Any:
        """The value of a strong key, `default` without one. Raises ConflictError."""
        return await self._in_turn(lambda: self.plain.get(key, default, type=type))

    async def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values of those of `keys` that have one."""
        return await self._in_turn(lambda: self.plain.get_many(keys))

    async def exists(self, key: str) -> bool:
        """Whether a strong key has a value."""
        return await self._in_turn(lambda: self.plain.exists(key))

    async def read(self, key: str) -> Reading:
        """The value of a strong key with its receipt."""
        return await self._in_turn(lambda: self.plain.read(key))

    async def put(
        self,
        key: str,
        value: Any,
        ttl: TTL | Omitted = OMITTED,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Replace value, TTL and metadata of a strong key when the block ends."""
        self.plain.put(key, value, ttl, metadata)

    async def delete(self, key: str) -> None:
        """Let a strong key be absent when the block ends."""
        self.plain.delete(key)

    async def touch(self, key: str, ttl: TTL | Omitted = OMITTED) -> bool:
        """Give the value of a strong key another TTL when the block ends; False without one."""
        return await self._in_turn(lambda: self.plain.touch(key, ttl))

    def require(self, lease: AsyncLease | Lease) -> None:
        """Let this commit only if `lease` is still held then; see `Transaction.require`."""
        self.plain.require(lease if isinstance(lease, Lease) else lease.handle)

    def scan(self, *arguments: Any, **options: Any) -> None:
        """Raises TransactionError: what a scan did not find could not be checked."""
        self.plain.scan()

    async def run(self, function: Callable[[AsyncTransaction], Awaitable[T]]) -> T:
        """What `function` of this returns, once it is committed."""
        async with self:
            result = await function(self)
            sign(self.plain, function, result)
        done: T = run_result(self.plain, result)
        return done

    async def _in_turn(self, verb: Callable[[], T]) -> T:
        async with self._turn:
            return await self._workers.run(verb)

    def __repr__(self) -> str:
        return repr(self.plain).replace("tierstore.", "tierstore.Async", 1)


class AsyncLease:
    """`tierstore.handles.lease.Lease` for event loops."""

    __slots__ = ("_workers", "handle")

    def __init__(self, handle: Lease, workers: Workers) -> None:
        self.handle = handle
        self._workers = workers

    async def __aenter__(self) -> Self:
        handle = self.handle
        handle.claim()
        attempt = partial(handle.attempt, handle.patience())
        try:
            while (pause_s := await self._workers.run(attempt)) is not None:
                await self._workers.pause(pause_s)  # in none: the holder may need it
        except Exception:  # no attempt is under way
            raise
        except BaseException:
            if handle.leave():  # cancelled when it was taken already
                self._workers.begin(handle.give_back)
            raise
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        give_back = self.handle.give_back
        try:
            await self._workers.run(give_back)
        except CancelledError:  # perhaps before a worker was free
            self._workers.begin(give_back)
            raise

    @property
    def key(self) -> str:
        """What it is the right to."""
        return self.handle.key

    @property
    def token(self) -> int:
        """A number of 63 bits, higher than that of every earlier holder: fence others by it."""
        return self.handle.token

    @property
    def lost(self) -> bool:
        """Whether it is over, or may be: by this machine's clock, without asking anybody."""
        return self.handle.lost

    def check(self) -> None:
        """Raise LeaseLostError if it is lost."""
        self.handle.check()

    async def renew(self, *, timeout: float | None = None) -> None:
        """Have the coordinator confirm it now; see `Lease.renew`."""
        handle = self.handle
        await self._workers.run(lambda: handle.renew(timeout=timeout))

    def __repr__(self) -> str:
        return repr(self.handle).replace("tierstore.", "tierstore.Async", 1)


class AsyncSequence:
    """`tierstore.handles.sequence.Sequence` for event loops."""

    __slots__ = ("_sequence", "_workers")

    def __init__(self, sequence: Sequence, workers: Workers) -> None:
        self._sequence = sequence
        self._workers = workers

    async def next(self, *, timeout: float | None = None) -> int:
        """A number that nobody else gets; see `Sequence.next`."""
        sequence, timeout_s = self._sequence, seconds("timeout", timeout)
        return await self._workers.run(lambda: sequence.next(timeout=timeout_s))

    def __repr__(self) -> str:
        return repr(self._sequence).replace("tierstore.", "tierstore.Async", 1)
