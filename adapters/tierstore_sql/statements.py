"""The statements, in SQL that every supported database understands.

A statement is always the same string, so a held connection keeps it prepared.
"""

# ruff: noqa: S608
# The parts joined here are constants; everything from outside is a parameter.

from __future__ import annotations

from tierstore.region.outcomes import HELD_WHY
from tierstore_sql.rows import COLUMNS, CONTENT_COLUMNS, PLAIN_COLUMNS, TIERED_COLUMNS

_CONTENT = ", ".join(CONTENT_COLUMNS)
_REPLICA = "replica, applied, digest, answer, acknowledged, registered_ms, seen_ms, retired, guard"

TABLES = (
    "ts_region", "ts_replica", "ts_directory", "ts_held", "ts_aside", "ts_object", "ts_intent",
    "ts_lease", "ts_stay", "ts_peer", "ts_life", "ts_private", "ts_operation",
)  # fmt: skip

_UNSOUND = "r.position + r.incarnation + r.guard + coalesce(p.applied + p.guard, 0)"

_REGAINS = "coalesce((SELECT regains FROM ts_life), 0)"

_REPLY = f"r.incarnation, p.applied, {_UNSOUND}"


def read_one(position: str, now_ms: str) -> str:
    """The statement for a point read, with what its reply says besides."""
    content = ", ".join(f"d.{name}" for name in CONTENT_COLUMNS)
    return (
        f"SELECT {now_ms}, {position}, {_REPLY}, {content}"
        " FROM ts_region r LEFT JOIN ts_directory d ON d.key = ?"
        " LEFT JOIN ts_replica p ON p.replica = ?"
    )


def read_few(position: str, now_ms: str) -> str:
    """The statement for some rows, each with what their reply says besides; one without any."""
    content = ", ".join(f"d.{name}" for name in CONTENT_COLUMNS)
    return (
        f"SELECT {now_ms}, {position}, {_REPLY}, d.key, {content}"
        " FROM ts_region r LEFT JOIN ts_directory d ON d.key = any(?)"
        " LEFT JOIN ts_replica p ON p.replica = ?"
    )


def standing(position: str, now_ms: str) -> str:
    """The statement for what every reply says besides its rows."""
    return (
        f"SELECT {now_ms}, {position}, {_REPLY}, r.forgotten"
        " FROM ts_region r LEFT JOIN ts_replica p ON p.replica = ?"
    )


def region(position: str, now_ms: str, drawn: str, is_sole: str) -> str:
    """The statement for the region's own state, at the start of a transaction."""
    return (
        f"SELECT {now_ms}, r.region, r.incarnation, r.position + r.incarnation + r.guard,"
        f" {position}, {drawn}, {is_sole}, r.time_ms, r.floor, r.forgotten,"
        f" (SELECT COUNT(*) FROM ts_lease), {_REGAINS}, r.number FROM ts_region r"
    )


CLOCK = "SELECT NULL"
READ_ONE = read_one("r.position", "NULL")
STANDING = standing("r.position", "NULL")
REGION = region("r.position", "NULL", "r.position", "1")
INFO = f"SELECT region, incarnation, position + incarnation + guard, {_REGAINS} FROM ts_region"
CREATE_REGION = (
    "INSERT INTO ts_region (one, schema_version, region, incarnation, time_ms, guard)"
    " VALUES (1, ?, ?, ?, ?, ?)"
)
SET_SCHEMA_VERSION = "UPDATE ts_region SET schema_version = ?"
SET_REGION = (
    "UPDATE ts_region SET position = ?, time_ms = ?, floor = ?, forgotten = ?, guard = ?,"
    " number = ? WHERE one = 1"
)
SET_INCARNATION = "UPDATE ts_region SET incarnation = ?"
SET_REGAINS = (
    "INSERT INTO ts_life (one, regains) VALUES (1, ?)"
    " ON CONFLICT (one) DO UPDATE SET regains = excluded.regains"
)
COUNT_NEW_ASIDE = "UPDATE ts_region SET aside_total = aside_total + ?"

READ_MANY = f"SELECT key, {_CONTENT}, due_ms FROM ts_directory WHERE "
LOCK_ROWS = "SELECT 1 FROM ts_directory WHERE "
_OVERWRITE = " ON CONFLICT (key) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in COLUMNS if name != "key"
)


