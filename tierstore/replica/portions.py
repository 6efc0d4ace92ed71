"""What waits, in portions that fit into batches."""

from __future__ import annotations

from tierstore.replica.overlay import DELTA_OVERHEAD_BYTES, delta_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tierstore.edge.entry import Entry
    from tierstore.region.batch import Delta

BATCH_BYTES_MAX = 4 * 2**20


def chunks(entries: list[Entry], count_max: int) -> Iterator[list[Entry]]:
    """Dirty entries, as many at a time as one batch takes."""
    chunk: list[Entry] = []
    size = 0
    for entry in entries:
        entry_size = entry.waiting_bytes + DELTA_OVERHEAD_BYTES
        if chunk and (len(chunk) >= count_max or size + entry_size > BATCH_BYTES_MAX):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += entry_size
    if chunk:
        yield chunk


def runs_of(deltas: Sequence[Delta], count_max: int) -> Iterator[dict[str, Delta]]:
    """Deltas by key, as many at a time as one batch takes: of each key one."""
    run: dict[str, Delta] = {}
    size = 0
    for delta in deltas:
        size += delta_size(delta)
        if run and (delta.key in run or len(run) >= count_max or size > BATCH_BYTES_MAX):
            yield run
            run, size = {}, delta_size(delta)
        run[delta.key] = delta
    if run:
        yield run
