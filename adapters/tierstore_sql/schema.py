"""The tables, and how a database gets them. Imported only to create or migrate one.

`ts_region.schema_version` says which version a database has; `MIGRATIONS` leads from each version
that was ever released to the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.schema import CreateIndex, CreateTable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Dialect

MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {}
"""From a version to the function that makes the next of it, inside one transaction."""

metadata = MetaData()


def _whole(name: str, *, default: str | None = "0", nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable, server_default=default)


# `guard` is a checksum that costs a read next to nothing, of what every reply says: here with
# position and incarnation, in `ts_replica` with `applied`, it adds up to zero.
Table(
    "ts_region",
    metadata,
    Column("one", Integer, CheckConstraint("one = 1"), primary_key=True),
    Column("schema_version", Integer, nullable=False),
    _whole("incarnation"),
    _whole("position"),
    _whole("time_ms"),
    _whole("floor"),
    _whole("forgotten"),
    _whole("aside_total"),
    _whole("guard"),
    Column("region", Text, nullable=False),
)

Table(
    "ts_replica",
    metadata,
    Column("replica", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    _whole("applied"),
    _whole("acknowledged"),
    _whole("registered_ms"),
    _whole("seen_ms"),
    _whole("retired"),
    _whole("guard"),
    Column("digest", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
)

# The feed position is the primary key, in SQLite the rowid: a write appends its row, and the feed
# needs no index of its own. Clustered by key instead (WITHOUT ROWID), values of 10 KB took 1.5
# times as long to write and 2 to 3 times as long to read.
_directory = Table(
    "ts_directory",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("key", LargeBinary, nullable=False, unique=True),
    _whole("dead_at_ms", default=None, nullable=True),
    Column("header", LargeBinary, nullable=False),
    Column("metadata", LargeBinary),
    Column("cold", LargeBinary),
    Column("payload", LargeBinary),
)
Index(
    "ts_directory_dead",
    _directory.c.dead_at_ms,
    sqlite_where=_directory.c.dead_at_ms.is_not(None),
    postgresql_where=_directory.c.dead_at_ms.is_not(None),
)

_held = Table(
    "ts_held",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    _whole("due_ms"),
    _whole("replica"),
    _whole("number"),
    _whole("idx"),
    _whole("at_ms"),
    Column("key", LargeBinary, nullable=False),
    Column("raw", LargeBinary, nullable=False),
)
Index("ts_held_due", _held.c.due_ms)

Table(
    "ts_aside",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("kind", Text, nullable=False),
    _whole("replica"),
    _whole("number"),
    _whole("idx"),
    _whole("at_ms"),
    Column("key", LargeBinary, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("kind", "replica", "number", "idx", name="ts_aside_once"),
)


def definitions(dialect: Dialect) -> Iterator[str]:
    """The statements that create every table and index."""
    for table in metadata.sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield str(CreateIndex(index).compile(dialect=dialect))
