"""The part of `SqlRegion` that decides about strong keys.

`tierstore.region.commits` decides; here keys are locked, rows read and written, in one transaction.
SQLite has one writer. On PostgreSQL an advisory lock stands for each key, because a key that is not
there has no row to lock: two transactions that each find the other's key absent would both pass.
"""

from __future__ import annotations

from _blake2 import blake2b
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tierstore.errors import CorruptionError
from tierstore.region.commits import (
    DATA,
    EXTEND,
    PRIVATE,
    Cell,
    CommitReply,
    PrivateReply,
    Version,
    plan_commit,
)
from tierstore.region.operations import ABANDONED, Operation, digest_request, expiry_ms, judge
from tierstore.region.operations import settle as settle_operation
from tierstore_sql import directory, placing, statements
from tierstore_sql.directory import Ledger
from tierstore_sql.errors import RaceLostError
from tierstore_sql.rows import decode_key, decode_row, encode_bound, encode_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from tierstore.region.apply import Terms
    from tierstore.region.commits import Commit, CommitPlan
    from tierstore.region.rows import Row
    from tierstore_sql.driver import Connection
    from tierstore_sql.session import Session

_OPERATION_TYPES = (bytes, int, int, int, bytes)
_BARE_COLUMNS = 7
LOCK_BYTES = 8


class _NothingWrittenError(Exception):
    """The answer to a commit that is rolled back: so its locks wait for no sync of the disk."""

    def __init__(self, reply: CommitReply) -> None:
        super().__init__(reply)
        self.reply = reply


@dataclass(slots=True)
class Opened:
    """What a commit finds once it has its locks."""

    ledger: Ledger
    operation: Operation | None
    """What is kept of its operation."""
    number: int | None = None
    """The number that was drawn for it already."""
    bare: list[tuple[Any, ...]] | None = None
    """The rows of its DATA keys without their content, locked; None: not looked at yet."""


class Commits:
    """Commits, private records and operations."""

    _session: Session
    _ledger: Callable[[Connection], Ledger]
    _terms: Callable[[Ledger], Terms]
    now_ms: Callable[[], int]

    def commit(self, commit: Commit, timeout_s: float) -> CommitReply:
        """Judge and apply a commit in one transaction."""
        work = partial(self._commit, commit)
        has_locks = bool(self._session.dialect.locking)
        numbers = lock_numbers(commit.cells()) if has_locks else []
        try:
            return self._session.write_locked(work, numbers, timeout_s)
        except _NothingWrittenError as answered:
            return answered.reply

    def peek(self, keys: Sequence[str], timeout_s: float) -> PrivateReply:
        """The private records of `keys` that are live, as one snapshot."""
        return self._look(lambda connection: read_private(connection, keys), timeout_s)

    def browse(self, prefix: str, after: str, limit: int, timeout_s: float) -> PrivateReply:
        """Up to `limit` live private records below `prefix` whose keys are above `after`."""
        lower, upper = encode_bound(max(prefix, after)), encode_bound(prefix) + b"\xff"

        def look(connection: Connection) -> dict[str, Row]:
            now_ms = directory.read_clock(connection, self.now_ms())
            found = connection.execute(
                statements.BROWSE_PRIVATE, (lower, upper, encode_bound(after), now_ms, limit)
            )
            return dict(map(_decode_private, found))

        return self._look(look, timeout_s)

    def settle(self, operation_id: str, timeout_s: float) -> CommitReply:
        """What became of an operation; from now on that is certain, if tierstore made its id."""

        def work(connection: Connection) -> CommitReply:
            ledger = self._ledger(connection)
            found = read_operation(connection, operation_id)
            now_ms = ledger.time_ms
            reply = settle_operation(found, operation_id, ledger.incarnation, now_ms)
            if reply.verdict == "abandoned" and found is None:
                columns = operation_columns(ledger, operation_id, b"", ABANDONED)
                keep_operation(ledger, columns)
            return timed(reply, ledger)

        return self._session.write(work, timeout_s, alone=False)

    def _commit(self, commit: Commit, connection: Connection) -> CommitReply:
        opened = self._open_commit(connection, commit)
        ledger = opened.ledger
        incarnation, now_ms = ledger.incarnation, ledger.now_ms
        if commit.operation_id:
            answer = judge(opened.operation, commit, incarnation, ledger.time_ms)
            if answer is not None:
                raise _NothingWrittenError(timed(answer, ledger))
        rows = read_cells(opened, commit)
        number = ledger.draw_number() if opened.number is None else opened.number
        version = Version(incarnation, number)
        plan = plan_commit(rows, commit, self._terms(ledger), version)
        if plan.verdict != "committed":
            refused = CommitReply(plan.verdict, incarnation, now_ms, conflicts=plan.conflicts)
            raise _NothingWrittenError(timed(refused, ledger))
        carry_out(ledger, plan, commit, version)
        return timed(CommitReply("committed", incarnation, now_ms, version), ledger)

    def _open_commit(self, connection: Connection, commit: Commit) -> Opened:
        """What a commit finds: with its locks held already, as this draws a place in the feed."""
        dialect = self._session.dialect
        if not dialect.begin_commit:
            kept = read_operation(connection, commit.operation_id)
            return Opened(self._ledger(connection), kept)
        _, keys = dialect.select_keys(directory.encode_keys(data_keys(commit)))
        found = connection.execute(dialect.begin_commit, (*keys, commit.operation_id)).fetchall()
        if not found:
            raise directory.damaged("region")
        end = len(found[0]) - _BARE_COLUMNS
        *state, number = found[0][: end - len(_OPERATION_TYPES)]
        kept = found[0][end - len(_OPERATION_TYPES) : end]
        return Opened(
            Ledger(connection, dialect, self.now_ms(), tuple(state)),
            None if kept[0] is None else decode_operation(kept),
            int(number),
            [row[end:] for row in found if row[end] is not None],
        )

    def _look(self, look: Callable[[Connection], dict[str, Row]], timeout_s: float) -> PrivateReply:
        def work(connection: Connection) -> PrivateReply:
            now = directory.read_standing(connection, 0, self.now_ms())
            rows = look(connection)
            live = {key: row for key, row in rows.items() if row.record.is_live(now.now_ms)}
            return PrivateReply(now.incarnation, now.now_ms, live)

        return self._session.read(work, timeout_s)


