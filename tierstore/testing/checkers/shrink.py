"""Fewer operations that are still wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.testing.history import Operation


def shrink(
    operations: Sequence[Operation], is_wrong: Callable[[list[Operation]], bool]
) -> list[Operation]:
    """A part of `operations` that is wrong, and is no longer if any one of them is left out.

    Leaves out halves first, then smaller and smaller parts (Zeller and Hildebrandt, "Simplifying
    and isolating failure-inducing input", 2002, in the form without complements).
    """
    kept, size = list(operations), len(operations)
    while size:
        shorter = _without_parts(kept, size, is_wrong)
        # At size 1 until nothing more can go: an early one may depend on a later one.
        if size > 1 or len(shorter) == len(kept):
            size //= 2
        kept = shorter
    return kept


def _without_parts(
    operations: list[Operation], size: int, is_wrong: Callable[[list[Operation]], bool]
) -> list[Operation]:
    kept, end = operations, len(operations)
    while end > 0:
        start = max(0, end - size)
        shorter = kept[:start] + kept[end:]
        if is_wrong(shorter):
            kept = shorter
        end = start
    return kept
