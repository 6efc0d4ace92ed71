"""What a region does between writes, and what it keeps back from the directory."""

from __future__ import annotations

from dataclasses import dataclass

from tierstore.errors import CorruptionError, OverloadedError
from tierstore.region.apply import is_collectable, plan_release
from tierstore.region.batch import Delta, Poisoned, decode_delta, encode_delta
from tierstore.region.lives import BATCHES, REGAINS
from tierstore.region.pointer import decode_pointer
from tierstore.region.protocol import AsideEntry, DeadRows, Upkeep
from tierstore.region.resuming import resumed, why_lost
from tierstore.stamp import at_ms, physical_ms
from tierstore_sql import placing, statements
from tierstore_sql.directory import check_types, read_rows
from tierstore_sql.rows import decode_key, decode_row, encode_bound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from tierstore.region.apply import Plan, Terms
    from tierstore.region.batch import Batch
    from tierstore.region.rows import Row
    from tierstore_sql.directory import Ledger, Standing
    from tierstore_sql.driver import Connection

ASIDE_COUNT_MAX = 100_000
ONE_AND_ITS_LIKES = 100  # of replicas that left, too, but had to wait for an operator
_ASIDE_TYPES = (bytes, int, int, bytes, bytes, int, int)
_HELD_TYPES = (int, int, int, int, bytes, bytes)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is not merged and waits for an operator. With its replica, the first three name it."""

    kind: str
    number: int
    idx: int
    key: str
    raw: bytes
    reason: str


def maintain(ledger: Ledger, terms: Terms, limit: int) -> Upkeep:
    """One step: at most `limit` held deltas released, and `limit` dead rows collected."""
    done = Upkeep(ledger.incarnation, ledger.now_ms)
    silent_ms = ledger.time_ms - terms.horizon_ms
    done.retired = ledger.connection.execute(statements.RETIRE, (silent_ms,)).rowcount
    done.forgotten = _forget(ledger, silent_ms - terms.horizon_ms, limit)
    done.released = _release(ledger, terms, limit)
    done.floor = ledger.floor = max(ledger.floor, acknowledged(ledger.connection, ledger.position))
    done.collected = _collect(ledger, terms, limit)
    _forget_commits(ledger, limit)
    ledger.save()
    return done


def _forget_commits(ledger: Ledger, limit: int) -> None:
    """Forget operations and private records that are over, each by the clock of who judges them."""
    for statement, now_ms in (
        (statements.FORGET_OPERATIONS, ledger.time_ms),
        (statements.FORGET_PRIVATE, ledger.now_ms),
    ):
        ledger.connection.execute(statement, (now_ms, now_ms, limit))


def count_dead(connection: Connection, now: Standing, dead_ms: int) -> DeadRows:
    """The dead rows of a snapshot; those that died before `dead_ms` are not young."""
    floor = acknowledged(connection, now.position)
    found = connection.execute(
        statements.COUNT_DEAD, (dead_ms, dead_ms, floor, now.now_ms)
    ).fetchone()
    count, young, waiting = map(int, found)
    return DeadRows(now.incarnation, now.now_ms, floor, count, young, waiting)


def reincarnate(ledger: Ledger, regains: str) -> None:
    """Begin another life: nobody goes on as who it was, but who sends batches again."""
    execute = ledger.connection.execute
    ledger.incarnation = max(ledger.incarnation + 1, ledger.time_ms)
    ledger.regains = regains
    execute(statements.SET_INCARNATION, (ledger.incarnation,))
    execute(statements.SET_REGAINS, (REGAINS.index(regains),))
    ledger.raise_number(at_ms(ledger.incarnation))
    ledger.save()
    if regains == BATCHES:
        execute(statements.SEE_ALL, (ledger.time_ms,))
    else:
        execute(statements.RETIRE_ALL)
    execute(statements.FORGET_PEERS, (b"",))


def resume(ledger: Ledger, replica: int, after: int, number: int, digest: bytes) -> None:
    """Let a replica go on after batch `number`, and list those above `after` as lost."""
    known = ledger.replica(replica)
    state = resumed(ledger.info, known, replica, after, number, digest)
    if state is None:
        return
    if known is None or known.retired:
        state.registered_ms = state.registered_ms or ledger.time_ms
        state.acknowledged = ledger.position
    ledger.see(state)
    if number > after:
        put_aside(ledger, replica, [Kept("lost", after + 1, 0, "", b"", why_lost(after, number))])
        ledger.save()


def leave(ledger: Ledger, replica: int) -> None:
    """Forget a replica, or retire it while something of it waits for an operator."""
    ledger.connection.execute(statements.DISMISS, (replica,))
    _forget(ledger, 1, ONE_AND_ITS_LIKES)
    ledger.save()


def keep_back(ledger: Ledger, batch: Batch, plan: Plan) -> None:
    """Store what a plan does not merge: the held, and what waits for an operator."""
    places = {id(delta): idx for idx, delta in enumerate(batch.deltas)}
    hold(ledger, batch.replica, [(batch.number, places[id(d)], d) for d in plan.held])
    put_aside(ledger, batch.replica, [_kept(batch, *refused) for refused in plan.aside])


def set_aside(ledger: Ledger, batch: Batch, reason: str) -> None:
    """Store every delta of a batch for the operator.

    Raises OverloadedError when no more can be kept.
    """
    entries = [_kept(batch, idx, "retired", reason) for idx in range(len(batch.deltas))]
    if put_aside(ledger, batch.replica, entries):
        raise OverloadedError(
            f"the region keeps {ASIDE_COUNT_MAX:,} entries for the operator already; "
            "settle those first"
        )
    ledger.save()


def hold(ledger: Ledger, replica: int, held: Iterable[tuple[int, int, Delta]]) -> None:
    """Store deltas until the clock gets to them, each once for its number and index."""
    rows = [
        (
            physical_ms(max(delta.record.stamp, delta.record.touch)), replica, number, idx,
            ledger.now_ms, encode_bound(delta.key), encode_delta(delta, replica),
        )
        for number, idx, delta in held
    ]  # fmt: skip
    if rows:
        ledger.connection.executemany(statements.HOLD, rows)


def put_aside(ledger: Ledger, replica: int, kept: Sequence[Kept]) -> int:
    """Store and count entries, each once for its identity; how many there was no room for."""
    return _put_aside(
        ledger,
        [
            (
                entry.kind, replica, entry.number, entry.idx, ledger.now_ms,
                encode_bound(entry.key), entry.raw, entry.reason,
            )
            for entry in kept
        ],
    )  # fmt: skip


def list_aside(connection: Connection, limit: int) -> list[AsideEntry]:
    """What was not merged, oldest first."""
    entries = []
    for found in connection.execute(statements.ASIDE, (limit,)):
        check_types(found, _ASIDE_TYPES, "region's list for the operator")
        kind, replica, number, key, reason, at_ms, _ = found
        entries.append(
            AsideEntry(_text(kind), replica, number, decode_key(key), _text(reason), at_ms)
        )
    return entries


def _kept(batch: Batch, idx: int, kind: str, reason: str) -> Kept:
    delta = batch.deltas[idx]
    raw = delta.raw if isinstance(delta, Poisoned) else encode_delta(delta, batch.replica)
    return Kept(kind, batch.number, idx, delta.key, raw, reason)


def _put_aside(ledger: Ledger, entries: list[tuple[Any, ...]]) -> int:
    """Store and count entries; how many there was no room for."""
    if not entries:
        return 0
    kept: int = ledger.connection.execute(statements.COUNT_ASIDE).fetchone()[0]
    room = max(0, ASIDE_COUNT_MAX - kept)
    stored = ledger.connection.executemany(statements.PUT_ASIDE, entries[:room]).rowcount
    left_out = max(0, len(entries) - room)
    if count := max(0, stored) + left_out:
        ledger.connection.execute(statements.COUNT_NEW_ASIDE, (count,))
    return left_out


def _forget(ledger: Ledger, silent_ms: int, limit: int) -> int:
    """Remove retired replicas that were last heard of before `silent_ms`; how many."""
    return ledger.connection.execute(statements.FORGET_REPLICAS, (silent_ms, limit)).rowcount


def acknowledged(connection: Connection, position: int) -> int:
    """What every live replica has acknowledged; the position of the feed if there is none."""
    found = connection.execute(statements.FLOOR).fetchone()
    if found == (None,):
        return position
    check_types(found, (int,), "replica")
    return int(found[0])


def _release(ledger: Ledger, terms: Terms, limit: int) -> int:
    execute = ledger.connection.execute
    due = execute(statements.HELD_DUE, (ledger.now_ms, limit)).fetchall()
    if not due:
        return 0
    for found in due:
        check_types(found, _HELD_TYPES, "region's held writes")
    keys = list({decode_key(found[4]) for found in due})
    rows, corrupt = read_rows(ledger.connection, ledger.dialect, keys, locking=True)
    deltas: list[Delta] = []
    places: list[int] = []
    refused: list[tuple[int, str]] = []
    for place, (_, replica, _, _, _, raw) in enumerate(due):
        delta = decode_delta(raw, replica)
        reason = delta.reason if isinstance(delta, Poisoned) else corrupt.get(delta.key)
        if isinstance(delta, Delta) and reason is None:
            deltas.append(delta)
            places.append(place)
        else:
            refused.append((place, reason or ""))
    plan = plan_release(rows, deltas, terms)
    ledger.put_rows(plan.writes.values())
    placing.release(ledger, plan.released)
    refused += [(places[index], why) for index, _, why in plan.aside]
    _put_aside(ledger, [_refused(ledger, due[place], why) for place, why in refused])
    waiting = {id(delta) for delta in plan.held}
    kept = [due[at][0] for at, delta in zip(places, deltas, strict=True) if id(delta) in waiting]
    execute_all = ledger.connection.executemany
    execute_all(statements.KEEP_HELD, [(ledger.now_ms, id_) for id_ in kept])
    gone = [(found[0],) for found in due if found[0] not in {*kept}]
    execute_all(statements.RELEASE, gone)
    return len(deltas) - len(kept)


def _refused(ledger: Ledger, found: tuple[Any, ...], reason: str) -> tuple[Any, ...]:
    """The entry for the operator of a held delta that can never be applied."""
    _, replica, number, idx, key, raw = found
    return "quarantined", replica, number, idx, ledger.now_ms, key, raw, reason


def _collect(ledger: Ledger, terms: Terms, limit: int) -> int:
    dead_ms = terms.now_ms - terms.horizon_ms - terms.max_drift_ms
    found = ledger.connection.execute(
        statements.DEAD_ROWS, (dead_ms, ledger.floor, limit)
    ).fetchall()
    rows = [row for row in map(_decode, found) if row is not None]
    dead = [row for row in rows if is_collectable(row, ledger.floor, terms)]
    ledger.connection.executemany(statements.FORGET_ROW, [(row.key.encode(),) for row in dead])
    pointers = [decode_pointer(row.cold, key=row.key) for row in dead if row.cold is not None]
    placing.release(ledger, [pointer.name for pointer in pointers])
    ledger.forgotten = max([ledger.forgotten, *(row.position for row in dead)])
    return len(dead)


def _decode(found: tuple[Any, ...]) -> Row | None:
    """A row, or None if it is damaged: that one stays until it is repaired."""
    try:
        return decode_row(decode_key(found[0]), *found)
    except CorruptionError:
        return None


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
