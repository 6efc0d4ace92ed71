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

from tierstore.stamp import at_ms
from tierstore_sql.postgres_statements import SEQUENCE
from tierstore_sql.statements import ADD_PEER, RAISE_NUMBER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Dialect

    from tierstore_sql.driver import Connection

metadata = MetaData()


def _whole(name: str, *, default: str | None = "0", nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable, server_default=default)


# `guard` is a checksum that costs a read next to nothing, of what every reply says: here with
# position and incarnation, in `ts_replica` with `applied`, it adds up to zero. `number` is the one
# that was given to a commit last, where the database has no sequences.
Table(
    "ts_region",
    metadata,
    Column("one", Integer, CheckConstraint("one = 1"), primary_key=True, autoincrement=False),
    Column("schema_version", Integer, nullable=False),
    _whole("incarnation"),
    _whole("position"),
    _whole("time_ms"),
    _whole("floor"),
    _whole("forgotten"),
    _whole("aside_total"),
    _whole("guard"),
    Column("region", Text, nullable=False),
    _whole("number"),
)

# What a life that began after a restore is told of: empty before the first of them.
Table(
    "ts_life",
    metadata,
    Column("one", Integer, CheckConstraint("one = 1"), primary_key=True, autoincrement=False),
    _whole("regains"),
)