def _put(columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO ts_directory ({', '.join(columns)}) VALUES ({marks})" + _OVERWRITE


PUT_ROW = _put(COLUMNS)
PUT_PLAIN_ROW = _put(PLAIN_COLUMNS)
PUT_TIERED_ROW = _put(TIERED_COLUMNS)
WARM_ROW = "UPDATE ts_directory SET header = ?, due_ms = ? WHERE key = ?"
FORGET_ROW = "DELETE FROM ts_directory WHERE key = ?"
DEAD_ROWS = (
    f"SELECT key, {_CONTENT} FROM ts_directory"
    " WHERE dead_at_ms IS NOT NULL AND dead_at_ms < ? AND position <= ?"
    " ORDER BY dead_at_ms LIMIT ?"
)
TOP = "SELECT MAX(position) FROM ts_directory"
COUNT_DEAD = (
    "SELECT COUNT(*), coalesce(SUM(CASE WHEN dead_at_ms >= ? THEN 1 ELSE 0 END), 0),"
    " coalesce(SUM(CASE WHEN dead_at_ms < ? AND position > ? THEN 1 ELSE 0 END), 0)"
    " FROM ts_directory WHERE dead_at_ms IS NOT NULL AND (dead_at_ms <= ? OR payload IS NULL)"
)
CHANGES = (
    "SELECT key, position, header FROM ts_directory WHERE position > ? ORDER BY position LIMIT ?"
)

REPLICAS_STANDING = "SELECT replica, retired FROM ts_replica"


KEY_AFTER = "SELECT key FROM ts_directory WHERE key >= ? ORDER BY key LIMIT 1 OFFSET ?"


def _of_types(bounded: bool) -> str:
    upper = " AND key < ?" if bounded else ""
    return (
        "SELECT key, substr(header, 1, 1), length(payload) FROM ts_directory"
        f" WHERE key >= ?{upper} AND payload IS NOT NULL AND cold IS NULL"
        " AND substr(header, 1, 1) IN (?, ?) ORDER BY key"
    )


OF_TYPES = {bounded: _of_types(bounded) for bounded in (False, True)}
"""Key, type and size of what has one of two types, by whether there is an upper bound."""

BARE = "key, position, header, metadata, payload IS NULL, cold, due_ms"
READ_BARE = f"SELECT {BARE} FROM ts_directory WHERE "
DUE_ROWS = (
    f"SELECT {BARE} FROM ts_directory WHERE due_ms IS NOT NULL AND due_ms <= ? ORDER BY due_ms"
)
SET_DUE = "UPDATE ts_directory SET due_ms = ? WHERE key = ? AND position = ? AND due_ms = ?"
SET_DUE_RANGE = (
    "UPDATE ts_directory SET due_ms = ? WHERE id > ? AND id <= ? AND (due_ms IS NULL OR due_ms > ?)"
)
NEXT_ID = "SELECT MIN(id) FROM ts_directory WHERE id > ?"
LAST_ID = "SELECT MAX(id) FROM ts_directory"
SET_PLACE = "UPDATE ts_directory SET due_ms = ?, header = ?, cold = ?, payload = ? WHERE key = ?"

LEASE = "SELECT holder, epoch, expires_ms, note FROM ts_lease"
PUT_LEASE = (
    "INSERT INTO ts_lease (one, holder, epoch, expires_ms, note) VALUES (1, ?, ?, ?, ?)"
    " ON CONFLICT (one) DO UPDATE SET holder = excluded.holder, epoch = excluded.epoch,"
    " expires_ms = excluded.expires_ms, note = excluded.note"
)

BEGIN_MOVE = "INSERT INTO ts_intent (name, epoch, at_ms) VALUES (?, ?, ?)"
END_MOVE = "DELETE FROM ts_intent WHERE name = ?"
STALE_INTENTS = "SELECT name FROM ts_intent WHERE epoch < ? ORDER BY at_ms, name LIMIT ?"
MARK = "SELECT name FROM ts_intent WHERE epoch = ? ORDER BY at_ms, name LIMIT 1"

_OBJECT = "name, size_bytes, records, live, made_ms, dead_ms"
PUT_OBJECT = f"INSERT INTO ts_object ({_OBJECT}) VALUES (?, ?, ?, ?, ?, ?)"
RELEASE_OBJECT = (
    "UPDATE ts_object SET live = live - ?, dead_ms = CASE WHEN live <= ? THEN ? ELSE dead_ms END"
    " WHERE name = ?"
)
GARBAGE = "SELECT name FROM ts_object WHERE dead_ms IS NOT NULL AND dead_ms < ?"
GARBAGE_PAGE = GARBAGE + " ORDER BY dead_ms, name LIMIT ?"
FORGET_OBJECT = "DELETE FROM ts_object WHERE name = ? AND live <= 0"
KNOWN_OBJECT = (
    "SELECT 1 FROM ts_object WHERE name = ? UNION ALL SELECT 1 FROM ts_intent WHERE name = ?"
)
OBJECTS = f"SELECT {_OBJECT} FROM ts_object ORDER BY (1.0 * live) / records, made_ms, name LIMIT ?"

ANY_STAY = "SELECT 1 FROM ts_stay LIMIT 1"
STAY = "SELECT wanted, error, tries, at_ms, next_ms FROM ts_stay WHERE key = ?"
PUT_STAY = (
    "INSERT INTO ts_stay (key, wanted, error, tries, at_ms, next_ms) VALUES (?, ?, ?, 1, ?, ?)"
    " ON CONFLICT (key) DO UPDATE SET wanted = excluded.wanted, error = excluded.error,"
    " tries = ts_stay.tries + 1, at_ms = excluded.at_ms, next_ms = excluded.next_ms"
)
OVERVIEW = (
    "SELECT COUNT(*), CAST(coalesce(SUM(size_bytes), 0) AS BIGINT),"
    " CAST(coalesce(SUM(records), 0) AS BIGINT), CAST(coalesce(SUM(live), 0) AS BIGINT),"
    " COUNT(dead_ms) FROM ts_object"
)
COUNT_STAYS = "SELECT COUNT(*), COUNT(error) FROM ts_stay"
FAILED_STAYS = (
    "SELECT key, error FROM ts_stay WHERE error IS NOT NULL ORDER BY at_ms DESC, key LIMIT ?"
)
END_STAY = "DELETE FROM ts_stay WHERE key = ?"

REPLICA = f"SELECT {_REPLICA} FROM ts_replica WHERE replica = ?"
REPLICAS = f"SELECT {_REPLICA} FROM ts_replica ORDER BY replica"
PUT_REPLICA = (
    f"INSERT INTO ts_replica ({_REPLICA}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (replica) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _REPLICA.split(", ")[1:])
)
RETIRE = "UPDATE ts_replica SET retired = 1 WHERE retired = 0 AND seen_ms < ?"
RETIRE_ALL = "UPDATE ts_replica SET retired = 1"
SEE_ALL = "UPDATE ts_replica SET seen_ms = ? WHERE retired = 0"
RETIRE_ONE = "UPDATE ts_replica SET retired = 1 WHERE retired = 0 AND replica = ?"
DISMISS = "UPDATE ts_replica SET retired = 1, seen_ms = 0 WHERE replica = ?"
FORGET_REPLICAS = (
    "DELETE FROM ts_replica WHERE replica IN ("
    "SELECT replica FROM ts_replica WHERE retired = 1 AND seen_ms < ?"
    " AND replica NOT IN (SELECT replica FROM ts_held)"
    " AND replica NOT IN (SELECT replica FROM ts_aside) LIMIT ?)"
)
FLOOR = "SELECT MIN(acknowledged) FROM ts_replica WHERE retired = 0"

HOLD = (
    "INSERT INTO ts_held (due_ms, replica, number, idx, at_ms, key, raw)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
HELD_DUE = (
    "SELECT id, replica, number, idx, key, raw FROM ts_held"
    " WHERE due_ms <= ? ORDER BY due_ms, id LIMIT ?"
)
RELEASE = "DELETE FROM ts_held WHERE id = ?"
KEEP_HELD = "UPDATE ts_held SET due_ms = ? WHERE id = ?"

PUT_ASIDE = (
    "INSERT INTO ts_aside (kind, replica, number, idx, at_ms, key, raw, reason)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
COUNT_ASIDE = "SELECT COUNT(*) FROM ts_aside"
ASIDE = (
    "SELECT kind, replica, number, key, reason, at_ms, idx FROM ts_aside UNION ALL"
    f" SELECT 'held', replica, number, key, '{HELD_WHY}', at_ms, idx"
    " FROM ts_held ORDER BY at_ms, replica, number, idx LIMIT ?"
)

_PEER = (
    "region, incarnation, replica, cursor, resumes_at, reader, is_late, joined_ms, linker,"
    " linker_until_ms, watermark"
)
PEERS = f"SELECT {_PEER} FROM ts_peer ORDER BY region"
PEER = f"SELECT {_PEER} FROM ts_peer WHERE region = ?"
ADD_PEER = (
    f"INSERT INTO ts_peer ({_PEER}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (region) DO NOTHING"
)
FORGET_PEERS = (
    "UPDATE ts_peer SET replica = 0, cursor = 0, resumes_at = ?, reader = 0, linker_until_ms = 0,"
    " watermark = 0"
)
SET_PEER = (
    "UPDATE ts_peer SET incarnation = ?, replica = ?, cursor = ?, resumes_at = ?, reader = ?,"
    " is_late = ?, joined_ms = ?, linker = ?, linker_until_ms = ?, watermark = ? WHERE region = ?"
)


def headers(bounded: bool) -> str:
    """The statement for keys and headers of a range, of rows of one consistency."""
    upper = " AND key < ?" if bounded else ""
    return (
        f"SELECT key, header FROM ts_directory WHERE key >= ?{upper}"
        " AND substr(header, 2, 1) = ? ORDER BY key LIMIT ?"
    )


HEADERS = {bounded: headers(bounded) for bounded in (False, True)}
"""By whether there is an upper bound besides the lower one."""


def _scan(bounded: bool, reverse: bool, values: bool) -> str:
    content = "cold, payload" if values else "payload IS NULL"
    upper = " AND key < ?" if bounded else ""
    order = "DESC" if reverse else "ASC"
    return (
        f"SELECT key, position, header, metadata, {content} FROM ts_directory"
        f" WHERE key >= ?{upper} ORDER BY key {order} LIMIT ?"
    )


_KINDS = [
    (bounded, reverse, values)
    for bounded in (False, True)
    for reverse in (False, True)
    for values in (False, True)
]
SCAN_PAGE = {kind: _scan(*kind) for kind in _KINDS}
"""By (bounded, reverse, values): a page from a lower bound on, below an upper one if bounded."""

NUMBER = "SELECT number + 1 FROM ts_region"
RAISE_NUMBER = "UPDATE ts_region SET number = max(number, ?)"

_PRIVATE = "SELECT key, header, payload FROM ts_private WHERE "
PRIVATE = _PRIVATE + "key = ?"
BROWSE_PRIVATE = (
    _PRIVATE + "key >= ? AND key < ? AND key > ? AND (expires_ms IS NULL OR expires_ms > ?)"
    " ORDER BY key LIMIT ?"
)
PUT_PRIVATE = (
    "INSERT INTO ts_private (key, expires_ms, header, payload) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (key) DO UPDATE SET expires_ms = excluded.expires_ms,"
    " header = excluded.header, payload = excluded.payload"
)
REMOVE_PRIVATE = "DELETE FROM ts_private WHERE key = ?"
# What has expired is asked of each row twice: one that is written meanwhile, for which the deletion
# waits, is compared with the condition outside again, but the list inside is as it was.
FORGET_PRIVATE = (
    "DELETE FROM ts_private WHERE expires_ms < ? AND key IN (SELECT key FROM ts_private"
    " WHERE expires_ms IS NOT NULL AND expires_ms < ? LIMIT ?)"
)

OPERATION = "SELECT digest, incarnation, number, expires_ms, answer FROM ts_operation WHERE id = ?"
PUT_OPERATION = (
    "INSERT INTO ts_operation (id, digest, incarnation, number, expires_ms, answer)"
    " VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, incarnation = excluded.incarnation,"
    " number = excluded.number, expires_ms = excluded.expires_ms, answer = excluded.answer"
    " WHERE ts_operation.expires_ms < ?"
)
FORGET_OPERATIONS = (
    "DELETE FROM ts_operation WHERE expires_ms < ? AND id IN (SELECT id FROM ts_operation"
    " WHERE expires_ms < ? LIMIT ?)"
)
