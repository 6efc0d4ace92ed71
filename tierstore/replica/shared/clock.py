"""The clock of the edge's server, as far as its answers tell."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.runtime import Runtime

MS_PER_S = 1000


class EdgeClock:
    """Bounds on what the server's clock shows, by the last answer that told its time.

    An answer that was asked for at s and came at r, by the monotonic clock here, and says T, was
    made somewhere between: the server's clock is ahead by T - r at least and T - s at most.
    """

    __slots__ = ("_ahead_max_s", "_ahead_min_s", "_runtime")

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ahead_min_s = self._ahead_max_s = 0.0

    def heard(self, now_ms: int, sent_at_s: float) -> None:
        """The server answered that it is `now_ms` there, to what was sent at `sent_at_s`."""
        self._ahead_max_s = (now_ms + 1) / MS_PER_S - sent_at_s
        self._ahead_min_s = now_ms / MS_PER_S - self._runtime.monotonic()

    def here_s(self, there_ms: int) -> float:
        """The latest moment, on the monotonic clock here, at which it was surely not later there:
        what happened at `there_ms` may be as old as that."""
        return there_ms / MS_PER_S - self._ahead_max_s

    def there_ms(self, here_s: float) -> int:
        """The earliest that the server's clock may have shown at `here_s`."""
        return int((here_s + self._ahead_min_s) * MS_PER_S)
