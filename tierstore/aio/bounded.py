"""The handle of a bounded counter for event loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.handles.bounded_counter import BoundedCounter, check_units

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tierstore.store.bounded import BoundedKey


class AsyncBoundedCounter:
    """`tierstore.handles.bounded_counter.BoundedCounter` for event loops.

    Every verb runs in a worker, as all of them may wait for a disk.
    """

    __slots__ = ("_counter", "_key", "_run")

    def __init__(self, run: Callable[..., Any], engine: BoundedKey) -> None:
        """`run` has a verb run by a worker, within a timeout."""
        self._run = run
        self._key = engine.key
        self._counter = BoundedCounter(engine)

    async def give(
        self, units: int = 1, *, timeout: float | None = None, operation_id: str | None = None
    ) -> None:
        """Let there be `units` more; see `BoundedCounter.give`."""
        check_units(units)
        give = self._counter.give
        await self._run(
            lambda left_s: give(units, timeout=left_s, operation_id=operation_id), timeout
        )

    async def take(self, units: int = 1, *, timeout: float | None = None) -> None:
        """Sell `units`; see `BoundedCounter.take`."""
        check_units(units)
        take = self._counter.take
        await self._run(lambda left_s: take(units, timeout=left_s), timeout)

    async def try_take(self, units: int = 1, *, timeout: float | None = None) -> bool:
        """`take`, but False where there are not so many."""
        check_units(units)
        take = self._counter.try_take
        return bool(await self._run(lambda left_s: take(units, timeout=left_s), timeout))

    async def get(self, *, timeout: float | None = None) -> int:
        """How much there is at most; see `BoundedCounter.get`."""
        get = self._counter.get
        return int(await self._run(lambda left_s: get(timeout=left_s), timeout))

    async def rights(self) -> int:
        """How many units this replica may sell now without asking anybody."""
        return int(await self._run(lambda _: self._counter.rights(), None))

    def __repr__(self) -> str:
        return f"<tierstore.AsyncBoundedCounter {self._key!r}>"
