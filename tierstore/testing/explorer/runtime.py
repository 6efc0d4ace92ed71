"""The runtime of explored code: virtual time, and waiting that lets other actors run."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from tierstore.runtime.manual import DEFAULT_START_S, NS_PER_S, ManualDriver, ManualRuntime
from tierstore.testing.explorer.steps import Step

if TYPE_CHECKING:
    from tierstore.runtime import Event, Lock, Steps
    from tierstore.testing.explorer.turns import Actor, Explorer


class ExploringRuntime(ManualRuntime):
    """A manual runtime for actors: a lock that is taken blocks its actor, not the program.

    Time stands still until an actor sleeps, or until nobody can run and somebody waits with a
    timeout. Background steps are kept in `driven` and run by nobody: an actor calls what it wants
    of them. Each actor draws from a stream of chance of its own, so that what it draws does not
    depend on the schedule.
    """

    def __init__(
        self, explorer: Explorer, *, start_s: float = DEFAULT_START_S, seed: int = 0
    ) -> None:
        super().__init__(start_s=start_s, seed=seed)
        self._explorer = explorer
        self._seed = seed
        self._streams: dict[str, ManualRuntime] = {}
        self.driven: list[Steps] = []
        explorer.now_ns = lambda: self._elapsed_ns
        explorer.move_clock = self._move_to

    def lock(self) -> Lock:
        """A lock that actors wait for in turns."""
        return CooperativeLock(self._explorer)

    def turn(self) -> Lock:
        """`lock`: nobody presses Ctrl-C here."""
        return self.lock()

    def event(self) -> Event:
        """An event that actors wait for in turns."""
        return CooperativeEvent(self._explorer, self)

    def sleep(self, delay_s: float) -> None:
        """Let others run; then `delay_s` virtual seconds pass, for everybody."""
        step = Step(f"lets {delay_s:g} s pass")
        self._explorer.let_time_pass(step, self._elapsed_ns + round(delay_s * NS_PER_S))

    def random_bytes(self, count: int) -> bytes:
        """`count` bytes of the actor's own stream."""
        actor = self._explorer.current
        if actor is None:
            return super().random_bytes(count)
        stream = self._streams.get(actor.name)
        if stream is None:
            seed = self._seed << 32 | crc32(actor.name.encode())
            stream = self._streams[actor.name] = ManualRuntime(seed=seed)
        return stream.random_bytes(count)

    def drive(self, steps: Steps, name: str) -> ManualDriver:
        """Keep `steps` for actors to run."""
        self.driven.append(steps)
        return ManualDriver(self, steps)

    def thread_id(self) -> int:
        """A number for each actor; 1 outside of them."""
        actor = self._explorer.current
        return 1 if actor is None else actor.number


class CooperativeLock:
    """A lock that is not re-entrant. Whoever takes it twice waits for itself: a deadlock."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self._is_taken = False
        self._holder: Actor | None = None
        self._process: str | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Whether the lock was taken; waits as `threading.Lock.acquire` does, in virtual time.

        Raises RuntimeError if actors of different processes share it outside of tier calls.
        """
        self._keep_within_process()
        if self._is_taken:
            if not blocking or timeout == 0:
                return False
            holder = self._holder.name if self._holder is not None else "nobody that runs"
            what = f"a lock that {holder} holds"
            if not self._explorer.wait(what, self._is_free, None if timeout < 0 else timeout):
                return False
        self._is_taken, self._holder = True, self._explorer.current
        return True

    def release(self) -> None:
        """Let the next one have it; raises RuntimeError if it is not taken."""
        if not self._is_taken:
            raise RuntimeError("release unlocked lock")
        self._is_taken, self._holder = False, None

    def locked(self) -> bool:
        """Whether it is taken."""
        return self._is_taken

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, kind: object, error: object, trace: object, /) -> None:
        self.release()

    def _keep_within_process(self) -> None:
        actor = self._explorer.current
        if actor is None or actor.in_call:
            return
        if self._process is None:
            self._process = actor.process
        elif self._process != actor.process:
            raise RuntimeError(
                f"{actor.name} takes a lock of process {self._process!r}: give actors that share"
                " memory, such as a store, the same process"
            )

    def _is_free(self) -> bool:
        return not self._is_taken


class CooperativeEvent:
    """A flag that actors wait for."""

    def __init__(self, explorer: Explorer, runtime: ExploringRuntime) -> None:
        self._explorer = explorer
        self._runtime = runtime
        self._is_set = False

    def set(self) -> None:
        """Set the flag: whoever waits for it can run."""
        self._is_set = True

    def clear(self) -> None:
        """Clear the flag."""
        self._is_set = False

    def is_set(self) -> bool:
        """Whether the flag is set."""
        return self._is_set

    def wait(self, timeout: float | None = None) -> bool:
        """Whether the flag is set; waits for that while anybody can run, then for `timeout`."""
        if self._is_set:
            return True
        if self._explorer.current is None and timeout is not None:
            self._runtime.sleep(timeout)
            return False
        return self._explorer.wait("an event", self.is_set, timeout)
