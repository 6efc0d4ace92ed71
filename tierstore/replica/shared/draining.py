"""Draining: what waits in the edge's queues becomes batches of their tags' identities.

A batch has the number of its last entry. What the region says it has applied of an identity thus
says which entries it has, whoever sent them: two workers may drain one tag at once, or one after a
failure of the other, and nothing is applied twice. The lease only spares them the work.
"""

from __future__ import annotations

from tierstore.edge.entry import key_size
from tierstore.errors import (
    CorruptionError,
    FencedError,
    OutcomeUnknownError,
    TierStoreError,
    UnavailableError,
)
from tierstore.region.batch import CHANGE, Delta, freeze
from tierstore.region.outcomes import APPLIED, HELD, OUTCOME_NAMES, SUPERSEDED
from tierstore.region.shared import TAGS, Settled
from tierstore.replica.link import RegionLink
from tierstore.replica.shared.composing import gather
from tierstore.replica.shared.retiring import RetiredDrainer, fitting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tierstore.policy.model import Rule
    from tierstore.region.batch import Batch
    from tierstore.region.protocol import BatchReply, Registration
    from tierstore.region.shared import Identity, Queued
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.link import RegionSource
    from tierstore.replica.shared.state import SharedState

LEASE_MS = 3000
KEPT_S = 600.0
"""How long the region is asked to remember what it has of an identity under which nothing waits
any more: tokens of sessions may name it."""


