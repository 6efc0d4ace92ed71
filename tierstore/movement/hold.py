"""When moves to a tier are not tried for a while, because that tier lets them fail.

Keys that wait for a full disk are many, and must not stand before those that users wait for. So
once moves to a tier fail, the others that go there are put off without being tried until the next
pass, which tries again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierstore.errors import UnavailableError

if TYPE_CHECKING:
    from tierstore.errors import TierStoreError
    from tierstore.runtime import Runtime

PAUSE_S_MAX = 3600.0
FAILURES_MAX = 3
"""So many packs in turn may fail for whatever reason; if the tier does not answer, one."""
PASS_SHARE = 0.9
"""The part of an interval after which the next pass may come, as that is jittered."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Keys that should move to a tier are put off."""

    error: str
    """Of the move that failed."""
    pause_s: float
    """How long each key waits."""
    until_s: float
    """When another move is tried, by the monotonic clock."""


class Holds:
    """What holds back the moves to one tier, and how often they failed in turn."""

    def __init__(self, runtime: Runtime, interval_s: float) -> None:
        self._runtime = runtime
        self._interval_s = interval_s
        self._failures = 0
        self._hold: Hold | None = None

    def current(self) -> Hold | None:
        """The hold, unless it is over."""
        if self._hold is not None and self._runtime.monotonic() >= self._hold.until_s:
            self._hold = None
        return self._hold

    def succeed(self) -> None:
        """A pack was moved."""
        self._failures, self._hold = 0, None

    def fail(self, error: TierStoreError) -> float:
        """A pack was not moved; returns for how many seconds its keys should wait."""
        self._failures += 1
        pause_s = min(PAUSE_S_MAX, self._interval_s * 2.0 ** min(self._failures, 16))
        if isinstance(error, UnavailableError) or self._failures >= FAILURES_MAX:
            until_s = self._runtime.monotonic() + PASS_SHARE * self._interval_s
            self._hold = Hold(str(error), pause_s, until_s)
        return pause_s
