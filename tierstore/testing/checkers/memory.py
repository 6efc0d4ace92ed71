"""Memory stays within its bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.testing.checkers.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "bounded_memory"


def bounded_memory(samples: Iterable[int], limit: int) -> Verdict:
    """Whether no sample, in bytes, is above `limit`; "unknown" if there are none."""
    highest, count = 0, 0
    for count, size_bytes in enumerate(samples, start=1):
        highest = max(highest, size_bytes)
        if size_bytes > limit:
            reason = f"sample {count} is {size_bytes:,} bytes, {size_bytes - limit:,} too many"
            return Verdict("invalid", NAME, reason, figures={"limit": limit})
    if not count:
        return Verdict("unknown", NAME, "nothing was measured", budget="the samples")
    figures = {"samples": count, "highest": highest, "limit": limit}
    return Verdict("valid", NAME, "no sample is above the limit", figures=figures)
