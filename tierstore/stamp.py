"""Stamps: a hybrid logical clock in one integer.

A stamp has the milliseconds of the wall clock in its upper bits and a counter of 16 bits below
(Kulkarni et al., "Logical Physical Clocks", OPODIS 2014, section 3; the two components are packed
so that a counter that overflows carries into the milliseconds). Stamps of one clock never repeat
and never go back; `merge` is the receive rule, so a write made after reading another is ordered
after it. Ties between replicas are broken by the replica's id: see `tierstore.crdt.register`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

COUNTER_BITS = 16
STAMP_MAX = (1 << 63) - 1
_NS_PER_MS = 1_000_000


def physical_ms(stamp: int) -> int:
    """The wall-clock part of a stamp, in milliseconds since the epoch."""
    return stamp >> COUNTER_BITS


def at_ms(milliseconds: int) -> int:
    """The lowest stamp of a millisecond."""
    return milliseconds << COUNTER_BITS


class HybridClock:
    """Issues stamps. Not thread-safe: its owner calls it under a lock."""

    __slots__ = ("_time_ns", "edge_ns", "last", "max_drift_ms")

    def __init__(self, time_ns: Callable[[], int], max_drift_ms: int, last: int = 0) -> None:
        self._time_ns = time_ns
        self.max_drift_ms = max_drift_ms
        self.last = last
        self.edge_ns = 0  # before this moment of the wall clock, the next stamp is `last + 1`

    def tick(self) -> int:
        """A stamp above every stamp issued or merged before."""
        now_ns = self._time_ns()
        if now_ns >= self.edge_ns:
            now_ms = now_ns // _NS_PER_MS
            if now_ms > self.last >> COUNTER_BITS:
                self.last = (now_ms << COUNTER_BITS) - 1
            self.edge_ns = ((self.last + 1 >> COUNTER_BITS) + 1) * _NS_PER_MS
        self.last += 1
        return self.last

    def merge(self, stamp: int) -> bool:
        """Put the clock at or past a received stamp.

        False, and nothing changes, if the stamp is more than `max_drift_ms` ahead of this
        machine's clock: one wrong clock must not drag the others along.
        """
        if stamp <= self.last:
            return True
        if self._ahead_ms(stamp) > self.max_drift_ms:
            return False
        self.last = stamp
        return True

    def merge_admitted(self, stamp: int) -> None:
        """Put the clock at or past a stamp that the region has in a row.

        The region admits stamps up to `max_drift_ms` ahead of its own clock, and this machine's
        may be as much behind that: so a row's stamp may be twice as far ahead as one of unknown
        origin, and what is written after reading it is still stamped so that the region takes it.
        """
        if stamp > self.last and self._ahead_ms(stamp) <= 2 * self.max_drift_ms:
            self.last = stamp

    def _ahead_ms(self, stamp: int) -> int:
        return physical_ms(stamp) - self._time_ns() // _NS_PER_MS

    def restore(self, stamp: int) -> None:
        """Never issue a stamp at or below one that was persisted earlier, however far ahead."""
        self.last = max(self.last, stamp)
