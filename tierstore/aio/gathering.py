"""Reads that begin in one turn of an event loop, answered together: one request of the shared edge.

Each request of its server costs more than the keys in it, and handlers of one process ask at once.
"""

from __future__ import annotations

from asyncio import get_running_loop, shield
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from tierstore.errors import TierStoreError, UnavailableError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task

    from tierstore.aio.workers import Workers
    from tierstore.policy.model import Rule
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.reads import Answer
    from tierstore.store.core import Core

    Answers = dict[str, Answer | TierStoreError]


class Turn:
    """What is asked for in one turn of a loop, until it departs."""

    def __init__(self) -> None:
        self.rules: dict[str, Rule] = {}
        self.is_open = True
        self.task: Task[Answers]


class Gatherer:
    """Of one async store and its views; loops that are gone leave nothing behind."""

    def __init__(self, core: Core, workers: Workers) -> None:
        self._core = core
        self._workers = workers
        self._turns: WeakKeyDictionary[AbstractEventLoop, Turn] = WeakKeyDictionary()

    async def answer(self, key: str, rule: Rule) -> Answer:
        """The state of `key`. Raises what `Reader.resolve` raises for it.

        Whoever stops waiting leaves the others their answer.
        """
        loop = get_running_loop()
        turn = self._turns.get(loop)
        if turn is None or not turn.is_open:
            turn = self._turns[loop] = Turn()
            turn.task = loop.create_task(self._depart(turn))
            turn.task.add_done_callback(_look)
        turn.rules[key] = rule
        answer = (await shield(turn.task))[key]
        if isinstance(answer, TierStoreError):
            raise answer
        return answer

    async def _depart(self, turn: Turn) -> Answers:
        turn.is_open = False
        deadline = self._core.deadline(None)
        return await self._workers.run(lambda: self._read(turn.rules, deadline), deadline)

    def _read(self, rules: dict[str, Rule], deadline: Deadline) -> Answers:
        """All of `rules` at once; one by one if something is wrong with one of them."""
        reader = self._core.replica.reader
        try:
            return dict(reader.resolve_many(rules, None, deadline))
        except UnavailableError:
            raise
        except TierStoreError:
            return {key: self._read_one(key, rule) for key, rule in rules.items()}

    def _read_one(self, key: str, rule: Rule) -> Answer | TierStoreError:
        try:
            return self._core.replica.reader.resolve(key, rule, None, self._core.deadline(None))
        except TierStoreError as error:
            return error


def _look(task: Task[Answers]) -> None:
    """Take note of an error that everybody stopped waiting for."""
    if not task.cancelled():
        task.exception()