def lock_numbers(cells: Iterable[Cell]) -> list[int]:
    """The numbers of the advisory locks of `cells`, in the order in which all take them.

    Two keys may share one: then they wait for each other.
    """
    names = (b"%d" % cell.space + encode_bound(cell.key) for cell in cells)
    digests = (
        blake2b(name, digest_size=LOCK_BYTES, person=b"tierstore").digest() for name in names
    )
    return sorted({int.from_bytes(digest, "big", signed=True) for digest in digests})


def timed(reply: CommitReply, ledger: Ledger) -> CommitReply:
    """`reply`, which tells the clock as all replies do, and how far that was set back."""
    reply.now_ms, reply.ahead_ms = ledger.now_ms, ledger.time_ms - ledger.now_ms
    return reply


def data_keys(commit: Commit) -> list[str]:
    """The users' keys that a commit names, in order."""
    return [cell.key for cell in commit.cells() if cell.space == DATA]


def read_cells(opened: Opened, commit: Commit) -> dict[Cell, Row]:
    """The rows that the cells of a commit have, locked; with content where that is kept.

    Raises CorruptionError for one that is damaged.
    """
    cells = commit.cells()
    keys = [cell.key for cell in cells if cell.space == DATA]
    private = [cell.key for cell in cells if cell.space == PRIVATE]
    rows = {Cell(DATA, key): row for key, row in read_data(opened, commit, keys).items()}
    found = read_private(opened.ledger.connection, private)
    return rows | {Cell(PRIVATE, key): row for key, row in found.items()}


def read_data(opened: Opened, commit: Commit, keys: list[str]) -> dict[str, Row]:
    """`read_cells` of those that are the users' keys."""
    connection, dialect = opened.ledger.connection, opened.ledger.dialect
    if opened.bare is None:
        rows, _, corrupt = directory.read_bare_rows(connection, dialect, keys, locking=True)
    else:
        names = directory.encode_keys(keys)
        rows, _, corrupt = directory.decode_bare_rows(names, opened.bare)
    whole = {w.cell.key for w in commit.writes if w.op == EXTEND and w.cell.space == DATA}
    if whole and not corrupt:
        full, corrupt = directory.read_rows(connection, dialect, sorted(whole))
        rows |= full
    for key, reason in corrupt.items():
        raise CorruptionError(reason, key=key, tier="regional")
    return rows


def carry_out(ledger: Ledger, plan: CommitPlan, commit: Commit, version: Version) -> None:
    """Write what a commit was found to do, and keep what became of its operation."""
    connection, name = ledger.connection, commit.operation_id
    kept = None
    if name:
        kept = operation_columns(ledger, name, digest_request(commit), version, commit.answer)
    rows = [row for cell, row in plan.writes.items() if cell.space == DATA]
    ledger.put_rows(rows, kept)
    if kept is not None and not rows:
        keep_operation(ledger, kept)
    ledger.count()
    placing.release(ledger, plan.released)
    for cell, row in plan.writes.items():
        if cell.space == PRIVATE:
            key, record = cell.key.encode(), row.record
            columns = key, record.expires_at_ms, bytes(encode_header(row)), record.payload
            connection.execute(statements.PUT_PRIVATE, columns)
    for cell in plan.removed:
        connection.execute(statements.REMOVE_PRIVATE, (cell.key.encode(),))


def read_private(connection: Connection, keys: Sequence[str]) -> dict[str, Row]:
    """The private records that `keys` have, dead ones too."""
    rows: dict[str, Row] = {}
    for key in keys:
        found = connection.execute(statements.PRIVATE, (key.encode(),)).fetchone()
        if found is not None:
            rows[key] = _decode_private(found)[1]
    return rows


def read_operation(connection: Connection, operation_id: str) -> Operation | None:
    """What is kept of an operation."""
    found = connection.execute(statements.OPERATION, (operation_id,)).fetchone()
    return None if found is None else decode_operation(found)


def decode_operation(found: tuple[Any, ...]) -> Operation:
    """What the columns of an operation say. Raises CorruptionError."""
    directory.check_types(found, _OPERATION_TYPES, "coordinator's operations")
    digest, incarnation, number, expires_ms, answer = found
    return Operation(digest, Version(incarnation, number), expires_ms, answer)


def operation_columns(
    ledger: Ledger, operation_id: str, digest: bytes, version: Version, answer: bytes = b""
) -> tuple[Any, ...]:
    """The parameters of `statements.PUT_OPERATION`."""
    now_ms = ledger.time_ms
    until_ms = expiry_ms(operation_id, now_ms)
    numbers = version.incarnation, version.number, until_ms
    return operation_id, digest, *numbers, answer, now_ms


def keep_operation(ledger: Ledger, columns: tuple[Any, ...]) -> None:
    """Keep what became of an operation; who finds that another did so first begins again."""
    if ledger.connection.execute(statements.PUT_OPERATION, columns).rowcount != 1:
        raise RaceLostError("the operation was committed meanwhile")


def _decode_private(found: Any) -> tuple[str, Row]:
    raw_key, header, payload = found
    key = decode_key(raw_key)
    return key, decode_row(key, raw_key, 0, header, None, None, payload)
