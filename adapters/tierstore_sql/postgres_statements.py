"""What PostgreSQL has in place of some of `statements`, and the order of its feed."""

# ruff: noqa: S608
# The parts joined here are constants; everything from outside is a parameter.

from __future__ import annotations

from tierstore.region.fingerprints import HASH_BYTES, VERSION_BYTES
from tierstore_sql import statements
from tierstore_sql.directory import PAGE_BYTES_MAX
from tierstore_sql.rows import COLUMNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Places of the feed are (transaction id, number within the transaction), as one integer; ids count
# from the region's birth. 2^47 transactions are 44 years at 100,000 a second.
_ROW_BITS = 16
ROWS_MAX = (1 << _ROW_BITS) - 1
"""How many rows one transaction may write."""
_HORIZON = f"((pg_snapshot_xmin(pg_current_snapshot())::text::bigint - r.xid_base) << {_ROW_BITS})"
_TOP = "greatest((SELECT coalesce(max(position), 0) FROM ts_directory), r.forgotten)"
_POSITION = f"greatest(least({_TOP}, {_HORIZON} - 1), 0)"
_CLOCK = "floor(extract(epoch from clock_timestamp()) * 1000)::bigint"
_DRAWN_ID = "pg_current_xact_id()::text::bigint"
_DRAWN = f"(({_DRAWN_ID} - r.xid_base) << {_ROW_BITS})"
_IS_SOLE = "(pg_snapshot_xmin(pg_current_snapshot()) = pg_current_xact_id())::int"
NUMBERS = ("position", "dead_at_ms", "due_ms")
_FIELDS = ", ".join(COLUMNS)
_ARRAYS = ", ".join("?" * len(COLUMNS))
UPDATE_ROWS = (
    "UPDATE ts_directory AS d SET "
    + ", ".join(f"{name} = n.{name}" for name in COLUMNS if name != "key")
    + f" FROM unnest({_ARRAYS}) AS n({_FIELDS}) WHERE d.key = n.key"
)
INSERT_ROWS = (
    f"INSERT INTO ts_directory ({_FIELDS}) SELECT * FROM unnest({_ARRAYS})"
    " ON CONFLICT (key) DO NOTHING"
)
_NEXT = "(pg_snapshot_xmax(pg_current_snapshot())::text::bigint - r.xid_base)"
_IS_BEHIND = f"{_TOP} >= ({_NEXT} << {_ROW_BITS})"
IS_FEED_BEHIND = f"SELECT {_IS_BEHIND} FROM ts_region r"
CONTINUE_FEED = (
    f"UPDATE ts_region AS r SET xid_base = {_DRAWN_ID} - ({_TOP} >> {_ROW_BITS}) - 1"
    f" WHERE {_IS_BEHIND}"
)
XID_BASE = "ALTER TABLE ts_region ADD COLUMN xid_base BIGINT NOT NULL DEFAULT 0"
SEQUENCE = "CREATE SEQUENCE ts_drawn"
NOTIFY = "SELECT pg_notify(?, '')"


def lock(numbers: Sequence[int]) -> str:
    """A further statement that waits for the advisory locks of these numbers, in this order."""
    listed = ",".join(map(str, map(int, numbers)))
    return f"; SELECT count(pg_advisory_xact_lock(n)) FROM unnest('{{{listed}}}'::bigint[]) AS n"


def _scan_page(bounded: bool, reverse: bool, values: bool) -> str:
    """A page that ends where its content is too large, before the driver has fetched the rest.

    One row more than the page holds tells where the next one begins.
    """
    plain = statements.SCAN_PAGE[bounded, reverse, values]
    if not values:
        return plain
    order = "DESC" if reverse else "ASC"
    return (
        "SELECT key, position, header, metadata, cold, payload FROM (SELECT *, sum(length(payload))"
        f" OVER (ORDER BY key {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING) AS before"
        f" FROM ({plain}) AS found) AS page WHERE coalesce(before, 0) <= {PAGE_BYTES_MAX}"
        f" ORDER BY key {order}"
    )


SCAN_PAGE = {kind: _scan_page(*kind) for kind in statements.SCAN_PAGE}


def _fingerprint(bounded: bool) -> str:
    """Count, digest and the key after the last row of what `statements.HEADERS` selects.

    Its last parameter is how many rows count, one less than are selected.
    """
    version = f"substr(header, 1, {VERSION_BYTES})"
    digits = f"left(md5(key || {version}), {2 * HASH_BYTES})"
    return (
        "SELECT count(*) FILTER (WHERE NOT is_next),"
        f" bit_xor(('x' || {digits})::bit({8 * HASH_BYTES})::bigint) FILTER (WHERE NOT is_next),"
        " (array_agg(key) FILTER (WHERE is_next))[1] FROM (SELECT key, header,"
        f" row_number() OVER (ORDER BY key) > ? AS is_next FROM ({statements.HEADERS[bounded]})"
        " AS found) AS page"
    )


FINGERPRINT = {bounded: _fingerprint(bounded) for bounded in statements.HEADERS}

REGION = statements.region(_POSITION, _CLOCK, _DRAWN, _IS_SOLE)
READ_FEW = statements.read_few(_POSITION, _CLOCK)
_LOCKED = f"{statements.READ_BARE}key = any(?) ORDER BY key FOR UPDATE"
# A row for each row that there is; the number is drawn once all the same.
BEGIN_COMMIT = f"WITH d AS ({_LOCKED}) " + REGION.replace(
    " FROM ts_region r",
    ", (SELECT nextval('ts_drawn')), o.digest, o.incarnation, o.number, o.expires_ms, o.answer,"
    " d.* FROM ts_region r LEFT JOIN ts_operation o ON o.id = ? LEFT JOIN d ON true",
)


def _keeping(put: str) -> str:
    """`put`, an operation and a notice as one statement, which counts the first two."""
    return (
        f"WITH put AS ({put} RETURNING 1), kept AS ({statements.PUT_OPERATION} RETURNING 1)"
        " SELECT (SELECT count(*) FROM put), (SELECT count(*) FROM kept),"
        " CASE WHEN ? > 0 THEN pg_notify(?, '') END"
    )


KEEPING = {put: _keeping(put) for put in (UPDATE_ROWS, INSERT_ROWS)}

OWN = {
    statements.CLOCK: f"SELECT {_CLOCK}",
    statements.READ_ONE: statements.read_one(_POSITION, _CLOCK),
    statements.STANDING: statements.standing(_POSITION, _CLOCK),
    statements.REGION: REGION,
    statements.NUMBER: "SELECT nextval('ts_drawn')",
    statements.RAISE_NUMBER: "SELECT setval('ts_drawn', greatest(?, nextval('ts_drawn')))",
    statements.REPLICA: statements.REPLICA + " FOR UPDATE",
    statements.PEER: statements.PEER + " FOR UPDATE",
    statements.DEAD_ROWS: statements.DEAD_ROWS + " FOR UPDATE SKIP LOCKED",
    statements.CREATE_REGION: statements.CREATE_REGION.replace(
        "guard) VALUES (1, ?, ?, ?, ?, ?)",
        "guard, xid_base) VALUES (1, ?, ?, ?, ?, ?, pg_current_xact_id()::text::bigint)",
    ),
}
"""What stands in place of a statement of `statements`."""
