"""Heat: how often a key is used, as a count that halves with every half-life.

A decayed count is the sum over all accesses of 2^(-age / half-life). Under a constant rate r it
settles at r × half-life / ln 2, so count × ln 2 / half-life reads as a rate (exponential decay as
in Cohen & Strauss, "Maintaining time-decaying stream aggregates", PODS'03). It is kept lazily: one
number and the moment it was decayed to.
"""

from __future__ import annotations

from math import inf, log2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from tierstore.policy.model import Hotness

LN_2 = 0.6931471805599453
GAPS_PER_HALF_LIFE_MIN = 2.0
"""A half-life spans at least this many mean gaps of the rate that it is compared with."""


def decayed(count: float, elapsed_s: float, half_life_s: float) -> float:
    """What is left of `count` after `elapsed_s`; all of it if the clock went back."""
    return count * 2.0 ** (-elapsed_s / half_life_s) if elapsed_s > 0 else count


def rate_per_s(count: float, half_life_s: float) -> float:
    """The rate that a decayed count stands for, in accesses per second."""
    return count * LN_2 / half_life_s


def count_at_rate(rate_per_s: float, half_life_s: float) -> float:
    """The decayed count at which a constant rate settles."""
    return rate_per_s * half_life_s / LN_2


def cools_after_s(count: float, half_life_s: float, threshold_per_s: float) -> float:
    """Seconds without access until the rate falls below `threshold_per_s`.

    0 if it is below already; inf if it never will be, as nothing falls below zero.
    """
    if threshold_per_s <= 0:
        return inf
    threshold = count_at_rate(threshold_per_s, half_life_s)
    return half_life_s * (log2(count) - log2(threshold)) if count > threshold else 0.0


def edge_half_life_s(hotness: Hotness) -> float:
    """The half-life of the counts that `hot` is compared with: at least 2 / hot.

    With a shorter one, a key read once a day would be hot after each read and forgotten before
    the next, and its copy would come and go daily.
    """
    return _half_life_s(hotness, hotness.hot_per_s)


def cold_half_life_s(hotness: Hotness) -> float:
    """The half-life of the counts that `cold` is compared with: at least 2 / cold."""
    return _half_life_s(hotness, hotness.cold_per_s)


def _half_life_s(hotness: Hotness, rate_per_s: float | Literal["auto", "never"]) -> float:
    if isinstance(rate_per_s, str):
        return hotness.half_life_s
    return max(hotness.half_life_s, GAPS_PER_HALF_LIFE_MIN / rate_per_s)


class Heat:
    """The decayed reads and writes of one resident entry, and which of them are news to the region.

    `reads` and `writes` are as of the last `note`. A new one may start from what a sketch
    remembers of the key; that was counted before and is no news.
    """

    __slots__ = (
        "_at_s",
        "_seen_reads",
        "_seen_writes",
        "_taken_reads",
        "_taken_writes",
        "reads",
        "writes",
    )

    def __init__(self, now_s: float, reads: float = 0.0, writes: float = 0.0) -> None:
        self.reads = reads
        self.writes = writes
        self._at_s = now_s
        self._seen_reads = self._taken_reads = 0
        self._seen_writes = self._taken_writes = 0

    @property
    def total(self) -> float:
        """Decayed accesses: reads plus writes."""
        return self.reads + self.writes

    def write_share(self) -> float:
        """The share of writes among the decayed accesses, from 0 to 1; 0 without any."""
        return self.writes / self.total if self.total else 0.0

    def note(self, reads: int, writes: int, now_s: float, half_life_s: float) -> None:
        """Decay to `now_s` and add what an entry's counters gained since the last note.

        `reads` and `writes` are the entry's own counters, which start at 0 and only grow. Readers
        count without a lock, so one may step back; it counts again above its highest.
        """
        self.reads = decayed(self.reads, now_s - self._at_s, half_life_s)
        self.writes = decayed(self.writes, now_s - self._at_s, half_life_s)
        self._at_s = max(self._at_s, now_s)
        if reads > self._seen_reads:
            self.reads += reads - self._seen_reads
            self._seen_reads = reads
        if writes > self._seen_writes:
            self.writes += writes - self._seen_writes
            self._seen_writes = writes

    def take_news(self) -> tuple[int, int]:
        """Reads and writes noted since this was last called, exactly; each is told once."""
        news = self._seen_reads - self._taken_reads, self._seen_writes - self._taken_writes
        self._taken_reads, self._taken_writes = self._seen_reads, self._seen_writes
        return news
