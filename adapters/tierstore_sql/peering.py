"""The part of a region by which regions exchange their states: each call one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tierstore.region.moves import is_lease_over
from tierstore.region.peers import Fingerprint, JoinReply, Peer, VersionsReply, introduced
from tierstore_sql import directory, joins
from tierstore_sql.rows import decode_key, encode_bound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.region.apply import Terms
    from tierstore.region.peers import PeerPage
    from tierstore.region.protocol import Registration
    from tierstore.region.rows import RegionInfo
    from tierstore_sql.directory import Ledger
    from tierstore_sql.driver import Connection
    from tierstore_sql.session import Session


class Peering:
    """What `SqlRegion` has of `tierstore.region.peers.PeeredRegion`."""

    _session: Session
    now_ms: Callable[[], int]
    _ledger: Callable[[Connection], Ledger]
    _terms: Callable[[Ledger], Terms]
    _enter: Callable[[Ledger, int, bool], Registration]

    def introduce(self, peer: RegionInfo, reader: int, timeout_s: float) -> Registration:
        """Enter the replica by which a peer waits here, or say what is known of it. Idempotent."""

        def work(connection: Connection) -> Registration:
            ledger = self._ledger(connection)
            known = joins.lock_peer(connection, peer.region)
            now = known or Peer(peer.region, peer.incarnation, 0)
            standing = self._enter(ledger, reader, now.reader != reader)
            met = introduced(now, reader, is_retired=standing.state.retired)
            joins.put_peer(connection, known, met)
            return standing

        return self._session.write(work, timeout_s)

    def peers(self, timeout_s: float) -> list[Peer]:
        """All regions that this one knows, by id."""
        return self._session.read(joins.read_peers, timeout_s)

    def join(self, page: PeerPage, timeout_s: float) -> JoinReply:
        """Join the rows of a page, and note how far its peer was read, if `before` still holds.

        Batches go on beside it. Of two joins for one peer the second waits for the first.
        """

        def work(connection: Connection) -> JoinReply:
            ledger = self._ledger(connection)
            known = joins.lock_peer(connection, page.after.region)
            peer = joins.move_on(ledger, known, page)
            if peer is None:
                return _reply(ledger, known, is_joined=False)
            changed, aside = joins.join_rows(ledger, peer, page.rows, self._terms(ledger))
            reply = _reply(ledger, peer, is_joined=True)
            reply.changed, reply.aside = changed, aside
            return reply

        return self._session.write(work, timeout_s, alone=False)

    def versions(self, keys: Sequence[str], timeout_s: float) -> VersionsReply:
        """The rows of `keys` that exist, without payloads; at most 1,000 keys.

        One that is damaged is told as if there were none.
        """

        def work(connection: Connection) -> VersionsReply:
            now = directory.read_standing(connection, 0, self.now_ms())
            rows, *_ = directory.read_bare_rows(connection, self._session.dialect, keys)
            return VersionsReply(now.incarnation, now.now_ms, rows)

        return self._session.read(work, timeout_s)

    def fingerprint(self, start: str, end: str | None, limit: int, timeout_s: float) -> Fingerprint:
        """Of the rows with `start` <= key < `end`, up to `limit` of them; not of strong keys."""
        bounds = [encode_bound(bound) for bound in (start, end) if bound is not None]

        def work(connection: Connection) -> Fingerprint:
            now = directory.read_standing(connection, 0, self.now_ms())
            found = self._session.dialect.digest_page(connection, bounds, limit)
            next_key = None if found.next_key is None else decode_key(found.next_key)
            return Fingerprint(found.count, found.digest, next_key, now.incarnation, now.now_ms)

        return self._session.read(work, timeout_s)

    def claim(self, region: str, linker: int, ttl_ms: int, timeout_s: float) -> bool:
        """Take or renew for `ttl_ms` the right to run the link from that region; False: no."""

        def work(connection: Connection) -> bool:
            ledger = self._ledger(connection)
            known = joins.lock_peer(connection, region)
            peer = known or Peer(region, 0, 0)
            is_over = is_lease_over(peer.linker_until_ms, ledger.now_ms, ttl_ms)
            if peer.linker != linker and not is_over:
                return False
            until_ms = ledger.now_ms + ttl_ms
            claimed = replace(peer, linker=linker, linker_until_ms=until_ms)
            joins.put_peer(connection, known, claimed)
            return True

        return self._session.write(work, timeout_s, alone=False)

    def trust(self, region: str, timeout_s: float) -> bool:
        """Call a peer late no more; whether it was."""

        def work(connection: Connection) -> bool:
            known = joins.lock_peer(connection, region)
            if known is None or not known.is_late:
                return False
            joins.put_peer(connection, known, replace(known, is_late=False))
            return True

        return self._session.write(work, timeout_s)


def _reply(ledger: Ledger, peer: Peer | None, *, is_joined: bool) -> JoinReply:
    return JoinReply(is_joined, peer, ledger.position, ledger.incarnation, ledger.now_ms)
