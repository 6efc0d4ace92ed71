"""The part of `MemoryRegion` by which regions exchange their states."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tierstore.region.batch import Batch, Delta
from tierstore.region.fingerprints import hash_version, version_bytes
from tierstore.region.joining import plan_join
from tierstore.region.moves import is_lease_over
from tierstore.region.peers import Fingerprint, JoinReply, Peer, VersionsReply, advanced, introduced
from tierstore.region.rows import EVENTUAL
from tierstore.testing.memory_moves import bare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.region.apply import Plan, Terms
    from tierstore.region.peers import PeerPage
    from tierstore.region.protocol import Registration
    from tierstore.region.rows import RegionInfo, ReplicaState, Row
    from tierstore.runtime import Lock
    from tierstore.testing.memory_holding import Held


class MemoryPeers:
    """Peers, joins and fingerprints, in dicts."""

    rows: dict[str, Row]
    _lock: Lock
    _info: RegionInfo
    _position: int
    _replicas: dict[int, ReplicaState]
    _held: list[Held]
    _now_ms: Callable[[], int]
    _terms: Callable[[], Terms]
    _store: Callable[[Plan], None]
    _hold: Callable[[Plan, Batch], None]
    _keep: Callable[[str, Batch, int, str, str], None]
    _enter: Callable[[int, bool], Registration]

    def __init__(self) -> None:
        self._peers: dict[str, Peer] = {}

    def introduce(self, peer: RegionInfo, reader: int, timeout_s: float) -> Registration:
        """Enter the replica by which a peer waits, or say what is known of it."""
        with self._lock:
            known = self._peers.get(peer.region) or Peer(peer.region, peer.incarnation, 0)
            standing = self._enter(reader, known.reader != reader)
            is_retired = standing.state.retired
            self._peers[peer.region] = introduced(known, reader, is_retired=is_retired)
            return standing

    def peers(self, timeout_s: float) -> list[Peer]:
        """All regions that this one knows."""
        with self._lock:
            return list(self._peers.values())

    def join(self, page: PeerPage, timeout_s: float) -> JoinReply:
        """Join the rows of a page, if its peer stands where it should."""
        with self._lock:
            known, terms = self._peers.get(page.after.region), self._terms()
            is_late = known is not None and self._is_late(known)
            peer = advanced(known, page, is_late=is_late, now_ms=terms.now_ms)
            if peer is None:
                return self._join_reply(known, is_joined=False)
            rows = {row.key: self.rows[row.key] for row in page.rows if row.key in self.rows}
            plan = plan_join(rows, page.rows, terms, is_late=peer.is_late)
            self._peers[peer.region] = peer
            self._store(plan)
            self._keep_back(plan, page)
            reply = self._join_reply(peer, is_joined=True)
            reply.changed, reply.aside = len(plan.writes), len(plan.aside) + len(plan.held)
            return reply

    def versions(self, keys: Sequence[str], timeout_s: float) -> VersionsReply:
        """The rows of `keys`, without payloads."""
        with self._lock:
            rows = {key: bare(self.rows[key]) for key in keys if key in self.rows}
            return VersionsReply(self._info.incarnation, self._now_ms(), rows)

    def fingerprint(self, start: str, end: str | None, limit: int, timeout_s: float) -> Fingerprint:
        """Of the rows of a range."""
        with self._lock:
            keys = sorted(
                key
                for key, row in self.rows.items()
                if start <= key and (end is None or key < end) and row.consistency == EVENTUAL
            )
            digest = 0
            for key in keys[:limit]:
                digest ^= hash_version(key.encode(), version_bytes(self.rows[key]))
            following = keys[limit] if len(keys) > limit else None
            count = len(keys[:limit])
            return Fingerprint(count, digest, following, self._info.incarnation, self._now_ms())

    def claim(self, region: str, linker: int, ttl_ms: int, timeout_s: float) -> bool:
        """Take or renew the right to run the link from that region."""
        with self._lock:
            known, now_ms = self._peers.get(region) or Peer(region, 0, 0), self._now_ms()
            is_over = is_lease_over(known.linker_until_ms, now_ms, ttl_ms)
            if known.linker != linker and not is_over:
                return False
            self._peers[region] = replace(known, linker=linker, linker_until_ms=now_ms + ttl_ms)
            return True

    def trust(self, region: str, timeout_s: float) -> bool:
        """Call a peer late no more."""
        with self._lock:
            known = self._peers.get(region)
            if known is None or not known.is_late:
                return False
            self._peers[region] = replace(known, is_late=False)
            return True

    def _is_late(self, known: Peer) -> bool:
        state = self._replicas.get(known.reader)
        is_gone = known.reader != 0 and (state is None or state.retired)
        return known.is_late or is_gone

    def _keep_back(self, plan: Plan, page: PeerPage) -> None:
        """Keep what is not merged, once however often it is told."""
        by_record = {id(row.record): row for row in page.rows}
        entries = [held.entry for held in self._held]
        held = {(entry.replica, entry.number, entry.key) for entry in entries}
        for delta in plan.held:
            told = by_record[id(delta.record)]
            if (page.after.replica, told.position, told.key) not in held:
                self._hold(_alone(plan, delta), _batch(page.after, told, delta))
        for index, kind, why in plan.aside:
            told = page.rows[index]
            self._keep(kind, _batch(page.after, told), 0, told.key, why)

    def _join_reply(self, peer: Peer | None, *, is_joined: bool) -> JoinReply:
        now_ms = self._now_ms()
        return JoinReply(is_joined, peer, self._position, self._info.incarnation, now_ms)


def _alone(plan: Plan, delta: Delta) -> Plan:
    return type(plan)(held=[delta])


def _batch(peer: Peer, told: Row, *deltas: Delta) -> Batch:
    """What a row of a peer is called where replicas' batches are."""
    return Batch(peer.replica, told.position, b"", list(deltas), [], b"")
