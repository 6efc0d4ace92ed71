"""Reading and writing the directory inside a transaction."""

from __future__ import annotations

from contextlib import suppress

from tierstore.errors import CorruptionError
from tierstore.record import REPLICA_MAX
from tierstore.region.batch import Batch, Poisoned, encode_delta
from tierstore.region.outcomes import OUTCOME_NAMES
from tierstore.region.rows import ReplicaState
from tierstore_sql import statements
from tierstore_sql.rows import (
    decode_bare_row,
    decode_key,
    decode_row,
    encode_bound,
    encode_header,
    encode_rows,
    reseal_heat,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import Any

    from tierstore.region.protocol import ScanPage
    from tierstore.region.rows import Row
    from tierstore_sql.dialects import Sqlite

PAGE_BYTES_MAX = 4 << 20
_REGION_TYPES = (int, bytes, int, int, int, int, int, int, int, int)
_REPLICA_TYPES = (int, int, bytes, bytes, int, int, int, int, int)


class Ledger:
    """The one-row state of the region within a write transaction, and how it changes."""

    def __init__(self, connection: sqlite3.Connection, time_ms: int) -> None:
        self.connection = connection
        found = connection.execute(statements.REGION).fetchone()
        check_types(found, _REGION_TYPES, "region")
        if found[3] + found[2] + found[8]:
            raise damaged("region")
        self.region = found[1].decode("utf-8", "replace")
        self.incarnation: int = found[2]
        self.position: int = found[3]
        self.now_ms = time_ms
        """The clock, by which writes are judged."""
        self.time_ms = max(found[4], time_ms)
        """The clock, which never goes back even when `now_ms` was set back."""
        self.floor: int = found[5]
        self.forgotten: int = found[6]
        """The highest position at which a row was collected: older cursors missed that."""
        self.aside_total: int = found[7]
        self.has_mover = found[9] > 0
        """Whether any process ever moved keys of this region."""

    def replica(self, replica: int) -> ReplicaState | None:
        """What is known of a replica, None if it never registered."""
        if not 0 <= replica <= REPLICA_MAX:
            return None
        found = self.connection.execute(statements.REPLICA, (replica,)).fetchone()
        return None if found is None else _replica_state(found)

    def see(self, state: ReplicaState) -> None:
        """Write the state of a replica that is alive now, and the region's own."""
        if not state.retired:
            state.seen_ms = max(state.seen_ms, self.time_ms)
        columns = (
            state.replica, state.applied, state.digest, state.answer, state.acknowledged,
            state.registered_ms, state.seen_ms, int(state.retired), -state.applied,
        )  # fmt: skip
        self.connection.execute(statements.PUT_REPLICA, columns)
        self.save()

    def save(self) -> None:
        """Write the region's own row."""
        guard = -(self.position + self.incarnation)
        numbers = (self.position, self.time_ms, self.floor, self.forgotten, self.aside_total, guard)
        self.connection.execute(statements.SET_REGION, numbers)

    def put_rows(self, rows: Collection[Row]) -> None:
        """Write rows, each at the next feed position."""
        encoded = encode_rows(rows, self.position + 1)
        for statement, stored in (
            (statements.PUT_PLAIN_ROW, encoded.plain),
            (statements.PUT_TIERED_ROW, encoded.tiered),
            (statements.PUT_ROW, encoded.full),
        ):
            if stored:
                self.connection.executemany(statement, stored)
        self.position += len(rows)

    def warm_rows(self, rows: Collection[Row], headers: Mapping[str, bytes]) -> None:
        """Write the heat of rows where they are, without a feed position.

        `headers` are those of the rows whose content was not read.
        """
        warm = []
        for row in rows:
            key, header = row.key.encode(), headers.get(row.key)
            sealed = encode_header(row) if header is None else reseal_heat(header, key, row)
            warm.append((sealed, row.due_ms, key))
        self.connection.executemany(statements.WARM_ROW, warm)


def read_standing(connection: sqlite3.Connection, replica: int) -> tuple[int, int, int, int]:
    """(position, incarnation, forgotten, number of the last batch of `replica` applied)."""
    found = connection.execute(statements.STANDING, (replica,)).fetchone()
    if found is None or {*map(type, found), int} - {type(None)} != {int} or found[3] != 0:
        raise damaged("region")
    position, incarnation, applied, _, forgotten = found
    return position, incarnation, forgotten, applied or 0


def read_replicas(connection: sqlite3.Connection) -> list[ReplicaState]:
    """All replicas, by id."""
    return [_replica_state(found) for found in connection.execute(statements.REPLICAS)]


def read_rows(
    connection: sqlite3.Connection, dialect: Sqlite, keys: Sequence[str]
) -> tuple[dict[str, Row], dict[str, str]]:
    """The rows that `keys` have, and why those that are damaged cannot be read."""
    rows: dict[str, Row] = {}
    corrupt: dict[str, str] = {}
    for names, condition, parameters in _selections(dialect, keys):
        for columns in connection.execute(statements.READ_MANY + condition, parameters):
            key = names.get(columns[0]) or _refuse(columns[0])
            try:
                rows[key] = decode_row(key, *columns)
            except CorruptionError as error:
                corrupt[key] = str(error)
    return rows, corrupt


def _selections(
    dialect: Sqlite, keys: Sequence[str]
) -> Iterator[tuple[dict[bytes, str], str, list[bytearray]]]:
    """`keys` by as many as one statement takes: their stored names, a condition, its parameters.

    The last name stands again until the condition's width is full, so that few statements exist.
    """
    for start in range(0, len(keys), dialect.keys_max):
        names = _encode_keys(keys[start : start + dialect.keys_max])
        condition, width = dialect.in_keys(len(names))
        parameters = [*map(bytearray, names)]
        yield names, condition, parameters + parameters[-1:] * (width - len(names))


def read_bare_rows(
    connection: sqlite3.Connection, dialect: Sqlite, keys: Sequence[str]
) -> tuple[dict[str, Row], dict[str, bytes]]:
    """The rows that `keys` have without their content, and their headers.

    One whose header is damaged is left out.
    """
    rows: dict[str, Row] = {}
    headers: dict[str, bytes] = {}
    for names, condition, parameters in _selections(dialect, keys):
        for raw_key, *columns in connection.execute(statements.READ_BARE + condition, parameters):
            key = names.get(raw_key) or _refuse(raw_key)
            with suppress(CorruptionError):
                rows[key] = decode_bare_row(key, raw_key, *columns)
                headers[key] = columns[1]
    return rows, headers


def fill_page(
    page: ScanPage,
    connection: sqlite3.Connection,
    start: str,
    end: str | None,
    limit: int,
    *,
    reverse: bool,
    values: bool,
) -> None:
    """Put into `page` the rows from `start` to below `end`, and where the next page goes on."""
    statement = statements.scan(bounded=end is not None, reverse=reverse, values=values)
    bounds = [encode_bound(bound) for bound in (start, end) if bound is not None]
    size_bytes = 0
    key = ""
    for raw_key, *columns in connection.execute(statement, (*bounds, limit + 1)):
        count = len(page.rows) + len(page.corrupt)
        if count and (count >= limit or size_bytes > PAGE_BYTES_MAX):
            page.next_key = key if reverse else decode_key(raw_key)
            return
        key = decode_key(raw_key)
        size_bytes += _add(page, key, raw_key, columns, values=values)


def poison(batch: Batch, corrupt: Mapping[str, str]) -> Batch:
    """`batch` with the deltas of damaged rows replaced, so that they wait for an operator."""

    def replaced(delta: Any) -> Any:
        if delta.key not in corrupt or isinstance(delta, Poisoned):
            return delta
        return Poisoned(delta.key, encode_delta(delta, batch.replica), corrupt[delta.key])

    deltas = [replaced(delta) for delta in batch.deltas]
    return Batch(batch.replica, batch.number, batch.predecessor, deltas, batch.heat, batch.body)


def _encode_keys(keys: Sequence[str]) -> dict[bytes, str]:
    try:
        return {key.encode(): key for key in keys}
    except UnicodeEncodeError:
        return {encode_bound(key): key for key in keys}


def _refuse(raw_key: bytes) -> str:
    key = decode_key(raw_key)
    raise CorruptionError(f"key {key!r}: its row names another", key=key, tier="regional")


def _add(page: ScanPage, key: str, raw_key: bytes, columns: list[Any], *, values: bool) -> int:
    """Put a row into a page; the bytes of its payload, wherever it has to be brought from."""
    decode = decode_row if values else decode_bare_row
    try:
        row = decode(key, raw_key, *columns)
    except CorruptionError as error:
        page.corrupt[key] = str(error)
        return 0
    page.rows.append(row)
    if values and row.cold is not None:
        return row.size
    return len(row.record.payload or b"")


def damaged(of: str) -> CorruptionError:
    """The error for a row that is not one of the directory."""
    return CorruptionError(f"a row of the {of} is damaged", tier="regional")


def check_types(found: tuple[Any, ...] | None, types: tuple[type, ...], of: str) -> None:
    """Raise CorruptionError unless the columns of a row of the `of` have these types.

    A flipped bit of a type code makes text, a number or nothing of what was stored.
    """
    if found is None or tuple(map(type, found)) != types:
        raise damaged(of)


def check_answer(answer: bytes, count: int) -> None:
    """Raise CorruptionError unless a stored answer is one to a batch of `count` deltas."""
    if len(answer) != count or max(answer, default=0) >= len(OUTCOME_NAMES):
        raise damaged("replica")


def _replica_state(found: tuple[Any, ...]) -> ReplicaState:
    check_types(found, _REPLICA_TYPES, "replica")
    *fields, retired, guard = found
    state = ReplicaState(*fields)
    if state.applied + guard or retired not in (0, 1):
        raise damaged("replica")
    state.retired = bool(retired)
    return state
