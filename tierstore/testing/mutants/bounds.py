"""Mutants of bounds: memory, queues, and when a `regional` write is acknowledged."""

from __future__ import annotations

from typing import Any

from tierstore.edge.table import EdgeTable
from tierstore.replica import scan as pages
from tierstore.replica.engine import Replica
from tierstore.replica.writes import Writer
from tierstore.store import outcomes, scanning
from tierstore.testing.mutants.laws import CLOSING
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import both, plants
from tierstore.testing.mutants.worlds import CROWDED, DYING, MANY_KEYS, TIGHT


@plants(EdgeTable, "evict")
def nothing_evicted(right: Any) -> Any:
    return lambda self, now_ms: None


@plants(Writer, "_admit")
def queue_without_bound(right: Any) -> Any:
    return lambda self, size, deadline: None


@plants(outcomes, "confirm")
def regional_not_confirmed(right: Any) -> Any:
    return lambda replica, writes, deadline: None


@plants(Replica, "_flush_at_close")
def closed_unflushed(right: Any) -> Any:
    return lambda self, timeout_s: None


@plants(Replica, "_unjournaled")
def _nothing_missed(right: Any) -> Any:
    return lambda self: 0


close_drops_writes = both(closed_unflushed, _nothing_missed)


@plants(scanning.Scan, "page")
def empty_page_ends_the_scan(right: Any) -> Any:
    def page(self: Any, at: Any, size: int, timeout_s: Any) -> Any:
        found, following = right(self, at, size, timeout_s)
        return found, following if found is not None and found.entries else None

    return page


@plants(pages, "scan_page", is_local=True)
def page_goes_on_behind_a_key(right: Any) -> Any:
    def scan_page(*arguments: Any, **how: Any) -> Any:
        found, next_key = right(*arguments, **how)
        return found, None if next_key is None else next_key + "\0"

    return scan_page


MUTANTS = (
    Mutant(
        "nothing evicted",
        "Copies are never evicted.",
        "memory without bound",
        nothing_evicted,
        (TIGHT,),
        0,
    ),
    Mutant(
        "queue without bound",
        "Writes are taken however many wait.",
        "queues without bound",
        queue_without_bound,
        (CROWDED,),
        0,
    ),
    Mutant(
        "regional not confirmed",
        "A `regional` write is acknowledged before the region answered.",
        "acknowledged before it was persisted",
        regional_not_confirmed,
        (DYING,),
        27,
    ),
    Mutant(
        "close drops writes",
        "Closing neither flushes nor says what it did not.",
        "acknowledged writes lost",
        close_drops_writes,
        (CLOSING,),
        0,
    ),
    Mutant(
        "empty page ends the scan",
        "A scan ends at a page without live keys.",
        "an empty page taken for the end",
        empty_page_ends_the_scan,
        (MANY_KEYS,),
        0,
    ),
    Mutant(
        "page goes on behind a key",
        "A page begins one key too late.",
        "a cursor by offset: keys left out",
        page_goes_on_behind_a_key,
        (MANY_KEYS,),
        1,
    ),
)
