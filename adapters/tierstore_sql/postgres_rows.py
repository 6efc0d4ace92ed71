"""Rows that are written to PostgreSQL, and what goes with them in one round trip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierstore.errors import InvalidArgumentError
from tierstore_sql import postgres_statements as pg
from tierstore_sql.arrays import pack_bytes, pack_numbers
from tierstore_sql.errors import RaceLostError
from tierstore_sql.rows import COLUMNS, encode_row

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tierstore.region.rows import Row
    from tierstore_sql.arrays import PackedArray


@dataclass(frozen=True, slots=True)
class Beside:
    """What is done beside the rows that are written."""

    channel: str
    """Where it is told that there are changes; empty: it was just now."""
    kept: Sequence[Any] | None
    """The parameters of `statements.PUT_OPERATION`."""


def put_rows(connection: Any, rows: Collection[Row], position: int, beside: Beside) -> None:
    """Write rows at consecutive feed positions from `position` on, in the order of their keys.

    Those that have a position are there, and locked; the others are new.
    """
    if (position & pg.ROWS_MAX) + len(rows) > pg.ROWS_MAX + 1:
        raise InvalidArgumentError(f"one transaction writes at most {pg.ROWS_MAX:,} rows")
    ordered = sorted(rows, key=lambda row: row.key.encode())
    puts = [
        (statement, stored)
        for statement, is_known in ((pg.UPDATE_ROWS, True), (pg.INSERT_ROWS, False))
        if (stored := _stored(ordered, position, is_known=is_known))
    ]
    last = puts.pop() if beside.kept is not None else None
    for statement, stored in puts:
        _expect(connection.execute(statement, _pack(stored)).rowcount, len(stored))
    if last is not None:
        _put_keeping(connection, *last, beside)
    elif beside.channel:
        connection.execute(pg.NOTIFY, (beside.channel,))


def _put_keeping(
    connection: Any, statement: str, stored: list[tuple[Any, ...]], beside: Beside
) -> None:
    """Write rows and keep an operation as one statement: a commit holds locks, others wait."""
    notice = int(bool(beside.channel)), beside.channel
    parameters = (*_pack(stored), *(beside.kept or ()), *notice)
    put, kept, _ = connection.execute(pg.KEEPING[statement], parameters).fetchone()
    _expect(put, len(stored))
    if kept != 1:
        raise RaceLostError("the operation was committed meanwhile")


def _expect(written: int, wanted: int) -> None:
    if written != wanted:
        raise RaceLostError("another has written a new row first")


def _stored(rows: list[Row], position: int, *, is_known: bool) -> list[tuple[Any, ...]]:
    return [
        encode_row(row, at)
        for at, row in enumerate(rows, position)
        if (row.position > 0) is is_known
    ]


def _pack(stored: list[tuple[Any, ...]]) -> list[PackedArray]:
    """Rows as one array for each of `COLUMNS`."""
    columns = list(zip(*stored, strict=True))
    return [
        pack_numbers(column) if name in pg.NUMBERS else pack_bytes(column)
        for name, column in zip(COLUMNS, columns, strict=True)
    ]
