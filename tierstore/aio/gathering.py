"""Reads that begin in one turn of an event loop, answered together: one request of the shared edge.

Each request of its server costs more than the keys in it, and handlers of one process ask at once.
"""

from __future__ import annotations

from asyncio import CancelledError, get_running_loop
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from tierstore.errors import TierStoreError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, Task
    from collections.abc import Mapping

    from tierstore.aio.workers import Workers
    from tierstore.policy.model import Rule
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.reads import Answer
    from tierstore.replica.shared.reads import SharedReader
    from tierstore.store.core import Core


class Turn:
    """What is asked for in one turn of a loop, and who waits for it."""

    def __init__(self) -> None:
        self.rules: dict[str, Rule] = {}
        self.waiting: dict[str, list[Future[Answer | BaseException]]] = {}
        self.task: Task[None]

    def settle(self, found: Mapping[str, Answer | BaseException]) -> None:
        """Tell those who wait. Called in the loop; later calls about a key do nothing."""
        for key, answer in found.items():
            for waiter in self.waiting.pop(key, ()):
                if not waiter.done():
                    waiter.set_result(answer)

    def fail(self, error: BaseException) -> None:
        """Tell all who still wait that there will be no answer."""
        self.settle(dict.fromkeys(self.waiting, error))


class Gatherer:
    """Of one async store and its views; loops that are gone leave nothing behind."""

    def __init__(self, core: Core, workers: Workers) -> None:
        self._core = core
        self._workers = workers
        self._turns: WeakKeyDictionary[AbstractEventLoop, Turn] = WeakKeyDictionary()
        """Those that did not depart. A turn refers to its loop, so it must not stay."""

    async def answer(self, key: str, rule: Rule) -> Answer:
        """The state of `key`. Raises what `Reader.resolve` raises for it.

        Whoever stops waiting leaves the others their answer.
        """
        loop = get_running_loop()
        turn = self._turns.get(loop)
        if turn is None:
            turn = self._turns[loop] = Turn()
            turn.task = loop.create_task(self._depart(turn, loop))
            turn.task.add_done_callback(lambda task: self._end(turn, loop, task))
        turn.rules[key] = rule
        waiter: Future[Answer | BaseException] = loop.create_future()
        turn.waiting.setdefault(key, []).append(waiter)
        found = await waiter
        if isinstance(found, BaseException):
            raise found
        return found

    async def _depart(self, turn: Turn, loop: AbstractEventLoop) -> None:
        self._forget(turn, loop)
        try:
            deadline = self._core.deadline(None)
            await self._workers.run(lambda: self._read(turn, loop, deadline), deadline)
        except BaseException as error:
            loop.call_soon(turn.fail, error)  # after what it was told before
            if not isinstance(error, Exception):
                raise

    def _end(self, turn: Turn, loop: AbstractEventLoop, task: Task[None]) -> None:
        """However it ended: a task that is cancelled before it begins never departs."""
        self._forget(turn, loop)
        if task.cancelled():
            turn.fail(CancelledError())

    def _forget(self, turn: Turn, loop: AbstractEventLoop) -> None:
        if self._turns.get(loop) is turn:
            del self._turns[loop]

    def _read(self, turn: Turn, loop: AbstractEventLoop, deadline: Deadline) -> None:
        reader: SharedReader = self._core.replica.reader  # type: ignore[assignment]

        def tell(found: Mapping[str, Answer | TierStoreError]) -> None:
            try:
                loop.call_soon_threadsafe(turn.settle, found)
            except RuntimeError:
                return  # the loop was closed: nobody waits any more

        reader.resolve_each(turn.rules, deadline, tell)
