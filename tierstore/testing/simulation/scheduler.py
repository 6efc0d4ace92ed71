"""Tasks that take turns in virtual time: the heart of the simulator.

A task is a greenlet that runs production code until it *parks*: for a time, or until somebody
wakes it. Who goes on next is decided by virtual time and, where that is equal, by the seed. So a
run is a function of its seed, whatever the machine does meanwhile.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from tierstore.testing.explorer.turns import require_greenlet
from tierstore.testing.plan import Crash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tierstore.runtime.chance import Chance
    from tierstore.testing.explorer.turns import Greenlet
    from tierstore.testing.simulation.runtime import SimulatedLock as Lock

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
FOREVER_NS = 1 << 62


class StuckError(AssertionError):
    """Nobody can ever run again, and somebody still waits."""


class Process:
    """What ends as one when it crashes: the tasks of one operating system process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tasks: dict[int, Task] = {}
        self.is_dead = False
        self.paused_until_ns = 0
        """Until when it is stopped, as by SIGSTOP."""
        self.postponed: dict[int, Task] = {}
        """Tasks that would have run meanwhile."""
        self.calls_left = 0
        """After how many more calls the process stands still and `watcher` is woken; 0: never."""
        self.watcher: Task | None = None
        self.memory_lock: Lock | None = None
        """What reads and writes in memory need: nobody may hold it across I/O."""

    def begin_io(self, name: str) -> None:
        """Raise Crash if the process has ended, AssertionError if its memory is locked."""
        if self.is_dead:
            raise Crash(name)
        if self.memory_lock is not None and self.memory_lock.locked():
            raise AssertionError(f"{name} is called while reads in memory are locked out")

    def __repr__(self) -> str:
        return f"Process({self.name!r})"


class Task:
    """One thread of a process."""

    __slots__ = (
        "green", "is_over", "is_waiting", "name", "number", "process", "turn", "was_woken",
    )  # fmt: skip

    def __init__(self, name: str, number: int, process: Process) -> None:
        self.name = name
        self.number = number
        self.process = process
        self.green: Greenlet | None = None
        self.turn = 0  # how often it has parked: an alarm set for an earlier time is stale
        self.is_waiting = False
        self.was_woken = False
        self.is_over = False

    def __repr__(self) -> str:
        return f"Task({self.name!r})"


class Scheduler:
    """Whose turn it is, and what time it is."""

    def __init__(self, chance: Chance) -> None:
        self.now_ns = 0
        self.current: Task | None = None
        """Who runs; None for the program around the simulation."""
        self.turns = 0
        """How often somebody was given a turn."""
        self._chance = chance
        self._alarms: list[tuple[int, float, int, Task]] = []
        self._count = 0
        self._ending: list[Process] = []
        green = require_greenlet()
        self._hub: Greenlet = green.getcurrent()
        self._make_greenlet = green.greenlet

    def spawn(
        self, process: Process, name: str, function: Callable[[], object], delay_ns: int = 0
    ) -> Task:
        """A new task of `process`, which runs `function` after `delay_ns`."""
        self._count += 1
        task = Task(name, self._count, process)
        task.green = self._make_greenlet(partial(self._body, task, function), self._hub)
        process.tasks[task.number] = task
        self._set_alarm(task, self.now_ns + delay_ns)
        return task

    def sleep(self, duration_ns: int) -> None:
        """Park the running task for `duration_ns`; 0 lets others run first, or not.

        Outside of tasks time just passes.
        """
        task = self.current
        if task is None:
            self.now_ns += duration_ns
            return
        if task.process.calls_left:
            self._count_call(task.process)
        self._set_alarm(task, self.now_ns + duration_ns)
        self._park(task)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let nobody else run inside the block, whatever it sleeps."""
        task, self.current = self.current, None
        try:
            yield
        finally:
            self.current = task

    def wait(self, until_ns: int | None) -> bool:
        """Park the running task until it is woken, or it is `until_ns`; whether it was woken."""
        task = self.current
        if task is None:
            raise StuckError("only a task can wait for another")
        task.was_woken, task.is_waiting = False, True
        task.turn += 1
        if until_ns is not None:
            self._set_alarm(task, max(until_ns, self.now_ns))
        try:
            self._park(task)
        finally:
            task.is_waiting = False
        return task.was_woken

    def wake(self, task: Task) -> None:
        """Let a task go on, if it waits."""
        if task.is_waiting and not task.was_woken:
            task.was_woken = True
            self._set_alarm(task, self.now_ns)  # instead of the one that it had set

    def run(self, until_ns: int, is_done: Callable[[], bool] = lambda: False) -> bool:
        """Give turns until `is_done()` or it is `until_ns`; whether it was done.

        Raises what a task raised.
        """
        alarms = self._alarms
        while not is_done():
            if not alarms or alarms[0][0] > until_ns:
                self.now_ns = max(self.now_ns, until_ns)
                return False
            at_ns, _, turn, task = heappop(alarms)
            if task.turn != turn or task.is_over:
                continue
            if task.process.paused_until_ns > at_ns:
                task.process.postponed[task.number] = task
                self._set_alarm(task, task.process.paused_until_ns)
                continue
            self.now_ns = max(self.now_ns, at_ns)
            self._resume(task)
        return True

    def resume(self, process: Process) -> None:
        """Let a process that is stopped go on now."""
        process.paused_until_ns = 0
        for task in process.postponed.values():
            self._set_alarm(task, self.now_ns)
        process.postponed.clear()

    def end(self, process: Process) -> None:
        """End a process where it stands. Cut it off from everything that outlives it first.

        Its greenlets are thrown away; the `finally` blocks that this runs reach nothing. Raises
        Crash if it is the process of the running task.
        """
        process.is_dead = True
        task = self.current
        self._ending.append(process)
        if task is None:
            self._discard_ended()
        elif task.process is process:
            raise Crash(process.name)
        else:
            self.sleep(0)  # only the hub can throw greenlets away

    def _discard_ended(self) -> None:
        while self._ending:
            for task in list(self._ending.pop().tasks.values()):
                self._discard(task)

    def _discard(self, task: Task) -> None:
        task.is_over = True
        task.process.tasks.pop(task.number, None)
        green, task.green = task.green, None
        if not green:
            return  # never begun
        self.current = task
        try:
            green.throw(Crash(task.process.name))
        finally:
            self.current = None

    def _count_call(self, process: Process) -> None:
        process.calls_left -= 1
        if not process.calls_left and process.watcher is not None:
            process.paused_until_ns = max(process.paused_until_ns, self.now_ns + NS_PER_MS)
            self.wake(process.watcher)

    def _body(self, task: Task, function: Callable[[], object]) -> None:
        try:
            function()
        except Crash:
            if not task.process.is_dead:
                raise
        finally:
            task.is_over = True
            task.process.tasks.pop(task.number, None)

    def _resume(self, task: Task) -> None:
        self.turns += 1
        self.current = task
        task.process.postponed.pop(task.number, None)
        green: Any = task.green
        try:
            green.switch()
        finally:
            self.current = None
            if self._ending:
                self._discard_ended()

    def _park(self, task: Task) -> None:
        if task.process.is_dead:
            raise Crash(task.process.name)
        self._hub.switch()
        if task.process.is_dead:
            raise Crash(task.process.name)

    def _set_alarm(self, task: Task, at_ns: int) -> None:
        task.turn += 1
        heappush(self._alarms, (at_ns, self._chance.random(), task.turn, task))