Table(
    "ts_replica",
    metadata,
    Column(
        "replica",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    _whole("applied"),
    _whole("acknowledged"),
    _whole("registered_ms"),
    _whole("seen_ms"),
    _whole("retired"),
    _whole("guard"),
    Column("digest", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
)

# A row stays where it is when it is written again, and the feed is an index: with the position as
# primary key, which moves a row to the end of the table, flushes of known keys took 1.4 times as
# long. Clustered by key instead (WITHOUT ROWID), values of 10 KB took 1.5 times as long to write
# and 2 to 3 times as long to read.
_directory = Table(
    "ts_directory",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("key", LargeBinary, nullable=False, unique=True),
    _whole("position", default=None),
    _whole("dead_at_ms", default=None, nullable=True),
    _whole("due_ms", default=None, nullable=True),
    Column("header", LargeBinary, nullable=False),
    Column("metadata", LargeBinary),
    Column("cold", LargeBinary),
    Column("payload", LargeBinary),
)
Index("ts_directory_position", _directory.c.position, unique=True)
for _name, _column in (
    ("ts_directory_dead", _directory.c.dead_at_ms),
    ("ts_directory_due", _directory.c.due_ms),
):
    _is_set = _column.is_not(None)
    Index(_name, _column, sqlite_where=_is_set, postgresql_where=_is_set)

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
_HELD_ONCE = Index("ts_held_once", _held.c.replica, _held.c.number, _held.c.idx, unique=True)

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


# Objects of the cold tier that the directory has ever pointed at and that may still exist.
_object = Table(
    "ts_object",
    metadata,
    Column("name", Text, primary_key=True),
    _whole("size_bytes"),
    _whole("records"),
    _whole("live"),
    _whole("made_ms"),
    _whole("dead_ms", default=None, nullable=True),
)
_is_dead = _object.c.dead_ms.is_not(None)
Index("ts_object_dead", _object.c.dead_ms, sqlite_where=_is_dead, postgresql_where=_is_dead)

# Objects that a mover is about to write; and, of an epoch that no lease reaches, the one by which
# the region recognizes its cold tier.
Table(
    "ts_intent",
    metadata,
    Column("name", Text, primary_key=True),
    _whole("epoch"),
    _whole("at_ms"),
)

Table(
    "ts_lease",
    metadata,
    Column("one", Integer, CheckConstraint("one = 1"), primary_key=True, autoincrement=False),
    _whole("holder"),
    _whole("epoch"),
    _whole("expires_ms"),
    Column("note", Text, nullable=False),
)

# Keys that are not in the tier where they should be, and why.
Table(
    "ts_stay",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("wanted", Text, nullable=False),
    Column("error", Text),
    _whole("tries"),
    _whole("at_ms"),
    _whole("next_ms"),
)

# Other regions, and how far their rows were taken over; `resumes_at` is a bound of keys.
Table(
    "ts_peer",
    metadata,
    Column("region", Text, primary_key=True),
    _whole("incarnation"),
    _whole("replica"),
    _whole("cursor"),
    Column("resumes_at", LargeBinary),
    _whole("reader"),
    _whole("is_late"),
    _whole("joined_ms"),
    _whole("linker"),
    _whole("linker_until_ms"),
    _whole("watermark"),
)

# Records of tierstore's own that a coordinator decides about, such as leases.
_private = Table(
    "ts_private",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    _whole("expires_ms", default=None, nullable=True),
    Column("header", LargeBinary, nullable=False),
    Column("payload", LargeBinary),
)
_expires = _private.c.expires_ms.is_not(None)
Index("ts_private_expires", _private.c.expires_ms, sqlite_where=_expires, postgresql_where=_expires)

# What became of commits, by which one that is sent again takes effect once.
_operation = Table(
    "ts_operation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    _whole("incarnation"),
    _whole("number"),
    _whole("expires_ms"),
    Column("answer", LargeBinary, nullable=False),
    sqlite_with_rowid=False,  # a page less to write for each commit
)
Index("ts_operation_expires", _operation.c.expires_ms)


def definitions(dialect: Dialect, *names: str) -> Iterator[str]:
    """The statements that create every table and index, or those of the tables `names`."""
    for table in metadata.sorted_tables:
        if names and table.name not in names:
            continue
        yield str(CreateTable(table).compile(dialect=dialect))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield str(CreateIndex(index).compile(dialect=dialect))


def _to_2(connection: Connection, dialect: Dialect) -> None:
    """Rows stay in place and may be due for a move; there is a cold tier."""
    connection.execute("DROP INDEX ts_directory_dead")
    connection.execute("ALTER TABLE ts_directory RENAME TO ts_directory_1")
    new = "ts_directory", "ts_object", "ts_intent", "ts_lease", "ts_stay"
    for statement in definitions(dialect, *new):
        connection.execute(statement)
    columns = "key, position, dead_at_ms, header, metadata, cold, payload"
    connection.execute(
        f"INSERT INTO ts_directory ({columns}) SELECT {columns} FROM ts_directory_1 ORDER BY key"  # noqa: S608
    )
    connection.execute("DROP TABLE ts_directory_1")


def _to_3(connection: Connection, dialect: Dialect) -> None:
    """Other regions are known; what they tell again and again is held once."""
    for statement in definitions(dialect, "ts_peer"):
        connection.execute(statement)
    connection.execute(str(CreateIndex(_HELD_ONCE).compile(dialect=dialect)))


def _to_4(connection: Connection, dialect: Dialect) -> None:
    """A life of the region says where it gets back what its backup lacked.

    And something may wait on cold rows, where the pointer stands: no version before this reads it.
    """
    for statement in definitions(dialect, "ts_life"):
        connection.execute(statement)


_PEERS_OF_4 = (
    "SELECT region, incarnation, replica, cursor, resumes_at, reader, is_late, joined_ms, linker,"
    " linker_until_ms FROM ts_peer"
)


def _to_5(connection: Connection, dialect: Dialect) -> None:
    """A coordinator decides about strong keys; peers are known to be taken over up to a place."""
    known = connection.execute(_PEERS_OF_4).fetchall()
    connection.execute("DROP TABLE ts_peer")
    for statement in definitions(dialect, "ts_peer"):
        connection.execute(statement)
    for region, *rest in known:
        connection.execute(ADD_PEER, (region.decode(), *rest, 0))
    for statement in definitions(dialect, "ts_private", "ts_operation"):
        connection.execute(statement)
    connection.execute("ALTER TABLE ts_region ADD COLUMN number BIGINT DEFAULT '0' NOT NULL")
    if dialect.name == "postgresql":
        connection.execute(SEQUENCE)
    (incarnation,) = connection.execute("SELECT incarnation FROM ts_region").fetchone()
    connection.execute(RAISE_NUMBER, (at_ms(incarnation),))


MIGRATIONS: dict[int, Callable[[Connection, Dialect], None]] = {
    1: _to_2,
    2: _to_3,
    3: _to_4,
    4: _to_5,
}
"""From a version to the function that makes the next of it, inside one transaction."""
