"""Reading and writing the directory inside a transaction."""

from __future__ import annotations

from dataclasses import dataclass

from tierstore.errors import CorruptionError
from tierstore.record import REPLICA_MAX
from tierstore.region.batch import Batch, Poisoned, encode_delta
from tierstore.region.lives import REGAINS
from tierstore.region.outcomes import OUTCOME_NAMES
from tierstore.region.protocol import ReadReply
from tierstore.region.rows import RegionInfo, ReplicaState
from tierstore_sql import statements
from tierstore_sql.rows import (
    decode_bare_row,
    decode_key,
    decode_row,
    encode_bound,
    encode_header,
    reseal_heat,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from tierstore.region.protocol import ScanPage
    from tierstore.region.rows import Row
    from tierstore_sql.driver import Connection, Dialect

PAGE_BYTES_MAX = 4 << 20
_REGION_TYPES = (bytes, *[int] * 11)
_REPLICA_TYPES = (int, int, bytes, bytes, int, int, int, int, int)


class Ledger:
    """The one-row state of the region within a write transaction, and how it changes."""

    def __init__(
        self,
        connection: Connection,
        dialect: Dialect,
        now_ms: int,
        found: tuple[Any, ...] | None = None,
    ) -> None:
        """Read it, unless what `statements.REGION` tells was `found` already."""
        self.connection, self.dialect = connection, dialect
        if found is None:
            found = connection.execute(statements.REGION).fetchone()
        check_types(found and found[1:], _REGION_TYPES, "region")
        if found[3]:
            raise damaged("region")
        self.now_ms: int = now_ms if found[0] is None else found[0]
        """The clock, by which writes are judged: the database's where it has one."""
        self.region = found[1].decode("utf-8", "replace")
        self.incarnation: int = found[2]
        self.position: int = found[4]
        """How far the feed has got, and will have when this transaction is committed."""
        self._drawn: int = found[5]
        """The last place in the feed that is taken, as far as this transaction is concerned."""
        self._is_sole = found[6] == 1
        """Whether nothing older is under way, so that what is written here shows at once."""
        self._has_put = False
        self.time_ms: int = max(found[7], self.now_ms)
        """The clock, which never goes back even when `now_ms` was set back."""
        self.floor: int = found[8]
        self.forgotten: int = found[9]
        """The highest position at which a row was collected: older cursors missed that."""
        self.has_mover = found[10] > 0
        """Whether any process ever moved keys of this region."""
        self.regains = _regains(found[11])
        self._number: int = found[12]

    @property
    def info(self) -> RegionInfo:
        """Who the region is."""
        return RegionInfo(self.region, self.incarnation, self.regains)

    def replica(self, replica: int) -> ReplicaState | None:
        """What is known of a replica, None if it never registered."""
        if not 0 <= replica <= REPLICA_MAX:
            return None
        found = self.connection.execute(statements.REPLICA, (replica,)).fetchone()
        return None if found is None else _replica_state(found)

    def see(self, state: ReplicaState) -> None:
        """Write the state of a replica that is alive now."""
        if not state.retired:
            state.seen_ms = max(state.seen_ms, self.time_ms)
        columns = (
            state.replica, state.applied, state.digest, state.answer, state.acknowledged,
            state.registered_ms, state.seen_ms, int(state.retired), -state.applied,
        )  # fmt: skip
        self.connection.execute(statements.PUT_REPLICA, columns)
        self.count()

    def count(self) -> None:
        """Write how far the feed has got, where the region's own row says that."""
        if self.dialect.counts_in_region:
            self.save()

    def save(self) -> None:
        """Write the region's own row, in a transaction that is alone."""
        guard = -(self.position + self.incarnation)
        numbers = (self.position, self.time_ms, self.floor, self.forgotten, guard, self._number)
        self.connection.execute(statements.SET_REGION, numbers)

    def draw_number(self) -> int:
        """The next number for a commit; `count` has to follow."""
        if self.dialect.counts_in_region:
            self._number += 1
            return self._number
        (number,) = self.connection.execute(statements.NUMBER).fetchone()
        return int(number)

    def raise_number(self, least: int) -> None:
        """Give numbers above `least` from now on."""
        self._number = max(self._number, least)
        self.connection.execute(statements.RAISE_NUMBER, (least,))

    def put_rows(self, rows: Collection[Row], kept: Sequence[Any] | None = None) -> None:
        """Write rows, each at the next feed position; with them an operation that is `kept`."""
        if not rows:
            return
        self.dialect.put_rows(self.connection, rows, self._drawn + 1, kept)
        self._drawn += len(rows)
        self._has_put = True
        if self._is_sole:
            self.position = self._drawn

    @property
    def drawn(self) -> int:
        """The last place in the feed that is taken: the next row has the next one."""
        return self._drawn

    def reached(self) -> int:
        """A position that no row written until now exceeds, and that the feed will get to."""
        if self._has_put:
            return self._drawn
        (top,) = self.connection.execute(statements.TOP).fetchone()
        return int(top or 0)

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


@dataclass(frozen=True, slots=True)
class Standing:
    """What every reply of the region says besides its rows."""

    applied: int
    """The number of the last batch of the replica that asked."""
    position: int
    incarnation: int
    now_ms: int
    forgotten: int


def read_standing(connection: Connection, replica: int, now_ms: int) -> Standing:
    """What replies to `replica` say; `now_ms` is the clock if the database has none."""
    found = connection.execute(statements.STANDING, (replica,)).fetchone()
    if found is None or {*map(type, found), int} - {type(None)} != {int} or found[4] != 0:
        raise damaged("region")
    clock_ms, position, incarnation, applied, _, forgotten = found
    now_ms = now_ms if clock_ms is None else clock_ms
    return Standing(applied or 0, position, incarnation, now_ms, forgotten)


def read_clock(connection: Connection, now_ms: int) -> int:
    """The database's clock, or `now_ms` if it has none."""
    (clock_ms,) = connection.execute(statements.CLOCK).fetchone()
    return now_ms if clock_ms is None else int(clock_ms)


def read_info(connection: Connection) -> RegionInfo:
    """Who the region is."""
    found = connection.execute(statements.INFO).fetchone()
    check_types(found, (bytes, int, int, int), "region")
    if found[2]:
        raise damaged("region")
    return RegionInfo(found[0].decode("utf-8", "replace"), found[1], _regains(found[3]))


def read_replicas(connection: Connection) -> list[ReplicaState]:
    """All replicas, by id."""
    return [_replica_state(found) for found in connection.execute(statements.REPLICAS)]


def read_rows(
    connection: Connection, dialect: Dialect, keys: Sequence[str], *, locking: bool = False
) -> tuple[dict[str, Row], dict[str, str]]:
    """The rows that `keys` have, and why those that are damaged cannot be read.

    When `locking`, nobody else changes them before this transaction has ended.
    """
    rows: dict[str, Row] = {}
    corrupt: dict[str, str] = {}
    for names, condition, parameters in _selections(dialect, keys, locking):
        for columns in connection.execute(statements.READ_MANY + condition, parameters):
            key = names.get(columns[0]) or _refuse(columns[0])
            try:
                rows[key] = decode_row(key, *columns)
            except CorruptionError as error:
                corrupt[key] = str(error)
    return rows, corrupt


def make_reply(names: Mapping[bytes, str], found: Sequence[tuple[Any, ...]]) -> ReadReply:
    """The reply that `statements.read_few` has found the parts of.

    Raises TypeError if the region's own row is damaged or missing.
    """
    rows: dict[str, Row] = {}
    corrupt: dict[str, str] = {}
    if not found or found[0][4] != 0:
        raise TypeError("the region's own row is damaged")
    for _, _, _, _, _, raw_key, *columns in found:
        if raw_key is None:
            continue
        key = names.get(raw_key) or _refuse(raw_key)
        try:
            rows[key] = decode_row(key, raw_key, *columns)
        except CorruptionError as error:
            corrupt[key] = str(error)
    now_ms, at, incarnation, applied = found[0][:4]
    return ReadReply(applied or 0, at, incarnation, now_ms, rows, corrupt)


def lock_rows(connection: Connection, dialect: Dialect, keys: Sequence[str]) -> None:
    """Lock the rows that `keys` have in one order, for what then reads some and others."""
    if dialect.locking:
        for _, condition, parameters in _selections(dialect, keys, locking=True):
            connection.execute(statements.LOCK_ROWS + condition, parameters)


def _selections(
    dialect: Dialect, keys: Sequence[str], locking: bool
) -> Iterator[tuple[dict[bytes, str], str, list[Any]]]:
    """`keys` by as many as one statement takes: stored names, a condition, its parameters."""
    suffix = dialect.locking if locking else ""
    for start in range(0, len(keys), dialect.keys_max):
        names = encode_keys(keys[start : start + dialect.keys_max])
        condition, parameters = dialect.select_keys(names)
        yield names, condition + suffix, parameters


def read_bare_rows(
    connection: Connection, dialect: Dialect, keys: Sequence[str], *, locking: bool = False
) -> tuple[dict[str, Row], dict[str, bytes], dict[str, str]]:
    """The rows that `keys` have without their content, their headers, and why some are damaged.

    Content is not looked at. When `locking`, they are locked as by `read_rows`.
    """
    rows: dict[str, Row] = {}
    headers: dict[str, bytes] = {}
    corrupt: dict[str, str] = {}
    for names, condition, parameters in _selections(dialect, keys, locking):
        found = connection.execute(statements.READ_BARE + condition, parameters)
        some, theirs, damaged_rows = decode_bare_rows(names, found)
        rows, headers, corrupt = rows | some, headers | theirs, corrupt | damaged_rows
    return rows, headers, corrupt


def decode_bare_rows(
    names: Mapping[bytes, str], found: Iterable[tuple[Any, ...]]
) -> tuple[dict[str, Row], dict[str, bytes], dict[str, str]]:
    """What `read_bare_rows` returns of what was `found` for these names."""
    rows: dict[str, Row] = {}
    headers: dict[str, bytes] = {}
    corrupt: dict[str, str] = {}
    for raw_key, *columns in found:
        key = names.get(raw_key) or _refuse(raw_key)
        try:
            rows[key] = decode_bare_row(key, raw_key, *columns)
            headers[key] = columns[1]
        except CorruptionError as error:
            corrupt[key] = str(error)
    return rows, headers, corrupt


def fill_page(
    page: ScanPage,
    connection: Connection,
    dialect: Dialect,
    start: str,
    end: str | None,
    limit: int,
    *,
    reverse: bool,
    values: bool,
) -> None:
    """Put into `page` the rows from `start` to below `end`, and where the next page goes on."""
    statement = dialect.scan_page[end is not None, reverse, values]
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


def encode_keys(keys: Sequence[str]) -> dict[bytes, str]:
    """Keys by the bytes that are stored of them."""
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


def _regains(code: int) -> str:
    if not 0 <= code < len(REGAINS):
        raise damaged("region")
    return REGAINS[code]


def _replica_state(found: tuple[Any, ...]) -> ReplicaState:
    check_types(found, _REPLICA_TYPES, "replica")
    *fields, retired, guard = found
    state = ReplicaState(*fields)
    if state.applied + guard or retired not in (0, 1):
        raise damaged("replica")
    state.retired = bool(retired)
    return state
