"""Anti-entropy: two regions compared range by range, and what differs joined.

Links lose nothing by themselves; this finds what operators, backups and faults of our own have
changed behind their backs. Equal ranges cost a few bytes. A round goes through all keys, one range
a step, so it can be as slow as its owner likes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.linking.ends import KEYS_MAX
from tierstore.linking.link import as_changes
from tierstore.region.peers import FINGERPRINT_ROWS_MAX

if TYPE_CHECKING:
    from tierstore.linking.link import Link
    from tierstore.region.peers import Peer


class Repair:
    """Compares the regions of a link, and joins into its target what that lacks."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._at = ""
        self.rounds = 0
        """How often all keys were compared."""
        self.differing = 0
        """Ranges that were not equal; changes under way make some, too."""

    def step(self) -> bool:
        """Compare one range; whether the round goes on. Nothing, while the link reads all anyway.

        Raises UnavailableError if a region cannot be reached.
        """
        link = self._link
        peer = link.begun()
        if peer.resumes_at is not None:
            return False
        source, target = link.source, link.target
        told = source.region.fingerprint(self._at, None, KEYS_MAX, source.timeout_s)
        found = target.region.fingerprint(
            self._at, told.next_key, FINGERPRINT_ROWS_MAX, target.timeout_s
        )
        is_same = (told.count, told.digest) == (found.count, found.digest)
        if not is_same or found.next_key is not None:
            self.differing += 1
            self._mend(peer, self._at, told.next_key)
        self._at = told.next_key or ""
        self.rounds += told.next_key is None
        return told.next_key is not None

    def _mend(self, peer: Peer, start: str, end: str | None) -> None:
        link, at = self._link, start
        while True:
            source = link.source
            page = source.region.scan(
                at, end, KEYS_MAX, False, False, peer.replica, source.timeout_s
            )
            peer = link.peer = link.take(as_changes(page.rows), peer, peer)
            if page.next_key is None:
                return
            at = page.next_key
