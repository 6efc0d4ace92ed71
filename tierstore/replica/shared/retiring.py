"""Draining what waits under an identity that the region has retired: once, whoever does it."""

from __future__ import annotations

from _blake2 import blake2b

from tierstore.errors import UnavailableError
from tierstore.record import REPLICA_MAX
from tierstore.region.batch import freeze
from tierstore.replica.shared.composing import gather
from tierstore.runtime import mint_replica_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.region.shared import Identity, Queued
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.link import RegionLink
    from tierstore.replica.shared.state import SharedState
    from tierstore.replica.state import ReplicaState

BATCH_BYTES_MAX = 4 * 2**20


class RetiredDrainer:
    """Part of `Drainer`."""

    _shared: SharedState
    _state: ReplicaState
    _new_link: Callable[[int], RegionLink]
    _queue: Callable[[int, Identity, Deadline], list[Queued]]
    _forget_applied: Callable[[int, Identity, list[Queued], int, Deadline], None]
    _send: Callable[..., bool]

    def _drain_retired(
        self, tag: int, identity: Identity, applied: int, deadline: Deadline
    ) -> None:
        """Send what waits under an identity that was silent for too long as another replica.

        All workers send it as the same one, under the numbers that it has: so what one of them
        sent and could not forget, another does not send again. Should that one be forgotten, too,
        what waits is older than the horizon, and the region keeps it aside, whoever sends it: so
        each entry goes by itself, and none is joined to a younger one. New writes get an identity
        of their own, first, so that who reads knows that these do not count with what it shows.
        """
        self._state.runtime.sometimes("retired tag came back")
        self._replace(tag, identity, deadline)
        replica, known = identity.replica, None
        while known is None or known.retired:
            replica = successor(replica)
            link = self._new_link(replica)
            known = link.register(deadline.renewed()).state
            applied = max(applied, known.applied)
        digest = known.digest
        while entries := fitting(self._queue(tag, identity, deadline.renewed())):
            self._forget_applied(tag, identity, entries, applied, deadline)
            unsent = [entry for entry in entries if entry.number > applied]
            if not unsent:
                continue
            deltas, sent = gather(unsent, identity.origin, composes=False)
            batch = freeze(replica, sent[-1].number, digest, deltas, [])
            if not self._send(tag, identity, link, batch, sent, deadline.renewed()):
                raise UnavailableError("another worker sends what waited too long: try again")
            applied, digest = batch.number, batch.digest
        link.leave(deadline.renewed())

    def _replace(self, tag: int, identity: Identity, deadline: Deadline) -> None:
        """Let new writes of a tag go by another identity than this one."""
        link, minted = self._shared.link, mint_replica_id(self._state.runtime)
        link.work(
            lambda edge, timeout_s: edge.bind(tag, link.run, minted, timeout_s, identity.replica),
            deadline.renewed(),
        )


def fitting(entries: list[Queued]) -> list[Queued]:
    """The first of `entries`, at least one, that make a batch of at most 4 MiB."""
    size_bytes = 0
    for count, entry in enumerate(entries):
        assert entry.delta is not None
        size_bytes += len(entry.delta.record.payload or b"")
        if count and size_bytes > BATCH_BYTES_MAX:
            return entries[:count]
    return entries


def successor(replica: int) -> int:
    """The replica as which all workers send what waits under `replica` when that is retired."""
    digest = blake2b(replica.to_bytes(8, "big"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % REPLICA_MAX + 1
