"""Time, chance and threads, as one object that the core is given.

Nothing else in tierstore may read a clock, draw a random number, start a thread or sleep, so a
test or a simulator that supplies another `Runtime` decides all of them. `Runtime` itself is the
real one; `tierstore.runtime.manual.ManualRuntime` has virtual time and no threads.
"""

from __future__ import annotations

import _thread
import os
import time

from tierstore.runtime.turn import Turn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Lock(Protocol):
        """What `_thread.allocate_lock()` returns."""

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
        def release(self) -> None: ...
        def __enter__(self) -> bool: ...
        def __exit__(self, kind: Any, error: Any, trace: Any, /) -> None: ...

    class Event(Protocol):
        """The part of `threading.Event` that tierstore uses."""

        def set(self) -> None: ...
        def clear(self) -> None: ...
        def is_set(self) -> bool: ...
        def wait(self, timeout: float | None = None) -> bool: ...

    class Steps(Protocol):
        """Background work as explicit steps: when the next is due, and running what is due."""

        def next_due(self) -> float: ...
        def run_due(self) -> None: ...

    class Driver(Protocol):
        """Runs `Steps` until stopped."""

        def wake(self) -> None: ...
        def stop(self, timeout_s: float | None = None) -> None: ...

    class Clock(Protocol):
        """A clock of stamps, as far as others look at it."""

        last: int


REPLICA_ID_BITS = 53  # a replica id can also serve as a pycrdt client id, which has 53 bits


class Watermark:
    """The highest stamp of several clocks, those included that are not used any more.

    A process that opens a store after another goes on where that was, whatever its identity.
    """

    __slots__ = ("_clocks", "_past")

    def __init__(self) -> None:
        self._clocks: list[Clock] = []
        self._past = 0

    def join(self, clock: Clock) -> int:
        """Look at `clock` from now on; returns the highest stamp so far."""
        if clock not in self._clocks:
            self._clocks.append(clock)
        return max(self._past, *[known.last for known in self._clocks])

    def leave(self, clock: Clock) -> None:
        """Look at `clock` for the last time. Idempotent."""
        self._past = max(self._past, clock.last)
        if clock in self._clocks:
            self._clocks.remove(clock)


class Runtime:
    """The real clock, randomness and threads of this process."""

    inline = False
    """Whether what may wait runs in its caller: there are no threads to hand it to."""
    issued = Watermark()
    """Of all stores that `tierstore.open` opens on the clock of this process."""

    time_ns = staticmethod(time.time_ns)
    monotonic = staticmethod(time.monotonic)

    def lock(self) -> Lock:
        """A lock that is not re-entrant."""
        return _thread.allocate_lock()

    def turn(self) -> Lock:
        """A lock to be waited for with a timeout: Ctrl-C never leaves it taken."""
        return Turn()

    def event(self) -> Event:
        """An event that threads can wait for."""
        import threading

        return threading.Event()

    def sleep(self, delay_s: float) -> None:
        """Return after `delay_s` seconds."""
        time.sleep(delay_s)

    def random_bytes(self, count: int) -> bytes:
        """`count` unpredictable bytes."""
        return os.urandom(count)

    def drive(self, steps: Steps, name: str) -> Driver:
        """A daemon thread that runs `steps` as they fall due."""
        from tierstore.runtime.threads import ThreadDriver

        return ThreadDriver(self, steps, name)

    def spawn(self, function: Callable[[], object], name: str) -> None:
        """Run `function` once in a daemon thread of its own."""
        import threading

        threading.Thread(target=function, name=name, daemon=True).start()

    def thread_id(self) -> int:
        """A number that differs between threads that are alive at the same time."""
        return _thread.get_ident()

    def process_id(self) -> int:
        """The id of this process; a forked child has another."""
        return os.getpid()

    def sometimes(self, name: str) -> None:
        """Mark a situation that tests must reach. Does nothing here; a simulator counts it."""


def mint_replica_id(runtime: Runtime) -> int:
    """A random id of 53 bits, never zero: unique among replicas for all practical purposes."""
    while True:
        minted = int.from_bytes(runtime.random_bytes(7), "big") >> (56 - REPLICA_ID_BITS)
        if minted:
            return minted


def jitter(runtime: Runtime) -> float:
    """A random number, uniform in [0, 1)."""
    return int.from_bytes(runtime.random_bytes(6), "big") / (1 << 48)


def now_ms(runtime: Runtime) -> int:
    """The wall clock in milliseconds since the epoch."""
    return runtime.time_ns() // 1_000_000
