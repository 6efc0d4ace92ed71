"""The first pass over a trace: what it needs before it can be replayed."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from tierstore.trace.reader import GET, TraceError, read_trace

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from tierstore.trace.reader import Request


@dataclass(slots=True)
class Survey:
    """`first_sizes`: of each key that is read before it is written, the bytes of key and value."""

    requests: int = 0
    skipped: int = 0
    first_error: str | None = None
    first_s: float = 0.0
    last_s: float = 0.0
    size_bytes_max: int = 0
    first_sizes: dict[str, int] = field(default_factory=dict)

    @property
    def span_s(self) -> float:
        """The seconds from the first request to the last."""
        return self.last_s - self.first_s

    def skip(self, error: TraceError) -> None:
        """Count a malformed row and keep what was wrong with the first one."""
        self.skipped += 1
        self.first_error = self.first_error or str(error)


def survey(path: str | os.PathLike[str], *, limit: int | None, skip_bad: bool) -> Survey:
    """What the first `limit` requests of a trace need. Raises TraceError; see `read_trace`."""
    found = Survey()
    written: set[str] = set()
    first_sizes = found.first_sizes
    largest, count, time_s = 0, 0, None
    on_bad = found.skip if skip_bad else None
    for time_s, op, key, size_bytes, _ in islice(read_trace(path, on_bad=on_bad), limit):
        if not count:
            found.first_s = time_s
        count += 1
        if size_bytes > largest:
            largest = size_bytes
        if key in first_sizes or key in written:
            continue
        if op == GET:
            first_sizes[key] = size_bytes
        else:
            written.add(key)
    if time_s is None:
        raise TraceError(f"{path}: no requests")
    found.requests, found.last_s, found.size_bytes_max = count, time_s, largest
    return found


def again(path: str | os.PathLike[str], *, limit: int | None, skip_bad: bool) -> Iterator[Request]:
    """The same requests once more."""
    on_bad = (lambda _: None) if skip_bad else None
    return islice(read_trace(path, on_bad=on_bad), limit)
