"""Ranges of an object as few requests: those that lie near each other are read by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierstore.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.region.objects import ByteRange

GAP_BYTES_MAX = 64 << 10
"""Bytes between two ranges that are cheaper to read than another request is to make."""
SPAN_BYTES_MAX = 8 << 20
"""Ranges are not joined beyond this."""


@dataclass(slots=True)
class Span:
    """The bytes [start, end) of an object, and which of the ranges asked for lie in them."""

    start: int
    end: int
    indices: list[int] = field(default_factory=list)


def join_near(ranges: Sequence[ByteRange]) -> list[Span]:
    """Spans that have all bytes of `ranges`; the empty ones are in none.

    Raises InvalidArgumentError for a range that no object can have.
    """
    if any(asked.start < 0 or asked.length < 0 for asked in ranges):
        raise InvalidArgumentError("a range begins before the object or ends before itself")
    spans: list[Span] = []
    for index in sorted(range(len(ranges)), key=lambda index: ranges[index].start):
        asked = ranges[index]
        if not asked.length:
            continue
        last = spans[-1] if spans else None
        if last is not None and _is_near(last, asked):
            last.end = max(last.end, asked.end)
        else:
            last = Span(asked.start, asked.end)
            spans.append(last)
        last.indices.append(index)
    return spans


def cut_apart(
    ranges: Sequence[ByteRange], spans: Sequence[Span], contents: Sequence[bytes]
) -> list[bytes]:
    """The bytes of each of `ranges`, from the contents of their spans."""
    found = [b""] * len(ranges)
    for span, content in zip(spans, contents, strict=True):
        for index in span.indices:
            asked = ranges[index]
            found[index] = content[asked.start - span.start : asked.end - span.start]
    return found


def _is_near(span: Span, asked: ByteRange) -> bool:
    if asked.end <= span.end:
        return True
    return asked.start - span.end <= GAP_BYTES_MAX and asked.end - span.start <= SPAN_BYTES_MAX
