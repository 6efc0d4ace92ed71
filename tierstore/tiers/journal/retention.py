"""Acknowledged batches that a journal keeps in case their region is restored from a backup.

Functions over the connection of a journal file, inside a transaction where they change something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import CorruptionError
from tierstore.tiers.journal.content import load_batch, load_header

if TYPE_CHECKING:
    import sqlite3

    from tierstore.region.batch import Batch

_SIZES = (
    "SELECT number, coalesce(length(body), 0) FROM batches WHERE number <= ? ORDER BY number DESC"
)
_FROM = "SELECT number, acknowledged_ms FROM batches WHERE number BETWEEN ? AND ? ORDER BY number"
_REACH = "SELECT count(*), min(acknowledged_ms) FROM batches WHERE acknowledged_ms IS NOT NULL"
_LAST_ACKNOWLEDGED = (
    "SELECT acknowledged_ms FROM batches WHERE number = ("
    "SELECT value FROM meta WHERE name = 'acknowledged')"
)
_NEXT = (
    "SELECT number, digest, body FROM batches WHERE number > ? AND number <= ?"
    " AND body IS NOT NULL ORDER BY number LIMIT 1"
)


def read_kept(connection: sqlite3.Connection, after: int, last: int, path: str) -> Batch | None:
    """The first batch above `after`, up to `last`, whose content is here, and as it was written."""
    while (found := connection.execute(_NEXT, (after, last)).fetchone()) is not None:
        after, digest, body = found
        try:
            return load_batch(after, digest, body, path).batch
        except CorruptionError:
            continue
    return None


def read_reach(connection: sqlite3.Connection) -> tuple[int, int | None]:
    """How many acknowledged batches are retained, and when the oldest was acknowledged."""
    count, oldest_ms = connection.execute(_REACH).fetchone()
    return int(count), oldest_ms


def read_last_acknowledged(connection: sqlite3.Connection) -> int | None:
    """When the last batch was acknowledged that is still retained."""
    found = connection.execute(_LAST_ACKNOWLEDGED).fetchone()
    return None if found is None else found[0]


def trim(
    connection: sqlite3.Connection, oldest_ms: int, retained_bytes_max: int, path: str
) -> None:
    """Drop acknowledged batches from before `oldest_ms` or beyond the size bound."""
    acknowledged = load_header(connection, path)["acknowledged"]
    first = _first_retained(connection, acknowledged, oldest_ms, retained_bytes_max)
    connection.execute("DELETE FROM batches WHERE number < ?", (first,))


def _first_retained(
    connection: sqlite3.Connection, acknowledged: int, oldest_ms: int, bytes_max: int
) -> int:
    """The number of the first batch that is neither too old nor more than there is room for.

    Reads no body, which may be large, and so not what lies behind one, but of the oldest.
    """
    total, first = 0, acknowledged + 1
    for number, size in connection.execute(_SIZES, (acknowledged,)):
        total += size
        if total > bytes_max:
            break
        first = number
    for number, at_ms in connection.execute(_FROM, (first, acknowledged)):
        if at_ms >= oldest_ms:
            return int(number)
    return acknowledged + 1
