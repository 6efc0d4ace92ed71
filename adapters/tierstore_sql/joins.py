"""Peers of a region, and what joining their rows writes: parts of one write transaction.

`tierstore.region.joining` decides; `Peering` in `peering.py` is how a link reaches this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import EncodingError
from tierstore.record import REGISTER
from tierstore.region.batch import JOIN, PUT, Delta, encode_delta
from tierstore.region.joining import QUARANTINED_STATE, plan_join
from tierstore.region.peers import Peer, advanced
from tierstore_sql import placing, statements, upkeep
from tierstore_sql.directory import check_types, damaged, read_rows
from tierstore_sql.errors import RaceLostError
from tierstore_sql.rows import decode_key, encode_bound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tierstore.region.apply import Terms
    from tierstore.region.peers import PeerPage
    from tierstore.region.rows import Row
    from tierstore_sql.directory import Ledger
    from tierstore_sql.driver import Connection

_PEER_TYPES = (bytes, *[int] * 9)


def read_peers(connection: Connection) -> list[Peer]:
    """All peers, by id."""
    return [_decode_peer(found) for found in connection.execute(statements.PEERS)]


def lock_peer(connection: Connection, region: str) -> Peer | None:
    """What is known of a peer. Nobody else changes it before this transaction has ended."""
    found = connection.execute(statements.PEER, (region,)).fetchone()
    return None if found is None else _decode_peer(found)


def put_peer(connection: Connection, known: Peer | None, peer: Peer) -> None:
    """Write a peer that was `known` when it was locked.

    Raises RaceLostError if it was not, and another has entered it meanwhile.
    """
    resumes_at = None if peer.resumes_at is None else encode_bound(peer.resumes_at)
    columns = (
        peer.incarnation, peer.replica, peer.cursor, resumes_at, peer.reader, int(peer.is_late),
        peer.joined_ms, peer.linker, peer.linker_until_ms, peer.watermark,
    )  # fmt: skip
    if known is not None:
        connection.execute(statements.SET_PEER, (*columns, peer.region))
    elif connection.execute(statements.ADD_PEER, (peer.region, *columns)).rowcount != 1:
        raise RaceLostError("another has entered this peer first")


def move_on(ledger: Ledger, known: Peer | None, page: PeerPage) -> Peer | None:
    """Write how far a peer has been read; what is known of it now, None if another was faster.

    It is late if it was, or if its reader is retired or forgotten, which cannot happen while this
    transaction lasts: so no row is forgotten here that a page not known to be late brings back.
    """
    is_late = known is not None and (known.is_late or _is_gone(ledger, known.reader))
    peer = advanced(known, page, is_late=is_late, now_ms=ledger.now_ms)
    if peer is not None:
        put_peer(ledger.connection, known, peer)
    return peer


def _is_gone(ledger: Ledger, reader: int) -> bool:
    state = ledger.replica(reader) if reader else None
    return reader != 0 and (state is None or state.retired)


def join_rows(ledger: Ledger, peer: Peer, told: Sequence[Row], terms: Terms) -> tuple[int, int]:
    """Join the rows `told` by a peer: (how many changed, how many were kept aside).

    What would overwrite a damaged row waits for an operator, as the deltas of a batch do.
    """
    keys = list({row.key for row in told})
    rows, corrupt = read_rows(ledger.connection, ledger.dialect, keys, locking=True)
    sound = [row for row in told if row.key not in corrupt]
    plan = plan_join(rows, sound, terms, is_late=peer.is_late)
    ledger.put_rows(plan.writes.values())
    placing.release(ledger, plan.released)
    places = {id(row.record): row.position for row in sound}
    held = [(places[id(delta.record)], 0, delta) for delta in plan.held]
    upkeep.hold(ledger, peer.replica, held)
    kept = [_kept(peer, sound[index], kind, why) for index, kind, why in plan.aside]
    kept += [
        _kept(peer, row, QUARANTINED_STATE, corrupt[row.key]) for row in told if row.key in corrupt
    ]
    upkeep.put_aside(ledger, peer.replica, kept)
    ledger.count()
    return len(plan.writes), len(held) + len(kept)


def _kept(peer: Peer, row: Row, kind: str, why: str) -> upkeep.Kept:
    record = row.record
    delta = Delta(row.key, PUT if record.type == REGISTER else JOIN, record)
    try:
        raw = encode_delta(delta, peer.replica)
    except EncodingError:  # and because of that it is refused
        raw = b""
    return upkeep.Kept(kind, row.position, 0, row.key, raw, why)


def _decode_peer(found: tuple[Any, ...]) -> Peer:
    region, incarnation, replica, cursor, resumes_at, reader, is_late, *rest = found
    numbers = (incarnation, replica, cursor, reader, is_late, *rest)
    check_types((region, *numbers), _PEER_TYPES, "peers")
    if is_late not in (0, 1):
        raise damaged("peers")
    bound = None if resumes_at is None else decode_key(resumes_at)
    name = region.decode("utf-8", "replace")
    return Peer(name, incarnation, replica, cursor, bound, reader, bool(is_late), *rest)
