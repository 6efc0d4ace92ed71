"""Where payloads lie: leases, rows that are due, moves, and the objects that rows point at.

Functions of a `Ledger`, each a part of one write transaction. `tierstore.region.moves` decides;
`Moves` in `moves.py` is how a mover reaches them.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from tierstore.errors import CorruptionError, FencedError
from tierstore.region.moves import Lease, Overview, StoredObject, is_lease_over, plan_switch
from tierstore_sql import statements
from tierstore_sql.directory import read_bare_rows
from tierstore_sql.rows import decode_bare_row, decode_key, encode_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierstore.region.moves import Refused, Review, Switch
    from tierstore.region.rows import Row
    from tierstore_sql.directory import Ledger
    from tierstore_sql.driver import Connection


def take_lease(ledger: Ledger, holder: int, ttl_ms: int, note: str | None) -> Lease:
    """Take or renew the mover's lease, or say who has it."""
    now_ms = ledger.now_ms
    found = ledger.connection.execute(statements.LEASE).fetchone()
    owner, epoch, expires_ms, kept = found or (holder, 0, 0, b"")
    is_over = is_lease_over(expires_ms, now_ms, ttl_ms)
    if owner != holder and not is_over:
        return Lease(epoch, False, expires_ms, _text(kept))
    is_renewed = owner == holder and not is_over
    epoch += not is_renewed
    noted = note if is_renewed and note is not None else _text(kept)
    ledger.connection.execute(statements.PUT_LEASE, (holder, epoch, now_ms + ttl_ms, noted))
    ledger.save()
    return Lease(epoch, True, now_ms + ttl_ms, noted)


def check_lease(ledger: Ledger, epoch: int) -> None:
    """Raise FencedError unless `epoch` is the lease's."""
    found = ledger.connection.execute(statements.LEASE).fetchone()
    if found is None or found[1] != epoch:
        raise FencedError("another mover has the lease of this region now")


def read_due(connection: Connection, now_ms: int, limit: int) -> list[Row]:
    """Rows whose time of review has come. A damaged one stays due until it is repaired.

    It counts for nothing here: else a few of them, which were due first, would keep all others.
    """
    found = map(_bare, connection.execute(statements.DUE_ROWS, (now_ms,)))
    return list(islice((row for row in found if row is not None), limit))


def review_all(ledger: Ledger, after: int, limit: int) -> int | None:
    """Make the rows due from the first one with an id above `after` on, `limit` ids of them."""
    execute = ledger.connection.execute
    (first,) = execute(statements.NEXT_ID, (after,)).fetchone()
    if first is None:
        return None
    (last,) = execute(statements.LAST_ID).fetchone()
    now_ms, until = ledger.now_ms, first - 1 + limit
    execute(statements.SET_DUE_RANGE, (now_ms, after, until, now_ms))
    return until if last > until else None


def settle(ledger: Ledger, reviews: Sequence[Review]) -> None:
    """Note when to look again at rows that are as they were reviewed, and why they stay."""
    execute, many = ledger.connection.execute, ledger.connection.executemany
    settled = [review for review in reviews if review.wanted is None]
    many(
        statements.SET_DUE,
        [(r.due_ms, r.key.encode(), r.position, r.seen_ms) for r in settled],
    )
    if execute(statements.ANY_STAY).fetchone():
        many(statements.END_STAY, [(r.key.encode(),) for r in settled])
    now_ms = ledger.now_ms
    for review in (r for r in reviews if r.wanted is not None):
        key, due_ms = review.key.encode(), review.due_ms
        if execute(statements.SET_DUE, (due_ms, key, review.position, review.seen_ms)).rowcount:
            stay = key, review.wanted, review.error, now_ms, due_ms or now_ms
            execute(statements.PUT_STAY, stay)


def switch(ledger: Ledger, made: StoredObject | None, switches: Sequence[Switch]) -> list[str]:
    """Change the tier of rows that are as the mover saw them; the keys that moved."""
    execute, many = ledger.connection.execute, ledger.connection.executemany
    if made is not None and execute(statements.END_MOVE, (made.name,)).rowcount != 1:
        raise FencedError("the intent of this move has been ended")
    keys = [item.key for item in switches]
    rows, *_ = read_bare_rows(ledger.connection, ledger.dialect, keys, locking=True)
    plan = plan_switch(rows, switches, ledger.now_ms)
    many(statements.SET_PLACE, [encode_place(row) for row in plan.writes])
    release(ledger, plan.released)
    _keep_refused(ledger, plan.refused)
    if made is not None:
        live = len(plan.switched)
        dead_ms = None if live else ledger.now_ms
        execute(
            statements.PUT_OBJECT,
            (made.name, made.size_bytes, made.records, live, made.made_ms, dead_ms),
        )
    if plan.switched and execute(statements.ANY_STAY).fetchone():
        many(statements.END_STAY, [(key.encode(),) for key in plan.switched])
    return plan.switched


def _keep_refused(ledger: Ledger, refused: Sequence[Refused]) -> None:
    """Keep for the operator what waited on rows and could not be applied."""
    if not refused:
        return
    from tierstore_sql.upkeep import Kept, put_aside

    for item in refused:
        kept = Kept("quarantined", item.number, item.index, item.key, item.raw, item.reason)
        put_aside(ledger, item.replica, [kept])


def release(ledger: Ledger, names: Iterable[str]) -> None:
    """Count pointers to objects that rows have given up; what nobody points at is garbage."""
    counts = Counter(names)
    if counts:
        now_ms = ledger.now_ms
        ledger.connection.executemany(
            statements.RELEASE_OBJECT,
            [(count, count, now_ms, name) for name, count in sorted(counts.items())],
        )


def abandon(ledger: Ledger, names: Sequence[str]) -> None:
    """End intents whose objects nobody will switch to: they are garbage from now on."""
    now_ms = ledger.now_ms
    for name in names:
        if ledger.connection.execute(statements.END_MOVE, (name,)).rowcount:
            ledger.connection.execute(statements.PUT_OBJECT, (name, 0, 1, 0, now_ms, now_ms))


def names(connection: Connection, statement: str, *parameters: int) -> list[str]:
    """The names that a statement selects."""
    return [_text(name) for (name,) in connection.execute(statement, parameters)]


def known(connection: Connection, wanted: Sequence[str]) -> set[str]:
    """Those of the objects `wanted` that are in the directory, or about to be."""
    statement = statements.KNOWN_OBJECT
    return {n for n in wanted if connection.execute(statement, (n, n)).fetchone() is not None}


def read_objects(connection: Connection, limit: int) -> list[StoredObject]:
    """Objects, those with the lowest share of live records first."""
    found = connection.execute(statements.OBJECTS, (limit,))
    return [StoredObject(_text(name), *rest) for name, *rest in found]


def overview(connection: Connection, failures: int) -> Overview:
    """Figures of the cold tier, with some of the keys whose move failed last."""
    objects, size_bytes, records, live, dead = connection.execute(statements.OVERVIEW).fetchone()
    staying, failed = connection.execute(statements.COUNT_STAYS).fetchone()
    found = connection.execute(statements.FAILED_STAYS, (failures,))
    reasons = {decode_key(key): _text(error) for key, error in found}
    return Overview(objects, size_bytes, records, live, dead, staying, failed, reasons)


def _bare(found: tuple[object, ...]) -> Row | None:
    raw_key, *columns = found
    try:
        return decode_bare_row(decode_key(raw_key), raw_key, *columns)  # type: ignore[arg-type]
    except CorruptionError:
        return None


def _text(raw: bytes | str) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
