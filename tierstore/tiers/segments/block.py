"""Blocks: some records with their keys, which are compressed and read together.

Inside its frame a block is, in big-endian numbers of 4 bytes,

    count | key length, envelope length (of each record) | key, envelope (of each record)
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from struct import Struct, error, unpack_from
from typing import TYPE_CHECKING

from tierstore.tiers.segments.frames import DamagedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_COUNT = Struct(">I")
COUNT_BYTES = _COUNT.size
POINTER_BYTES = 8
LENGTHS_BYTES = 8
"""What a record costs besides its key and its envelope."""


class Block:
    """The records of a block, opened one by one."""

    __slots__ = ("_bounds", "_raw")

    def __init__(self, raw: bytes) -> None:
        """Raises DamagedError unless the lengths add up to the content."""
        try:
            (count,) = _COUNT.unpack_from(raw)
            start = COUNT_BYTES + LENGTHS_BYTES * count
            if start > len(raw):
                raise DamagedError("has a block that is cut off")
            lengths = unpack_from(f">{2 * count}I", raw, COUNT_BYTES)
        except error as exc:
            raise DamagedError("has a block that is cut off") from exc
        self._bounds = list(accumulate(lengths, initial=start))
        self._raw = raw
        if self._bounds[-1] != len(raw):
            raise DamagedError("has a block whose lengths do not add up")

    def __len__(self) -> int:
        return len(self._bounds) // 2

    @property
    def size_bytes(self) -> int:
        """The bytes of its records, and of where they begin and end."""
        return len(self._raw) + POINTER_BYTES * len(self._bounds)

    def entry(self, index: int) -> tuple[bytes, bytes]:
        """The key and the envelope of the record at `index`.

        Raises DamagedError if there is none.
        """
        bounds, raw, at = self._bounds, self._raw, 2 * index
        try:
            middle = bounds[at + 1]
            return raw[bounds[at] : middle], raw[middle : bounds[at + 2]]
        except IndexError:
            raise DamagedError(f"has no record {index} in a block") from None

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """The key and the envelope of every record."""
        raw, spans = self._raw, list(pairwise(self._bounds))
        for (start, middle), (_, end) in zip(spans[::2], spans[1::2], strict=True):
            yield raw[start:middle], raw[middle:end]


def build_block(entries: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The content of the block with these keys and envelopes."""
    lengths = [len(part) for entry in entries for part in entry]
    head = Struct(f">I{len(lengths)}I").pack(len(entries), *lengths)
    return b"".join((head, *(part for entry in entries for part in entry)))