class Drainer(RetiredDrainer):
    """Sends the queues of an edge to the region. Safe to use from several threads."""

    def __init__(
        self, shared: SharedState, source: RegionSource, rule_for: Callable[[str], Rule]
    ) -> None:
        self._shared = shared
        self._state = shared.state
        self._source = source
        self._rule_for = rule_for
        self._links: dict[tuple[int, int], RegionLink] = {}
        """By tag and replica, of the identities that a tag has."""
        self._empty_since_s: dict[int, float] = {}
        """When this worker first saw that nothing waits under an identity of an earlier life."""

    @property
    def identities(self) -> list[int]:
        """The replicas as which this worker has registered with the region."""
        links = list(self._links.items())
        return [replica for (_, replica), link in links if link.registration is not None]

    def drain_known(self, deadline: Deadline) -> None:
        """Drain the tags that this worker wrote to, but for those that another is draining."""
        tags = sorted(self._shared.touched_tags)
        led = [tag for tag in tags if self._lead(tag, LEASE_MS, deadline.renewed())]
        try:
            self._drain_each(led, deadline)
        finally:  # what others wrote meanwhile need not wait for the lease to end
            for tag in led:
                self._give_up(tag, deadline.renewed())

    def drain_all(self, deadline: Deadline) -> None:
        """Drain every tag, whoever wrote to it: the queues of workers that died, too."""
        self._drain_each(range(TAGS), deadline)

    def _drain_each(self, tags: Iterable[int], deadline: Deadline) -> None:
        """Drain tags; what stops one of them is raised once the others are drained."""
        stopped: TierStoreError | None = None
        for tag in tags:
            try:
                self.drain(tag, deadline.renewed())
            except (FencedError, CorruptionError) as exc:
                stopped = stopped or exc
            except UnavailableError as exc:
                if not self._shared.link.has_lost_part:
                    raise
                stopped = stopped or exc
        if stopped is not None:
            raise stopped

    def drain(self, tag: int, deadline: Deadline) -> None:
        """Bring all that waits in a tag's queue now to the region.

        Raises UnavailableError if a tier does not answer (what waits stays queued), FencedError if
        the region refuses an identity, CorruptionError for an entry that cannot be understood.
        """
        shared = self._shared
        with self._state.lock:
            shared.touched_tags.discard(tag)
        try:
            identities = shared.link.work(
                lambda edge, timeout_s: edge.identities(tag, timeout_s), deadline
            )
            self._forget_ended(tag, identities)
            for identity in identities:
                self._drain_identity(tag, identity, deadline.renewed())
            for identity in identities[:-1]:
                self._end(tag, identity, deadline.renewed())
        except BaseException as exc:
            with self._state.lock:
                shared.touched_tags.add(tag)
            if isinstance(exc, (FencedError, CorruptionError)):
                shared.stopped[tag] = str(exc)
            raise
        shared.stopped.pop(tag, None)

    def _give_up(self, tag: int, deadline: Deadline) -> None:
        try:
            self._lead(tag, 0, deadline)
        except (UnavailableError, OutcomeUnknownError):
            self._state.runtime.sometimes("a lease was left to end by itself")

    def _forget_ended(self, tag: int, identities: Iterable[Identity]) -> None:
        """Speak no more for identities that another worker has ended."""
        known = {one.replica for one in identities}
        for at in list(self._links):
            if at[0] == tag and at[1] not in known:
                self._links.pop(at, None)

    def _lead(self, tag: int, ttl_ms: int, deadline: Deadline) -> bool:
        """Whether to drain a tag: also where nobody can say who does."""
        holder = self._state.replica
        try:
            return self._shared.link.work(
                lambda edge, timeout_s: edge.lead(f"drain-{tag}", holder, ttl_ms, timeout_s),
                deadline,
            )
        except UnavailableError:
            if not self._shared.link.has_lost_part:
                raise
            return True

    def _drain_identity(self, tag: int, identity: Identity, deadline: Deadline) -> None:
        if not identity.waiting:
            self._keep_alive(tag, identity, deadline)
            return
        link = self._link(tag, identity)
        known = self._standing_of(tag, identity, link, deadline).state
        while not known.retired:
            applied, digest = known.applied, known.digest
            if not self._drain_as(tag, identity, link, applied, digest, deadline):
                return
            known = self._meet_other(link, applied, deadline.renewed()).state
        self._drain_retired(tag, identity, known.applied, deadline.renewed())

    def _drain_as(
        self,
        tag: int,
        identity: Identity,
        link: RegionLink,
        applied: int,
        digest: bytes,
        deadline: Deadline,
    ) -> bool:
        """Send what the region lacks; whether it turned out to have had something else since."""
        left = identity.waiting  # what others write meanwhile is theirs to drain
        while left > 0:
            entries = self._queue(tag, identity, deadline.renewed())
            self._forget_applied(tag, identity, entries, applied, deadline)
            unsent = fitting([entry for entry in entries if entry.number > applied])
            if not unsent:
                return False
            deltas, sent = gather(unsent, identity.origin)
            batch = freeze(identity.replica, sent[-1].number, digest, deltas, [])
            if not self._send(tag, identity, link, batch, sent, deadline.renewed()):
                return True
            applied, digest = batch.number, batch.digest
            left -= sum(entry.number <= applied for entry in entries)
        return False

    def _keep_alive(self, tag: int, identity: Identity, deadline: Deadline) -> None:
        """Speak for an identity under which nothing waits, so that it is not retired meanwhile."""
        link = self._link(tag, identity)
        if not identity.is_new and link.registration is None:
            link.register(deadline)

    def _queue(self, tag: int, identity: Identity, deadline: Deadline) -> list[Queued]:
        """The first entries, up to one that cannot be understood. Raises CorruptionError for it."""
        limit = self._state.policy.replication.batch
        entries = self._shared.link.work(
            lambda edge, timeout_s: edge.queue(tag, identity.replica, limit, timeout_s), deadline
        )
        damaged = next((at for at, entry in enumerate(entries) if entry.delta is None), None)
        if damaged == 0:
            raise CorruptionError(
                f"entry {entries[0].number} of queue {tag} of the edge cannot be understood; what"
                " was written after it waits behind it: see `tierstore queues`",
                tier="edge",
            )
        return entries[:damaged]

    def _standing_of(
        self, tag: int, identity: Identity, link: RegionLink, deadline: Deadline
    ) -> Registration:
        """What the region has of an identity."""
        link.forget()  # another worker may have sent something since this one last looked
        known = link.register(deadline)
        if identity.is_new and not known.state.retired:
            self._shared.link.work(
                lambda edge, timeout_s: edge.introduce(tag, identity.replica, timeout_s), deadline
            )
        return known

    def _meet_other(self, link: RegionLink, applied: int, deadline: Deadline) -> Registration:
        """Go on from what another worker sent under this identity meanwhile."""
        self._state.runtime.sometimes("two workers drained one tag")
        link.forget()
        known = link.register(deadline)
        if known.state.applied <= applied and not known.state.retired:
            raise FencedError(
                "the region refuses what waits at the edge: it has another history of it, as after"
                " a restore of one of them from a backup"
            )
        return known

    def _send(
        self,
        tag: int,
        identity: Identity,
        link: RegionLink,
        batch: Batch,
        entries: list[Queued],
        deadline: Deadline,
    ) -> bool:
        """Whether the region applied `batch`; False: it has had another since."""
        sent_at_s = self._state.runtime.monotonic()
        reply = link.call(lambda timeout_s: link.region.apply(batch, timeout_s), deadline)
        if reply.verdict != "applied":
            return False
        numbers = {entry.delta.key: entry.number for entry in entries if entry.delta is not None}
        settled = self._judge(batch, reply, numbers)
        self._settle(tag, identity, batch.number, settled, sent_at_s, deadline)
        self._state.tally.flushed += len(batch.deltas)
        return True

    def _judge(self, batch: Batch, reply: BatchReply, numbers: dict[str, int]) -> list[Settled]:
        """What each outcome means for the copies. One that is held stays dirty until it shows."""
        settled = []
        for delta, outcome in zip(batch.deltas, reply.outcomes, strict=True):
            if outcome == HELD or not isinstance(delta, Delta):
                self._state.runtime.sometimes("queued write held by the region")
                continue
            if delta.op >= CHANGE:
                settled.append(Settled(delta.key, numbers[delta.key], False, is_typed=True))
            else:
                is_kept = outcome == APPLIED and not reply.repeated and self._may_stay(delta)
                settled.append(Settled(delta.key, numbers[delta.key], is_kept))
            if outcome == SUPERSEDED:
                self._state.tally.lost_races += 1
            elif outcome != APPLIED:
                self._quarantine(delta, OUTCOME_NAMES[outcome])
        return settled

    def _may_stay(self, delta: Delta) -> bool:
        size_bytes = key_size(delta.key) + len(delta.record.payload or b"")
        return self._shared.may_share(self._rule_for(delta.key), size_bytes)

    def _quarantine(self, delta: Delta, reason: str) -> None:
        with self._state.lock:
            stamp = max(delta.record.stamp, delta.record.touch)
            self._state.outbox.quarantined[delta.key] = stamp
        self._state.tally.quarantined += 1
        from tierstore.replica.log import log

        log("warning", "the region keeps a write of %r aside: %s", delta.key, reason)

    def _settle(
        self,
        tag: int,
        identity: Identity,
        number: int,
        settled: list[Settled],
        sent_at_s: float,
        deadline: Deadline,
    ) -> None:
        link = self._shared.link
        fetched_ms = link.clock.there_ms(sent_at_s)
        ttl_ms = max((self._shared.ttl_ms(self._rule_for(item.key)) for item in settled), default=0)
        link.work(
            lambda edge, timeout_s: edge.settle(
                tag, identity.replica, number, settled, fetched_ms, ttl_ms, timeout_s
            ),
            deadline.renewed(),
        )

    def _forget_applied(
        self,
        tag: int,
        identity: Identity,
        entries: list[Queued],
        applied: int,
        deadline: Deadline,
    ) -> None:
        """Settle entries that the region has, though nobody heard what became of them."""
        known = [entry for entry in entries if entry.number <= applied]
        if known:
            self._state.runtime.sometimes("queued entries were applied unheard")
            self._drop_applied(tag, identity, known, applied, deadline)

    def _drop_applied(
        self, tag: int, identity: Identity, entries: list[Queued], number: int, deadline: Deadline
    ) -> None:
        """Forget entries up to `number`, and the copies that show them."""
        settled = {
            one.delta.key: Settled(one.delta.key, one.number, False, one.delta.op >= CHANGE)
            for one in entries
            if one.delta is not None
        }
        now_s = self._state.runtime.monotonic()
        self._settle(tag, identity, number, list(settled.values()), now_s, deadline)

    def _forget(self, tag: int, identity: Identity, deadline: Deadline) -> None:
        self._links.pop((tag, identity.replica), None)
        self._empty_since_s.pop(identity.replica, None)
        self._shared.link.work(
            lambda edge, timeout_s: edge.dismiss(tag, identity.replica, timeout_s), deadline
        )

    def _end(self, tag: int, identity: Identity, deadline: Deadline) -> None:
        """Let an identity of an earlier life of the server go: nothing waits under it any more."""
        now_s = self._state.runtime.monotonic()
        if now_s < self._empty_since_s.setdefault(identity.replica, now_s) + KEPT_S:
            self._keep_alive(tag, identity, deadline)
            return
        edge = self._shared.link
        left = edge.work(lambda edge_, timeout_s: edge_.identities(tag, timeout_s), deadline)
        if any(one.replica == identity.replica and one.waiting for one in left):
            return
        link = self._link(tag, identity)
        if not identity.is_new or link.registration is not None:
            link.register(deadline)
            link.leave(deadline)
        self._forget(tag, identity, deadline)

    def _link(self, tag: int, identity: Identity) -> RegionLink:
        link = self._links.get((tag, identity.replica))
        if link is None:
            link = self._links[tag, identity.replica] = self._new_link(identity.replica)
        link.is_new = identity.is_new
        return link

    def _new_link(self, replica: int) -> RegionLink:
        state = self._state
        return RegionLink(self._source, state.runtime, replica, state.clock.max_drift_ms)
