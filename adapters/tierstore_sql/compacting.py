"""Steps through the sets and documents of the directory, which let them forget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.region.compacting import COMPACT_TYPES, STEP_BYTES_MAX, Compactor, is_worth_size
from tierstore.region.protocol import Compaction
from tierstore_sql import directory, statements, upkeep
from tierstore_sql.directory import check_types
from tierstore_sql.rows import decode_key, encode_bound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.region.apply import Terms
    from tierstore_sql.directory import Ledger
    from tierstore_sql.driver import Connection
    from tierstore_sql.session import Session

_TYPES = [bytes([type_]) for type_ in COMPACT_TYPES]


class Pass:
    """One step, of which nobody is in the way of writers before it found something."""

    def __init__(self, session: Session, start: str, limit: int) -> None:
        self._session = session
        self._start, self._limit = start, limit
        self.done: Compaction
        self.found: list[str] = []
        """Keys of what can be lighter."""

    def look(self, now_ms: int, terms_at: Callable[[int, int], Terms], timeout_s: float) -> None:
        """Find what can be lighter, in one snapshot. `terms_at` makes them of a time and actor."""

        def work(connection: Connection) -> None:
            actor = directory.read_info(connection).actor
            now = directory.read_standing(connection, 0, now_ms)
            done = self.done = Compaction(now.incarnation, now.now_ms)
            keys = _page(connection, done, self._start, self._limit)
            if keys:
                terms = terms_at(now.now_ms, actor)
                looked = self._look(connection, keys, done, now.position, terms)
                self.found = [row.key for row in looked.changed]

        self._session.read(work, timeout_s)

    def write(self, ledger: Ledger, terms: Terms) -> None:
        """Make lighter what was found, if it still can be."""
        done = Compaction(ledger.incarnation, ledger.now_ms, self.done.next_key)
        looked = self._look(ledger.connection, self.found, done, ledger.drawn, terms, locking=True)
        ledger.put_rows(looked.changed)
        ledger.count()
        done.looked = self.done.looked
        self.done = done

    def _look(
        self, connection: Connection, keys: Sequence[str], done: Compaction, position: int,
        terms: Terms, *, locking: bool = False,
    ) -> Compactor:  # fmt: skip
        floor = upkeep.acknowledged(connection, position)
        reach = position + len(keys)
        compactor = Compactor(done, _standings(connection), floor, reach, terms)
        dialect = self._session.dialect
        rows, _ = directory.read_rows(connection, dialect, keys, locking=locking)
        for row in rows.values():
            compactor.look(row)
        return compactor


def _standings(connection: Connection) -> dict[int, bool]:
    """Of each replica whether it is retired."""
    found = connection.execute(statements.REPLICAS_STANDING).fetchall()
    for row in found:
        check_types(row, (int, int), "replica")
    return {replica: retired != 0 for replica, retired in found}


def _page(connection: Connection, done: Compaction, start: str, limit: int) -> list[str]:
    """The keys to look at; `done` is told where the next step goes on."""
    bounds = [encode_bound(start)]
    end = connection.execute(statements.KEY_AFTER, (*bounds, limit)).fetchone()
    if end is not None:
        bounds.append(end[0])
        done.next_key = decode_key(end[0])
    keys: list[str] = []
    size_bytes = 0
    found = connection.execute(statements.OF_TYPES[end is not None], (*bounds, *_TYPES))
    for raw_key, type_, length in found.fetchall():
        if not is_worth_size(type_[0], length):
            continue
        size_bytes += length
        if keys and size_bytes > STEP_BYTES_MAX:
            done.next_key = decode_key(raw_key)
            break
        keys.append(decode_key(raw_key))
    return keys
