"""How regions take over each other's states: what a link asks of a region.

A link reads the feed of one region, the *source*, and joins the rows that changed there into
another, the *target*. Joins may come in any order and as often as they like, so a link needs no
batches; it only has to know, for good, how far it has got. That is the target's `Peer`. What the
source must keep until the target has seen it, it keeps as for any replica: the link has registered
there as one.

Who was away for longer than the horizon may still show what was deleted and forgotten meanwhile.
A region whose rows another no longer waits with is *late* there: of what it tells, only what was
written or touched within the horizon, or is known there, is taken over; the rest is kept aside.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from tierstore.region.protocol import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.region.protocol import Registration
    from tierstore.region.rows import RegionInfo, Row

FINGERPRINT_ROWS_MAX = 10_000

Progress: TypeAlias = "tuple[int, int, int, str | None, int]"


@dataclass(frozen=True, slots=True)
class Peer:
    """What a region knows of another one, whose states it takes over or that takes over its own."""

    region: str
    """Its id."""
    incarnation: int
    replica: int
    """As whom this region is registered there, by which that one waits with its garbage; or 0."""
    cursor: int = 0
    """The position of its feed from which on it is read, if `resumes_at` is None.

    A key that changed again before the link came to it has its place behind that.
    """
    resumes_at: str | None = ""
    """Where reading all of its rows goes on, from before which on all were; None: after all."""
    reader: int = 0
    """As whom it is registered here, or 0."""
    is_late: bool = False
    """Whether it may still show what was deleted here and forgotten."""
    joined_ms: int = 0
    """When a page of it was joined last, by this region's clock."""
    linker: int = 0
    """Which process may run the link from there, until `linker_until_ms`."""
    linker_until_ms: int = 0
    watermark: int = 0
    """The position of its feed up to which everything was taken over."""

    @property
    def progress(self) -> Progress | None:
        """How far its states were taken over; None: nobody has begun to."""
        if not self.replica:
            return None
        return self.incarnation, self.replica, self.cursor, self.resumes_at, self.watermark


@dataclass(frozen=True, slots=True)
class PeerPage:
    """Rows of a peer, to be joined in one transaction in which its `progress` moves on."""

    before: Peer | None
    """What the target knows of the peer; if it has another `progress`, nothing happens."""
    after: Peer
    """Of this, too, only the `progress` counts."""
    rows: Sequence[Row] = ()
    """Whole rows, with payloads. Those of strong keys are not exchanged."""


def advanced(known: Peer | None, page: PeerPage, *, is_late: bool, now_ms: int) -> Peer | None:
    """What the region knows of a peer after joining a page; None if nothing may be joined."""
    before = None if page.before is None else page.before.progress
    if (None if known is None else known.progress) != before:
        return None
    after = page.after
    return replace(
        known or Peer(after.region, after.incarnation, 0),
        incarnation=after.incarnation, replica=after.replica, cursor=after.cursor,
        resumes_at=after.resumes_at, is_late=is_late, joined_ms=now_ms, watermark=after.watermark,
    )  # fmt: skip


def introduced(known: Peer, reader: int, *, is_retired: bool) -> Peer:
    """What a region knows of a peer that waits here as `reader`, which may be retired.

    Another reader than before belongs to one that lost its way. A retired one is none.
    """
    if is_retired and known.reader != reader:
        return known
    is_late = known.is_late or known.reader not in (0, reader)
    return replace(known, reader=reader, is_late=is_late)


def forgotten(peer: Peer) -> Peer:
    """What a region knows of a peer once it has begun another life itself.

    It takes another id there, by which that one can tell that it lost its way.
    """
    return replace(peer, replica=0, cursor=0, resumes_at="", reader=0, watermark=0)


@dataclass(slots=True)
class JoinReply:
    """What became of a page."""

    is_joined: bool
    """False: another link was faster, and `peer` says how far it has got."""
    peer: Peer | None
    position: int
    incarnation: int
    now_ms: int
    changed: int = 0
    """Rows that took a place in the feed."""
    aside: int = 0
    """Rows that wait for an operator, or for the clock."""


@dataclass(slots=True)
class Fingerprint:
    """Some rows of a region in a few bytes: equal ones, if and but for chance only if, they are."""

    count: int
    digest: int
    """64 bits, made of each row's key and version."""
    next_key: str | None
    """Where the next range begins; None after the last."""
    incarnation: int
    now_ms: int


@dataclass(slots=True)
class VersionsReply:
    """The rows of some keys without their payloads, for which `ELSEWHERE` stands."""

    incarnation: int
    now_ms: int
    rows: dict[str, Row] = field(default_factory=dict)


class PeeredRegion(Region, Protocol):
    """A region that exchanges its states with others."""

    def introduce(self, peer: RegionInfo, reader: int, timeout_s: float) -> Registration:
        """Enter the replica by which `peer` waits here, or say what is known of it. Idempotent.

        A reader that comes in place of another one belongs to a peer that lost its way: that is
        late from now on. One that was retired is not entered again; take another id.
        """

    def peers(self, timeout_s: float) -> list[Peer]:
        """All regions that this one knows."""

    def join(self, page: PeerPage, timeout_s: float) -> JoinReply:
        """Join the rows of a page, and note how far its peer was read, if `before` still holds.

        What changes nothing takes no place in the feed, so nothing echoes. The peer is late from
        now on if its reader was retired or forgotten here.
        """

    def versions(self, keys: Sequence[str], timeout_s: float) -> VersionsReply:
        """The rows of `keys` that exist, without payloads; at most 1,000 keys."""

    def fingerprint(self, start: str, end: str | None, limit: int, timeout_s: float) -> Fingerprint:
        """Of the rows with `start` <= key < `end`, up to `limit` of them; not of strong keys."""

    def claim(self, region: str, linker: int, ttl_ms: int, timeout_s: float) -> bool:
        """Take or renew for `ttl_ms` the right to run the link from that region; False: no.

        It only spares work: whoever joins without it does no harm.
        """

    def trust(self, region: str, timeout_s: float) -> bool:
        """Call a peer late no more, as an operator who looked says; whether it was."""
