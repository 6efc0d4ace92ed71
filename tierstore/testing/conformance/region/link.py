"""A link's hand: the calls of `tierstore.region.peers.PeeredRegion`, one after another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from tierstore.region.peers import Peer, PeerPage
from tierstore.testing.conformance.harness import TIMEOUT_S

if TYPE_CHECKING:
    from typing import Any

    from tierstore.region.peers import JoinReply, PeeredRegion
    from tierstore.region.protocol import Region
    from tierstore.region.rows import Row

READER = 1_000
ROUNDS_MAX = 6
"""Within which two regions that exchange all of their feeds must have come to rest."""


class Link:
    """Takes over rows of one region, the source, into another, the target."""

    def __init__(self, source: Region, target: Region, reader: int = READER) -> None:
        self.source = cast("PeeredRegion", source)
        self.target = cast("PeeredRegion", target)
        self.reader = reader
        self.info = source.connect(TIMEOUT_S)
        source.register(reader, TIMEOUT_S)

    @property
    def known(self) -> Peer | None:
        """What the target knows of the source."""
        peers = {peer.region: peer for peer in self.target.peers(TIMEOUT_S)}
        return peers.get(self.info.region)

    @property
    def peer(self) -> Peer:
        """The same, if it knows anything."""
        known = self.known
        assert known is not None
        return known

    def page(self, *rows: Row, **moved: Any) -> PeerPage:
        """A page of these rows, after which the peer has `moved` so."""
        known = self.known
        after = known or Peer(self.info.region, self.info.incarnation, self.reader)
        return PeerPage(known, replace(after, **moved), rows)

    def join(self, *rows: Row, **moved: Any) -> JoinReply:
        """The target's answer to that page."""
        return self.target.join(self.page(*rows, **moved), TIMEOUT_S)

    def rows(self, *keys: str) -> list[Row]:
        """The source's rows of those of `keys` that have one."""
        found = self.source.read(keys, self.reader, TIMEOUT_S).rows
        return [found[key] for key in keys if key in found]

    def tell(self, *keys: str) -> JoinReply:
        """The answer to a page of the source's rows of `keys`."""
        return self.join(*self.rows(*keys))

    def pull(self) -> JoinReply:
        """The answer to a page of what has changed in the source since the last one."""
        known = self.known
        cursor = 0 if known is None else known.cursor
        page = self.source.changes(cursor, 1000, self.reader, TIMEOUT_S)
        assert page.is_complete
        assert not page.gap
        rows = self.rows(*[change.key for change in page.changes])
        reply = self.join(*rows, cursor=page.cursor, resumes_at=None)
        assert reply.is_joined
        return reply


def settle(*links: Link) -> None:
    """Let all of `links` pull in turn until none changes anything, which must not take long."""
    for _ in range(ROUNDS_MAX):
        if not sum(link.pull().changed for link in links):
            return
    raise AssertionError(f"regions still tell each other of changes after {ROUNDS_MAX} rounds")
