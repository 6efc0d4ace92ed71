"""Going on under a new identity, and what becomes of what the old one had not flushed.

A replica is retired that was silent for longer than the horizon, and all are when their region was
restored from a backup and begins another life. Its sealed batches may be older than what the region
has forgotten, or may have come to it by its peers; so they are left with the region's operator.
"""

from __future__ import annotations

from tierstore.region.batch import CHANGE, freeze
from tierstore.replica.recovery import go_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.region.batch import Batch, Delta
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.frozen import Frozen
    from tierstore.replica.state import ReplicaState

RETIRED = "its replica was silent for longer than the horizon"
RESTORED = "the region was restored from a backup without it"


class Renewal:
    """Lets one replica go on as another."""

    def __init__(self, state: ReplicaState) -> None:
        self._state = state
        self.applied_there: int | None = None
        """The number of the last batch that the region had of this identity when it retired it."""
        self.is_reborn = False
        """Whether that was because the region began another life, whatever anybody's age."""

    def renew(self, deadline: Deadline, refused: Callable[[Delta], None]) -> None:
        """Set sealed batches aside, take a new identity, and register it; copies are dropped.

        What was sealed and surely never sent is in no region: in another life of ours it is sent
        under the new identity. `refused` is told of each write that was set aside, under the lock.
        """
        state = self._state
        self._set_lost_aside(deadline)
        while state.outbox.frozen and (state.outbox.frozen[0].is_out or not self.is_reborn):
            self._set_frozen_aside(state.outbox.frozen[0], deadline, refused)
        if state.outbox.frozen:
            state.runtime.sometimes("sealed batch sent under another identity")
        state.runtime.sometimes("retired replica came back")
        go_on(state, deadline)

    @property
    def _is_restored(self) -> bool:
        there = self.applied_there
        return there is not None and there < self._state.outbox.acknowledged

    def _set_lost_aside(self, deadline: Deadline) -> None:
        """Leave with the region what it had acknowledged before it was restored without that."""
        state = self._state
        if not self._is_restored:
            return
        there = self.applied_there or 0
        from tierstore.replica.log import log

        log(
            "error", "the region was restored without batches %d to %d of this replica:"
            " `tierstore check` lists their writes", there + 1, state.outbox.acknowledged,
        )  # fmt: skip
        state.runtime.sometimes("acknowledged batches lost by a restore")
        while (journal := state.journal) is not None:
            with state.journal_lock:
                batch = journal.kept(there, state.outbox.acknowledged)
            if batch is None:
                return
            self._send_aside(batch, RESTORED, deadline.again())
            state.tally.set_aside += len(batch.deltas)
            there = batch.number

    def _set_frozen_aside(
        self, frozen: Frozen, deadline: Deadline, refused: Callable[[Delta], None]
    ) -> None:
        """Leave a batch with the region.

        The journal drops it with the identity; until then it may be set aside once more.
        """
        state = self._state
        batch = frozen.batch
        if batch is None:  # its content was never on disk and died with its process
            batch = freeze(state.replica, frozen.number, b"", [], [])
        self._send_aside(batch, RESTORED if self._is_restored else RETIRED, deadline)
        with state.lock:
            state.outbox.acknowledge(frozen, batch.digest)
            for delta in frozen.deltas.values():
                refused(delta)
        if any(delta.op >= CHANGE for delta in frozen.deltas.values()):
            state.runtime.sometimes("change of a retired replica set aside")
        state.tally.set_aside += len(frozen.deltas)

    def _send_aside(self, batch: Batch, reason: str, deadline: Deadline) -> None:
        region = self._state.link.region
        self._state.link.observed(lambda: region.set_aside(batch, reason, deadline.remaining_s()))
