"""A link: what changes in one region, the source, is taken over by another, the target.

It first reads all rows of the source, then follows its feed. Of what the feed tells it reads only
what the target has not, so a change that comes back from there costs a line of the feed and no
more, and an idle link one call of the source. How far it has got is the target's `Peer`, moved on
with each page in one transaction: any process can go on where another one stopped, and two at once
do no harm. Joins may be repeated, so whatever goes wrong, the link begins its step again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tierstore.errors import FencedError, PolicyError, UnavailableError
from tierstore.linking.ends import KEYS_MAX
from tierstore.record import REGISTER
from tierstore.region.lives import BATCHES
from tierstore.region.peers import Peer, PeerPage
from tierstore.region.protocol import Change
from tierstore.runtime import mint_replica_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierstore.linking.ends import End
    from tierstore.region.protocol import ChangesPage, Registration
    from tierstore.region.rows import RegionInfo, Row
    from tierstore.runtime import Runtime

RENEW_S = 60.0
"""After so long a link looks again who the regions are, and whether it is still waited for."""
SAVE_S = 1.0
"""A position that moved without news is saved and acknowledged no more often."""


@dataclass(slots=True)
class Tally:
    """What a link has done since it was made."""

    joined: int = 0
    """Rows that the target lacked and was given."""
    changed: int = 0
    """Of them, those that changed it."""
    aside: int = 0
    """Of them, those that wait at the target for an operator, or for the clock."""
    corrupt: int = 0
    """Rows that the source could not read."""


class Link:
    """One direction between two regions. Not thread-safe: its owner takes one step at a time."""

    def __init__(self, source: End, target: End, runtime: Runtime, max_drift_ms: int) -> None:
        self.source, self.target = source, target
        self.tally = Tally()
        self.current_s: float | None = None
        """The moment of the monotonic clock whose state of the source the target has, if any."""
        self.cursor = 0
        """Of its feed: where reading goes on. The one of `peer` is saved a little later."""
        self.watermark = 0
        """Of its feed: up to where the target has everything, as for `cursor`."""
        self.position = 0
        """Of the source's feed, when it was asked last."""
        self.peer: Peer | None = None
        """What the target knows of the source; None until a step has begun."""
        self.corrupt: dict[str, str] = {}
        """The rows of the source that could not be read lately, and why."""
        self._runtime = runtime
        self._max_drift_ms = max_drift_ms
        self._renew_at_s = self._save_at_s = 0.0
        self._acknowledged = -1
        self._told = 0
        """The life of the target in which this began."""

    def step(self) -> bool:
        """Take over one page; whether more is waiting.

        Raises UnavailableError if a region cannot be reached or the clocks are too far apart, and
        FencedError if the source was restored from a backup and goes on as if it was not.
        """
        try:
            peer = self.begun()
            return self._follow(peer) if peer.resumes_at is None else self._read_on(peer)
        except BaseException:
            self.forget()
            raise

    def finish(self) -> None:
        """Save and acknowledge how far the link has got, as far as a step knows."""
        peer = self.peer
        if peer is not None and peer.resumes_at is None:
            moved = replace(peer, cursor=self.cursor, watermark=self.watermark)
            if moved != peer:
                self.peer = peer = self._save(peer, moved)
            self._acknowledge(peer)

    def forget(self) -> None:
        """Begin again with the next step."""
        self.peer = None

    def look_at_target(self) -> None:
        """Begin again with the next step if the target was restored since, and lacks what it had.

        A link that has nothing to do would notice only when it renews what it knows.
        """
        if self.peer is not None and self._connect(self.target).incarnation != self._told:
            self._runtime.sometimes("link noticed that its target was restored")
            self.forget()

    def begun(self) -> Peer:
        """What the target knows of the source, after both were asked who they are."""
        if self.peer is not None and self._runtime.monotonic() < self._renew_at_s:
            return self.peer
        source, target = self._connect(self.source), self._connect(self.target)
        if source.region == target.region:
            raise PolicyError(f"{self.source.name!r} and {self.target.name!r} are the same region")
        peer = self._find(source, target)
        standing = self._introduce(target, peer)
        if standing.state.retired:
            self._runtime.sometimes("link was away for longer than the horizon")
            lost = replace(peer, replica=mint_replica_id(self._runtime), cursor=0, resumes_at="")
            peer = self._save(peer, lost)
            standing = self._introduce(target, peer)
        self._check(standing, peer)
        if peer.resumes_at == "":
            peer = self._save(peer, replace(peer, cursor=standing.position))
        self.peer, self.cursor, self.watermark = peer, peer.cursor, peer.watermark
        self.position, self._told = standing.position, target.incarnation
        self._renew_at_s = self._runtime.monotonic() + RENEW_S
        return peer

    def take(self, told: Sequence[Change], peer: Peer, after: Peer, *, is_due: bool = True) -> Peer:
        """Join what of `told` the target has not, and with the last of it let `peer` be `after`.

        If there is nothing, that can wait unless it `is_due`.
        """
        self.corrupt.clear()
        waiting: list[Row] = []
        for portion in self.source.portions(self._news(told), peer.replica):
            self.tally.corrupt += len(portion.corrupt)
            self.corrupt.update(portion.corrupt)
            if waiting:
                peer = self._save(peer, peer, waiting)
            waiting = portion.rows
        if waiting or (is_due and after.progress != peer.progress):
            return self._save(peer, after, waiting)
        return peer

    def _connect(self, end: End) -> RegionInfo:
        return end.region.connect(end.timeout_s)

    def _find(self, source: RegionInfo, target: RegionInfo) -> Peer:
        """The target's word of the source, entered before the source hears of it."""
        peer = self._word(self.target, source)
        self._refuse_twice(self.source, source, peer)
        if target.regains == BATCHES:
            self._refuse_twice(self.target, target, self._word(self.source, target))
        if peer is not None and peer.replica and peer.incarnation == source.incarnation:
            return peer
        if peer is not None and peer.replica and peer.incarnation > source.incarnation:
            raise self._restored(f"it has incarnation {source.incarnation}, not {peer.incarnation}")
        begun = peer or Peer(source.region, source.incarnation, 0)
        replica = begun.replica or mint_replica_id(self._runtime)
        begun = replace(
            begun, incarnation=source.incarnation, replica=replica, cursor=0, resumes_at="",
            watermark=0,
        )  # fmt: skip
        return self._save(peer, begun)

    def _word(self, end: End, of: RegionInfo) -> Peer | None:
        """What one region knows of another."""
        known = {peer.region: peer for peer in end.region.peers(end.timeout_s)}
        return known.get(of.region)

    def _refuse_twice(self, end: End, info: RegionInfo, known: Peer | None) -> None:
        """Raise FencedError if what a region got back from batches is in another already.

        That one had it of the life before, under another name: increments would count twice.
        """
        if info.regains != BATCHES or known is None or known.progress is None:
            return
        if known.incarnation < info.incarnation:
            raise FencedError(
                f"region {end.name!r} was restored, and got back from its replicas what the other"
                " one has of its life before: begin the other one anew, as an empty region"
            )

    def _introduce(self, target: RegionInfo, peer: Peer) -> Registration:
        source = self.source
        return source.region.introduce(target, peer.replica, source.timeout_s)

    def _check(self, standing: Registration, peer: Peer) -> None:
        now_ms = self.target.region.versions([], self.target.timeout_s).now_ms
        skew_ms = abs(standing.now_ms - now_ms)
        if skew_ms > self._max_drift_ms:
            raise UnavailableError(
                f"the clocks of {self.source.name!r} and {self.target.name!r} are"
                f" {skew_ms / 1000:.0f} s apart, more than replication.max_drift: set them right"
            )
        if standing.position < peer.cursor:
            raise self._restored(f"its feed is at {standing.position}, was at {peer.cursor}")

    def _restored(self, how: str) -> FencedError:
        return FencedError(
            f"region {self.source.name!r} was restored from a backup ({how}): run `tierstore region"
            " reincarnate` there, so that it uses no number twice"
        )

    def _read_on(self, peer: Peer) -> bool:
        """Take over one page of all rows."""
        source = self.source
        page = source.region.scan(
            peer.resumes_at or "", None, KEYS_MAX, False, False, peer.replica, source.timeout_s
        )
        if page.incarnation != peer.incarnation:
            self.forget()
            return True
        after = replace(peer, resumes_at=page.next_key)
        if after.resumes_at is None:  # the cursor is where its feed was when this began
            after = replace(after, watermark=peer.cursor)
        self.peer = self.take(as_changes(page.rows), peer, after)
        self.cursor, self.watermark = self.peer.cursor, self.peer.watermark
        return True

    def _follow(self, peer: Peer) -> bool:
        """Take over one page of the feed."""
        sent_s, source = self._runtime.monotonic(), self.source
        cursor = self.cursor
        page = source.region.changes(cursor, KEYS_MAX, peer.replica, source.timeout_s)
        if page.incarnation != peer.incarnation:
            self.forget()
            return True
        self.position = page.position
        if page.position < cursor:
            raise self._restored(f"its feed is at {page.position}, was at {cursor}")
        if page.gap:
            self._runtime.sometimes("link fell behind what its source forgot")
            self.peer = self._save(peer, replace(peer, resumes_at="", cursor=page.position))
            self.forget()
            return True
        self._settle(peer, page)
        if page.is_complete:
            self.current_s = sent_s
        return not page.is_complete and page.cursor > cursor

    def _settle(self, peer: Peer, page: ChangesPage) -> None:
        """Join the news of a page; move on, at once if there was any, else now and then."""
        watermark = page.cursor if page.is_complete else self.watermark
        moved = replace(peer, cursor=page.cursor, watermark=watermark)
        is_due = self._runtime.monotonic() >= self._save_at_s
        self.peer = self.take(page.changes, peer, moved, is_due=is_due)
        self.cursor, self.watermark = page.cursor, watermark
        if is_due:
            self._save_at_s = self._runtime.monotonic() + SAVE_S
            self._acknowledge(self.peer)

    def _acknowledge(self, peer: Peer) -> None:
        if peer.cursor != self._acknowledged:
            source = self.source
            source.region.acknowledge(peer.replica, peer.cursor, source.timeout_s)
            self._acknowledged = peer.cursor

    def _news(self, told: Sequence[Change]) -> list[str]:
        """The keys of which the target has another version, which the one told may change."""
        target, keys = self.target, []
        admitted = [change for change in told if target.admits(change.key)]
        for at in range(0, len(admitted), KEYS_MAX):
            chunk = admitted[at : at + KEYS_MAX]
            rows = target.region.versions([change.key for change in chunk], target.timeout_s).rows
            keys += [change.key for change in chunk if is_news(change, rows.get(change.key))]
        return keys

    def _save(self, before: Peer | None, after: Peer, rows: Sequence[Row] = ()) -> Peer:
        target = self.target
        reply = target.region.join(PeerPage(before, after, rows), target.timeout_s)
        if not reply.is_joined or reply.peer is None:
            self._runtime.sometimes("another link was faster")
            raise UnavailableError(
                f"another process also takes over what changes in {self.source.name!r}"
            )
        self.tally.joined += len(rows)
        self.tally.changed += reply.changed
        self.tally.aside += reply.aside
        return reply.peer


def is_news(change: Change, row: Row | None) -> bool:
    """Whether what a feed tells of a key may change the row that the target has of it."""
    if row is None:
        return True
    record = row.record
    if _told(change) == (record.stamp, record.replica, record.touch, record.expires_at_ms):
        return False
    is_older = (change.stamp, change.replica) < (record.stamp, record.replica)
    return record.type != REGISTER or not is_older


def as_changes(rows: Iterable[Row]) -> list[Change]:
    """What a feed would tell of rows."""
    return [
        Change(
            row.key, row.record.stamp, row.record.replica, row.record.touch,
            row.record.expires_at_ms, row.position,
        )
        for row in rows
    ]  # fmt: skip


def _told(change: Change) -> tuple[int, int, int, int | None]:
    return change.stamp, change.replica, change.touch, change.expires_at_ms
