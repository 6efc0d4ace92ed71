"""A circuit breaker: callers are kept from a tier that does not answer.

After some failures in a row reads are refused at once, so that handlers do not all wait for the
same timeout; after a pause one of them is let through, and what it meets decides (Nygard, "Release
It!", 2nd ed. 2018, chapter 5). Background steps, flushes and checks are never refused: they try as
they always do, and an answer to any of them ends the refusal.
"""

from __future__ import annotations

from tierstore.errors import UnavailableError
from tierstore.runtime import jitter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.runtime import Runtime

FAILURES_MAX = 5
PAUSE_S_MIN = 0.2
PAUSE_S_MAX = 5.0
PATIENT_S = 0.1
"""A caller who waited for less than this says little about the tier."""


class Breaker:
    """Whether a tier is worth asking. Threads may race: then one too many is let through."""

    __slots__ = ("_failures", "_probe_until_s", "_retry_at_s", "_runtime", "_tier", "reason")

    def __init__(self, runtime: Runtime, tier: str) -> None:
        self._runtime = runtime
        self._tier = tier
        self._failures = 0
        self._retry_at_s: float | None = None
        self._probe_until_s = 0.0
        self.reason: str | None = None
        """Why the last call failed, None if it was answered."""

    def admit(self, timeout_s: float) -> None:
        """Let a caller with that much time through, or raise UnavailableError at once."""
        retry_at_s = self._retry_at_s
        if retry_at_s is None:
            return
        now_s = self._runtime.monotonic()
        if now_s >= retry_at_s and now_s >= self._probe_until_s:
            # One who waits for long, or is not heard of again, is no reason to keep others away.
            self._probe_until_s = now_s + min(timeout_s, PAUSE_S_MAX)
            self._runtime.sometimes("breaker let a probe through")
            return
        self._runtime.sometimes("breaker refused a read")
        raise UnavailableError(
            f"{self._tier} has not answered {self._failures} times in a row and is asked again"
            f" in {max(0.0, retry_at_s - now_s):.1f} s: {self.reason}"
        )

    def retry_in_s(self) -> float | None:
        """Seconds until reads ask again, None while they do."""
        if self._retry_at_s is None:
            return None
        return max(0.0, self._retry_at_s - self._runtime.monotonic())

    def answered(self) -> None:
        """The tier answered somebody."""
        self.reason = None
        self._failures, self._retry_at_s, self._probe_until_s = 0, None, 0.0

    def unanswered(self, reason: str) -> None:
        """The tier did not answer somebody who was patient."""
        self.reason = reason
        self._failures += 1
        if self._failures < FAILURES_MAX:
            return
        longest_s = min(PAUSE_S_MAX, PAUSE_S_MIN * 2.0 ** min(self._failures - FAILURES_MAX, 16))
        pause_s = longest_s * (0.5 + jitter(self._runtime) / 2)
        self._probe_until_s = 0.0
        self._retry_at_s = self._runtime.monotonic() + pause_s
