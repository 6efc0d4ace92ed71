"""The runtime of simulated processes: their clocks, chance, locks and background work."""

from __future__ import annotations

import traceback
from collections import deque
from math import ceil
from typing import TYPE_CHECKING

from tierstore.errors import TierStoreError
from tierstore.runtime import Runtime
from tierstore.testing.simulation.scheduler import NS_PER_S, StuckError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from tierstore.runtime import Event, Lock, Steps
    from tierstore.runtime.chance import Chance
    from tierstore.testing.simulation.scheduler import Process, Scheduler, Task

START_NS = 1_700_000_000 * NS_PER_S


class Clock:
    """The wall clock of one machine: the true time, and how far it is off."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.offset_ns = 0

    def time_ns(self) -> int:
        """What this machine takes for the time."""
        return START_NS + self._scheduler.now_ns + self.offset_ns


class SimulatedRuntime(Runtime):
    """Virtual time, seeded chance and cooperative threads of one simulated process."""

    inline = True

    def __init__(
        self,
        scheduler: Scheduler,
        process: Process,
        clock: Clock,
        chance: Chance,
        reached: Counter[str],
        broken: list[str],
    ) -> None:
        """`broken` gets a text for each background step that raised what it must not."""
        self._broken = broken
        self._scheduler = scheduler
        self._process = process
        self._chance = chance
        self._reached = reached
        self.time_ns = clock.time_ns

    def monotonic(self) -> float:
        """Virtual seconds since the simulation began."""
        return self._scheduler.now_ns / NS_PER_S

    def lock(self) -> Lock:
        """A lock that tasks wait for in turns."""
        return SimulatedLock(self._scheduler)

    def turn(self) -> Lock:
        """`lock`: nobody presses Ctrl-C here."""
        return self.lock()

    def event(self) -> Event:
        """An event that tasks wait for."""
        return SimulatedEvent(self._scheduler)

    def sleep(self, delay_s: float) -> None:
        """Let others run for `delay_s` virtual seconds."""
        self._scheduler.sleep(_ns(delay_s))

    def random_bytes(self, count: int) -> bytes:
        """`count` bytes of this process's own stream."""
        return self._chance.randbytes(count)

    def drive(self, steps: Steps, name: str) -> SimulatedDriver:
        """A task that runs `steps` as they fall due."""
        return SimulatedDriver(self._scheduler, self._process, steps, name, self._broken)

    def spawn(self, function: Callable[[], object], name: str) -> None:
        """A task that runs `function` once."""
        self._scheduler.spawn(self._process, f"{self._process.name} {name}", function)

    def thread_id(self) -> int:
        """A number for each task; 0 outside of them."""
        task = self._scheduler.current
        return 0 if task is None else task.number

    def process_id(self) -> int:
        """The same for all: no simulated process forks."""
        return 1

    def sometimes(self, name: str) -> None:
        """Count that the situation `name` was reached."""
        self._reached[name] += 1


class SimulatedLock:
    """A lock that is not re-entrant; who waited longest gets it next."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._is_taken = False
        self._waiting: deque[Task] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Whether the lock was taken; waits as `threading.Lock.acquire` does, in virtual time."""
        if not self._is_taken:
            self._is_taken = True
            return True
        if not blocking or timeout == 0:
            return False
        return self._wait(timeout)

    def _wait(self, timeout: float) -> bool:
        scheduler = self._scheduler
        task = scheduler.current
        until_ns = None if timeout < 0 else scheduler.now_ns + _ns(timeout)
        if task is None:
            raise StuckError("nobody is left who could release a lock")
        while self._is_taken:
            self._waiting.append(task)
            try:
                was_woken = scheduler.wait(until_ns)
            except BaseException:
                if task not in self._waiting and not self._is_taken:
                    self._wake_next()  # it was this one's turn, and it has ended
                raise
            if not was_woken:
                self._waiting.remove(task)
                if self._is_taken:
                    return False
        self._is_taken = True
        return True

    def release(self) -> None:
        """Let the next one have it; raises RuntimeError if it is not taken."""
        if not self._is_taken:
            raise RuntimeError("release unlocked lock")
        self._is_taken = False
        self._wake_next()

    def _wake_next(self) -> None:
        while self._waiting:
            task = self._waiting.popleft()
            if not task.is_over:
                self._scheduler.wake(task)
                return

    def locked(self) -> bool:
        """Whether it is taken."""
        return self._is_taken

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, kind: object, error: object, trace: object, /) -> None:
        self.release()


class SimulatedEvent:
    """A flag that tasks wait for."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._is_set = False
        self._waiting: list[Task] = []

    def set(self) -> None:
        """Set the flag: all who wait for it go on."""
        self._is_set = True
        waiting, self._waiting = self._waiting, []
        for task in waiting:
            self._scheduler.wake(task)

    def clear(self) -> None:
        """Clear the flag."""
        self._is_set = False

    def is_set(self) -> bool:
        """Whether the flag is set."""
        return self._is_set

    def wait(self, timeout: float | None = None) -> bool:
        """Whether the flag is set; waits for that, `timeout` virtual seconds at most."""
        if self._is_set:
            return True
        scheduler = self._scheduler
        if scheduler.current is not None:
            self._waiting.append(scheduler.current)
        scheduler.wait(None if timeout is None else scheduler.now_ns + _ns(timeout))
        return self._is_set


class SimulatedDriver:
    """A task that runs background steps when they fall due or when woken."""

    def __init__(
        self, scheduler: Scheduler, process: Process, steps: Steps, name: str, broken: list[str]
    ) -> None:
        self._scheduler = scheduler
        self._steps = steps
        self._broken = broken
        self._last_error: BaseException | None = None
        self._is_stopped = self._is_woken = False
        self._has_ended = SimulatedEvent(scheduler)
        self._task = scheduler.spawn(process, f"{process.name} background", self._run)

    def wake(self) -> None:
        """Look again at what is due now."""
        self._is_woken = True
        self._scheduler.wake(self._task)

    def stop(self, timeout_s: float | None = None) -> None:
        """Run nothing any more; returns when the step under way has ended."""
        self._is_stopped = True
        if self._scheduler.current is self._task:
            return
        self.wake()
        if self._scheduler.current is not None:
            self._has_ended.wait(timeout_s)

    def _run(self) -> None:
        try:
            while not self._is_stopped:
                due_ns = round(self._steps.next_due() * NS_PER_S) + 1
                if due_ns > self._scheduler.now_ns and not self._is_woken:
                    self._scheduler.wait(due_ns)
                self._is_woken = False
                if not self._is_stopped:
                    self._steps.run_due()
                    self._note_broken()
        finally:
            self._has_ended.set()

    def _note_broken(self) -> None:
        """Tell of a step that raised something else than an error of tierstore.

        In production the others go on, and a log has it; here it is a bug that was found.
        """
        error: BaseException | None = getattr(self._steps, "last_error", None)
        if error is self._last_error:
            return
        self._last_error = error
        if type(error) is TierStoreError and (cause := error.__cause__) is not None:
            told = "".join(traceback.format_exception(cause))
            self._broken.append(f"{error}\n{told}")


def _ns(duration_s: float) -> int:
    """Never less than was asked for: who waits for what is left, would wait for ever."""
    return ceil(duration_s * NS_PER_S)
