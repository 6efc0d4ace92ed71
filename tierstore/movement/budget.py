"""How much a mover may do: operations and bytes a second, saved up for one interval at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tierstore.policy.model import Movement
    from tierstore.runtime import Runtime


class Slice:
    """How much one step moves, that what else runs in the background has its turn."""

    def __init__(self, runtime: Runtime, size_bytes: int, for_s: float) -> None:
        self._runtime = runtime
        self._left_bytes = size_bytes
        self._ends_s = runtime.monotonic() + for_s

    @property
    def is_over(self) -> bool:
        """Whether enough was moved, or for long enough."""
        return self._left_bytes <= 0 or self._runtime.monotonic() >= self._ends_s

    def spend(self, size_bytes: int) -> None:
        """Note what was moved."""
        self._left_bytes -= size_bytes


class Budget:
    """Two token buckets. What is spent beyond them is a debt that is waited for."""

    def __init__(self, runtime: Runtime, movement: Movement) -> None:
        self._runtime = runtime
        self._rates = movement.operations_per_s, movement.bytes_per_s
        # Never below one: it would never be reached, and nothing ever begun.
        self._tops = tuple(max(1.0, rate * movement.interval_s) for rate in self._rates)
        self._left = list(self._tops)
        self._filled_s = runtime.monotonic()

    def operations(self) -> int:
        """How many operations may be begun now; 0 while there is a debt of either kind."""
        self._fill()
        return 0 if min(self._left) < 1 else int(self._left[0])

    def spend(self, operations: int, size_bytes: int) -> None:
        """Note what was done."""
        self._fill()
        self._left[0] -= operations
        self._left[1] -= size_bytes

    def wait_s(self, operations: int) -> float:
        """Seconds until that many operations may be begun, all debts paid."""
        self._fill()
        wanted = min(float(operations), self._tops[0]), 1.0
        missing = [max(0.0, need - left) for need, left in zip(wanted, self._left, strict=True)]
        return max(amount / rate for amount, rate in zip(missing, self._rates, strict=True))

    def _fill(self) -> None:
        now_s = self._runtime.monotonic()
        elapsed_s, self._filled_s = now_s - self._filled_s, now_s
        for at, (rate, top) in enumerate(zip(self._rates, self._tops, strict=True)):
            self._left[at] = min(top, self._left[at] + elapsed_s * rate)
