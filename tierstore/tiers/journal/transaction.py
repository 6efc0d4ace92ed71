"""Transactions of a journal's connection, which commits each statement by itself otherwise."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3


class Transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK when an exception leaves the block.

    Ctrl-C may keep either end from happening: whoever uses the connection next has to roll back.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
