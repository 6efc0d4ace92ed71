"""The part of `FaultyRegion` that links between regions use."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tierstore.testing.faulty_moves import FaultyCalls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.region.peers import (
        Fingerprint,
        JoinReply,
        Peer,
        PeeredRegion,
        PeerPage,
        VersionsReply,
    )
    from tierstore.region.protocol import Registration
    from tierstore.region.rows import RegionInfo


class FaultyPeers(FaultyCalls):
    """The calls of `tierstore.region.peers.PeeredRegion`, for an inner region that has them."""

    @property
    def _peered(self) -> PeeredRegion:
        return cast("PeeredRegion", self._inner)

    def introduce(self, peer: RegionInfo, reader: int, timeout_s: float) -> Registration:
        """Enter the replica by which a peer waits."""
        return self._write("introduce", lambda: self._peered.introduce(peer, reader, timeout_s))

    def peers(self, timeout_s: float) -> list[Peer]:
        """All regions that are known."""
        return self._read("peers", lambda: self._peered.peers(timeout_s))

    def join(self, page: PeerPage, timeout_s: float) -> JoinReply:
        """Join the rows of a page."""
        return self._write("join", lambda: self._peered.join(page, timeout_s))

    def versions(self, keys: Sequence[str], timeout_s: float) -> VersionsReply:
        """The rows of `keys`, without payloads."""
        return self._read("versions", lambda: self._peered.versions(keys, timeout_s))

    def fingerprint(self, start: str, end: str | None, limit: int, timeout_s: float) -> Fingerprint:
        """Of the rows of a range."""
        return self._read(
            "fingerprint", lambda: self._peered.fingerprint(start, end, limit, timeout_s)
        )

    def claim(self, region: str, linker: int, ttl_ms: int, timeout_s: float) -> bool:
        """Take or renew the right to run a link."""
        return self._write("claim", lambda: self._peered.claim(region, linker, ttl_ms, timeout_s))

    def trust(self, region: str, timeout_s: float) -> bool:
        """Call a peer late no more."""
        return self._write("trust", lambda: self._peered.trust(region, timeout_s))
