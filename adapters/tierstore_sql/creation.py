"""A database made ready: created, migrated, or refused with advice."""

from __future__ import annotations

from tierstore.errors import CorruptionError, UnavailableError
from tierstore.runtime import now_ms
from tierstore.stamp import at_ms
from tierstore_sql import statements
from tierstore_sql.directory import read_clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.runtime import Runtime
    from tierstore_sql.driver import Connection, Dialect

SCHEMA_VERSION = 5
REGION_ID_BYTES = 16


def prepare(connection: Connection, dialect: Dialect, runtime: Runtime) -> None:
    """Give the database the schema of this version, if it has it not yet.

    Raises UnavailableError if its schema is newer, too old, or another application's.
    """
    if _version(connection, dialect) == SCHEMA_VERSION:
        return
    dialect.begin_creating(connection)
    try:
        version = _version(connection, dialect)
        if version is None:
            _create(connection, dialect, runtime)
        else:
            _migrate(connection, dialect, version)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def refuse_damage(connection: Connection, dialect: Dialect) -> None:
    """Raise CorruptionError if rows may be hidden by damage to a small database."""
    damage = dialect.find_damage(connection)
    if damage is not None:
        raise CorruptionError(
            f"{dialect.place} is damaged ({damage}); restore it from a backup", tier="regional"
        )


def _version(connection: Connection, dialect: Dialect) -> int | None:
    """The schema version that the database has, None if it has no tables yet."""
    tables = dialect.list_tables(connection)
    if not tables:
        return None
    if "ts_region" not in tables:
        raise UnavailableError(
            f"{dialect.place} holds the tables of another application; name another file"
        )
    found = connection.execute("SELECT schema_version FROM ts_region").fetchall()
    if len(found) != 1 or type(found[0][0]) is not int:
        raise CorruptionError(
            f"{dialect.place} does not say what schema it has; restore it from a backup",
            tier="regional",
        )
    return int(found[0][0])


def _create(connection: Connection, dialect: Dialect, runtime: Runtime) -> None:
    from tierstore_sql.schema import definitions

    for statement in definitions(dialect.compiler()):
        connection.execute(statement)
    for statement in dialect.additions:
        connection.execute(statement)
    region = runtime.random_bytes(REGION_ID_BYTES).hex()
    born_ms = read_clock(connection, now_ms(runtime))
    # The time of birth as incarnation: lives that begin apart never share their numbers.
    connection.execute(
        statements.CREATE_REGION, (SCHEMA_VERSION, region, born_ms, born_ms, -born_ms)
    )
    connection.execute(statements.RAISE_NUMBER, (at_ms(born_ms),))
    for statement in dialect.completions:
        connection.execute(statement)


def _migrate(connection: Connection, dialect: Dialect, version: int) -> None:
    from tierstore_sql.schema import MIGRATIONS

    if version > SCHEMA_VERSION:
        raise UnavailableError(
            f"{dialect.place} has schema {version}; this version of tierstore knows up to "
            f"{SCHEMA_VERSION}: upgrade tierstore"
        )
    while version < SCHEMA_VERSION:
        if version not in MIGRATIONS:
            raise UnavailableError(
                f"{dialect.place} has schema {version}, which this version of tierstore cannot "
                "migrate: open it first with the version that follows the one that wrote it"
            )
        MIGRATIONS[version](connection, dialect.compiler())
        version += 1
        connection.execute(statements.SET_SCHEMA_VERSION, (version,))
