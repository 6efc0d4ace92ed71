"""One row by a prepared statement, past the driver's cursors.

A cursor costs more than all else that a point read does in this process (benchmarks/postgres.py).
Protocol: https://www.postgresql.org/docs/current/libpq-async.html
"""

from __future__ import annotations

import select
import struct
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import ExecStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg.pq.abc import PGconn

NAME = b"tierstore_point"
TYPES = "bytea, bigint"
_INT8 = struct.Struct("!q")
_INT8_TYPE = 20
_BINARY = 1


def fetch_point(
    pgconn: PGconn, key: bytes | bytearray, number: int, until: Callable[[], float]
) -> tuple[int | bytes | None, ...] | None:
    """The columns of the row that the statement `NAME` selects, numbers and bytes; None for none.

    Raises psycopg's errors, TimeoutError once `until()`, the seconds left, is not above zero.
    """
    parameters: list[bytes | None] = [bytes(key), _INT8.pack(number)]
    pgconn.send_query_prepared(NAME, parameters, [_BINARY, _BINARY], _BINARY)
    while pgconn.flush():
        _wait(pgconn.socket, select.POLLIN | select.POLLOUT, until)
        pgconn.consume_input()
    result = None
    while True:
        while pgconn.is_busy():
            _wait(pgconn.socket, select.POLLIN, until)
            pgconn.consume_input()
        another = pgconn.get_result()
        if another is None:
            break
        result = another
    if result is None or result.status != ExecStatus.TUPLES_OK:
        raise psycopg.OperationalError("a point read failed; it is tried in the usual way")
    if not result.ntuples:
        return None
    found: list[int | bytes | None] = []
    for column in range(result.nfields):
        value = result.get_value(0, column)
        if value is not None and result.ftype(column) == _INT8_TYPE:
            found.append(_INT8.unpack(value)[0])
        else:
            found.append(value)
    return tuple(found)


def await_socket(socket: int, events: int, left_s: float) -> int:
    """Which of `events`, of those of `select.poll`, there are; 0 for none within `left_s`."""
    poll = select.poll()
    poll.register(socket, events)
    found = poll.poll(max(left_s, 0.0) * 1000)
    return found[0][1] if found else 0


def _wait(socket: int, events: int, until: Callable[[], float]) -> None:
    if not await_socket(socket, events, until()):
        raise TimeoutError("the server did not answer in time")
