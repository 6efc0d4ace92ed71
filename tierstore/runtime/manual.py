"""Virtual time without threads: for tests, replays and simulation.

>>> runtime = ManualRuntime(seed=7)
>>> start = runtime.monotonic()
>>> runtime.advance(2.5)
>>> runtime.monotonic() - start
2.5
"""

from __future__ import annotations

import random
from collections import Counter

from tierstore.runtime import Runtime, Watermark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.runtime import Event, Steps

DEFAULT_START_S = 1_700_000_000.0
NS_PER_S = 1_000_000_000


class ManualRuntime(Runtime):
    """A runtime whose clock stands still until `advance`, with seeded randomness.

    Background steps run inside `advance`, in the order in which they fall due, each at its own
    virtual time. Nothing runs concurrently. `reached` counts the situations marked with
    `sometimes`.
    """

    inline = True

    def __init__(self, *, start_s: float = DEFAULT_START_S, seed: int = 0) -> None:
        self._wall_ns = int(start_s * NS_PER_S)
        self._elapsed_ns = 0
        self._random = random.Random(seed)
        self.issued = Watermark()
        self._drivers: list[ManualDriver] = []
        self.reached: Counter[str] = Counter()

    def time_ns(self) -> int:
        """The virtual wall clock."""
        return self._wall_ns

    def monotonic(self) -> float:
        """Virtual seconds since the start; unaffected by `jump`."""
        return self._elapsed_ns / NS_PER_S

    def advance(self, delay_s: float) -> None:
        """Let `delay_s` virtual seconds pass, running background steps as they fall due."""
        end_ns = self._elapsed_ns + round(delay_s * NS_PER_S)
        while True:
            driver = min(self._drivers, key=ManualDriver.due_ns, default=None)
            if driver is None or driver.due_ns() > end_ns:
                break
            self._move_to(driver.due_ns())
            driver.run()
        self._move_to(end_ns)

    def jump(self, offset_s: float) -> None:
        """Step the wall clock, backwards if negative, without time passing."""
        self._wall_ns += round(offset_s * NS_PER_S)

    def sleep(self, delay_s: float) -> None:
        """Let virtual time pass without running background steps."""
        self._move_to(self._elapsed_ns + round(delay_s * NS_PER_S))

    def event(self) -> Event:
        """An event whose wait ends at once: nobody else could set it meanwhile."""
        return ManualEvent(self)

    def random_bytes(self, count: int) -> bytes:
        """`count` bytes of the seeded generator."""
        return self._random.randbytes(count)

    def drive(self, steps: Steps, name: str) -> ManualDriver:
        """Run `steps` whenever time advances past their due time."""
        driver = ManualDriver(self, steps)
        self._drivers.append(driver)
        return driver

    def spawn(self, function: Callable[[], object], name: str) -> None:
        """Run `function` at once, in the caller."""
        function()

    def sometimes(self, name: str) -> None:
        """Count that the situation `name` was reached."""
        self.reached[name] += 1

    def drop(self, driver: ManualDriver) -> None:
        """Forget a driver that was stopped."""
        if driver in self._drivers:
            self._drivers.remove(driver)

    def _move_to(self, elapsed_ns: int) -> None:
        step = max(0, elapsed_ns - self._elapsed_ns)
        self._elapsed_ns += step
        self._wall_ns += step


class ManualDriver:
    """Steps that `ManualRuntime.advance` runs."""

    def __init__(self, runtime: ManualRuntime, steps: Steps) -> None:
        self._runtime = runtime
        self._steps = steps
        self._woken = False

    def due_ns(self) -> int:
        """When these steps next want to run, in virtual nanoseconds."""
        if self._woken:
            return 0
        return int(self._steps.next_due() * NS_PER_S) + 1  # never a rounding error too early

    def run(self) -> None:
        """Run what is due now."""
        self._woken = False
        self._steps.run_due()

    def wake(self) -> None:
        """Run at the next `advance`, however short."""
        self._woken = True

    def stop(self, timeout_s: float | None = None) -> None:
        """Never run again."""
        self._runtime.drop(self)


class ManualEvent:
    """A flag; waiting for it lets virtual time pass."""

    def __init__(self, runtime: ManualRuntime) -> None:
        self._runtime = runtime
        self._set = False

    def set(self) -> None:
        """Set the flag."""
        self._set = True

    def clear(self) -> None:
        """Clear the flag."""
        self._set = False

    def is_set(self) -> bool:
        """Whether the flag is set."""
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        """Whether the flag is set; if not, `timeout` virtual seconds pass first."""
        if not self._set and timeout:
            self._runtime.sleep(timeout)
        return self._set
