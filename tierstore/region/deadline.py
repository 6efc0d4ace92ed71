"""Deadlines: how much of a timeout is left to the calls that share it."""

from __future__ import annotations

from tierstore.errors import DeadlineExceededError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.runtime import Runtime


class Deadline:
    """A moment on the monotonic clock by which an answer must be there."""

    __slots__ = ("_at_s", "_is_default", "_monotonic", "_runtime", "timeout_s")

    def __init__(self, runtime: Runtime, timeout_s: float, *, is_default: bool = False) -> None:
        self._runtime = runtime
        self._is_default = is_default
        self._monotonic = runtime.monotonic
        self.timeout_s = timeout_s
        self._at_s = runtime.monotonic() + timeout_s

    def remaining_s(self) -> float:
        """The seconds left, above zero. Raises DeadlineExceededError when there are none."""
        left = self._at_s - self._monotonic()
        if left <= 0:
            raise DeadlineExceededError(f"no answer within {self.timeout_s:g} s")
        return left

    def left_s(self) -> float:
        """The seconds left, zero if there are none."""
        return max(0.0, self._at_s - self._monotonic())

    def cold_s(self, default_s: float) -> float:
        """The seconds that the cold tier has: `default_s`, if the caller named no timeout."""
        return default_s if self._is_default else self.remaining_s()

    def follow_s(self, cold_s: float) -> float:
        """The seconds to wait for another's read, which may take an object of the cold tier."""
        return self.remaining_s() + (cold_s if self._is_default else 0.0)

    def renewed(self) -> Deadline:
        """As much time again for the next of several requests, if the caller named no timeout."""
        return self.again() if self._is_default else self

    def again(self) -> Deadline:
        """As much time as this deadline began with, from now on."""
        return Deadline(self._runtime, self.timeout_s, is_default=self._is_default)

    def has_passed(self) -> bool:
        """Whether the time is up."""
        return self._at_s <= self._monotonic()
